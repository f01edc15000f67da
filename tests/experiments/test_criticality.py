"""The table of what families learn of a critical point: observables of exact configurations, text, verdict."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from veridical.config.presets import find_preset
from veridical.experiments import criticality
from veridical.experiments.criticality import MODELS, QUICK, Preset, physics, reference, table, verdict
from veridical.targets.ising import Ising

ROW = {
    "name": "MADE",
    "n": 3,
    "forward": 1.5,
    "forward_interval": [1.4, 1.6],
    "bound": False,
    "reverse": None,
    "samples_per_second": 100.0,
    "seconds": 3.0,
    "energy_distance": 0.1,
    "energies": [1, 0, 2],
    "energy_per_site": -1.4,
    "magnetization_squared": 0.5,
    "correlation_half": 0.4,
    "binder": 0.6,
}


def test_exact_configurations_have_the_exact_observables() -> None:
    """Binder's ratio of 4 x 4 sites is .617199318; 40,000 draws know it to about .001."""
    found = physics(2.0 * Ising(4).draw(40_000, 0) - 1)
    assert abs(found["binder"] - 0.617199318) < 0.006
    assert abs(found["magnetization_squared"] - 0.7613589086) < 0.008
    assert found["energy_distance"] < 0.012 and sum(found["energies"]) == 40_000


def test_spins_of_one_sign_have_the_largest_distance() -> None:
    found = physics(torch.ones(10, 1, 4, 4))
    assert abs(found["binder"] - 2 / 3) < 1e-9 and found["energy_per_site"] == -2.0 and found["energy_distance"] > 0.5


def test_the_table_shows_bounds_and_what_is_missing() -> None:
    exact = reference(Preset(side=4, samples=100), 0)
    lines = table([ROW, {**ROW, "name": "GAN", "forward": None}, {**ROW, "name": "VAE", "bound": True}], exact).split(
        "\n"
    )
    assert len(lines) == 5 and "1.5" in lines[2] and " - " in lines[3] and "<1.5" in lines[4]


def test_codes_need_more_than_the_entropy() -> None:
    """Every rung but the models is an upper bound of bits per spin; so few lattices cost a code a few per cent."""
    preset = Preset(side=8, examples=2_000)
    found = criticality.codes(preset, 0)
    entropy = Ising(8).entropy().value / 64 / math.log(2)
    assert [code["name"] for code in found] == ["context of 4", "context of 16", "xz", "zlib"]
    assert all(code["high"] > entropy for code in found) and found[0]["bits"] < 1.1 * entropy < found[2]["bits"]


def test_the_verdict_names_best_and_worst() -> None:
    rows = [ROW, {**ROW, "name": "NADE", "forward": 0.2}, {**ROW, "name": "GAN", "forward": None}]
    assert verdict(rows) == "NADE misses 0.2 nats per lattice, MADE 1.5."
    assert "No model" in verdict([rows[2]])


def test_every_model_is_a_preset_with_these_choices() -> None:
    for entry in MODELS.values():
        assert set(entry.choices) <= set(vars(find_preset(entry.preset).model))


def measured(folder: Path, monkeypatch: pytest.MonkeyPatch, *models: str, fails: str = "", **sizes: int) -> list[str]:
    """Run the experiment, whose models are not trained; return the names of those that were measured."""
    names: list[str] = []

    def measure(name: str, preset: Preset, seed: int) -> dict[str, object]:
        if name == fails:
            raise KeyboardInterrupt
        names.append(name)
        return {**ROW, "name": name, "energies": [1] * 17}

    monkeypatch.setattr(criticality, "measure", measure)
    monkeypatch.setattr(criticality, "QUICK", replace(QUICK, models=models, **{"samples": 50, **sizes}))
    try:
        rows = criticality.run(folder, 0, True, lambda line: None).numbers["models"]
    except KeyboardInterrupt:
        return names
    assert [row["name"] for row in rows] == list(models)
    return names


def test_a_model_is_measured_again_only_where_choices_or_sizes_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measured(tmp_path, monkeypatch, "NADE", "MADE", "VAE", fails="VAE") == ["NADE", "MADE"]
    assert measured(tmp_path, monkeypatch, "MADE", "VAE", "NADE") == ["VAE"]
    monkeypatch.setitem(MODELS, "MADE", replace(MODELS["MADE"], steps=7))
    assert measured(tmp_path, monkeypatch, "NADE", "MADE") == ["MADE"]
    assert measured(tmp_path, monkeypatch, "NADE", "MADE", samples=60) == ["NADE", "MADE"]
