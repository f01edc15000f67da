"""Figures of the lattice: configurations, the distribution of their energy, their correlation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from veridical.ising import CRITICAL_COUPLING, exact
from veridical.ising.observables import hamiltonian, two_point

DRAWN, EXACT, INFINITE = "#c8553d", "black", "#2a6fbb"


def draw_configurations(configurations: dict[str, np.ndarray], path: Path) -> None:
    """Draw configurations side by side, spin up black."""
    figure = _figure(3.3 * len(configurations), 3.6)
    for i, (title, x) in enumerate(configurations.items()):
        axes = figure.add_subplot(1, len(configurations), i + 1)
        axes.imshow(x, cmap="binary", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.tight_layout()
    figure.savefig(path)


def draw_energies(x: np.ndarray, coupling: float, path: Path) -> dict[str, Any]:
    """Draw the sampled energies with their exact distribution; return the means."""
    height, width = x.shape[1:]
    energy, distribution = hamiltonian(x), exact.energy_distribution(height, width, coupling)
    counts = np.bincount((energy + 2 * height * width) // 4, minlength=len(distribution.energies))
    sites, expected = height * width, len(x) * distribution.probabilities
    kept = np.flatnonzero(expected > 1e-3 * expected.max())
    together = max(1, len(kept) // 80)  # levels in one bar
    kept = kept[: len(kept) // together * together]
    e, drawn, exactly = (v[kept].reshape(-1, together) for v in (distribution.energies / sites, counts, expected))
    e, drawn, exactly = e.mean(1), drawn.sum(1), exactly.sum(1)
    figure = _figure(6.4, 4.8)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.bar(e, drawn, width=4 * together / sites, color=DRAWN, alpha=0.5, lw=0, label=f"{len(x):,} drawn")
    axes.plot(e, exactly, color=EXACT, lw=1, label="exact")
    axes.set_ylabel("configurations")
    axes.legend(frameon=False)
    _pulls(below, e, (drawn - exactly) / np.sqrt(exactly))
    below.set_xlabel(f"energy per spin, L = {height}")
    figure.tight_layout()
    figure.savefig(path)
    return {"mean": float(energy.mean()) / sites, "exact": float(exact.energy_per_site(height, width, coupling))}


def draw_correlation(x: np.ndarray, coupling: float, path: Path) -> dict[str, Any]:
    """Draw the correlation along an axis with those of the torus and the infinite lattice; return it."""
    parts = np.array([two_point(part) for part in np.array_split(x, 20)])
    mean, error = parts.mean(0), parts.std(0, ddof=1) / np.sqrt(len(parts))
    side = x.shape[2]
    r = np.arange(1, side // 2 + 1)
    along = (mean[0, r] + mean[r, 0]) / 2
    errors = np.sqrt(error[0, r] ** 2 + error[r, 0] ** 2) / 2**0.5
    truth = exact.torus_correlation(side, side, coupling)[0, r]
    figure = _figure(6.4, 5.2)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.5, 1))
    axes.errorbar(r, along, yerr=2 * errors, fmt="o", ms=3, color=DRAWN, lw=1, label=f"{len(x):,} drawn, 2 errors")
    axes.plot(r, truth, color=EXACT, lw=1, label=f"exact, torus, L = {side}")
    infinite = [exact.row_correlation(int(d), coupling) for d in r]
    axes.plot(r, infinite, "--", color=INFINITE, lw=1, label="exact, infinite lattice")
    if coupling == CRITICAL_COUPLING:
        decay = exact.CRITICAL_AMPLITUDE * r**-0.25
        axes.plot(r, decay, ":", color=INFINITE, lw=1.5, label=r"$0.70338\,r^{-1/4}$")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    ticks = [float(t) for t in (0.3, 0.35, 0.4, 0.5, 0.6, 0.7)]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks(2 ** np.arange(int(np.log2(side))), [str(2**k) for k in range(int(np.log2(side)))])
    axes.minorticks_off()
    axes.set_ylabel("correlation")
    axes.legend(frameon=False, fontsize=8)
    pulls = (along - truth) / errors
    _pulls(below, r, pulls)
    below.set_xlabel("distance along an axis")
    figure.tight_layout()
    figure.savefig(path)
    return {
        "distance": r.tolist(),
        "measured": along.tolist(),
        "error": errors.tolist(),
        "torus": truth.tolist(),
        "infinite": infinite,
        "largest_difference_in_errors": float(np.abs(pulls).max()),
    }


def _pulls(axes: Any, x: np.ndarray, pulls: np.ndarray) -> None:
    """Draw the differences in units of their standard errors."""
    axes.plot(x, pulls, ".", ms=4, color=DRAWN)
    axes.axhspan(-2, 2, color="#eeeeee", lw=0)
    axes.axhline(0, color=EXACT, lw=0.8)
    axes.set_ylim(-max(4, np.abs(pulls).max() * 1.1), max(4, np.abs(pulls).max() * 1.1))
    axes.set_ylabel("difference / error", fontsize=8)
    axes.set_axisbelow(True)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150)
    FigureCanvasAgg(figure)
    return figure
