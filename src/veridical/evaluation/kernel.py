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
large. The kernel is first centred at landmarks z among the rows of x,

$$ \tilde k(a,b) = k(a,b) - g(a) - g(b), \qquad g(a) = \overline{k(a,z)} - \tfrac12\overline{k(z,z')}, $$

which changes no distance: features of a large mean make the plain kernel almost constant, and what its row means and
squares then say of $\zeta$ is noise.

**Interval.** Its variance grows with the distance: $V(\theta) = V_0 + c\,\theta$ at an expected distance $\theta$,
where $V_0$ is the variance between equal distributions (the sum of the subtracted terms) and $c\,\theta$ the first
order. The interval holds the $\theta$ with $|\mathrm{MMD}^2 - \theta| \le 1.96\sqrt{V(\theta)}$, as Wilson's does for
shares: an estimate that is too small by chance would otherwise have an error that is too small as well. (Below 0, where
no distance is, it goes down with $V_0$ alone, so that it contains the estimate.) Near 0, where c cannot be measured, it
follows from the error's covariance $\Sigma$ in the space of the kernel: a distance seen by
chance lies along the eigenvectors of $\Sigma$ in proportion to the variances $2\lambda^2$ of their parts, and along one
of them $c = 4\lambda$, so that $c = 4\operatorname{tr}\Sigma^3/\operatorname{tr}\Sigma^2$ (`null_slope`). Weights
$\lambda$ instead of $\lambda^2$ understate it many times where one direction has most of the variance (the
magnetisation of spins).

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

from veridical.evaluation.measurement import Interval

LANDMARKS = 512
"""Rows of x at which the kernel is centred."""

_BLOCK_VALUES = 1 << 19
"""Entries of the Gram matrix held at a time: 4 MB, which stay in the cache."""


class KernelDistance(NamedTuple):
    """MMD² with its 95 % interval, and the error it would have if both distributions were the first."""

    value: float
    interval: Interval
    null_error: float
    """Standard deviation of the distance of two samples of the distribution of x, at these n and m; the mean is 0."""


class _Gram(NamedTuple):
    """Statistics of a Gram matrix: row and column means, mean, and the variance of the doubly centred matrix."""

    rows: Tensor
    columns: Tensor
    mean: float
    zeta: float


class _Centre(NamedTuple):
    """Landmarks at which a kernel is centred."""

    landmarks: Tensor
    level: float
    """Half the mean kernel of two landmarks."""

    def means(self, x: Tensor) -> Tensor:
        """Return g of the rows of x."""
        step = max(1, _BLOCK_VALUES // len(self.landmarks))
        return torch.cat([cubic_kernel(part, self.landmarks).mean(dim=1) for part in x.split(step)]) - self.level


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
    def centre(self) -> _Centre:
        """The landmarks among these rows."""
        landmarks = self.rows[:LANDMARKS]
        return _Centre(landmarks, float(cubic_kernel(landmarks, landmarks).mean()) / 2)

    @cached_property
    def gram(self) -> _Gram:
        """Sums of the Gram matrix without its diagonal, centred at its own landmarks."""
        return _gram(self.rows, self.rows, self.centre, same=True)

    @cached_property
    def slope(self) -> float:
        """Growth of the variance with the distance near 0, in units of 1/n + 1/m (`null_slope`)."""
        return null_slope(cubic_kernel(self.centre.landmarks, self.centre.landmarks))


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
    xx, yy, xy = x.gram, _gram(y.rows, y.rows, x.centre, same=True), _gram(x.rows, y.rows, x.centre, same=False)
    first = 4 * float((xx.rows - xy.rows).var()) / n + 4 * float((yy.rows - xy.columns).var()) / m
    null = 2 * xx.zeta / n**2 + 2 * yy.zeta / m**2 + 4 * xy.zeta / (n * m)
    value = xx.mean + yy.mean - 2 * xy.mean
    return KernelDistance(
        value,
        squared_distance_interval(value, first - 2 * null, null, (1 / n + 1 / m) * x.slope),
        math.sqrt(2 * xx.zeta) * (1 / n + 1 / m),
    )


def squared_distance_interval(value: float, first: float, null: float, slope: float) -> Interval:
    """95 % interval of an expected squared distance, from an unbiased estimate (module docstring).

    Args:
        value: the estimate.
        first: its variance of first order, estimated without bias; may be negative by chance.
        null: its variance between equal distributions.
        slope: growth of the variance with the distance, c, near 0.

    Examples:
        >>> [round(side, 2) for side in squared_distance_interval(0.0, 0.0, 1.0, 0.0)]
        [-1.96, 1.96]
    """
    spread = math.sqrt(null)
    size = max(0.0, value) + spread
    slope = (max(0.0, first) + slope * spread) / size if size > 0 else 0.0
    middle = value + 1.96**2 * slope / 2
    half = 1.96 * math.sqrt(max(null, null + slope * value + (1.96 * slope) ** 2 / 4))
    low = middle - half
    return low if low > 0 else value - 1.96 * spread, middle + half


def null_slope(gram: Float[Tensor, "n n"]) -> float:
    r"""Growth of the variance of a squared distance with the distance, near 0, in units of 1/n + 1/m.

    It is $4\operatorname{tr}\Sigma^3/\operatorname{tr}\Sigma^2$ of the covariance of one example in the space of the
    kernel, from pairs and triples of different rows, and at least $4\operatorname{tr}\Sigma^2/\operatorname{tr}\Sigma$.

    Args:
        gram: kernel of n independent rows, at least three, not centred.

    Examples:
        >>> x = torch.randn(400, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> 3.0 < null_slope(x @ x.T) < 5.0  # one direction of variance 1
        True
    """
    n, means = len(gram), gram.mean(dim=0)
    k = gram - means - means[:, None] + means.mean()
    trace = float(k.diagonal().mean())
    k.fill_diagonal_(0.0)
    square = float(k.square().sum()) / (n * (n - 1))
    if not square > 0 or not trace > 0:
        return 0.0
    cube = float(((k @ k) * k).sum()) / (n * (n - 1) * (n - 2))
    return 4 * max(cube / square, square / trace)


def cubic_kernel(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Return (x.y/d + 1)^3 of all pairs of rows."""
    one = torch.ones((), dtype=x.dtype, device=x.device)
    return torch.addmm(one, x, y.T, alpha=1 / x.shape[1]).pow_(3)


def _gram(x: Tensor, y: Tensor, centre: _Centre, same: bool) -> _Gram:
    """Accumulate over blocks of rows; the diagonal of a matrix of one sample with itself is left out."""
    others = len(y) - same
    g_x, g_y = centre.means(x), centre.means(y)
    rows, columns, square = [], torch.zeros(len(y), dtype=x.dtype, device=x.device), 0.0
    step = max(1, _BLOCK_VALUES // len(y))
    for start in range(0, len(x), step):
        k = cubic_kernel(x[start : start + step], y).sub_(g_x[start : start + step, None]).sub_(g_y)
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
