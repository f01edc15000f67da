"""A measurement is believed only with its interval and its reference; the verdict follows from the numbers alone."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from veridical.evaluation.measurement import Measurement


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
    ("interval", "higher", "verdict"),
    [
        ((0.39, 0.43), True, "short of perfect"),
        ((0.39, 0.43), False, "suspicious"),
        ((0.39, 0.70), True, "as good as perfect"),  # the sides touch
        ((0.73, 0.90), True, "as good as perfect"),
        ((0.75, 0.90), True, "suspicious"),
        ((0.75, 0.90), False, "short of perfect"),
    ],
)
def test_disjoint_intervals_decide(interval: tuple[float, float], higher: bool, verdict: str) -> None:
    assert recall(interval=interval, higher_is_better=higher).verdict == verdict


def test_missing_intervals_are_points() -> None:
    assert recall(interval=None, value=0.69).verdict == "short of perfect"
    assert recall(interval=(0.6, 0.71), reference_interval=None).verdict == "short of perfect"
    assert recall(interval=(0.6, 0.73), reference_interval=None).verdict == "as good as perfect"


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


@pytest.mark.parametrize("interval, reference_interval", [((0.1, 0.9), (0.5, 0.6)), ((0.5, 0.6), (0.0, 1.0))])
def test_shares_of_which_nothing_is_known_are_undecided(interval: Any, reference_interval: Any) -> None:
    share = Measurement(
        "recall", 0.55, "share", 20, True, interval, "", 0.55, "null", reference_interval=reference_interval
    )
    assert share.verdict == "undecided"
    assert replace(share, unit="nats").verdict == "as good as perfect"
    assert replace(share, value=0.05, interval=(0.0, 0.1), reference_interval=(0.4, 0.6)).verdict == "short of perfect"
