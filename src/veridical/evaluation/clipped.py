r"""Clipped density and clipped coverage: precision and recall that read as the share of good samples.

Both count how many generated examples lie in the balls of N real ones, whose radius $r_i$ is the distance to the k-th
real neighbour. One example, real or generated, is never counted more than fully, so that neither outliers of the data
nor clumps of samples can make up for bad samples.

- clipped density: $\frac1M\sum_j \min\big(1, \frac1k\,\#\{i: d_{ij}\le \min(r_i, \mathrm{med}\,r)\}\big)$, divided by
  what the real examples score among themselves, each without its own ball;
- clipped coverage: $y = \frac1N\sum_i \min\big(1, \frac1k\,\#\{j: d_{ij}\le r_i\}\big)$, read backwards through its
  expectation $f(m)$ for m good samples: the value is $f^{-1}(y)/M$.

The probability of a ball has the distribution Beta(k, N − k) whatever the data are, on lattices too, where `balls`
counts what is at its radius, so that the number of m samples in it is beta-binomial and $f$ is exact,

$$ f(m) = 1 - \frac1k\sum_{j<k} (k-j) \binom mj \frac{B(k+j,\, N-k+m-j)}{B(k,\, N-k)} . $$

A model with a share p of good samples, and the rest far from all data, scores p in both. A perfect model scores 1 on
average and single values may be above: they are not cut off at 1 as in the publication, because a mean of cut values
lies below 1.

References:
    Salvy, Talbot & Thirion, Enhanced Generative Model Evaluation with Clipped Density and Coverage (2026), Sec. 4.
        https://arxiv.org/abs/2507.01761
"""

import time
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from veridical.evaluation.balls import Balls, balls, held
from veridical.evaluation.clipped_calibration import K, calibrated
from veridical.evaluation.clipped_intervals import clipped_intervals
from veridical.evaluation.compared import compared
from veridical.evaluation.exchange import exchange_test, mean_differences
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.neighbours import Neighbours, distance_blocks, neighbours

LIMIT = 10_000
"""Real examples with balls, at most."""

TOLERANCE = 0.05
"""Difference of shares that counts as none."""

_DENSE = 0.02
"""Share of a block inside the balls above which a dense matrix product is faster than a sparse one."""


class Clipped(NamedTuple):
    """What balls around real examples say of a pool of examples, under every labelling of the pool."""

    scores: Float[Tensor, " pool"]
    """Of every example of the pool: the share of k balls it lies in, at most 1, divided by the mean of real examples;
    the mean over samples is their clipped density."""

    covered: Float[Tensor, " labellings"]
    """The mean y before it is read backwards (module docstring), of the examples that each labelling calls samples."""

    covered_by_others: Float[Tensor, " labellings"]
    """The same of the other examples of the pool."""


def clipped(
    real: Float[Tensor, "N d"], pool: Float[Tensor, "pool d"], labels: Bool[Tensor, "labellings pool"], k: int = K
) -> Clipped:
    """Count the examples of a pool in the balls of real ones, a block of balls at a time.

    Args:
        real: N real examples, none of which is in the pool.
        pool: generated examples, and held-out ones.
        labels: which of the pool count as samples, for every labelling.
        k: neighbours.

    Returns:
        Scores of the pool, and the clipped coverage of every labelling, not yet calibrated.
    """
    own = neighbours(real, k + (len(real) > k + 1))  # one more shows ties
    ball = balls(real, k, own)
    small = ball.radius.clamp(max=float(ball.radius.median()))
    counts, covered = torch.zeros(len(pool)), torch.zeros(2, len(labels), dtype=torch.float64)
    columns = labels.T.to(torch.float32).contiguous()  # (pool, labellings)
    for start, distance in distance_blocks(real, pool):
        rows = slice(start, start + len(distance))
        counts += (distance <= small[rows, None]).sum(dim=0)
        covered += _covered(distance, ball.part(rows), columns, k)
    scores = (counts / k).clamp(max=1.0) / _own_score(real, own, small, k)
    return Clipped(scores, *(covered / (k * len(real))))


def measure_clipped(features: FeatureSets) -> list[Measurement]:
    """Clipped density and clipped coverage of the samples; 1 for a perfect model."""
    began, e = time.perf_counter(), features.exchange
    real = features.reference[:LIMIT]
    found = clipped(real, features.pool, e.labels)
    good = calibrated(found.covered.numpy(), e.n, len(real))
    compare = calibrated(found.covered_by_others.numpy(), e.m, len(real))
    density = exchange_test(mean_differences(found.scores, e), e, tolerance=TOLERANCE)
    coverage = exchange_test(torch.from_numpy(good - compare), e, tolerance=TOLERANCE)
    scores = found.scores[: e.n].double()
    own = float(scores.mean()), float(good[0])
    intervals = clipped_intervals(real, features.pool[: e.n], *own, K) or (None, None)
    values = {
        "clipped_density": (own[0], density, intervals[0]),
        "clipped_coverage": (own[1], coverage, intervals[1]),
    }
    return [
        compared(
            features,
            name,
            value,
            "share",
            test,
            higher_is_better=True,
            interval=interval,
            method="variance from halves and quarters",
            began=began,
            detail={"k": K, "n_reference": len(real)},
            share=2,
        )
        for name, (value, test, interval) in values.items()
    ]


def _own_score(real: Tensor, own: Neighbours, radius: Tensor, k: int) -> float:
    """Mean clipped score of real examples in the balls of the others.

    A ball contains listed neighbours only, but where its radius is also the distance of the last one listed: of
    lattices, where few distances occur, more rows may be as near, and all of them count, as samples do.
    """
    full = own.distance[:, -1] <= radius
    members = own.index[(own.distance <= radius[:, None]) & ~full[:, None]]
    counts = torch.bincount(members, minlength=len(real)).double()
    balls, of = full.nonzero()[:, 0], radius[full]
    for start, distance in distance_blocks(real[balls], real):
        inside = distance <= of[start : start + len(distance), None]
        counts += inside.sum(dim=0)
    counts[balls] -= 1  # its own ball
    return float((counts / k).clamp(max=1.0).mean())


def _covered(
    distance: Float[Tensor, "block pool"], ball: Balls, columns: Float[Tensor, "pool labellings"], k: int
) -> Float[Tensor, "2 labellings"]:
    """Clipped numbers of samples in balls, added up: of the examples that a labelling calls samples, and of the others.

    All but the balls with examples at their very radius are counted at once.
    """
    radius = ball.radius[:, None]
    nearer, edge = distance < radius, distance == radius
    with_edge = edge.any(dim=1)
    both = _by_label(nearer, columns)
    total = torch.stack([of[~with_edge].clamp(max=k).sum(dim=0, dtype=torch.float64) for of in both])
    if bool(with_edge.any()):
        place, tied = ball.place[with_edge].numpy(), ball.tied[with_edge].numpy()
        for at, of in enumerate(zip(both, _by_label(edge[with_edge], columns), strict=True)):
            counts = (of[0][with_edge].to(torch.int32).numpy(), of[1].to(torch.int32).numpy())
            total[at] += torch.from_numpy(held(*counts, place, tied, k).sum(axis=0))
    return total


def _by_label(inside: Bool[Tensor, "block pool"], columns: Float[Tensor, "pool labellings"]) -> tuple[Tensor, Tensor]:
    """Members of each ball that count as samples, and the others, under every labelling."""
    samples = _product(inside, columns)
    return samples, inside.sum(dim=1, keepdim=True) - samples


def _product(inside: Bool[Tensor, "block pool"], columns: Float[Tensor, "pool labellings"]) -> Tensor:
    """Members of each ball under every labelling (block, labellings): sparse where few are inside."""
    if float(inside.float().mean()) > _DENSE:
        return inside.to(torch.float32) @ columns
    rows, members = inside.nonzero(as_tuple=True)
    offsets = torch.searchsorted(rows, torch.arange(len(inside)))
    return torch.nn.functional.embedding_bag(members, columns, offsets, mode="sum")
