r"""Fréchet distance of two samples of features: the squared Wasserstein-2 distance of their Gaussian fits.

$$ \mathrm{FD} = |\mu_x-\mu_y|^2 + \operatorname{tr} S_x + \operatorname{tr} S_y
   - 2\operatorname{tr}(S_x^{1/2} S_y S_x^{1/2})^{1/2} $$

With any factors $F^\top F = S$ the last trace is the nuclear norm of $F_x F_y^\top$, the sum of the roots of the
eigenvalues of the symmetric $F_x S_y F_x^\top$: real by construction, where a matrix root or the eigenvalues of the
product $S_x S_y$ are not. The factor is the Cholesky factor where there are more examples than features, and the
centred examples themselves where there are not, so that a singular covariance costs no accuracy.

**Bias.** The distance of n examples is too large by $b/n$: two samples of the same distribution have a positive
distance. Compare only distances at equal n, or with the score of held-out data (`frechet_limit` removes most of it by
halves).

**Error.** The distance is smooth in the two covariances, so its first-order influence gives its standard error (delta
method). With the optimal map $T$ between the fits, example y counts

$$ 2(\mu_y-\mu_x)\cdot(y-\mu_y) + (y-\mu_y)^\top(I-T)(y-\mu_y). $$

With the map of the examples themselves, the variance $W$ of these influences contains the noise of the map. Where the
distributions agree, that noise is all there is, and $W$ is twice the variance. The covariance $C$ of the influences by
the maps of two independent halves does not contain it (and may be negative), so that $V_0=(W - C)/2$ estimates the
variance between equal distributions and $V_0 + C$ that at this distance. The interval is that of a squared distance
whose variance grows with it (`kernel.squared_distance_interval`), about the distance without its bias b, which halves
give, and then moved by b: it is one of the expected distance at this n. Resampling rows (bootstrap) would add the bias
once more. The influence is quadratic in the features, so that the interval is too narrow where their fourth moment is
hard to estimate (heavy tails). With fewer than three examples for each feature the covariances of halves are nearly
singular, and so are their maps: the variance is then that of distances between halves and quarters (`halves`).

Near 0 the distance is, to second order, the squared distance of means under the kernel

$$ k(a, b) = a\cdot b + \sum_{ij} \frac{a_ia_j\,b_ib_j}{2(\lambda_i+\lambda_j)} $$

of examples about the mean along the principal axes with variances $\lambda$: its `kernel.null_slope` says how the
variance grows with the distance where that cannot be measured. The sum is one of squared Gram matrices by
$1/(\lambda_i+\lambda_j) = \int_0^\infty e^{-t\lambda_i}e^{-t\lambda_j}\,dt$.

References:
    Dowson & Landau, The Fréchet distance between multivariate normal distributions (1982), Eq. 16.
    Heusel, Ramsauer, Unterthiner, Nessler & Hochreiter, GANs Trained by a Two Time-Scale Update Rule (2017).
    Chong & Forsyth, Effectively Unbiased FID and Inception Score (2020). https://arxiv.org/abs/1911.07023
"""

import math
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.halves import SPLITS, sampling_variance
from veridical.evaluation.kernel import null_slope, squared_distance_interval
from veridical.evaluation.measurement import Interval

_FEW = 3
"""Examples for each feature below which the interval comes from parts."""

_STUDENT = 2.45
"""Quantile of that interval, of six degrees of freedom: the variance of parts varied by .4 to .8 of itself."""

_SPLITS = 12
"""Random halves, fewer with many features, whose noise averages out."""

_LANDMARKS, _NEGLIGIBLE = 256, 1e-3
"""Rows for the variance near 0, and the variance along an axis that does not count there, as a part of the largest."""

_ROWS = 1024
"""Rows converted to float64 at a time: 16 MB at 2048 features."""


@final
class Moments:
    """Mean and covariance of rows that come in chunks; holds two matrices (d, d) and never the rows.

    Chunks are merged by the pairwise update of Chan, Golub & LeVeque (1983), in float64.

    Args:
        dim: number of features.
    """

    def __init__(self, dim: int) -> None:
        self.n = 0
        self.mean = np.zeros(dim)
        self._scatter = np.zeros((dim, dim))

    def update(self, rows: Float[Tensor, "n d"]) -> None:
        """Add rows, a few at a time."""
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise ValueError(f"rows has shape {tuple(rows.shape)}; expected (n, {len(self.mean)}).")
        for chunk in rows.split(_ROWS):
            x = chunk.detach().cpu().numpy().astype(np.float64)
            mean, total = x.mean(axis=0), self.n + len(x)
            x -= mean
            gap = mean - self.mean
            self._scatter += x.T @ x
            self._scatter += np.outer(gap, gap) * (self.n * len(x) / total)
            self.mean += gap * (len(x) / total)
            self.n = total

    @property
    def covariance(self) -> Float[np.ndarray, "d d"]:
        """Unbiased covariance, in units of the features squared."""
        if self.n < 2:
            raise ValueError(f"{self.n} row(s) have no covariance; expected at least two.")
        return self._scatter / (self.n - 1)


@final
class GaussianFit:
    """Rows of features and their Gaussian fit; what is expensive is computed once.

    Args:
        rows: (n, d) features, n at least 2.
    """

    def __init__(self, rows: Float[Tensor, "n d"]) -> None:
        if rows.ndim != 2 or len(rows) < 2:
            raise ValueError(f"rows has shape {tuple(rows.shape)}; expected (n, d) features of at least two examples.")
        self.rows = rows.detach().cpu()
        if not torch.isfinite(self.rows).all():
            raise ValueError("the features hold values that are not finite; check the images and the extractor.")

    @cached_property
    def mean(self) -> Float[np.ndarray, " d"]:
        """Mean of the rows."""
        return self._mean_and_factor[0]

    @cached_property
    def factor(self) -> Float[np.ndarray, "r d"]:
        """F with F^T F the covariance; r is the smaller of n and d."""
        return self._mean_and_factor[1]

    @cached_property
    def _mean_and_factor(self) -> tuple[np.ndarray, np.ndarray]:
        n, d = self.rows.shape
        if n <= d:
            x = self.rows.numpy().astype(np.float64)
            mean = x.mean(axis=0)
            return mean, (x - mean) / math.sqrt(n - 1)
        moments = Moments(d)
        moments.update(self.rows)
        return moments.mean, _factor(moments.covariance)


def frechet_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """Fréchet distance of two samples of features, in squared units of the features.

    Args:
        x: features of one sample.
        y: features of the other.

    Returns:
        The distance, too large by its bias at this n and m.

    Examples:
        >>> frechet_distance(torch.eye(2), torch.eye(2) + 3.0)
        18.0
    """
    return distance_of_fits(GaussianFit(x), GaussianFit(y))


def distance_of_fits(x: GaussianFit, y: GaussianFit) -> float:
    """Fréchet distance of two fits, in squared units of the features."""
    return _distance(x.mean, x.factor, y.mean, y.factor)


def distance_of_moments(
    mean_x: Float[np.ndarray, " d"],
    covariance_x: Float[np.ndarray, "d d"],
    mean_y: Float[np.ndarray, " d"],
    covariance_y: Float[np.ndarray, "d d"],
) -> float:
    """Fréchet distance of two Gaussians, in squared units of the features.

    Args:
        mean_x: mean of the first.
        covariance_x: covariance of the first, symmetric and without negative eigenvalues.
        mean_y: mean of the second.
        covariance_y: covariance of the second.

    Examples:
        >>> distance_of_moments(np.zeros(3), np.eye(3), np.ones(3), 4 * np.eye(3))
        6.0
    """
    return _distance(mean_x, _factor(covariance_x), mean_y, _factor(covariance_y))


class FrechetDistance(NamedTuple):
    """A distance with the 95 % interval of its expectation at this n."""

    value: float
    interval: Interval
    method: str = "delta method, maps of halves, at every distance"
    """Of the interval."""


def frechet_with_interval(x: GaussianFit, y: GaussianFit, seed: int = 0) -> FrechetDistance:
    """Fréchet distance of two fits with the 95 % interval of its expectation (module docstring).

    Args:
        x: fit of one sample.
        y: fit of the other.
        seed: of the halves.
    """
    if min(len(x.rows), len(y.rows)) < 4:
        raise ValueError(f"{len(x.rows)} and {len(y.rows)} rows; expected at least four; evaluate with more.")
    value = distance_of_fits(x, y)
    if min(len(x.rows), len(y.rows)) < _FEW * len(x.mean):
        interval = _interval_of_parts(x.rows, y.rows, value, seed)
        return FrechetDistance(value, interval, "variance from halves and quarters")
    own = _influences(x, y, x.rows, y.rows)[1:]
    generator, splits = torch.Generator().manual_seed(seed), max(1, min(_SPLITS, 1024 // len(x.mean)))
    whole, first, of_halves = sum(float(i.var(ddof=1)) / len(i) for i in own), 0.0, 0.0
    for _ in range(splits):
        fits = [[GaussianFit(half) for half in _halves(fit.rows, generator)] for fit in (x, y)]
        found = [_influences(a, b, x.rows, y.rows) for a, b in zip(*fits, strict=True)]
        covariances = (float(np.cov(i, j)[0, 1]) / len(i) for i, j in zip(found[0][1:], found[1][1:], strict=True))
        first, of_halves = first + sum(covariances) / splits, of_halves + (found[0][0] + found[1][0]) / (2 * splits)
    first, bias = min(first, whole), max(of_halves - value, 0.0)
    slope = (1 / len(x.rows) + 1 / len(y.rows)) * null_slope(_tangent_kernel(x))
    low, high = squared_distance_interval(value - bias, first, (whole - first) / 2, slope)
    return FrechetDistance(value, (max(0.0, low + bias), max(0.0, high + bias)))


def _interval_of_parts(x: Tensor, y: Tensor, value: float, seed: int) -> Interval:
    """Interval of few examples, whose halves have no map between them: by distances of halves and quarters."""
    if min(len(x), len(y)) < 8:
        return 0.0, math.inf

    def distances(a: Tensor, b: Tensor, parts: int) -> list[list[float]]:
        return [[distance_of_fits(GaussianFit(x[a == i]), GaussianFit(y[b == i]))] for i in range(parts)]

    splits = max(4, min(SPLITS, SPLITS * 256 // x.shape[1]))
    half = _STUDENT * math.sqrt(float(sampling_variance(distances, len(x), len(y), seed=seed, splits=splits)[0]))
    return max(0.0, value - half), value + half


def frechet_limit(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], generator: torch.Generator) -> float:
    r"""Fréchet distance without its leading bias: twice the distance minus the mean distance of halves.

    $$ \mathrm{FD}_\infty \approx 2\,\mathrm{FD}_{n,m} - \tfrac12\textstyle\sum_h \mathrm{FD}_{h(x),h(y)} $$

    Both samples are halved at random; the $b/n$ of both sides cancels. May be slightly negative for equal
    distributions.

    Args:
        x: features of one sample.
        y: features of the other.
        generator: of the halves.

    Returns:
        The distance expected of infinitely many examples, in squared units of the features.
    """
    halves_x, halves_y = _halves(x, generator), _halves(y, generator)
    of_halves = [frechet_distance(a, b) for a, b in zip(halves_x, halves_y, strict=True)]
    return 2 * frechet_distance(x, y) - sum(of_halves) / 2


def frechet_slope(x: GaussianFit, y: GaussianFit, generator: torch.Generator) -> float:
    r"""Coefficient b of the bias $b/m$ of the distance that comes from the size m of y alone, from random halves of y.

    Args:
        x: fit of the reference.
        y: fit of the sample.
        generator: of the halves.

    Returns:
        b, in squared units of the features times examples: add $b(1/n - 1/m)$ for the distance expected at another n.
    """
    of_halves = [distance_of_fits(x, GaussianFit(half)) for half in _halves(y.rows, generator)]
    return len(y.rows) * (sum(of_halves) / 2 - distance_of_fits(x, y))


def _distance(mean_x: np.ndarray, factor_x: np.ndarray, mean_y: np.ndarray, factor_y: np.ndarray) -> float:
    if mean_x.shape != mean_y.shape:
        raise ValueError(f"features of {len(mean_x)} and {len(mean_y)} components; use one extractor for both.")
    cross = factor_x @ factor_y.T
    gram = cross @ cross.T if len(cross) <= cross.shape[1] else cross.T @ cross
    nuclear = float(np.sqrt(np.linalg.eigvalsh(gram).clip(min=0.0)).sum())
    gap = mean_x - mean_y
    return max(0.0, float(gap @ gap + (factor_x**2).sum() + (factor_y**2).sum() - 2.0 * nuclear))


def _factor(covariance: np.ndarray) -> np.ndarray:
    """F with F^T F = covariance: Cholesky, or by eigenvalues where a direction has no variance."""
    try:
        return np.linalg.cholesky(covariance).T
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return (vectors * np.sqrt(values.clip(min=0.0))).T


def _influences(x: GaussianFit, y: GaussianFit, rows_x: Tensor, rows_y: Tensor) -> tuple[float, np.ndarray, np.ndarray]:
    """Distance of two fits, and the influences of rows of both distributions on it by the map between the fits."""
    cross = x.factor @ y.factor.T
    values, vectors = np.linalg.eigh(cross @ cross.T)
    singular = np.sqrt(values.clip(min=0.0))
    kept = singular > 1e-8 * singular[-1] if singular[-1] > 0 else np.zeros(len(singular), bool)
    weight, left, gap = 1.0 / singular[kept], vectors[:, kept], y.mean - x.mean
    trace = float((x.factor**2).sum() + (y.factor**2).sum())
    return (
        max(0.0, float(gap @ gap) + trace - 2.0 * float(singular.sum())),
        _influence(rows_x, x.mean, -gap, y.factor.T @ (cross.T @ left) * weight, weight),
        _influence(rows_y, y.mean, gap, x.factor.T @ left, weight),
    )


def _influence(rows: Tensor, mean: np.ndarray, gap: np.ndarray, basis: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Influence of every row; T is basis diag(weight) basis^T."""
    found = []
    for chunk in rows.split(_ROWS):
        z = chunk.numpy().astype(np.float64) - mean
        found.append(2.0 * z @ gap + (z**2).sum(axis=1) - (z @ basis) ** 2 @ weight)
    return np.concatenate(found)


def _tangent_kernel(fit: GaussianFit) -> Tensor:
    """Kernel of some rows under which the distance is a squared distance of means near 0 (module docstring)."""
    rows = fit.rows[:: max(1, len(fit.rows) // _LANDMARKS)][:_LANDMARKS].to(torch.float64)
    z = rows - torch.from_numpy(fit.mean)
    values, vectors = torch.linalg.eigh(z @ z.T)
    kept = values > _NEGLIGIBLE * values[-1].clamp(min=1e-300)
    axes, variances = vectors[:, kept] * values[kept].sqrt(), values[kept] / len(z)
    gram = axes @ axes.T
    if not len(variances):
        return gram
    nodes = torch.arange(math.log(0.01 / float(variances[-1])), math.log(5.0 / float(variances[0])))
    for t in nodes.exp().tolist():  # the integral over log t; steps of 1 are exact to 1e-3
        gram = gram + 0.5 * t * ((axes * torch.exp(-t * variances)) @ axes.T).square()
    return gram


def _halves(rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    order = torch.randperm(len(rows), generator=generator)
    half = len(rows) // 2
    return rows[order[:half]], rows[order[half : 2 * half]]
