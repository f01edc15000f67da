"""What the configurations of variational families share."""

import pytest

from veridical.config.families.variational import LIKELIHOODS, VAESampling, check_free_bits


def test_every_likelihood_has_a_name() -> None:
    assert LIKELIHOODS == ("auto", "bernoulli", "gaussian", "categorical", "discretised-logistic")


def test_free_bits_need_a_divergence() -> None:
    check_free_bits(0.0, 50)
    check_free_bits(0.5, 1)
    with pytest.raises(ValueError, match="free_bits"):
        check_free_bits(-0.1, 1)
    with pytest.raises(ValueError, match="choose one"):
        check_free_bits(0.1, 5)


def test_sampling_refuses_other_outputs() -> None:
    with pytest.raises(ValueError, match="output is 'noise'"):
        VAESampling(output="noise")  # type: ignore[arg-type]
