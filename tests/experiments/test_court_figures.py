"""The figure of the court: a map for every cell, and a colour for every power."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from veridical.experiments.court_figures import draw


def rows(power: float) -> list[dict[str, object]]:
    return [
        {"n": n, "d": d, "metric": m, "fault": f, "power": power}
        for n in (10, 20) for d in (2, 3) for m in "ab" for f in "xyz"
    ]  # fmt: skip


def test_high_power_is_dark(tmp_path: Path) -> None:
    means = []
    for i, power in enumerate((0.0, 0.5, 1.0)):
        draw(rows(power), tmp_path / f"{i}.png")
        with Image.open(tmp_path / f"{i}.png") as image:
            means.append(np.asarray(image.convert("L")).mean())
    assert means[0] > means[1] > means[2]
