r"""Precision, recall, density and coverage under every labelling of a pool, from distances that are computed once.

Precision and density are means of scores of single examples. Recall and coverage are not: they count reference
examples near some sample, and the radii of recall depend on which examples are samples. Both need only neighbours:

- coverage: a reference example counts if one of its nearest rows of the pool, within its radius, is a sample; where
  distances are tied, with the probability that one at the radius belongs to its ball (`balls`);
- recall: the row j of the pool covers the reference example i if fewer than k samples are closer to j than i is. Of j
  its nearest rows of the pool are kept in order, and of the pair how many of them are closer than i.

Lists are cut at `LISTED` and `LONGEST` rows. A cut statistic is a function of the pool and the labelling as the whole
one is, so the test stays exact.
"""

import math
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.exchange import Exchange
from veridical.evaluation.manifold import Sample
from veridical.evaluation.neighbours import Neighbours, distance_blocks
from veridical.ising.kernels.compilation import kernel

LISTED = 64
"""Rows of the pool kept for each reference example."""

LONGEST = 128
"""Rows of the pool kept at most for each row of the pool."""


@final
class Relabelled:
    """Distances between a reference and a pool, reduced to what the four statistics need.

    Args:
        real: the reference with its radii.
        pool: samples followed by held-out examples.
        among: the neighbours of every row of the pool among the others, as many as `listed` says.
    """

    def __init__(self, real: Sample, pool: Float[Tensor, "N d"], among: Neighbours) -> None:
        self.k, self.among = real.k, among
        self.precise = torch.zeros(len(pool), dtype=torch.bool)
        self.inside = torch.zeros(len(pool), dtype=torch.float64)
        covering, recalling, edges = [], [], []
        for start, distance in distance_blocks(real.rows, pool):
            rows = slice(start, start + len(distance))
            self.precise |= (distance <= real.radius[rows, None]).any(dim=0)
            ball = real.ball.part(rows)
            nearer, edge = (of(distance, ball.radius[:, None]) for of in (torch.lt, torch.eq))
            self.inside += (nearer.sum(dim=0) + ball.weight @ edge.to(torch.float64)) / real.k_coverage
            covering.append(_nearest_of(distance, nearer)[1])
            edges.append(edge.nonzero() + torch.tensor([start, 0]))
            gap, found = _nearest_of(distance, distance <= among.distance[:, -1])
            closer = torch.searchsorted(among.distance[found.clamp(min=0)], gap[..., None])[..., 0]
            recalling.append((found, closer))
        self.covering, self.ball = torch.cat(covering), real.ball
        self.edges = torch.cat(edges)
        self.recalling = torch.cat([found for found, _ in recalling])
        self.closer = torch.cat([closer for _, closer in recalling])

    def recall(self, exchange: Exchange) -> Float[Tensor, " 1+draws"]:
        """Recall of the rows that count as samples minus that of the others, under every labelling."""
        labels, index = exchange.labels.numpy().view(np.uint8), self.among.index.numpy().astype(np.int32)
        arrays = (self.recalling.numpy().astype(np.int32), self.closer.numpy().astype(np.int32))
        return _shares(_recalled(labels, index, *arrays, self.k), len(self.recalling))

    def coverage(self, exchange: Exchange) -> Float[Tensor, " 1+draws"]:
        """Coverage by the rows that count as samples minus that by the others, under every labelling.

        A reference example is covered by a row nearer than its radius; else by those at the radius, in the share of
        orders in which one of them belongs to the ball (`balls`).
        """
        labels, covering = exchange.labels.numpy().view(np.uint8), self.covering.numpy().astype(np.int32)
        first = torch.searchsorted(self.edges[:, 0].contiguous(), torch.arange(len(covering) + 1))
        arrays = (self.edges[:, 1].contiguous(), first, self.ball.place, self.ball.tied)
        return _shares(_covered(labels, covering, *(of.numpy() for of in arrays)), len(covering))


def listed(n: int, m: int, k: int) -> int:
    """Neighbours to keep so that k of the rarer label are among them with a probability of nearly one."""
    rarer = min(n, m) / (n + m)
    return min(LONGEST, n + m - 1, math.ceil((k + 4 * math.sqrt(k)) / rarer))


def _nearest_of(distance: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Distances and columns of the nearest entries of every row that the mask admits; -1 where there are no more."""
    at = torch.where(mask, distance, torch.inf).topk(min(LISTED, distance.shape[1]), dim=1, largest=False)
    return at.values, at.indices.masked_fill(at.values == torch.inf, -1)


def _shares(counts: np.ndarray, of: int) -> Tensor:
    return torch.from_numpy(counts[:, 1] - counts[:, 0]).to(torch.float64) / of


@kernel
def _covered(
    labels: np.ndarray, covering: np.ndarray, edge: np.ndarray, first: np.ndarray, place: np.ndarray, tied: np.ndarray
) -> np.ndarray:
    """Rows of `covering` that name a row of each label, under every labelling: (1+draws, 2).

    Args:
        labels: (1+draws, pool).
        covering: rows of the pool nearer than the radius of every reference example; -1 where there are no more.
        edge: rows of the pool at the radius, those of one reference example after those of another.
        first: where those of each reference example begin.
        place: reference examples at the radius that belong to the ball.
        tied: reference examples at the radius.
    """
    counts = np.zeros((len(labels), 2))
    for b in range(len(labels)):
        for i in range(len(covering)):
            found = 0
            for p in range(covering.shape[1]):
                j = covering[i, p]
                if j < 0 or found == 3:
                    break
                found |= 1 << labels[b, j]
            counts[b, 0] += found & 1
            counts[b, 1] += found >> 1
            if found == 3 or first[i] == first[i + 1]:
                continue
            ones = 0
            for p in range(first[i], first[i + 1]):
                ones += labels[b, edge[p]]
            for label in range(2):
                if not (found >> label) & 1:
                    none, s = 1.0, ones if label else first[i + 1] - first[i] - ones
                    for q in range(place[i]):
                        none *= (tied[i] - q) / (tied[i] + s - q)
                    counts[b, label] += 1.0 - none
    return counts


@kernel
def _recalled(labels: np.ndarray, index: np.ndarray, recalling: np.ndarray, closer: np.ndarray, k: int) -> np.ndarray:
    """Rows of `recalling` within the ball of some row of each label, under every labelling: (1+draws, 2)."""
    counts = np.zeros((len(labels), 2), np.int64)
    reach = np.zeros(len(index), np.int32)
    for b in range(len(labels)):
        for j in range(len(index)):
            same, p = 0, 0
            while p < index.shape[1] and same < k:
                same += labels[b, index[j, p]] == labels[b, j]
                p += 1
            reach[j] = p - 1  # place of the k-th neighbour of the same label, or the end of the list
        for i in range(len(recalling)):
            found = 0
            for p in range(recalling.shape[1]):
                j = recalling[i, p]
                if j < 0 or found == 3:
                    break
                if reach[j] >= closer[i, p]:
                    found |= 1 << labels[b, j]
            counts[b, 0] += found & 1
            counts[b, 1] += found >> 1
    return counts
