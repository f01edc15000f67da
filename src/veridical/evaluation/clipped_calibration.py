r"""What m good samples are expected to score in clipped coverage, and the share of good samples read back from it.

The probability of a ball has the distribution Beta(k, N - k) whatever the data are, so that the number of m samples in
it is beta-binomial; `clipped` uses the mean of its clipped value.
"""

import numpy as np
from jaxtyping import Float
from scipy import special

K = 5
"""Neighbours, as published."""


def expected_coverage(m: Float[np.ndarray, "*many"] | float, n_real: int, k: int = K) -> Float[np.ndarray, "*many"]:
    r"""Expected clipped coverage f(m) of m good samples, before calibration; m need not be whole.

    Args:
        m: number of good samples.
        n_real: number N of real examples, more than k.
        k: neighbours.

    Examples:
        >>> expected_coverage(np.array([0.0, 1.0]), 11).round(3)  # one sample fills 1/5 of a ball of probability 5/11
        array([0.   , 0.091])
    """
    if n_real <= k:
        raise ValueError(f"{n_real} real examples for {k} neighbours; use more than {k}.")
    m = np.asarray(m, np.float64)
    missing = np.zeros_like(m)
    for j in range(k):
        with np.errstate(divide="ignore", invalid="ignore"):
            log_choose = special.gammaln(m + 1) - special.gammaln(j + 1) - special.gammaln(m - j + 1)
            log_p = log_choose + special.betaln(k + j, n_real - k + m - j) - special.betaln(k, n_real - k)
        missing += (k - j) * np.where(m >= j, np.exp(log_p), 0.0)
    return 1 - missing / k


def calibrated(
    covered: Float[np.ndarray, "*many"] | float, m: int, n_real: int, k: int = K
) -> Float[np.ndarray, "*many"]:
    r"""Share of good samples among m whose expectation is a measured clipped coverage: $f^{-1}(y)/m$.

    Args:
        covered: measured clipped coverage y.
        m: number M of samples.
        n_real: number N of real examples.
        k: neighbours.

    Returns:
        The share; above 1 where the coverage is better than that of an average perfect model, at most 4.

    Examples:
        >>> calibrated(expected_coverage(50.0, 200), 100, 200).round(6)
        np.float64(0.5)
    """
    good = np.arange(4.0 * m + 1)
    return np.asarray(np.interp(covered, expected_coverage(good, n_real, k), good)) / m
