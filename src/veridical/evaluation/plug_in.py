r"""Intervals of divergences that shares are plugged into: KL of counts to a law, Jensen-Shannon of two sets of counts.

Both are squared distances of shares to second order, so that they have a bias b and, between equal distributions, a
variance $V_0$ that counts alone give. With K occupied cells,

| divergence | b | $V_0$ | growth of the variance with the distance near 0 |
|---|---|---|---|
| $\mathrm{KL}(\hat q\,\|\,p)$ of n counts | $(K-1)/2n$ | $b/n$ | $2/n$ |
| $\mathrm{JS}(\hat p, \hat q)$ of n and m | $(K-1)s/8,\ s = 1/n + 1/m$ | $bs/4$ | $s/2$ |

Away from 0 the first order counts: the variance W of each example's influence, $\log(\hat q_k/p_k)$ or half the
logarithm of its share over the mean share. With shares of the same sample W contains their noise, $2V_0$, which is
subtracted. The interval is that of a squared distance (`kernel.squared_distance_interval`) about the divergence without
its bias, moved by b: it holds the expected divergence at this n. Resampling counts would add their noise once more:
between equal distributions it is 1.7 times too wide.

References:
    Miller, Note on the bias of information estimates (1955), in Information Theory in Psychology.
    Grosse et al., Analysis of symbolic sequences using the Jensen-Shannon divergence (2002), Sec. III.
"""

import numpy as np
from jaxtyping import Float, Int

from veridical.evaluation.kernel import squared_distance_interval
from veridical.evaluation.measurement import Interval

METHOD = "chi-square at every distance"
"""How the intervals are computed, in words."""


def kl_interval(counts: Int[np.ndarray, " K"], law: Float[np.ndarray, " K"]) -> Interval | None:
    """95 % interval of the expected KL divergence of the shares of counts to a law, in nats.

    Args:
        counts: of every cell.
        law: probabilities of the cells.

    Returns:
        The interval at this number of counts; None where a cell of probability 0 is occupied.

    Examples:
        >>> [round(side, 3) for side in kl_interval(np.array([30, 70]), np.array([0.5, 0.5])) or ()]
        [0.035, 0.201]
    """
    kept = counts > 0
    if (law[kept] <= 0).any():
        return None
    n, q = int(counts.sum()), counts[kept] / counts.sum()
    influence = np.log(q / law[kept])
    bias = (len(q) - 1) / (2 * n)
    return _interval(float(q @ influence), bias, _variance(influence, q) / n, bias / n, 2 / n)


def js_interval(p: Int[np.ndarray, " K"], q: Int[np.ndarray, " K"]) -> Interval:
    """95 % interval of the expected Jensen-Shannon divergence of the shares of two sets of counts, in nats.

    Args:
        p: counts of every cell in the first sample.
        q: the same in the second.

    Examples:
        >>> low, high = js_interval(np.array([30, 70]), np.array([50, 50]))
        >>> 0.0 < low < 0.021 < high < 0.08
        True
    """
    n, m = int(p.sum()), int(q.sum())
    shares = np.stack([p / n, q / m])
    middle = shares.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        influence = np.where(shares > 0, np.log(shares / middle), 0.0) / 2
    first = sum(_variance(f, share) / size for f, share, size in zip(influence, shares, (n, m), strict=True))
    scale, occupied = 1 / n + 1 / m, int((middle > 0).sum())
    bias = (occupied - 1) * scale / 8
    return _interval(float((shares * influence).sum()), bias, first, bias * scale / 4, scale / 2)


def _variance(x: np.ndarray, weights: np.ndarray) -> float:
    return float(weights @ np.square(x - weights @ x))


def _interval(value: float, bias: float, first: float, null: float, slope: float) -> Interval:
    low, high = squared_distance_interval(value - bias, first - 2 * null, null, slope)
    return max(0.0, low + bias), max(0.0, high + bias)
