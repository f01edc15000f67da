r"""Maximum mean discrepancy with Gaussian kernels: a distance of distributions that sees every difference.

$$ \mathrm{MMD}^2 = \frac{1}{n(n-1)}\sum_{i\ne i'} k(x_i,x_{i'}) + \frac{1}{m(m-1)}\sum_{j\ne j'} k(y_j,y_{j'})
   - \frac{2}{nm}\sum_{ij} k(x_i,y_j), \qquad k(a,b) = \frac13\sum_{s} e^{-|a-b|^2/2(s\sigma)^2} $$

with $\sigma$ the median distance of two examples of the pool and $s\in\{\frac14, \frac12, 1\}$: the median alone is too
wide to see the shape of single modes. No example is compared with itself, so the expectation is 0 for a perfect model
at any n and single values may be negative; k + cI for any c gives the same number. With the labels $a\in\{0,1\}$ of a
pool and the Gram matrix K without its diagonal all sums follow from $a^\top K a$ and $K\mathbf 1$, for a thousand
labellings at once.

References:
    Gretton, Borgwardt, Rasch, Schölkopf & Smola, A Kernel Two-Sample Test (2012), Eq. 3 and Sec. 8 (median heuristic).
"""

import time
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.compared import compared
from veridical.evaluation.exchange import Exchange, exchange_test
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.kernel import LANDMARKS, null_slope, squared_distance_interval
from veridical.evaluation.measurement import Interval, Measurement

SCALES = (0.25, 0.5, 1.0)
"""Widths of the kernels, in median distances, each twice the one before."""

MEDIAN_OF = 1_000
_BLOCK_VALUES = 1 << 23

Kernel = Callable[[Float[Tensor, "a d"], Float[Tensor, "b d"]], Float[Tensor, "a b"]]


def median_distance(pool: Float[Tensor, "n d"], seed: int) -> float:
    """Median distance of two examples among at most `MEDIAN_OF` of a pool; 1 if all are equal.

    Examples:
        >>> median_distance(torch.tensor([[0.0], [1.0], [3.0]]), seed=0)
        2.0
    """
    rows = pool[torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[:MEDIAN_OF]]
    return float(torch.pdist(rows.double()).median()) or 1.0


def gaussian_kernel(sigma: float) -> Kernel:
    """Return the mean of Gaussian kernels of widths `SCALES` times sigma; k(x, x) = 1."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        square = torch.addmm(x.square().sum(dim=1, keepdim=True) + y.square().sum(dim=1), x, y.T, alpha=-2.0)
        part = square.clamp_(min=0.0).div_(-2 * (SCALES[-1] * sigma) ** 2).exp_()
        total = part.clone()
        for _ in SCALES[1:]:  # half the width is the fourth power
            total += part.square_().square_()
        return total.div_(len(SCALES))

    return kernel


def kernel_discrepancies(pool: Float[Tensor, "n+m d"], exchange: Exchange, kernel: Kernel) -> Float[Tensor, " 1+draws"]:
    """Unbiased squared maximum mean discrepancy under every labelling, a block of the Gram matrix at a time.

    Args:
        pool: n samples followed by m other examples.
        exchange: the labellings.
        kernel: its values for pairs of rows; those of a row with itself have no influence.
    """
    pool = (pool - pool.mean(dim=0)).double()
    columns = exchange.labels.T.to(torch.float32).contiguous()
    level = float(kernel(pool[:MEDIAN_OF], pool[-MEDIAN_OF:]).mean())  # a constant changes nothing but rounding
    quadratic, rows = torch.zeros(len(exchange.labels), dtype=torch.float64), []
    step = max(1, _BLOCK_VALUES // len(pool))
    for start in range(0, len(pool), step):
        gram = kernel(pool[start : start + step], pool) - level
        gram[torch.arange(len(gram)), torch.arange(start, start + len(gram))] = 0.0
        rows.append(gram.sum(dim=1))
        quadratic += ((gram.float() @ columns) * columns[start : start + step]).sum(dim=0, dtype=torch.float64)
    return _discrepancy(quadratic, exchange, torch.cat(rows))


def discrepancy_interval(
    pool: Float[Tensor, "n+m d"], value: float, null: float, exchange: Exchange, kernel: Kernel
) -> Interval:
    """95 % interval of the expected discrepancy (`kernel.squared_distance_interval`).

    Args:
        pool: n samples followed by m other examples.
        value: the measured discrepancy.
        null: its variance under exchange.
        exchange: n and m.
        kernel: of the discrepancy, with k(x, x) = 1.
    """
    n, m = exchange.n, exchange.m
    pool = (pool - pool.mean(dim=0)).double()
    blocks = (kernel(rows, pool) for rows in pool.split(max(1, _BLOCK_VALUES // len(pool))))
    sums = torch.cat([torch.stack([k[:, :n].sum(dim=1), k[:, n:].sum(dim=1)], dim=1) for k in blocks])
    to_samples, to_others = sums.T
    a = (to_samples[:n] - 1) / max(1, n - 1) - to_others[:n] / m
    b = (to_others[n:] - 1) / max(1, m - 1) - to_samples[n:] / n
    first = 4 * float(a.var()) / n + 4 * float(b.var()) / m
    landmarks = pool[n:][:LANDMARKS]
    slope = (1 / n + 1 / m) * null_slope(kernel(landmarks, landmarks)) if m > 2 else 0.0
    return squared_distance_interval(value, first - 2 * null, null, slope)


def measure_mmd(features: FeatureSets) -> list[Measurement]:
    """Squared discrepancy of samples and real examples in their place; 0 for a perfect model (module docstring)."""
    began = time.perf_counter()
    sigma = median_distance(features.pool, features.seed)
    e, kernel = features.exchange, gaussian_kernel(sigma)
    values = kernel_discrepancies(features.pool, e, kernel)
    test = exchange_test(values, e, bad="high")
    interval = discrepancy_interval(features.pool, float(values[0]), float(values[1:].var()), e, kernel)
    return [
        compared(
            features,
            "mmd",
            float(values[0]),
            "1",
            test,
            higher_is_better=False,
            interval=interval,
            method="variance of the U-statistic at every distance",
            reference=0.0,
            began=began,
            detail={"kernel": f"Gaussian, widths {SCALES} times the median distance", "median_distance": sigma},
        )
    ]


def _discrepancy(quadratic: Tensor, exchange: Exchange, rows: Tensor) -> Tensor:
    n, m = exchange.n, exchange.m
    with_all = exchange.sums(rows[:, None])[:, 0]
    across = with_all - quadratic
    others = rows.sum() - 2 * with_all + quadratic
    return quadratic / (n * max(1, n - 1)) + others / (m * max(1, m - 1)) - 2 * across / (n * m)
