"""The values of all metrics for one sample, from distances that are computed once.

The definitions are those of `veridical.evaluation`, with which a test compares every one. There each metric computes
its own distances in float64, with a null and an interval; here the same sample is judged by all of them some ten
thousand times, so distances and inner products of three pairs of sets are computed once, in float32, a few rows at a
time. What compares a sample with training examples is taken as a difference to the held-out examples; what compares
two samples is taken of generated and held-out examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.c2st import accuracies
from veridical.evaluation.cells import cell_of, cell_shares, centres_of
from veridical.evaluation.clipped_calibration import calibrated
from veridical.evaluation.exchange import Exchange
from veridical.evaluation.frechet import GaussianFit, distance_of_fits
from veridical.evaluation.mmd import SCALES
from veridical.evaluation.vendi import vendi

METRICS = (
    "fid",
    "kid",
    "mmd",
    "precision",
    "recall",
    "density",
    "coverage",
    "clipped density",
    "clipped coverage",
    "cells",
    "c2st",
    "1-NN",
    "vendi",
    "authenticity",
    "memorised",
    "copied",
    "birthday",
)
"""In the order of the statistics."""

K, K_DENSITY = 3, 5
CELLS = 20
NEAR, COPY = 0.01, 0.001
"""Shares of held-out examples below the thresholds of distances, and of their ratios."""

_BLOCK_VALUES = 1 << 17
"""Distances held at a time: 512 kB, which stay in the cache."""


@dataclass(frozen=True)
class Own:
    """What is known of one sample alone."""

    rows: Tensor
    radius: Tensor
    """(n, 2) squared distances to neighbours `K` and `K_DENSITY`."""

    nearest: Tensor
    """Squared distance to the nearest other row, (n,), and its place."""

    place: Tensor
    cubic: float
    """Mean of the cubic kernel over pairs."""

    gaussian: float
    """Mean of the Gaussian kernels over pairs."""

    collisions: int
    """Pairs within the distance that counts as a collision."""


@dataclass(frozen=True)
class Against:
    """What is known of one sample, in comparison with the training examples."""

    values: dict[str, float]
    ratio: Tensor
    """(n,) of the distances to the nearest and the second nearest training example."""

    nearest: Tensor
    """(n,) squared."""


@final
class Judge:
    """Training and held-out examples, with what is computed once for all samples.

    Args:
        train: (n, d), which the models have learned from.
        held_out: (n, d), in the place of which samples are put.
    """

    def __init__(self, train: Float[Tensor, "n d"], held_out: Float[Tensor, "n d"]) -> None:
        middle = train.mean(dim=0)
        train, held_out = (x.float() - middle for x in (train, held_out))
        pairs = torch.cat([train[:500], held_out[:500]])
        self.middle, self.width = middle, float(torch.pdist(pairs).median())
        self.collision = 0.0
        self.train = self._own(train)
        self.collision = float(self.train.nearest.quantile(NEAR))
        self.small = self.train.radius[:, 1].clamp(max=float(self.train.radius[:, 1].median()))
        self.fit, self.centres = GaussianFit(train), centres_of(train, min(CELLS, len(train) // 10), seed=0)
        self.held_out = self._own(held_out)
        self.perfect = self._against_train(self.held_out)

    def statistics(self, generated: Float[Tensor, "n d"]) -> list[float]:
        """Return the statistic of every metric in `METRICS` for a sample."""
        own = self._own(generated.float() - self.middle)
        found = self._against_train(own)
        near, copied = self.perfect.nearest.quantile(NEAR), self.perfect.ratio.quantile(COPY)
        values = {name: value - self.perfect.values[name] for name, value in found.values.items()}
        values |= self._against_held_out(own)
        values["memorised"] = float((found.nearest <= near).float().mean())
        values["copied"] = float((found.ratio <= copied).float().mean())
        values["birthday"] = float(own.collisions - self.held_out.collisions)
        return [values[name] for name in METRICS]

    def _own(self, rows: Tensor) -> Own:
        n, smallest, cubic, gaussian, collisions = len(rows), [], 0.0, 0.0, torch.zeros(())
        for start, product, square in products(rows, rows):
            own = torch.arange(len(square)), torch.arange(start, start + len(square))
            kernel = _cubic(product, rows.shape[1])
            kernel[own], square[own] = 0.0, torch.inf
            cubic += float(kernel.sum())
            gaussian += float(self._gaussian(square).sum())
            collisions += within(square, self.collision).sum()
            smallest.append(square.topk(min(K_DENSITY, n - 1), dim=1, largest=False))
        values, places = torch.cat([s.values for s in smallest]), torch.cat([s.indices for s in smallest])
        pairs = n * (n - 1)
        return Own(
            rows, values[:, [K - 1, K_DENSITY - 1]], values[:, 0], places[:, 0], cubic / pairs, gaussian / pairs,
            int(collisions) // 2,
        )  # fmt: skip

    def _against_train(self, own: Own) -> Against:
        train, (n, d) = self.train, own.rows.shape
        size, (inner, outer) = len(train.rows), train.radius.unbind(dim=1)
        recalled, members = torch.zeros(size, dtype=torch.bool), torch.zeros(size)
        precise, clipped, cubic, two = 0, 0.0, 0.0, []
        for start, product, square in products(own.rows, train.rows):
            cubic += float(_cubic(product, d).sum())
            precise += int(((square - inner).amin(dim=1) <= 0).sum())
            nearest_ball = (square - own.radius[start : start + len(square), :1]).amin(dim=0)
            recalled |= nearest_ball <= 0
            members += within(square, outer).sum(dim=0)
            clipped += float(within(square, self.small).sum(dim=1).clamp(max=K_DENSITY).sum())
            two.append(square.topk(2, dim=1, largest=False))
        near, place = torch.cat([t.values for t in two]), torch.cat([t.indices for t in two])[:, 0]
        covered = float(members.clamp(max=K_DENSITY).sum()) / (K_DENSITY * size)
        values = {
            "fid": distance_of_fits(self.fit, GaussianFit(own.rows)),
            "kid": train.cubic + own.cubic - 2 * cubic / (n * size),
            "precision": precise / n,
            "recall": float(recalled.float().mean()),
            "density": float(members.sum()) / (K_DENSITY * n),
            "coverage": float((members > 0).float().mean()),
            "clipped density": clipped / (K_DENSITY * n),
            "clipped coverage": float(calibrated(covered, n, size)),
            "vendi": vendi(own.rows).one,
            "authenticity": float((train.nearest[place] < near[:, 0]).float().mean()),
        }
        ratio = torch.where(near[:, 0] == 0, 0.0, near[:, 0] / near[:, 1]).sqrt()
        return Against(values, ratio, near[:, 0])

    def _against_held_out(self, own: Own) -> dict[str, float]:
        held_out, n, m = self.held_out, len(own.rows), len(self.held_out.rows)
        gaussian, of_own, of_held_out = 0.0, [], torch.full((m,), torch.inf)
        for _, _, square in products(own.rows, held_out.rows):
            gaussian += float(self._gaussian(square).sum())
            of_own.append(square.amin(dim=1))
            of_held_out = torch.minimum(of_held_out, square.amin(dim=0))
        same = torch.cat([own.nearest < torch.cat(of_own), held_out.nearest < of_held_out])
        true = Exchange(n, m, (torch.arange(n + m) < n)[None])
        pool = torch.cat([own.rows, held_out.rows])
        return {
            "mmd": own.gaussian + held_out.gaussian - 2 * gaussian / (n * m),
            "1-NN": float(same[:n].float().mean() + same[n:].float().mean()) / 2,
            "cells": float(cell_shares(cell_of(pool, self.centres), true, len(self.centres)).chi_square[0]),
            "c2st": float(accuracies(pool, true, seed=0)[0]),
        }

    def _gaussian(self, square: Tensor) -> Tensor:
        """Mean of Gaussian kernels of a quarter, half and one median distance, by powers of the widest."""
        widest = (square / (-2 * (SCALES[-1] * self.width) ** 2)).exp_()
        fourth = widest.square().square_()
        total = widest.add_(fourth)
        return total.add_(fourth.square_().square_()).div_(len(SCALES))


def products(x: Tensor, y: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield inner products and squared distances of a few rows of x with all of y, with the number of the first row."""
    of_x, of_y = x.square().sum(dim=1, keepdim=True), y.square().sum(dim=1)
    step = max(1, _BLOCK_VALUES // len(y))
    for start in range(0, len(x), step):
        product = x[start : start + step] @ y.T
        square = torch.add(of_x[start : start + step] + of_y, product, alpha=-2.0).clamp_(min=0.0)
        yield start, product, square


def within(square: Tensor, radius: Tensor | float) -> Tensor:
    """Return 1 where a squared distance is below a squared radius, else 0, in float32 (comparisons are slower)."""
    return torch.sub(radius, square).sign_().clamp_(min=0.0)


def _cubic(product: Tensor, d: int) -> Tensor:
    kernel = product.div(d).add_(1.0)
    return kernel.square().mul_(kernel)
