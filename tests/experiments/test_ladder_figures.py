"""Figures of the ladder: one column of axes for every lattice, a mark for every rung."""

from pathlib import Path
from typing import Any

from PIL import Image

from veridical.experiments.ladder_figures import draw_gaps, draw_ladder


def bound(name: str, bits: float) -> dict[str, Any]:
    return {"name": name, "bits": bits, "low": bits - 0.01, "high": bits + 0.01}


def ladder(side: int, codes: int = 1) -> dict[str, Any]:
    return {
        "side": side,
        "exact": 0.44,
        "lower": [bound("block of 2 rows", 0.42), bound("site", 0.3)],
        "contexts": [bound(f"code of {k + 2} spins", 0.5 - 0.01 * k) for k in range(codes)],
        "compressors": [bound("zlib", 0.9)],
    }


def size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def test_every_lattice_widens_the_figure_and_every_rung_heightens_it(tmp_path: Path) -> None:
    sizes = []
    for i, ladders in enumerate(([ladder(8)], [ladder(8), ladder(16)], [ladder(8, codes=5)])):
        draw_ladder(ladders, tmp_path / f"{i}.png")
        sizes.append(size(tmp_path / f"{i}.png"))
    assert abs(sizes[1][0] - sizes[0][0] - round(5.4 * 150)) <= 1 and sizes[1][1] == sizes[0][1]
    assert sizes[2][0] == sizes[0][0] and abs(sizes[2][1] - sizes[0][1] - round(4 * 0.24 * 150)) <= 1


def test_gaps_are_drawn_by_rows_and_context(tmp_path: Path) -> None:
    draw_gaps([ladder(8), ladder(16)], tmp_path / "gaps.png")
    assert size(tmp_path / "gaps.png") == (960, 660)
