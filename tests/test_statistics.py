"""Error bars and tests, against scipy, closed forms, and their own coverage.

Statistical checks count over many seeded repetitions; each states the rate at which a correct implementation would
fail it under another seed.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from veridical import statistics as st


def covers(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def ar1(rho: float, n: int, rng: np.random.Generator) -> np.ndarray:
    from scipy.signal import lfilter

    x = lfilter([1.0], [1.0, -rho], rng.normal(size=n + 1000))
    return np.asarray(x)[1000:]


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (1, 1), (77, 1000)])
def test_binomial_intervals_agree_with_scipy(k: int, n: int) -> None:
    for method, ours in (("wilson", st.wilson_interval), ("exact", st.clopper_pearson_interval)):
        theirs = stats.binomtest(k, n).proportion_ci(0.9, method=method)  # type: ignore[arg-type]
        assert ours(k, n, 0.9) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("p", [0.02, 0.3, 0.98])
def test_binomial_intervals_cover(p: float) -> None:
    n = 100
    weight = stats.binom.pmf(np.arange(n + 1), n, p)
    wilson = sum(w for k, w in enumerate(weight) if covers(st.wilson_interval(k, n), p))
    exact = sum(w for k, w in enumerate(weight) if covers(st.clopper_pearson_interval(k, n), p))
    assert wilson >= 0.93  # an exact sum, no draw: Wilson's coverage oscillates about 95 %
    assert exact >= 0.95


def test_counts_that_are_none_are_refused() -> None:
    for k, n in ((-1, 10), (11, 10), (0, 0)):
        with pytest.raises(ValueError, match="successes"):
            st.wilson_interval(k, n)
        with pytest.raises(ValueError, match="successes"):
            st.clopper_pearson_interval(k, n)


def test_beta_interval_is_the_law_of_order_statistics() -> None:
    m, k = 500, 5
    assert st.beta_interval(k, m + 1 - k) == pytest.approx(stats.beta(k, m + 1 - k).interval(0.95), abs=1e-12)


def test_mean_interval_is_student() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, size=12)
    theirs = stats.ttest_1samp(x, 0.0).confidence_interval(0.95)
    assert st.mean_interval(x) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert st.mean_interval(torch.from_numpy(x)) == st.mean_interval(x)
    assert st.mean_interval([1.0]) == (-math.inf, math.inf)


def test_mean_interval_of_a_chain_covers() -> None:
    # 400 chains, coverage .95: binomial sd .011; outside .90..0.985 with probability below 1e-3.
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        x = ar1(0.8, 4000, rng)
        hits += covers(st.mean_interval(x, tau=st.autocorrelation_time(x)), 0.0)
    assert 0.90 <= hits / 400 <= 0.985


def test_bootstrap_interval_covers_and_repeats() -> None:
    # 300 repetitions at n = 80: percentile coverage of a median about .94; below .89 with probability below 1e-3.
    rng = np.random.default_rng(2)
    draws = rng.exponential(size=(300, 80))
    hits = sum(covers(st.bootstrap_interval(x, np.median, n_resamples=400), math.log(2)) for x in draws)
    assert 0.89 <= hits / 300 <= 0.985
    assert st.bootstrap_interval(draws[0], seed=3) == st.bootstrap_interval(draws[0], seed=3)
    assert st.bootstrap_interval(draws[0], seed=3) != st.bootstrap_interval(draws[0], seed=4)


def test_bootstrap_agrees_with_scipy() -> None:
    x = np.random.default_rng(3).normal(size=200)
    theirs = stats.bootstrap((x,), np.mean, method="percentile", n_resamples=20_000, rng=0).confidence_interval
    # Monte-Carlo error of a 2.5 % quantile from 20,000 resamples is .02 standard errors of the mean; 5 of them.
    assert st.bootstrap_interval(x, n_resamples=20_000) == pytest.approx((theirs.low, theirs.high), abs=0.1 / 200**0.5)


def test_bootstrap_takes_rows_and_refuses_one() -> None:
    rows = np.random.default_rng(4).normal(size=(50, 3))
    low, high = st.bootstrap_interval(rows, lambda x, axis: x.mean(axis=axis)[:, 0])
    assert covers((low, high), rows[:, 0].mean())
    with pytest.raises(ValueError, match="at least two"):
        st.bootstrap_interval([1.0])


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_autocorrelation_time_of_an_ar1(rho: float) -> None:
    exact = 0.5 * (1 + rho) / (1 - rho)
    x = ar1(rho, 200_000, np.random.default_rng(5))
    window = 6 * exact
    error = exact * math.sqrt(2 * (2 * window + 1) / len(x))  # Sokal's standard error
    assert st.autocorrelation_time(x) == pytest.approx(exact, abs=4 * error)
    assert st.autocorrelation_time(x.reshape(20, -1)) == pytest.approx(exact, abs=4 * error)


def test_autocorrelation_time_equals_the_direct_sum() -> None:
    x = ar1(0.7, 300, np.random.default_rng(6))
    y = x - x.mean()
    rho = np.array([np.dot(y[: len(y) - t], y[t:]) for t in range(len(y))]) / np.dot(y, y)
    tau = 0.5
    for m in range(1, len(y)):
        tau += rho[m]
        if m >= 6 * tau:
            break
    assert st.autocorrelation_time(x) == pytest.approx(tau, rel=1e-10)


def test_a_frozen_chain_never_decorrelates() -> None:
    assert st.autocorrelation_time(np.full(100, 0.1)) == math.inf
    assert st.autocorrelation_time([1.0, -1.0] * 50) == 0.5  # anticorrelated: never counted as more than n draws
    assert st.autocorrelation_time(np.stack([np.zeros(100), np.ones(100)])) > 20  # frozen apart
    with pytest.raises(ValueError, match="two steps"):
        st.autocorrelation_time([1.0])


def test_r_hat_sees_chains_apart_and_drift() -> None:
    rng = np.random.default_rng(7)
    agreed = rng.normal(size=(4, 1000))
    assert st.split_r_hat(agreed) == pytest.approx(1.0, abs=0.01)
    assert st.split_r_hat(agreed + np.arange(4)[:, None]) > 1.3
    assert st.split_r_hat(agreed + np.linspace(0, 3, 1000)) > 1.2
    assert st.split_r_hat(np.array([[0.0] * 8, [1.0] * 8])) == math.inf
    assert st.split_r_hat(np.zeros((2, 8))) == 1.0


def test_chi_square_agrees_with_scipy() -> None:
    observed = np.array([18, 22, 29, 31])
    expected = np.array([25.0, 25.0, 25.0, 25.0])
    theirs = stats.chisquare(observed, expected)
    ours = st.chi_square_test(observed, [1, 1, 1, 1])
    assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-12)
    assert ours.dof == 3


def test_chi_square_pools_small_bins() -> None:
    test = st.chi_square_test([50, 46, 1, 2, 1], [0.5, 0.45, 0.02, 0.02, 0.01])
    theirs = stats.chisquare([50, 46, 4], [50, 45, 5])
    assert (test.statistic, test.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-12)
    assert st.chi_square_test([5, 5, 1], [0.5, 0.5, 0.0]).p_value == 0.0  # it did what cannot happen
    with pytest.raises(ValueError, match="remain"):
        st.chi_square_test([1, 2], [0.5, 0.5])
    with pytest.raises(ValueError, match="two vectors"):
        st.chi_square_test([1, 2], [0.5, 0.3, 0.2])


def test_chi_square_p_values_are_uniform() -> None:
    # Kolmogorov-Smirnov over 500 repetitions; fails at random once in 10,000.
    rng = np.random.default_rng(8)
    law = rng.dirichlet(np.ones(12))
    p = [st.chi_square_test(rng.multinomial(400, law), law).p_value for _ in range(500)]
    assert st.kolmogorov_smirnov_test(p, lambda x: x).p_value > 1e-4


def test_permutation_test_is_exact_and_has_power() -> None:
    # Under the hypothesis P(p <= .05) = .05 exactly; over 400 repetitions outside .02..0.09 with probability < 1e-3.
    rng = np.random.default_rng(9)
    p = [st.permutation_test(rng.normal(size=10), rng.normal(size=15), n_permutations=99).p_value for _ in range(400)]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09
    assert st.permutation_test(rng.normal(size=(40, 2)), rng.normal(1.0, size=(40, 2))).p_value <= 0.002
    assert st.permutation_test(np.zeros(5), np.zeros(7)).p_value == 1.0


def test_permutation_test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=20), rng.normal(0.6, size=25)
    theirs = stats.permutation_test((x, y), lambda a, b: abs(a.mean() - b.mean()), n_resamples=9999, rng=0)
    # the larger of p and the error of 9999 relabellings at p ~ .05 is .0022; five of them for two runs
    assert st.permutation_test(x, y, n_permutations=9999).p_value == pytest.approx(theirs.pvalue, abs=0.016)


def test_kolmogorov_smirnov_agrees_with_scipy() -> None:
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=60), rng.normal(0.3, size=90)
    one, theirs = st.kolmogorov_smirnov_test(x, stats.norm.cdf), stats.kstest(x, stats.norm.cdf, method="exact")
    assert (one.statistic, one.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    two, (statistic, p_value) = st.kolmogorov_smirnov_test(x, y), stats.ks_2samp(x, y)
    assert two.statistic == pytest.approx(statistic, rel=1e-12)
    assert two.p_value == pytest.approx(p_value, abs=0.05)  # asymptotic beside exact
    assert st.kolmogorov_smirnov_test(x, x).statistic == 0.0
