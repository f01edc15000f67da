"""A measurement is believed only with its interval and its reference; the verdict follows from the numbers alone."""

import json
import math
from typing import Any

import pytest

from veridical.evaluation.measurement import Measurement
from veridical.verdict import VERDICTS, Test


def recall(**changes: object) -> Measurement:
    fields = dict(
        name="recall",
        value=0.41,
        unit="share",
        n=1000,
        higher_is_better=True,
        interval=(0.39, 0.43),
        method="blocks",
        reference=0.72,
        reference_kind="null",
        reference_interval=(0.70, 0.74),
        detail={"extractor": "pixels", "k": 3},
    )
    return Measurement(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "higher", "verdict"),
    [
        (0.41, True, "short of perfect"),
        (0.41, False, "suspicious"),
        (0.698, True, "undecided"),
        (0.715, True, "as good as perfect"),
        (0.80, True, "suspicious"),
        (0.80, False, "short of perfect"),
    ],
)
def test_without_a_test_of_its_own_two_intervals_are_compared(value: float, higher: bool, verdict: str) -> None:
    assert recall(value=value, interval=(value - 0.02, value + 0.02), higher_is_better=higher).verdict == verdict


def test_missing_intervals_are_points() -> None:
    assert recall(interval=None, value=0.69).verdict == "short of perfect"
    assert recall(interval=(0.6, 0.71), reference_interval=None, value=0.65).verdict == "short of perfect"
    assert recall(interval=(0.6, 0.73), reference_interval=None, value=0.7).verdict == "undecided"


def test_the_test_of_the_metric_comes_before_the_intervals() -> None:
    test = Test(0.0, (-0.01, 0.01), 0.9, 0.02, 0.05, "999 exchanges", adjusted=1.0)
    assert recall(test=test).verdict == "as good as perfect"
    assert recall().tested is not None and recall().verdict == "short of perfect"


def test_a_test_survives_the_file_without_its_null() -> None:
    test = Test(-math.inf, (-math.inf, 0.0), 0.004, None, 0.05, "999 exchanges", adjusted=0.03, null=object())
    text = json.dumps(recall(test=test).to_json(), allow_nan=False)
    again = Measurement.from_json(json.loads(text))
    assert again == recall(test=test) and again.test is not None and again.test.null is None
    assert again.verdict == "short of perfect" and "null" not in json.loads(text)["test"]


def test_files_from_before_verdicts_were_tests_still_load() -> None:
    """A share .65 against .72 was "as good as perfect": its interval touches the other; the test finds the fault."""
    now = recall(value=0.65, interval=(0.62, 0.701))
    old = {k: v for k, v in now.to_json().items() if k != "test"} | {"verdict": "as good as perfect"}
    assert Measurement.from_json(old) == now and now.verdict == "short of perfect"
    with pytest.raises(ValueError, match="changed by hand"):
        Measurement.from_json(old | {"verdict": "short of perfect"})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        (dict(value=0.5, interval=(0.4, 0.6)), "short of perfect"),
        (dict(value=0.9, interval=(0.85, 0.95)), "suspicious"),
        (dict(value=0.9, interval=(0.85, 0.95), higher_is_better=False), "short of perfect"),
        (dict(value=0.6, interval=(0.3, 0.85)), "undecided"),
        (dict(value=0.6, interval=(0.3, 0.85), unit="nats"), "as good as perfect"),
        (dict(value=0.5, interval=(0.4, 0.6), bound="lower"), "undecided"),
        (dict(value=0.5, interval=(0.4, 0.6), bound="upper"), "short of perfect"),
        (dict(value=0.72, interval=(0.71, 0.73), bound="upper"), "undecided"),
        (dict(value=0.72, interval=(0.71, 0.73), bound="lower"), "as good as perfect"),
        (dict(value=math.nan, interval=None), "no reference"),
    ],
)
def test_the_rule_of_files_from_before_verdicts_were_tests(changes: dict[str, Any], verdict: str) -> None:
    old = {k: v for k, v in recall(**changes).to_json().items() if k != "test"}
    Measurement.from_json(old | {"verdict": verdict})
    for other in set(VERDICTS) - {verdict}:
        with pytest.raises(ValueError, match="changed by hand"):
            Measurement.from_json(old | {"verdict": other})


def test_no_reference_no_verdict() -> None:
    alone = recall(reference=None, reference_kind=None, reference_interval=None)
    assert alone.verdict == "no reference"
    assert recall(value=math.nan, interval=None).verdict == "no reference"


def test_json_round_trip_keeps_everything() -> None:
    measured = recall(value=-math.inf, interval=(-math.inf, 0.0), detail={"a": (1, 2), "b": math.inf})
    text = json.dumps(measured.to_json(), allow_nan=False)
    again = Measurement.from_json(json.loads(text))
    assert (again.value, again.interval) == (-math.inf, (-math.inf, 0.0))
    assert again.to_json() == measured.to_json()
    assert Measurement.from_json(recall().to_json()) == recall()


def test_a_forged_verdict_is_refused() -> None:
    forged = recall().to_json() | {"verdict": "as good as perfect"}
    with pytest.raises(ValueError, match="changed by hand"):
        Measurement.from_json(forged)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interval": (0.5, 0.4)}, "low <= high"),
        ({"reference": None}, "give both or none"),
        ({"reference_kind": "roof"}, "reference_kind is 'roof'"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recall(**changes)
