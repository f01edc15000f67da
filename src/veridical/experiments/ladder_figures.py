"""Figures of the information ladder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOWER, UPPER, GENERAL = "#2a6fbb", "#c8553d", "#777777"


def draw_ladder(ladders: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw all bounds with their intervals, and the exact value as a line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rungs = sum(len(ladders[0][key]) for key in ("lower", "contexts", "compressors"))
    figure = Figure(figsize=(5.4 * len(ladders) + 1.2, 1.6 + 0.24 * rungs), dpi=150)
    FigureCanvasAgg(figure)
    for i, ladder in enumerate(ladders):
        axes = figure.add_subplot(1, len(ladders), i + 1)
        names, y = [], 0
        for key, colour in (("lower", LOWER), ("contexts", UPPER), ("compressors", GENERAL)):
            for b in ladder[key] if key != "contexts" else reversed(ladder[key]):
                axes.errorbar(b["bits"], y, xerr=b["high"] - b["bits"], fmt="o", ms=4, color=colour, capsize=2, lw=1)
                end, shift, side = (b["low"], -5, "right") if key == "lower" else (b["high"], 5, "left")
                where = {"xytext": (shift, -3), "textcoords": "offset points", "fontsize": 7, "ha": side}
                axes.annotate(f"{b['bits']:.4f}", (end, y), **where)
                names.append(b["name"])
                y += 1
        axes.axvline(ladder["exact"], color="black", lw=1)
        axes.set_title(f"L = {ladder['side']}: exact {ladder['exact']:.6f} bits/spin", fontsize=10)
        axes.set_yticks(range(y), names, fontsize=8)
        axes.set_ylim(-0.7, y - 0.3)
        axes.set_xlim(
            min(b["low"] for b in ladder["lower"]) - 0.06, max(b["high"] for b in ladder["compressors"]) + 0.06
        )
        axes.set_xlabel("bits/spin")
        axes.grid(axis="x", color="#dddddd", lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def draw_gaps(ladders: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the distance of the bounds from the exact value: blocks by number of rows, codes by size of context."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for ladder, marker in zip(ladders, "os^v", strict=False):
        for key, colour, label in (("lower", LOWER, "blocks, by rows"), ("contexts", UPPER, "codes, by context")):
            bounds = [b for b in ladder[key] if b["name"] != "site"]
            x = [int(b["name"].split()[2]) for b in bounds]
            gap = [abs(b["bits"] - ladder["exact"]) for b in bounds]
            half = [b["high"] - b["bits"] for b in bounds]
            name = f"{label}, L = {ladder['side']}"
            axes.errorbar(x, gap, yerr=half, fmt=f"-{marker}", ms=4, lw=1, color=colour, capsize=2, label=name)
    rows = [1.0, 12.0]
    axes.plot(rows, [0.1 / w for w in rows], ":", color="black", lw=1, label="0.1 / rows")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rows of the block, or spins of context")
    axes.set_ylabel("distance from the exact value, bits/spin")
    ticks = (1, 2, 4, 8, 16, 24)
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(path)
