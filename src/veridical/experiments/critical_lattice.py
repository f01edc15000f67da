r"""Do the sampled lattices follow the exact distribution, for the energy and for the correlation at every distance?

QUESTION  Thousands of configurations are drawn per second. Are they correct: not only on average, but also in the
          distribution of their energy and in their correlation at every distance of a finite torus?
COMMAND   veridical experiment critical-lattice
TIME      0.5 minutes on two cores
EXPECTED  all tests pass at T = 2.0, at the critical 2.2692 and at 2.6; at criticality, L = 64, the energy per spin is
          -1.42394 (exact) to within 0.0004, and the correlation follows the exact function of the torus to within its
          errors of about 0.001; the decay r^(-1/4) of the infinite lattice differs by 0.08 at half the side

Three figures: configurations below, at and above the critical temperature; the sampled energies with their exact
distribution; the sampled correlation with that of the torus and of the infinite lattice.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from veridical.experiments.experiment import Experiment, Outcome, Say

TEMPERATURES = {"ordered": 2.0, "critical": None, "disordered": 2.6}
"""T in units of J; None: critical."""


def run(folder: Path, seed: int, quick: bool, say: Say) -> Outcome:
    """Draw configurations, check them, and draw the figures.

    Args:
        folder: folder of the figures.
        seed: seed of all random numbers.
        quick: run a small version of a few seconds.
        say: called with each line of progress.
    """
    from veridical.experiments import lattice_figures
    from veridical.ising import CRITICAL_COUPLING, sample
    from veridical.ising.check import check

    side, n, image = (16, 2000, 64) if quick else (64, 50_000, 256)
    couplings = {name: CRITICAL_COUPLING if t is None else 1 / t for name, t in TEMPERATURES.items()}
    shown, reports, numbers = {}, {}, {}
    for name, coupling in couplings.items():
        say(f"{name}: {n:,} configurations of {side} x {side} at T = {1 / coupling:.4f}, seed {seed}")
        x = sample(side, n, coupling, seed=seed)
        reports[name] = check(x, coupling)
        say(f"  {reports[name].verdict}")
        shown[f"{name}, T = {1 / coupling:.4f}"] = sample(image, 1, coupling, seed=seed)[0]
        if name == "critical":
            numbers["energy"] = lattice_figures.draw_energies(x, coupling, folder / "energy.png")
            numbers["correlation"] = lattice_figures.draw_correlation(x, coupling, folder / "correlation.png")
    lattice_figures.draw_configurations(shown, folder / "configurations.png")
    checks = {name: report.to_json() for name, report in reports.items()}
    return Outcome(_verdict(checks), {"checks": checks, **numbers})


def _verdict(checks: dict[str, Any]) -> str:
    failed = [name for name, found in checks.items() if found["outcome"] != "consistent"]
    tests = sum(len(found["tests"]) for found in checks.values())
    least = min(test["corrected"] for found in checks.values() for test in found["tests"])
    effective = math.floor(min(found["effective"] for found in checks.values()))
    if failed:
        return f"No: the configurations fail at {' and '.join(failed)} temperature; see the checks in result.json."
    return (
        f"Yes: all {tests} tests at three temperatures pass (smallest corrected p = {least:.2g}), each to the "
        f"precision of {effective:,} or more independent configurations."
    )


EXPERIMENT = Experiment(
    name="critical-lattice",
    question="Do sampled configurations follow the exact distribution of energy and correlation at every distance?",
    minutes=0.5,
    expected="all tests pass at T = 2.0, 2.2692 and 2.6",
    run=run,
)
