r"""Memorisation: how many samples lie closer to a training example than held-out examples ever do.

Held-out examples show how close a new draw of the law comes to the training data. With the distance q below which 1 %
of them lie,

$$ \text{memorised share} = P(d_\text{generated} \le q) - P(d_\text{held-out} \le q), $$

which for a model that copies a share p of its samples, and is right otherwise, is p(1 - .01): the copied share itself.
A perfect model scores 0 in any dimension.

Nearness is not copying: blurred samples, or modes that have shrunk, are nearer to all training examples. A copy is
near to one. So the same share is measured a second time (`copied`) with the ratio of the distances to the nearest and
the second nearest training example, which blur hardly changes, at the 0.1 % quantile, since the ratio of a copy is
extreme. It is calibrated in the same way: a fixed threshold (for example a third) would count 11 % of the samples of a
perfect model in two dimensions. A sample at distance zero has ratio zero, so that copies of doubled training examples
count.

There are two sources of statistical error: the n samples, and the quantile of m held-out examples, below which a
perfect model has the mass of an order statistic, Beta(k, m + 1 - k). The interval holds the shares p for which the
count of near samples, binomial with p + (1 - p) times that mass, is not in either tail of 2.5 %. The test exchanges
labels and finds the quantile anew each time (`relabelled_tail`), so it is exact. Samples that are far from all data
have fewer near ones than held-out examples have; that is no fault, and counts as 0.

Copies that were changed (noise, shifts, mirrored) are not near in these features, and copies of training examples that
are left out of the reference are not seen either: the share is one of at least this size.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy import optimize, special, stats
from torch import Tensor

from veridical.evaluation.exchange import Exchange
from veridical.evaluation.measurement import Interval
from veridical.evaluation.neighbours import Nearest
from veridical.verdict import POWER

NEAR_LEVEL, COPY_LEVEL = 0.01, 0.001
"""Share of held-out examples up to the threshold: of distances, and of their ratios."""


class ExcessShare(NamedTuple):
    """Share of samples in the tail of the held-out examples, beyond what belongs there, and how it was measured."""

    value: float
    """At least 0."""

    interval: Interval
    """Of both sources of error, within [0, 1]."""

    threshold: float
    """What only the given share of the held-out examples does not exceed."""

    level: float
    """Expected mass of a perfect model up to the threshold."""

    near: float
    """Share of samples up to the threshold, a perfect model's included."""


def excess_share(
    generated: Float[Tensor, " n"], held_out: Float[Tensor, " m"], level: float = NEAR_LEVEL
) -> ExcessShare:
    """Share of samples up to a low quantile of the held-out examples, less what a perfect model has there.

    Args:
        generated: of each sample the distance to the nearest training example, or a ratio; small for copies.
        held_out: the same of each held-out example.
        level: of the quantile.

    Returns:
        The share with its 95 % interval.

    Examples:
        >>> copies = torch.cat([torch.zeros(50), torch.linspace(1, 2, 950)])
        >>> round(excess_share(copies, torch.linspace(1, 2, 1000)).value, 2)
        0.05
    """
    n, m = len(generated), len(held_out)
    if not n or not m:
        raise ValueError(f"{n} distances of samples and {m} of held-out examples; expected at least one of each.")
    threshold = held_out.kthvalue(_rank(m, level)).values
    below = int((held_out <= threshold).sum())  # more than the k-th where distances are tied
    expected = below / (m + 1)
    near = int((generated <= threshold).sum())
    return ExcessShare(
        max(0.0, near / n - expected), share_interval(near, n, below, m), float(threshold), expected, near / n
    )


def share_interval(near: int, n: int, below: int, m: int) -> Interval:
    """95 % interval of the share of copies, from the counts of samples and of held-out examples up to a threshold.

    Args:
        near: samples up to the threshold.
        n: samples.
        below: held-out examples up to the threshold, which was chosen among them.
        m: held-out examples.

    Examples:
        >>> low, high = share_interval(30, 1000, 10, 1000)
        >>> low < 0.02 < high
        True
    """
    mass = special.betaincinv(below, m + 1 - below, (np.arange(400) + 0.5) / 400)

    def tail(share: float) -> float:
        """P(fewer near samples) + P(as many) / 2."""
        p = share + (1 - share) * mass
        return float((stats.binom.cdf(near, n, p) - stats.binom.pmf(near, n, p) / 2).mean())

    low, high = (0.0 if tail(0.0) < at else _root(tail, at) for at in (0.975, 0.025))
    return low, max(low, high)


def relabelled_tail(
    scores: Float[Tensor, " n+m"], exchange: Exchange, level: float = NEAR_LEVEL
) -> Float[Tensor, " 1+draws"]:
    """Excess share under every labelling, with the quantile of those that count as held-out in each.

    Args:
        scores: distances or ratios of samples, followed by those of held-out examples.
        exchange: the labellings.
        level: of the quantile.

    Returns:
        Shares, negative where fewer than expected are near.
    """
    ordered, order = scores.sort(stable=True)
    last = torch.searchsorted(ordered, ordered, right=True) - 1  # of the rows with the same score
    k, found = _rank(exchange.m, level), []
    for labels in exchange.labels.split(max(1, (1 << 22) // len(scores))):
        samples = labels[:, order].to(torch.int32).cumsum(dim=1, dtype=torch.int32)
        others = torch.arange(1, len(scores) + 1, dtype=torch.int32) - samples
        at = last[(others >= k).to(torch.int8).argmax(dim=1)][:, None]
        near, below = samples.gather(1, at)[:, 0], others.gather(1, at)[:, 0]
        found.append(near.double() / exchange.n - below.double() / (exchange.m + 1))
    return torch.cat(found)


def smallest_share(n: int, m: int, level: float, critical: float) -> float:
    r"""Return the smallest share of copies that the exchange test shows with power .8.

    Among K copies and b others up to the threshold, exchanges make a share $\pi = n/(n+m)$ samples, binomially. All
    copies are samples and stand out by $K(1-\pi) / \sqrt{(K + b)\pi(1-\pi)}$, which must reach the critical value. K is
    Poisson.

    Args:
        n: samples.
        m: held-out examples.
        level: of the threshold: a share of the held-out examples.
        critical: standard deviations by which the test must be exceeded.

    Examples:
        >>> round(smallest_share(500, 500, 0.001, 3.0), 4)
        0.025
    """
    square, others = critical**2 * n / m, level * (n + m)
    least = math.ceil((square + math.sqrt(square * (square + 4 * others))) / 2)
    return _root(lambda share: float(stats.poisson.cdf(least - 1, n * share)), 1 - POWER)


def _rank(m: int, level: float) -> int:
    return max(1, round(level * m))


def _root(tail: Callable[[float], float], at: float) -> float:
    """The share at which the falling tail is `at`; 1 where it never is."""
    if tail(1.0) > at:
        return 1.0
    found: Any = optimize.brentq(lambda share: tail(share) - at, 0.0, 1.0, xtol=1e-9)
    return float(found)


def copy_ratio(found: Nearest) -> Float[Tensor, " n"]:
    """Distance to the nearest over that to the second nearest training example, within [0, 1]; 0 at distance zero."""
    return torch.where(found.distance == 0, 0.0, found.distance / found.second)
