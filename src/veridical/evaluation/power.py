r"""The smallest faults of each kind that a table of measurements shows with probability .8.

Every test states the smallest difference $\Delta$ of its value that it shows at the level of the whole table
(`verdict.Test.detectable`). What fault makes such a difference depends on the kind:

- copies: a share p of copied samples raises `copied` by p;
- a missing part: without a share p of the data that lies apart, recall and coverage fall by p of their score;
- samples unlike data: a share p of such samples lowers precision by p of its score;
- a class, or a cell of the features, that is half or twice as frequent: the difference of its two proportions, in units
  of its error, exceeds what is significant by .84 of them;
- a shift of all features by s standard deviations raises the Fréchet distance by $s^2$ of the variance of the data;
- shrunk samples: so does moving samples by the share s of the way to their mean.

Besides, how much precision and density change by a shift, or as samples shrink, is measured on real examples that take
the place of samples (`effects_of_moves`).

A kind is shown as soon as one measurement shows it, so that the smallest size counts. Measurements that show a fault
are left out: samples that differ make other samples seem usual, and their exchanges state no power.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.manifold import Sample
from veridical.evaluation.measurement import JSON, Measurement
from veridical.evaluation.neighbours import distance_blocks
from veridical.verdict import NO_FAULT, POWER

STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Sizes of moves: deviations of a shift, and shares of the way to the mean."""

MOVED = 1000
"""Examples that are moved, at most."""

WORDS = {
    "copies": "copies from {:.1%} of the samples on",
    "missing": "a missing part of {:.1%} of the data that lies apart from the rest",
    "halved": "a class or a cell of features of {:.1%} of the data at half its frequency",
    "doubled": "a class or a cell of features of {:.1%} of the data at twice its frequency",
    "unlike": "samples unlike data from {:.1%} on",
    "shift": "a shift of all features by {:.2g} deviations",
    "shrunk": "samples shrunk by {:.1%}",
}
"""Faults, by kind."""

Measured = Mapping[str, Measurement]


def power(measurements: Measured) -> list[str]:
    """Return the smallest faults in a sentence; nothing if none is known."""
    sizes = smallest_faults(measurements)
    if not sizes:
        return []
    n = max(x.n for x in measurements.values() if x.test is not None)
    parts = "; ".join(WORDS[kind].format(size).replace("%", " %") for kind, size in sizes.items())
    return [f"Faults of these sizes would have been seen at n = {n:,} with a probability of about 80 %: {parts}."]


def smallest_faults(measurements: Measured) -> dict[str, float]:
    """Return the smallest fault of every kind of `WORDS` that the table shows with probability .8.

    Args:
        measurements: by name, with the tests of the whole table.

    Returns:
        Shares of samples or data, and standard deviations for the shift.
    """
    ways = {
        "copies": (size for _, size in _shown(measurements, ("copied",))),
        "missing": _shares(measurements, ("recall", "coverage", "clipped_coverage")),
        "halved": _frequencies(measurements, 0.5),
        "doubled": _frequencies(measurements, 2.0),
        "unlike": _shares(measurements, ("precision", "clipped_density")),
        "shift": _moves(measurements, "shift"),
        "shrunk": _moves(measurements, "shrunk"),
    }
    found = {kind: min(sizes) for kind, sizes in ((kind, list(way)) for kind, way in ways.items()) if sizes}
    return {kind: size for kind, size in found.items() if size < 1}


def effects_of_moves(real: Sample, examples: Float[Tensor, "m d"]) -> dict[str, dict[str, JSON]]:
    """Return how much precision and density of real examples change when they are shifted or shrunk.

    Args:
        real: the reference.
        examples: real examples in the place of samples; at most `MOVED` of them are used.

    Returns:
        By the name of the score and of the move, pairs (size of the move, change of the score).
    """
    rows = examples[:MOVED]
    moves, radii = list(_squares(real.rows, rows)), (real.radius.square(), real.radius_coverage.square())
    precise, inside = torch.zeros(len(moves), len(rows), dtype=torch.bool), [0.0] * len(moves)
    for start, distance in distance_blocks(real.rows, rows):
        part, square = slice(start, start + len(distance)), distance.square_()
        for i, move in enumerate(moves):
            moved = torch.add(move.of_example, square, alpha=move.factor)
            radius, of_coverage = (r[part, None] - move.of_real[part, None] for r in radii)
            precise[i] |= (moved <= radius).any(dim=0)
            tied = float(((moved == of_coverage).sum(dim=1) * real.ball.weight[part]).sum())
            inside[i] += float((moved < of_coverage).sum()) + tied
    scores = {
        "precision": precise.double().mean(dim=1).tolist(),
        "density": [count / (real.k_coverage * len(rows)) for count in inside],
    }
    found: dict[str, dict[str, JSON]] = {}
    for name, (before, *after) in scores.items():
        changes = [(move, [move.size, x - before]) for move, x in zip(moves[1:], after, strict=True)]
        found[name] = {kind: [pair for move, pair in changes if move.kind == kind] for kind in ("shift", "shrunk")}
    return found


class _Move(NamedTuple):
    """A move of examples: their squared distances to real rows are factor · square + of_real + of_example."""

    kind: str
    size: float
    factor: float
    of_real: Float[Tensor, " n"]
    of_example: Float[Tensor, " m"]


def _squares(real: Tensor, examples: Tensor) -> Iterator[_Move]:
    r"""Yield no move, then all shifts and shrinkages, whose distances follow from those before the move.

    Of rows x and y about the mean, $|x-(y+s\sigma)|^2 = |x-y|^2 - 2s\,x\cdot\sigma + 2s\,y\cdot\sigma + s^2|\sigma|^2$
    and $|x-fy|^2 = f|x-y|^2 + (1-f)|x|^2 - f(1-f)|y|^2$: one matrix product serves all moves.
    """
    centre, spread = real.mean(dim=0, dtype=torch.float64), real.std(dim=0).to(torch.float64)
    x, y = real - centre, examples - centre
    yield _Move("", 0.0, 1.0, torch.zeros_like(x[:, 0]), torch.zeros_like(y[:, 0]))
    along_x, along_y, along = x @ spread, y @ spread, float(spread @ spread)
    yield from (_Move("shift", s, 1.0, -2 * s * along_x, 2 * s * along_y + s**2 * along) for s in STEPS)
    norm_x, norm_y = x.square().sum(dim=1), y.square().sum(dim=1)
    yield from (_Move("shrunk", s, 1 - s, s * norm_x, -s * (1 - s) * norm_y) for s in STEPS)


def _shares(measured: Measured, names: Sequence[str]) -> Iterator[float]:
    """Shares that measurements show, as parts of a perfect model's score."""
    return (size / x.reference for x, size in _shown(measured, names) if x.reference)


def _frequencies(measured: Measured, factor: float) -> Iterator[float]:
    """Shares of the data that a class or cell has if its frequency times a factor is shown."""
    for x, _ in _shown(measured, ("class_shares", "cell_shares")):
        detail: Mapping[str, Any] = x.detail
        if "largest_z" in detail and x.test is not None and x.test.critical is not None:
            middle, scale = detail["largest_z"]
            yield smallest_cell(factor, middle + x.test.critical * scale, x.n, detail["n_null"])


def smallest_cell(factor: float, critical: float, n: int, m: int) -> float:
    """Return the smallest share of a cell whose frequency times a factor is shown with power .8; infinite if none is.

    Args:
        factor: by which its frequency is wrong.
        critical: |z| of two proportions that is significant.
        n: samples.
        m: held-out examples.

    Examples:
        >>> round(smallest_cell(0.5, 3.0, 10_000, 10_000), 4)
        0.0089
    """
    p = np.geomspace(1 / m, 0.5, 1000)
    q = factor * p / (1 - p + factor * p)
    pooled = (n * q + m * p) / (n + m)
    z = np.abs(q - p) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    shown = p[z >= critical + NormalDist().inv_cdf(POWER)]
    return float(shown[0]) if len(shown) else math.inf


def _moves(measured: Measured, move: str) -> Iterator[float]:
    """Sizes of a move: those whose squared distance is the detectable one, and those at which scores change so much."""
    for x, size in _shown(measured, ("fid",)):
        if x.test is not None and x.test.tolerance:  # 1 % of the variance
            yield math.sqrt(0.01 * size / x.test.tolerance)
    for x, size in _shown(measured, ("precision", "density")):
        curve: Any = x.detail.get(move)
        if curve:
            yield crossing(curve, size)


def _shown(measured: Measured, names: Sequence[str]) -> Iterator[tuple[Measurement, float]]:
    """Measurements that show no fault, and the differences that they would have shown."""
    for x in (measured[name] for name in names if name in measured):
        if x.test is not None and x.test.detectable is not None and x.verdict in NO_FAULT:
            yield x, x.test.detectable


def crossing(curve: Sequence[Sequence[float]], size: float) -> float:
    """Return where a curve of effects first reaches a size, by lines between its points; infinite if it does not.

    Examples:
        >>> round(crossing([[0.1, 0.2], [0.2, 0.6]], 0.4), 3)
        0.15
    """
    for (s, a), (t, b) in pairwise([(0.0, 0.0), *curve]):
        if abs(b) >= size:
            return s + (t - s) * (size - abs(a)) / (abs(b) - abs(a))
    return math.inf
