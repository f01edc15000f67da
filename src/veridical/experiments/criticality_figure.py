"""The figure of what each family learns of a critical point: excess bits, and the distribution of the energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veridical.ising import CRITICAL_COUPLING, exact


def draw(
    rows: Sequence[Mapping[str, Any]],
    codes: Sequence[Mapping[str, Any]],
    known: Mapping[str, Any],
    side: int,
    path: Path,
) -> None:
    """Draw bits per spin above the entropy, and the energies with their exact distribution.

    Args:
        rows: of the models.
        codes: bits per spin of codes and compressors.
        known: exact values.
        side: of the lattice.
        path: of the figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), dpi=120)
    left, right = figure.subplots(1, 2)
    entropy = known["entropy"] / side**2 / np.log(2)
    _bits(left, rungs(rows, codes, entropy, side))
    _energies(right, rows, side)
    left.set_xlabel(f"bits per spin above the exact {entropy:.4f}")
    figure.tight_layout()
    figure.savefig(path)


def rungs(
    rows: Sequence[Mapping[str, Any]], codes: Sequence[Mapping[str, Any]], entropy: float, side: int
) -> list[tuple[str, float, float, str]]:
    """Return name, bits per spin above the entropy, half of the 95 % interval and colour, least first.

    Args:
        rows: of the models, nats of a lattice.
        codes: of codes and compressors, bits per spin.
        entropy: bits per spin.
        side: of the lattice.
    """
    unit, found = side**2 * np.log(2), []
    for row in (row for row in rows if row["forward"] is not None):
        low, high = row["forward_interval"] or (row["forward"], row["forward"])
        colour = "#c8553d" if row["bound"] else "#2a6fbb"
        found.append((row["name"], row["forward"] / unit, (high - low) / 2 / unit, colour))
    for code in codes:
        found.append((code["name"], code["bits"] - entropy, code["high"] - code["bits"], "#999999"))
    return sorted(found, key=lambda rung: rung[1])


def _bits(axes: Any, shown: Sequence[tuple[str, float, float, str]]) -> None:
    from matplotlib.ticker import NullFormatter

    names, values, halves, colours = zip(*shown, strict=True)
    axes.barh(names, np.maximum(values, 1e-7), xerr=halves, color=colours, ecolor="#333333", error_kw={"lw": 0.8})
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.set_title("likelihood (red: bound; grey: codes and compressors)", fontsize=10)


def _energies(axes: Any, rows: Sequence[Mapping[str, Any]], side: int) -> None:
    distribution = exact.energy_distribution(side, side, CRITICAL_COUPLING)
    kept = distribution.probabilities > 1e-3 * distribution.probabilities.max()
    e = distribution.energies[kept] / side**2
    for i, row in enumerate(rows):
        counts = np.array(row["energies"])
        style = {"color": f"C{i % 10}", "linestyle": ("-", "--")[i // 10 % 2]}
        axes.plot(e, counts[kept] / counts.sum(), lw=1, alpha=0.7, label=row["name"], **style)
    axes.plot(e, distribution.probabilities[kept], color="black", lw=1.5, label="exact")
    axes.set_xlabel(f"energy per spin, L = {side}")
    axes.set_title("distribution of the energy", fontsize=10)
    axes.legend(frameon=False, fontsize=7)
