"""The court: power and false alarms of known statistics, blocks that are used again, the smallest set of metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from veridical.experiments import metric_court
from veridical.experiments.court_faults import FAULTS
from veridical.experiments.court_scores import METRICS
from veridical.experiments.metric_court import BLOCK, INNOCENT, Cell, block, judged, models, scores_of, smallest_set
from veridical.statistics import wilson_interval

CELL = Cell(60, 2)


def test_power_of_a_shift_by_three_standard_deviations_and_of_none() -> None:
    """Of 4,000 normal statistics 5 % of the innocent and 85 % of those shifted by 3 are beyond 1.96."""
    scores = np.random.default_rng(0).standard_normal((4_000, len(models()), len(METRICS)))
    scores[:, models().index("junk")] += 3.0
    rows = {(row["fault"], row["metric"]): row for row in judged(CELL, scores)}
    assert len(rows) == (len(FAULTS) + 1) * len(METRICS)
    for metric in METRICS:
        assert rows["junk", metric]["power"] == pytest.approx(0.851, abs=0.05)
        assert rows[INNOCENT, metric]["power"] == pytest.approx(0.05, abs=0.03)
        assert rows["blur", metric]["power"] == pytest.approx(0.05, abs=0.03)
    row = rows["junk", "fid"]
    assert row["interval"] == list(wilson_interval(round(4_000 * row["power"]), 4_000))


def test_a_stored_block_is_read_and_not_computed(tmp_path: Path) -> None:
    first = block(CELL, 0, 7, tmp_path)
    assert first.shape == (BLOCK, len(models()), len(METRICS)) and np.isfinite(first).all()
    (stored,) = tmp_path.glob("*.npy")
    np.save(stored, first + 1)
    assert np.array_equal(block(CELL, 0, 7, tmp_path), first + 1)
    assert not np.array_equal(block(CELL, 0, 8, tmp_path), first)


def test_blocks_are_joined_in_order(tmp_path: Path) -> None:
    for i in (1, 0):
        np.save(tmp_path / f"n60-d2-{i:03d}-seed0.npy", np.full((BLOCK, 2, 3), i))
    found = scores_of(CELL, 2 * BLOCK, 0, tmp_path)
    assert found[:, 0, 0].tolist() == [0] * BLOCK + [1] * BLOCK


def test_few_metrics_see_what_all_see() -> None:
    def row(metric: str, fault: str, power: float) -> dict[str, object]:
        return {"metric": metric, "fault": fault, "power": power, "d": 2, "n": 1}

    rows = [row("a", "x", 1.0), row("a", "y", 0.95), row("b", "y", 1.0), row("c", "z", 0.91), row("b", "w", 0.5)]
    assert smallest_set(rows) == ["a", "c"]
    assert smallest_set([row("a", "x", 0.1)]) == []


def test_the_table_names_every_metric_and_fault() -> None:
    rows = judged(CELL, np.random.default_rng(0).standard_normal((40, len(models()), len(METRICS))))
    text = metric_court.table(rows)
    assert all(name in text for name in (*METRICS, *FAULTS)) and "n = 60, d = 2" in text
    assert metric_court.verdict(rows).count("False alarms") == 1
