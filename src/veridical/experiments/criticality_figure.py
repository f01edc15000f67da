"""The figure of what each family learns of a critical point: excess bits, and the distribution of the energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veridical.ising import CRITICAL_COUPLING, exact


def draw(rows: Sequence[Mapping[str, Any]], known: Mapping[str, Any], side: int, path: Path) -> None:
    """Draw bits per spin above the entropy, and the energies with their exact distribution.

    Args:
        rows: of the models.
        known: exact values.
        side: of the lattice.
        path: of the figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=120)
    left, right = figure.subplots(1, 2)
    _bits(left, rows, side)
    _energies(right, rows, side)
    left.set_xlabel(f"bits per spin above the exact {known['entropy'] / side**2 / np.log(2):.4f}")
    figure.tight_layout()
    figure.savefig(path)


def _bits(axes: Any, rows: Sequence[Mapping[str, Any]], side: int) -> None:
    measured = [row for row in rows if row["forward"] is not None]
    values = [max(row["forward"] / side**2 / np.log(2), 1e-7) for row in measured]
    colours = ["#c8553d" if row["bound"] else "#2a6fbb" for row in measured]
    axes.barh([row["name"] for row in measured], values, color=colours)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_title("likelihood (red: bound)", fontsize=10)


def _energies(axes: Any, rows: Sequence[Mapping[str, Any]], side: int) -> None:
    distribution = exact.energy_distribution(side, side, CRITICAL_COUPLING)
    kept = distribution.probabilities > 1e-3 * distribution.probabilities.max()
    e = distribution.energies[kept] / side**2
    for row in rows:
        counts = np.array(row["energies"])
        axes.plot(e, counts[kept] / counts.sum(), lw=1, alpha=0.7, label=row["name"])
    axes.plot(e, distribution.probabilities[kept], color="black", lw=1.5, label="exact")
    axes.set_xlabel(f"energy per spin, L = {side}")
    axes.set_title("distribution of the energy", fontsize=10)
    axes.legend(frameon=False, fontsize=7)
