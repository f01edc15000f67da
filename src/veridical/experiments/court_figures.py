"""The figure of the court of metrics: a map of power for every number of examples and dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the power of every metric (down) against every fault (across), one map for every cell.

    Args:
        rows: `n`, `d`, `metric`, `fault` and `power`.
        path: of the PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    colours = Normalize(0, 1)
    sizes, dimensions, metrics, faults = (list(dict.fromkeys(row[key] for row in rows)) for key in KEYS)
    power = {tuple(row[key] for key in KEYS): row["power"] for row in rows}
    width, height = 1.6 + 0.42 * len(faults) * len(dimensions), 1.3 + 0.26 * len(metrics) * len(sizes)
    figure = Figure(figsize=(max(width, 4.5), max(height, 4.5)), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    maps = figure.subplots(len(sizes), len(dimensions), squeeze=False)
    for i, n in enumerate(sizes):
        for j, d in enumerate(dimensions):
            axes = maps[i][j]
            values = [[power[n, d, metric, fault] for fault in faults] for metric in metrics]
            axes.imshow(values, norm=colours, cmap="Blues", aspect="auto")
            axes.set_title(f"n = {n:,}, d = {d}", fontsize=9)
            axes.set_xticks(range(len(faults)), faults if i == len(sizes) - 1 else [], rotation=90, fontsize=7)
            axes.set_yticks(range(len(metrics)), metrics if j == 0 else [], fontsize=7)
            for y, line in enumerate(values):
                for x, value in enumerate(line):
                    dark = "white" if value > 0.6 else "black"
                    axes.text(x, y, f"{value:.2f}".removeprefix("0"), ha="center", va="center", fontsize=5, color=dark)
    figure.colorbar(
        ScalarMappable(colours, "Blues"),
        ax=maps,
        shrink=0.5,
        label="probability of noticing the fault at the level 5 %",
    )
    figure.savefig(path)


KEYS = ("n", "d", "metric", "fault")
"""What a row is about, in the order of its axes."""
