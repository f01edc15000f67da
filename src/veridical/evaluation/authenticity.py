r"""Authenticity: the share of samples that are farther from their nearest training example than that one from others.

A sample j with the nearest training example r counts as authentic if $d(r, \text{other training examples}) < d(j, r)$.
Copies are not authentic. **A perfect model does not score one half**: r and j are then two draws of one distribution,
and j is inauthentic only where j is nearer to r than all other training examples are, which depends on the dimension
(.333, .379 and .407 in 1, 2 and 3 dimensions, one minus Cox's probability of reflexive neighbours; .61 and more from
ten on). Held-out examples in the place of samples score the same as a perfect model and are the reference. Junk is
authentic too, so that a high value is no merit.

References:
    Alaa, van Breugel, Saveliev & van der Schaar, How Faithful is your Synthetic Data? (2022), Sec. 3.3.
        https://arxiv.org/abs/2102.08921
    Cox, Reflexive nearest neighbours (1981).
"""

import time

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from veridical.evaluation.compared import compared
from veridical.evaluation.exchange import exchange_test, mean_differences
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.halves import sampling_variance, share_interval
from veridical.evaluation.measurement import Interval, Measurement
from veridical.evaluation.neighbours import distance_blocks, nearest, neighbours
from veridical.ising.kernels.compilation import kernel
from veridical.statistics import wilson_interval

TOLERANCE = 0.05
"""Difference of shares that counts as none."""

ROWS, SPLITS = 2_000, 40
"""Rows of either set, and partitions, in which the variance is measured."""

LISTED = 64
"""Nearest training examples of every row, among which that of its own part is found."""

FEWEST = 40
"""Rows below which samples count as independent."""


def authentic(x: Float[Tensor, "n d"], train: Float[Tensor, "N d"]) -> Bool[Tensor, " n"]:
    """Return whether each example is authentic with respect to training examples (module docstring).

    Args:
        x: examples that are not in the training data.
        train: at least two training examples.

    Examples:
        >>> authentic(torch.tensor([[0.1], [0.9]]), torch.tensor([[0.0], [0.5], [0.6]])).tolist()
        [False, True]
    """
    found = nearest(x, train)
    rows, place = found.index.unique(return_inverse=True)
    own = nearest(train[rows], train, exclude=rows).distance
    return own[place] < found.distance


def authenticity_interval(train: Float[Tensor, "N d"], x: Float[Tensor, "n d"], value: float) -> Interval:
    """95 % interval of the share over draws of both: samples near one training example are right or wrong together.

    Args:
        train: training examples, in random order.
        x: samples, in random order.
        value: share of authentic samples.
    """
    part = min(1.0, ROWS / max(len(train), len(x)))
    train, x = train[: round(part * len(train))], x[: round(part * len(x))]
    if min(len(train), len(x)) < FEWEST:
        return wilson_interval(value * len(x), len(x))
    listed = min(LISTED, len(train) - 1)
    own = neighbours(train, listed)
    found = [block.topk(listed, dim=1, largest=False, sorted=True) for _, block in distance_blocks(x, train)]
    lists = torch.cat([of.indices for of in found]), torch.cat([of.values for of in found]), own.index, own.distance

    def statistic(a: Int[Tensor, " N"], b: Int[Tensor, " n"], parts: int) -> Float[np.ndarray, "parts 1"]:
        return _parts(*(of.numpy() for of in lists), a.numpy(), b.numpy(), parts)

    variance = sampling_variance(
        statistic, len(train), len(x), seed=0, splits=SPLITS, times=1 / part, shares=np.ones(1, bool)
    )
    return share_interval(value, float(variance[0]))


@kernel
def _parts(
    index: np.ndarray,
    distance: np.ndarray,
    index_train: np.ndarray,
    distance_train: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    parts: int,
) -> np.ndarray:
    """Share of authentic samples of every part: (parts, 1).

    Args:
        index: nearest training examples of every sample, in ascending order of distance.
        distance: their distances.
        index_train: nearest other training examples of every training example.
        distance_train: their distances.
        a: part of every training example.
        b: part of every sample.
        parts: number of parts.
    """
    right, size = np.zeros((parts, 1)), np.zeros(parts)
    for j in range(len(index)):
        p = 0
        while p < index.shape[1] - 1 and a[index[j, p]] != b[j]:
            p += 1
        r, q = index[j, p], 0
        while q < index_train.shape[1] - 1 and a[index_train[r, q]] != b[j]:
            q += 1
        size[b[j]] += 1
        right[b[j], 0] += distance_train[r, q] < distance[j, p]
    for part in range(parts):
        right[part] /= size[part]
    return right


def measure_authenticity(features: FeatureSets) -> list[Measurement]:
    """Share of authentic samples; a perfect model scores what real examples in the place of samples score."""
    began, e = time.perf_counter(), features.exchange
    scores = authentic(features.pool, features.reference)
    right = int(scores[: e.n].sum())
    test = exchange_test(mean_differences(scores.double(), e), e, tolerance=TOLERANCE)
    return [
        compared(
            features,
            "authenticity",
            right / e.n,
            "share",
            test,
            higher_is_better=True,
            interval=authenticity_interval(features.reference, features.pool[: e.n], right / e.n),
            method="design effect from halves and quarters",
            began=began,
            detail={"n_reference": len(features.reference)},
        )
    ]
