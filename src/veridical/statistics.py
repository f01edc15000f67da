r"""Confidence intervals and statistical tests.

Every function takes anything `numpy.asarray` takes (arrays, lists, CPU tensors), computes in float64, and draws only
from a generator seeded by its `seed`, so that the same call gives the same result. Intervals are `(low, high)` at a
stated coverage `level`; tests return a `Test` with the p-value: the probability, if the hypothesis holds, of a
statistic at least as extreme.

References:
    Efron & Tibshirani, An Introduction to the Bootstrap (1993), ch. 13.
    Brown, Cai & DasGupta, Interval Estimation for a Binomial Proportion (2001). https://doi.org/10.1214/ss/1009213286
    Sokal, Monte Carlo Methods in Statistical Mechanics: Foundations and New Algorithms (1997), Section 3.
    Vehtari, Gelman, Simpson, Carpenter & Bürkner, Rank-Normalization, Folding, and Localization (2021), Eq. 1-4.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import special

__all__ = [
    "Estimate",
    "Test",
    "autocorrelation_time",
    "beta_interval",
    "bootstrap_interval",
    "chi_square_test",
    "clopper_pearson_interval",
    "kolmogorov_smirnov_test",
    "mean_interval",
    "permutation_test",
    "split_r_hat",
    "wilson_interval",
]

Interval = tuple[float, float]

_RESAMPLED_VALUES = 1 << 22
"""Values held at a time by resampling: 32 MB."""


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    standard_error: float
    """0 where the value is exact."""


class Test(NamedTuple):
    """The result of a hypothesis test."""

    __test__ = False  # not a test case of pytest

    statistic: float
    p_value: float
    dof: int | None = None
    """Degrees of freedom, where the statistic has them."""


def mean_interval(x: ArrayLike, level: float = 0.95, tau: float = 0.5) -> Interval:
    r"""Student interval of a mean, for independent draws or a chain of known autocorrelation time.

    $$ \bar x \pm t_{n_\text{eff}-1} \frac{s}{\sqrt{n_\text{eff}}}, \qquad n_\text{eff} = \frac{n}{2\tau} $$

    Args:
        x: (n,) draws.
        level: coverage.
        tau: integrated autocorrelation time $\tau$ (`autocorrelation_time`); 1/2 for independent draws.

    Returns:
        The interval, in the unit of x; infinite for fewer than two effective draws.

    Examples:
        >>> low, high = mean_interval([1.0, 2.0, 3.0])
        >>> round(low, 3), round(high, 3)
        (-0.484, 4.484)
    """
    x = _draws(x)
    effective = len(x) / (2 * max(tau, 0.5))
    if not effective > 1:
        return -math.inf, math.inf
    half = special.stdtrit(effective - 1, 0.5 + level / 2) * x.std(ddof=1) / math.sqrt(effective)
    return float(x.mean() - half), float(x.mean() + half)


def bootstrap_interval(
    x: ArrayLike,
    statistic: Callable[..., np.ndarray] = np.mean,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic of independent draws.

    Not for statistics that break under repeated rows (nearest neighbours) or with a bias of the size of their spread
    (Fréchet distances near zero): resampling doubles their bias.

    Args:
        x: (n, ...) draws along the first axis.
        statistic: called as `statistic(resamples, axis=1)` on (r, n, ...), returns (r,).
        level: coverage.
        n_resamples: number of resamples.
        seed: of the resampling.

    Returns:
        The interval, in the unit of the statistic.

    Examples:
        >>> low, high = bootstrap_interval(np.arange(100.0), np.median)
        >>> low < 49.5 < high
        True
    """
    x = np.asarray(x, np.float64)
    if x.ndim == 0 or len(x) < 2:
        raise ValueError(f"x has shape {x.shape}; expected at least two draws along the first axis.")
    rng = np.random.default_rng(seed)
    chunk = max(1, _RESAMPLED_VALUES // x.size)
    values = [
        statistic(x[rng.integers(0, len(x), (min(chunk, n_resamples - start), len(x)))], axis=1)
        for start in range(0, n_resamples, chunk)
    ]
    low, high = np.quantile(np.concatenate(values), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson_interval(successes: float, n: float, level: float = 0.95) -> Interval:
    r"""Wilson's score interval of a proportion; its average coverage is the nominal one even for small n.

    Args:
        successes: how often it happened; a fraction where counts were divided by a design effect.
        n: how often it could have happened.
        level: coverage.

    Returns:
        The interval, within [0, 1].

    Examples:
        >>> round(wilson_interval(0, 10)[1], 4)
        0.2775
    """
    _check_counts(successes, n)
    z = special.ndtri(0.5 + level / 2)
    p = successes / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return float(low), float(high)


def clopper_pearson_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Exact interval of a proportion: covers at least `level` for every proportion and n.

    Args:
        successes: how often it happened.
        n: how often it could have happened.
        level: coverage.

    Returns:
        The interval, within [0, 1].

    Examples:
        >>> round(clopper_pearson_interval(0, 10)[1], 4)
        0.3085
    """
    _check_counts(successes, n)
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else special.betaincinv(successes, n - successes + 1, tail)
    high = 1.0 if successes == n else special.betaincinv(successes + 1, n - successes, 1 - tail)
    return float(low), float(high)


def beta_interval(a: float, b: float, level: float = 0.95) -> Interval:
    """Central interval of a Beta(a, b) distribution.

    The mass below the k-th smallest of m draws is distributed as Beta(k, m + 1 - k).

    Args:
        a: first shape.
        b: second shape.
        level: mass inside.

    Returns:
        The interval, within [0, 1].

    Examples:
        >>> [round(side, 3) for side in beta_interval(1, 1)]
        [0.025, 0.975]
    """
    return float(special.betaincinv(a, b, (1 - level) / 2)), float(special.betaincinv(a, b, (1 + level) / 2))


def autocorrelation_time(x: ArrayLike, c: float = 6.0) -> float:
    r"""Integrated autocorrelation time of a stationary chain, in steps.

    $$ \tau = \tfrac12 + \sum_{t=1}^{M} \rho(t), \qquad M = \min\{m : m \ge c\,\tau(m)\} $$

    with the window of Sokal (Eq. 3.18-3.19). Independent draws have $\tau = 1/2$; n correlated draws carry the
    information of $n / 2\tau$ independent ones. The standard error of the estimate is about
    $\tau\sqrt{2(2M+1)/n}$: trust it from a thousand $\tau$ on.

    Args:
        x: (n,) observations of one chain, or (chains, n); autocovariances of several chains are averaged about their
            common mean, so chains that disagree have a long time.
        c: window in units of $\tau$; 6 leaves a bias of about $e^{-6}$ for an exponential decay.

    Returns:
        The time $\tau$, at least 1/2; infinite for a chain that never moves.

    Examples:
        >>> round(autocorrelation_time(np.random.default_rng(0).normal(size=10_000)), 1)
        0.5
        >>> autocorrelation_time([1.0, 1.0, 1.0])
        inf
    """
    chains = np.atleast_2d(np.asarray(x, np.float64))
    if chains.ndim != 2 or chains.shape[1] < 2:
        raise ValueError(f"x has shape {np.shape(x)}; expected (n,) or (chains, n) with at least two steps.")
    covariance = _autocovariance(chains - chains.mean()).mean(axis=0)
    if covariance[0] <= np.finfo(np.float64).eps * float(np.abs(chains).max()) ** 2:
        return math.inf
    tau = np.cumsum(covariance / covariance[0]) - 0.5
    window = np.arange(len(tau)) >= c * tau
    return max(0.5, float(tau[np.argmax(window)] if window.any() else tau[-1]))


def split_r_hat(chains: ArrayLike) -> float:
    r"""Ratio of the spread over all half chains to the spread within them: 1 when they agree.

    Args:
        chains: (chains, n) observations; each chain is cut into halves, so drift within a chain shows too.

    Returns:
        $\hat R$; above 1.01 the chains have not mixed. Infinite when chains stand still at different values.

    Examples:
        >>> round(split_r_hat(np.random.default_rng(0).normal(size=(4, 1000))), 2)
        1.0
    """
    chains = np.atleast_2d(np.asarray(chains, np.float64))
    half = chains.shape[-1] // 2
    if chains.ndim != 2 or half < 2:
        raise ValueError(f"chains has shape {chains.shape}; expected (chains, n) with at least four steps.")
    halves = np.concatenate([chains[:, :half], chains[:, -half:]])
    within = halves.var(axis=1, ddof=1).mean()
    between = half * halves.mean(axis=1).var(ddof=1)
    if within == 0:
        return 1.0 if between == 0 else math.inf
    return float(math.sqrt((half - 1) / half + between / (half * within)))


def chi_square_test(observed: ArrayLike, expected: ArrayLike, min_expected: float = 5.0, fitted: int = 0) -> Test:
    r"""Pearson's goodness of fit of counts to an exact distribution; bins of small expectation are pooled.

    Bins are merged in order of expectation, smallest first, until every expectation reaches `min_expected`; below that
    the statistic does not follow the $\chi^2$ distribution closely.

    Args:
        observed: (k,) counts; correlated chains must be thinned, or counted and then divided by $2\tau$.
        expected: (k,) probabilities or expected counts; scaled to the total of `observed`.
        min_expected: smallest expected count of a bin.
        fitted: number of parameters of the distribution that were fitted to the counts.

    Returns:
        Statistic, p-value, degrees of freedom.

    Raises:
        ValueError: shapes differ, something is negative, or fewer than two bins remain.

    Examples:
        >>> test = chi_square_test([30, 70], [0.5, 0.5])
        >>> test.statistic, test.dof, round(test.p_value, 6)
        (16.0, 1, 6.3e-05)
    """
    counts, probabilities = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    if counts.shape != probabilities.shape or counts.ndim != 1:
        raise ValueError(
            f"observed has shape {counts.shape}, expected {probabilities.shape}; pass two vectors of one length."
        )
    if not (counts >= 0).all() or not (probabilities >= 0).all() or not probabilities.sum() > 0:
        raise ValueError("observed or expected holds negative or no counts; expected counts and probabilities.")
    if (counts[probabilities == 0] > 0).any():
        return Test(math.inf, 0.0, len(probabilities) - 1 - fitted)
    counts, probabilities = _pool(counts, probabilities * (counts.sum() / probabilities.sum()), min_expected)
    dof = len(probabilities) - 1 - fitted
    if dof < 1:
        raise ValueError(
            f"{len(probabilities)} bin(s) of expectation {min_expected:g} remain after pooling; use more than "
            f"{counts.sum():g} observations."
        )
    statistic = float(((counts - probabilities) ** 2 / probabilities).sum())
    return Test(statistic, float(special.chdtrc(dof, statistic)), dof)


def permutation_test(
    x: ArrayLike,
    y: ArrayLike,
    statistic: Callable[[np.ndarray, np.ndarray], float] | None = None,
    n_permutations: int = 999,
    seed: int = 0,
) -> Test:
    r"""Two-sample test of equal distributions, exact at any size: labels are exchangeable under the hypothesis.

    Args:
        x: (n, ...) draws.
        y: (m, ...) draws.
        statistic: large when the samples differ; None: the distance of the means, $|\bar x - \bar y|$.
        n_permutations: random relabellings.
        seed: of the relabellings.

    Returns:
        Statistic and p-value $(1 + \#\{T_\pi \ge T\}) / (1 + n_\text{permutations})$, never zero.

    Examples:
        >>> permutation_test(np.zeros(20), np.ones(20)).p_value
        0.001
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim == 0 or x.shape[1:] != y.shape[1:] or not len(x) or not len(y):
        raise ValueError(f"x and y have shapes {x.shape} and {y.shape}; expected draws of one shape.")
    difference = statistic or (lambda a, b: float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))))
    both, n, rng = np.concatenate([x, y]), len(x), np.random.default_rng(seed)
    measured = difference(x, y)
    tolerance = 1e-12 * max(1.0, abs(measured))  # a relabelling without effect must count in spite of rounding
    extreme = 0
    for _ in range(n_permutations):
        shuffled = both[rng.permutation(len(both))]
        extreme += difference(shuffled[:n], shuffled[n:]) >= measured - tolerance
    return Test(float(measured), (1 + extreme) / (1 + n_permutations))


def kolmogorov_smirnov_test(x: ArrayLike, against: ArrayLike | Callable[[np.ndarray], np.ndarray]) -> Test:
    r"""Test that draws follow a continuous distribution, or the same distribution as other draws.

    Args:
        x: (n,) draws.
        against: the cumulative distribution function, or (m,) draws.

    Returns:
        Statistic $D = \sup|F_n - F|$, and its p-value: exact for one sample, for two from the asymptotic distribution
        (a little too large for small samples).

    Examples:
        >>> round(kolmogorov_smirnov_test(np.linspace(0.05, 0.95, 10), lambda x: x).statistic, 3)
        0.05
    """
    x = np.sort(_draws(x))
    n = len(x)
    if callable(against):
        from scipy.stats import kstwo  # exact distribution of D; heavy to import

        F = np.asarray(against(x), np.float64)
        statistic = float(max((np.arange(1, n + 1) / n - F).max(), (F - np.arange(n) / n).max()))
        return Test(statistic, float(kstwo.sf(statistic, n)))
    y = np.sort(_draws(against))
    both = np.concatenate([x, y])
    gap = np.searchsorted(x, both, "right") / n - np.searchsorted(y, both, "right") / len(y)
    statistic = float(np.abs(gap).max())
    return Test(statistic, float(special.kolmogorov(statistic * math.sqrt(n * len(y) / (n + len(y))))))


def _draws(x: ArrayLike) -> Float[np.ndarray, " n"]:
    x = np.asarray(x, np.float64)
    if x.ndim != 1 or not len(x):
        raise ValueError(f"x has shape {x.shape}; expected (n,) draws, at least one.")
    return x


def _check_counts(successes: float, n: float) -> None:
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"{successes} successes of {n}; expected 0 <= successes <= n and n > 0.")


def _autocovariance(chains: Float[np.ndarray, "chains n"]) -> Float[np.ndarray, "chains n"]:
    """Divide by n at every lag: smaller variance than dividing by n - t, and never an indefinite sequence."""
    n = chains.shape[1]
    spectrum = np.fft.rfft(chains, 1 << (2 * n - 1).bit_length(), axis=1)
    return np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n] / n


def _pool(
    counts: Float[np.ndarray, " k"], probabilities: Float[np.ndarray, " k"], least: float
) -> tuple[Float[np.ndarray, " pooled"], Float[np.ndarray, " pooled"]]:
    order = np.argsort(probabilities, kind="stable")
    counts, probabilities = counts[order], probabilities[order]
    small = 0
    while small < len(probabilities) and (probabilities[small] < least or 0 < probabilities[:small].sum() < least):
        small += 1
    if small == 0:
        return counts, probabilities
    return np.append(counts[small:], counts[:small].sum()), np.append(
        probabilities[small:], probabilities[:small].sum()
    )
