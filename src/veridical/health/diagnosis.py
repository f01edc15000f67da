"""Judges a run directory, finished or not: the findings, what was watched, and what could not be.

Nothing here imports torch, and nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from veridical.health.finding import Finding
from veridical.health.monitors import Monitors
from veridical.run import Run

WATCHED: dict[str, tuple[str, str]] = {
    "nonfinite": ("values that are not finite", "rows of metrics"),
    "still": ("weights that do not move", 'the term "update", which runs of earlier versions lack'),
    "steps": ("steps that are too large", 'the term "update", which runs of earlier versions lack'),
    "explosion": ("exploding gradients", "the norm of a gradient"),
    "vanishing": ("a vanishing gradient", "a generator"),
    "loss": ("losses that diverge", "a loss whose meaning the family declares"),
    "spectrum": ("growing singular values", "--spectrum-every above 0"),
    "saturation": ("a saturated discriminator", "a discriminator with a logistic objective"),
    "diversity": ("samples that are all alike", "a discriminator and a generator"),
    "modes": ("missing parts of the data", "a generator, and batches of at least 16 examples"),
    "oscillation": ("oscillation", "a generator, and batches of at least 16 examples"),
    "memorising": (
        "a discriminator that memorises",
        "a discriminator of single examples, held-out examples and --probe-every",
    ),
    "collapse": ("posterior collapse", "an encoder"),
    "constant": ("being worse than a constant model", "a likelihood or a bound, and data in memory"),
    "underfit": ("a likelihood that still improves at the end", "a likelihood or a bound"),
    "overfit": ("an overfitted likelihood", "a likelihood or a bound, held-out examples and --probe-every"),
    "entropy": (
        "a likelihood better than the entropy",
        "a likelihood or a bound, data of known density and --probe-every",
    ),
    "average": ("an average worse than the weights", "--ema above 0 and --probe-every"),
    "denoising": ("denoising worse than by nothing", "a denoiser"),
    "mixing": ("chains that do not mix", "Markov chains that report R-hat"),
    "inverse": ("a wrong inverse", "a flow that reports its inverse error"),
    "outlier": ("an outlier in the data", "unbounded data in memory"),
    "repeated": ("data that are copies of a few examples", "data in memory"),
}  # fmt: skip
"""Monitor → what it looks for, and what it needs."""


@dataclass(frozen=True)
class Diagnosis:
    """What the monitors make of a run."""

    findings: tuple[Finding, ...]
    """In the order of their steps."""

    rows: int
    """Rows of metrics that were read."""

    watched: tuple[str, ...]
    """What was looked for."""

    unwatched: tuple[tuple[str, str], ...]
    """What could not be looked for, and what that needs."""


def diagnose(run: Run) -> Diagnosis:
    """Judge the rows of a run again, with the monitors of this version.

    Args:
        run: a run directory; its files are only read.
    """
    environment, rows = run.read_json("environment.json"), run.metrics()
    facts = {name: value for name, value in (environment.get("health") or {}).items() if isinstance(value, int | float)}
    monitors = Monitors(environment.get("terms", {}), facts)
    found = [finding for row in rows for finding in monitors.judge(row)]
    judged = {finding.name for finding in found}
    # The loop ends at a value that is not finite, before its row is written: only the run's own finding tells of it.
    recorded = [Finding.from_json(row) for row in run.health() if row.get("name") == "non-finite"]
    found += [finding for finding in recorded if finding.name not in judged]
    present = {name.partition(":")[0] for name in monitors.monitors}
    return Diagnosis(
        tuple(sorted(found, key=lambda finding: finding.step)),
        len(rows),
        tuple(what for name, (what, _) in WATCHED.items() if name in present),
        tuple(pair for name, pair in WATCHED.items() if name not in present),
    )
