"""The panel of the default recipe: what its figures say of a perfect model and of faulty ones, and one tiny run."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

MIXTURE = "ring of weights 1 to 16"


@pytest.fixture(scope="module")
def panel() -> Any:
    where = Path(__file__).parents[1] / "benchmarks" / "gan_panel.py"
    spec = importlib.util.spec_from_file_location("gan_panel", where)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gan_panel"] = module
    spec.loader.exec_module(module)
    return module


def fresh(entry: Any) -> torch.Tensor:
    return entry.train.batch(torch.arange(50_000, 52_000)).x


def test_it_has_ten_distributions_more_than_it_was_tuned_on(panel: Any) -> None:
    assert len(panel.TUNED) <= 4 and len(panel.UNTUNED) >= 10 and not panel.TUNED.keys() & panel.UNTUNED.keys()


def test_a_perfect_model_and_three_faults(panel: Any) -> None:
    """Draws are fixed; limits are four or more standard errors from a perfect model's figures."""
    entry = panel.PANEL[MIXTURE]()
    entry = replace(entry, held_out=entry.held_out[:1_000])
    x, law = fresh(entry), entry.train.target
    perfect = panel.measure(x, entry)
    assert perfect["modes"] == 5 and abs(perfect["high_quality"] - 0.9889) < 0.01
    assert abs(perfect["width"] - 1) < 0.05 and perfect["shares"] < 5.0
    assert abs(perfect["nn"] - 0.5) < 0.05 and perfect["uncovered"] < 0.008
    mode, _ = law.nearest_mode(x.double())
    centre = law.modes[mode].float()
    narrow = panel.measure(centre + 0.5 * (x - centre), entry)
    assert narrow["width"] < 0.6 and narrow["high_quality"] > 0.999 and narrow["nn"] > 0.55
    dropped = panel.measure(x[mode != 4], entry)
    assert dropped["modes"] == 4 and dropped["shares"] > 30 and dropped["uncovered"] > 0.3
    assert panel.measure(1.5 * x, entry)["nn"] > 0.9


def test_points_are_measured_by_what_is_near_them(panel: Any) -> None:
    """A cloud of 0.005 about every point is near it but for exp(-2) = 0.135; of points left out the shares tell."""
    entry = panel.PANEL["64 points"]()
    entry = replace(entry, held_out=entry.held_out[:1_000])
    x = fresh(entry)
    perfect = panel.measure(x, entry)
    assert (perfect["modes"], perfect["high_quality"]) == (64, 1) and perfect["shares"] < 2
    random = torch.Generator().manual_seed(0)
    blurred = panel.measure(x + 0.005 * torch.randn(x.shape, generator=random), entry)
    assert abs(blurred["high_quality"] - 0.865) < 0.03 and blurred["modes"] == 64
    half = panel.measure(x[panel.nearest(x.double(), entry.places).index < 32], entry)
    assert half["modes"] == 32 and half["high_quality"] == 1 and half["shares"] > 20


def test_the_summary_is_of_the_preset_as_it_is(panel: Any) -> None:
    plain = {"name": "moons", "asked": None, "uncovered": 0.001}
    rows = [
        plain | {"nn": 0.5},
        plain | {"nn": 0.54},
        plain | {"nn": 0.9, "set": {"r1": 1.0}},
        plain | {"nn": 0.9, "asked": 5},
    ]
    assert panel.summary(rows, ["moons"])[-1] == "| moons | 2 |  |  |  |  | 0.52 (0.5 to 0.54) | 0.001 |"


def test_a_tiny_run_becomes_a_line_and_a_row(panel: Any) -> None:
    row = panel.run("moons", 0, 2, 500, {})
    assert row["steps"] == 2 and "modes" not in row and 0 <= row["uncovered"] <= 1
    lines = panel.table([row, {"name": "spirals", "seed": 1, "ended": "generator/loss at 3"}], list(panel.UNTUNED))
    assert len(lines) == 4 and "| moons | 0 | 2 |" in lines[3] and "generator/loss at 3" in lines[2]


def test_a_run_can_differ_from_the_preset_and_its_row_says_so(panel: Any) -> None:
    changes = {"penalty_end": 1.0, "generator_optimizer.schedule": "trapezoid"}
    row = panel.run("moons", 0, 1, 500, changes)
    assert row["set"] == changes and "moons, penalty_end 1.0, generator" in panel.table([row], list(panel.UNTUNED))[2]
