"""The verdict on the ladder of bounds."""

from __future__ import annotations

from veridical.experiments.information_ladder import verdict


def test_the_ladder_says_when_a_bound_fails() -> None:
    rung = {"name": "site", "bits": 0.36, "low": 0.35, "high": 0.37, "n": 9}
    above = {**rung, "name": "xz", "bits": 0.6, "low": 0.59, "high": 0.61}
    wrong = {**rung, "name": "context of 9", "bits": 0.4, "low": 0.39, "high": 0.41}
    ladder = {"side": 16, "exact": 0.42, "lower": [rung], "contexts": [above], "compressors": [above]}
    assert "bounds hold" in verdict([ladder])
    assert "BOUNDS FAIL (context of 9)" in verdict([{**ladder, "contexts": [above, wrong]}])
    assert "BOUNDS FAIL (site)" in verdict([{**ladder, "lower": [{**rung, "bits": 0.5, "low": 0.49, "high": 0.51}]}])
