"""The figure of what families learn of a critical point has bars of all models with a likelihood."""

from pathlib import Path

from PIL import Image

from tests.experiments.test_criticality import ROW
from veridical.experiments.criticality_figure import draw
from veridical.ising import exact


def test_it_is_drawn_with_and_without_likelihoods(tmp_path: Path) -> None:
    levels = len(exact.energy_levels(4, 4))
    rows = [{**ROW, "energies": [1] * levels}, {**ROW, "name": "GAN", "forward": None, "energies": [2] * levels}]
    draw(rows, {"entropy": 4.48}, 4, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert min(image.size) > 400 and len(set(image.convert("L").resize((64, 64)).tobytes())) > 2
