r"""Birthday paradox: how many different examples a model has, from the pairs of samples that collide.

Two examples collide if their distance is at most $\epsilon$. With c colliding pairs among n samples,

$$ \hat s = \binom n2 / c $$

is the reciprocal of an unbiased estimate of the collision probability, for a discrete distribution $\sum_k p_k^2$: the
number of equally probable examples that would collide as often (Rényi entropy of order 2). A batch of s samples has a
collision with probability one half where the support is about $s^2$ (exactly $s \approx 1.18\sqrt{\hat s}$).

Features of images never agree exactly. Here $\epsilon$ is the distance below which 1 % of the training examples have
another one, so that real examples collide now and then; a sample that repeats itself collides more often. A model with
more collisions than real examples lacks variety; one with fewer has too much, as junk has.

References:
    Arora, Risteski & Zhang, Do GANs learn the distribution? Some Theory and Empirics (2018). ICLR.
"""

import math
import time
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from veridical.evaluation.compared import compared
from veridical.evaluation.exchange import Exchange, exchange_test
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Interval, Measurement
from veridical.evaluation.neighbours import distance_blocks, neighbours
from veridical.verdict import Test

LEVEL = 0.01
"""Share of training examples that have another one within the distance that counts as a collision."""


class Collisions(NamedTuple):
    """Pairs of a pool within a distance."""

    first: Int[Tensor, " pairs"]
    second: Int[Tensor, " pairs"]


def collisions(pool: Float[Tensor, "n d"], epsilon: float) -> Collisions:
    """Return all pairs of rows at a distance of at most epsilon, each pair once.

    Examples:
        >>> [side.tolist() for side in collisions(torch.tensor([[0.0], [1.0], [1.0]]), 0.0)]
        [[1], [2]]
    """
    first, second = [], []
    for start, distance in distance_blocks(pool, pool):
        rows, columns = (distance <= epsilon).nonzero(as_tuple=True)
        kept = rows + start < columns
        first.append(rows[kept] + start)
        second.append(columns[kept])
    return Collisions(torch.cat(first), torch.cat(second))


def support(count: float, n: int) -> float:
    """Effective number of examples of which n samples have so many collisions; infinite without any.

    Examples:
        >>> support(1, 23)  # birthdays: one pair expected among 23 people
        253.0
    """
    return math.comb(n, 2) / count if count > 0 else math.inf


def collision_rates(pairs: Collisions, exchange: Exchange) -> Float[Tensor, " 1+draws"]:
    """Share of colliding pairs among samples less that among the others, under every labelling."""
    a = exchange.labels
    inside, outside = [], []
    for rows in a.split(64):
        first, second = rows[:, pairs.first], rows[:, pairs.second]
        inside.append((first & second).sum(dim=1))
        outside.append((~first & ~second).sum(dim=1))
    pairs_in, pairs_out = math.comb(exchange.n, 2), math.comb(exchange.m, 2)
    return torch.cat(inside).double() / max(1, pairs_in) - torch.cat(outside).double() / max(1, pairs_out)


def measure_birthday(features: FeatureSets) -> list[Measurement]:
    """Effective number of different samples, against that of real examples."""
    began, e = time.perf_counter(), features.exchange
    nearest_other = neighbours(features.reference[: max(e.n, 2)], 1).distance[:, 0]
    epsilon = float(nearest_other.quantile(LEVEL))
    pairs = collisions(features.pool, epsilon)
    count = int(((pairs.first < e.n) & (pairs.second < e.n)).sum())
    real = int(((pairs.first >= e.n) & (pairs.second >= e.n)).sum())
    test = exchange_test(collision_rates(pairs, e), e)
    return [
        compared(
            features,
            "birthday_support",
            support(count, e.n),
            "examples",
            _of_support(test),
            higher_is_better=True,
            interval=_interval(pairs, e.n),
            method="Poisson collisions, clumps allowed for",
            reference=support(real, e.m),
            began=began,
            detail={"epsilon": epsilon, "collisions": count, "collisions_of_real": real, "level": LEVEL},
        )
    ]


def _of_support(test: Test) -> Test:
    """More collisions are a smaller support: the sign turns, the size in examples is not stated."""
    return Test(-test.difference, None, test.p_value, None, None, f"collision rates by {test.method}", null=test.null)


def _interval(pairs: Collisions, n: int) -> Interval:
    """95 % interval of the support: the count divided by its overdispersion is Poisson."""
    among = (pairs.first < n) & (pairs.second < n)
    count = int(among.sum())
    degree = torch.bincount(torch.cat([pairs.first[among], pairs.second[among]]), minlength=n).double()
    variance = count + float((degree * (degree - 1)).sum()) - 4 * count**2 / n  # of the U-statistic
    clumped = max(1.0, variance / max(1, count))
    effective = count / clumped
    low = special.gammaincinv(effective, 0.025) if count else 0.0
    high = special.gammaincinv(effective + 1, 0.975)
    return support(float(np.multiply(high, clumped)), n), support(float(np.multiply(low, clumped)), n)
