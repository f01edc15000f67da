"""The figure of what families learn of a critical point has bars of all models with a likelihood."""

from pathlib import Path

from PIL import Image

from tests.experiments.test_criticality import ROW
from veridical.experiments.criticality_figure import draw, rungs
from veridical.ising import exact

CODE = {"name": "context of 4", "bits": 0.5, "low": 0.49, "high": 0.51}


def test_rungs_have_one_unit_and_are_in_order() -> None:
    """1.5 nats of 16 sites are 0.135 bits for each; a code of 0.5 bits is 0.06 above an entropy of 0.44."""
    found = rungs([ROW, {**ROW, "name": "GAN", "forward": None}], [CODE], 0.44, 4)
    assert [rung[0] for rung in found] == ["context of 4", "MADE"]
    assert abs(found[0][1] - 0.06) < 1e-9 and abs(found[1][1] - 0.13525) < 1e-4 and abs(found[1][2] - 0.009017) < 1e-5


def test_it_is_drawn_with_and_without_likelihoods(tmp_path: Path) -> None:
    levels = len(exact.energy_levels(4, 4))
    rows = [{**ROW, "energies": [1] * levels}, {**ROW, "name": "GAN", "forward": None, "energies": [2] * levels}]
    draw(rows, [CODE], {"entropy": 4.48}, 4, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert min(image.size) > 400 and len(set(image.convert("L").resize((64, 64)).tobytes())) > 2
