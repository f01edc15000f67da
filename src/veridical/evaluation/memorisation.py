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

There are two sources of statistical error: the n samples (the interval) and the quantile of m held-out examples,
below which a perfect model has the mass of an order statistic, Beta(k, m + 1 - k) (the interval of the reference).
Samples that are far from all data score below 0; this metric does not count that as a fault, so the reference reaches
down to the least possible value.

Without held-out data the distance of training examples to the nearest *other* one takes their place; it is the same
law at one example less.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.measurement import Interval
from veridical.evaluation.neighbours import Nearest
from veridical.statistics import beta_interval, wilson_interval

NEAR_LEVEL, COPY_LEVEL = 0.01, 0.001
"""Share of held-out examples up to the threshold: of distances, and of their ratios."""


class ExcessShare(NamedTuple):
    """Share of samples in the tail of the held-out examples, beyond what belongs there, and how it was measured."""

    value: float
    interval: Interval
    reference_interval: Interval
    threshold: float
    """What only the given share of the held-out examples does not exceed."""

    level: float
    """Expected mass of a perfect model up to the threshold."""


def excess_share(
    generated: Float[Tensor, " n"], held_out: Float[Tensor, " m"], level: float = NEAR_LEVEL
) -> ExcessShare:
    """Share of samples up to a low quantile of the held-out examples, less what a perfect model has there.

    Args:
        generated: of each sample the distance to the nearest training example, or a ratio; small for copies.
        held_out: the same of each held-out example.
        level: of the quantile.

    Returns:
        The share with both 95 % intervals.

    Examples:
        >>> copies = torch.cat([torch.zeros(50), torch.linspace(1, 2, 950)])
        >>> round(excess_share(copies, torch.linspace(1, 2, 1000)).value, 2)
        0.05
    """
    n, m = len(generated), len(held_out)
    if not n or not m:
        raise ValueError(f"{n} distances of samples and {m} of held-out examples; expected at least one of each.")
    threshold = held_out.kthvalue(max(1, round(level * m))).values
    below = int((held_out <= threshold).sum())  # more than the k-th where distances are tied
    expected = below / (m + 1)
    near = int((generated <= threshold).sum())
    interval = wilson_interval(near, n)
    return ExcessShare(
        near / n - expected,
        (interval[0] - expected, interval[1] - expected),
        (-expected, beta_interval(below, m + 1 - below)[1] - expected),
        float(threshold),
        expected,
    )


def copy_ratio(found: Nearest) -> Float[Tensor, " n"]:
    """Distance to the nearest over that to the second nearest training example, within [0, 1]; 0 at distance zero."""
    return torch.where(found.distance == 0, 0.0, found.distance / found.second)
