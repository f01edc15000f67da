"""Clipped coverage by simulation of its beta-binomial distribution, and read backwards."""

import numpy as np
import pytest

from veridical.evaluation.clipped_calibration import calibrated, expected_coverage


def test_the_expectation_is_that_of_beta_binomial_counts() -> None:
    """200,000 draws: the standard error is below .001."""
    rng = np.random.default_rng(0)
    for m, n, k in ((10, 50, 5), (200, 100, 3), (40, 40, 5)):
        counts = rng.binomial(m, rng.beta(k, n - k, 200_000))
        expected = np.minimum(counts, k).mean() / k
        assert float(expected_coverage(float(m), n, k)) == pytest.approx(expected, abs=0.005)


def test_a_half_of_good_samples_is_read_back_as_a_half() -> None:
    assert float(calibrated(expected_coverage(50.0, 200), 100, 200)) == pytest.approx(0.5)
    assert float(calibrated(0.0, 100, 200)) == 0.0


def test_too_few_real_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 5"):
        expected_coverage(1.0, 5)
