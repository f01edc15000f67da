r"""Kernel distance (KID): the squared maximum mean discrepancy of two samples of features, without bias.

$$ \mathrm{MMD}^2 = \frac{1}{n(n-1)}\sum_{i\ne i'} k(x_i,x_{i'}) + \frac{1}{m(m-1)}\sum_{j\ne j'} k(y_j,y_{j'})
   - \frac{2}{nm}\sum_{ij} k(x_i,y_j), \qquad k(a,b) = (a\cdot b/d + 1)^3 $$

over all pairs (Gretton et al. 2012, Eq. 3; kernel of Bińkowski et al. 2018). Its expectation is 0 for a perfect model
at any n, so single values may be negative. Published KIDs average it over subsets of 1000 and quote the standard
deviation over subsets, which is not a standard error; all pairs give the smallest variance that the data allow.

**Error.** Hoeffding's decomposition of the variance, from the row means and squares of the same Gram matrices:
with $a_i = \overline{k(x_i,\cdot)}_x - \overline{k(x_i,\cdot)}_y$, $b_j$ likewise, and $\zeta$ the variance of the
doubly centred kernel,

$$ \mathrm{Var} = \frac{4 \mathrm{Var}(a)}{n} + \frac{4 \mathrm{Var}(b)}{m}
   - \frac{2\zeta_{xx}}{n^2} - \frac{2\zeta_{yy}}{m^2} - \frac{4\zeta_{xy}}{nm}. $$

The subtracted terms correct the row means for finite n; without them the variance near equal distributions is twice too
large.

References:
    Gretton, Borgwardt, Rasch, Schölkopf & Smola, A Kernel Two-Sample Test (2012).
    Bińkowski, Sutherland, Arbel & Gretton, Demystifying MMD GANs (2018). https://arxiv.org/abs/1801.01401
"""

import math
from functools import cached_property
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

_BLOCK_VALUES = 1 << 19
"""Entries of the Gram matrix held at a time: 4 MB, which stay in the cache."""


class KernelDistance(NamedTuple):
    """MMD² with its standard error, and the one it would have if both distributions were the first."""

    value: float
    standard_error: float
    null_error: float
    """Standard deviation of the distance of two samples of the distribution of x, at these n and m; the mean is 0."""


class _Gram(NamedTuple):
    """Statistics of a Gram matrix: row and column means, mean, and the variance of the doubly centred matrix."""

    rows: Tensor
    columns: Tensor
    mean: float
    zeta: float


@final
class KernelSample:
    """Features with the Gram matrix of the sample with itself, so that a reference is measured once.

    Args:
        rows: (n, d) features, at least four.
    """

    def __init__(self, rows: Float[Tensor, "n d"]) -> None:
        if rows.ndim != 2 or len(rows) < 4:
            raise ValueError(f"rows has shape {tuple(rows.shape)}; expected (n, d) features of at least four examples.")
        self.rows = rows.to(torch.float64)

    @cached_property
    def gram(self) -> _Gram:
        """Sums of the Gram matrix without its diagonal."""
        return _gram(self.rows, self.rows, same=True)


def kernel_distance(x: KernelSample, y: KernelSample) -> KernelDistance:
    """Unbiased squared maximum mean discrepancy under the cubic kernel, in units of the kernel (pure number).

    Args:
        x: the reference.
        y: the sample.

    Returns:
        The distance with its standard errors.

    Raises:
        ValueError: features of different extractors.

    Examples:
        >>> x = torch.arange(8.0)[:, None]
        >>> kernel_distance(KernelSample(x), KernelSample(x + 2.0)).value > 0
        True
    """
    n, m = len(x.rows), len(y.rows)
    if x.rows.shape[1] != y.rows.shape[1]:
        raise ValueError(f"{x.rows.shape[1]} and {y.rows.shape[1]} features; use one extractor for both.")
    xx, yy, xy = x.gram, y.gram, _gram(x.rows, y.rows, same=False)
    variance = 4 * float((xx.rows - xy.rows).var()) / n + 4 * float((yy.rows - xy.columns).var()) / m
    degenerate = 2 * xx.zeta / n**2 + 2 * yy.zeta / m**2 + 4 * xy.zeta / (n * m)
    return KernelDistance(
        xx.mean + yy.mean - 2 * xy.mean,
        math.sqrt(max(variance - degenerate, degenerate)),
        math.sqrt(2 * xx.zeta) * (1 / n + 1 / m),
    )


def _gram(x: Tensor, y: Tensor, same: bool) -> _Gram:
    """Accumulate over blocks of rows; the diagonal of a matrix of one sample with itself is left out."""
    others, one = len(y) - same, torch.ones((), dtype=x.dtype, device=x.device)
    rows, columns, square = [], torch.zeros(len(y), dtype=x.dtype, device=x.device), 0.0
    step = max(1, _BLOCK_VALUES // len(y))
    for start in range(0, len(x), step):
        k = torch.addmm(one, x[start : start + step], y.T, alpha=1 / x.shape[1]).pow_(3)
        if same:
            k[torch.arange(len(k)), torch.arange(start, start + len(k))] = 0.0
        rows.append(k.sum(dim=1) / others)
        columns += k.sum(dim=0)
        square += float(torch.linalg.vector_norm(k)) ** 2
    row_means, column_means = torch.cat(rows), columns / (len(x) - same)
    mean = float(row_means.mean())
    spread = square / (len(x) * others) - mean**2
    zeta = spread - float(row_means.var()) - float(column_means.var())
    return _Gram(row_means, column_means, mean, max(0.0, zeta))
