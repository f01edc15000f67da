"""Figures of the lattice return the numbers they show: at infinite temperature spins are independent."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.experiments.lattice_figures import draw_configurations, draw_correlation, draw_energies

COINS = np.random.default_rng(0).random((4000, 8, 8)) < 0.5


def size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def test_energies_of_coins(tmp_path: Path) -> None:
    shown = draw_energies(COINS, 1e-9, tmp_path / "energy.png")
    assert shown["exact"] == pytest.approx(0, abs=1e-6)
    assert abs(shown["mean"]) < 5.2 * (2 / 64 / 4000) ** 0.5  # 2 bonds a site; false alarm below 1e-6
    assert size(tmp_path / "energy.png") == (960, 720)


def test_correlations_of_coins(tmp_path: Path) -> None:
    shown = draw_correlation(COINS, 1e-9, tmp_path / "correlation.png")
    assert shown["distance"] == [1, 2, 3, 4] and shown["torus"] == pytest.approx([0] * 4, abs=1e-8)
    assert np.abs(shown["measured"]).max() < 5.2 / (64 * 4000) ** 0.5  # false alarm below 1e-5 for the four


def test_spins_up_are_black(tmp_path: Path) -> None:
    for value, level in ((True, 0), (False, 255)):
        draw_configurations({"x": np.full((8, 8), value)}, tmp_path / "x.png")
        with Image.open(tmp_path / "x.png") as file:
            image = np.asarray(file.convert("L"))
        assert image[image.shape[0] // 2, image.shape[1] // 2] == level
