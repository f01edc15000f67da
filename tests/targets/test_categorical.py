"""The law against enumeration."""

import math

import pytest
import torch

from veridical.targets.categorical import Categorical, zipf, zipf_bits


@pytest.mark.parametrize("law", [zipf(), zipf_bits(), Categorical(torch.full((27,), 1 / 27), dim=3)], ids=repr)
def test_probabilities_are_those_of_the_enumerated_outcomes(law: Categorical) -> None:
    x = law.outcomes
    assert x.shape == (len(law.probabilities), law.dim) and len(x.unique(dim=0)) == len(x)
    assert law.index(x).tolist() == list(range(len(x)))
    torch.testing.assert_close(law.log_prob(x).exp(), law.probabilities)
    assert law.log_prob(x).exp().sum().item() == pytest.approx(1)
    assert law.entropy().value == pytest.approx(float(-(law.probabilities * law.log_prob(x)).sum()))


@pytest.mark.parametrize("law", [zipf(), zipf_bits()], ids=repr)
def test_samples_follow_the_law(law: Categorical) -> None:
    n = 50_000
    x = law.sample(n, torch.Generator().manual_seed(0), torch.float64)
    expected = n * law.probabilities
    counts = torch.bincount(law.index(x), minlength=32)
    # False alarms: chi-square with 31 degrees of freedom is above 61.1 with probability 0.1 %.
    assert float(((counts - expected) ** 2 / expected).sum()) < 61.1
    assert x.mean().item() == pytest.approx(law.mean(), abs=4 * law.std() / math.sqrt(n))
    assert x.std().item() == pytest.approx(law.std(), rel=0.02)


def test_bits_are_the_digits_of_the_outcome_and_depend_on_each_other() -> None:
    law = zipf_bits()
    assert law.outcomes[6].tolist() == [0, 0, 1, 1, 0]
    marginal = law.probabilities @ law.outcomes
    independent = torch.where(law.outcomes > 0, marginal, 1 - marginal).prod(1)
    gap = float((law.probabilities * (law.probabilities / independent).log()).sum())
    assert gap == pytest.approx(0.5238, abs=1e-4)  # nats that no generator of independent bits can gain


def test_what_is_off_the_levels_has_no_outcome() -> None:
    x = torch.tensor([[0.0], [31.0], [32.0], [-1.0], [0.5], [math.nan]])
    assert zipf().index(x).tolist() == [0, 31, -1, -1, -1, -1]
    assert zipf().log_prob(x)[2:].eq(-math.inf).all()


def test_what_is_no_law_is_refused() -> None:
    for probabilities, dim in (([0.5, 0.6], 1), ([1.0, 0.0], 1), ([0.25] * 4, 3), ([1.0], 1), ([0.5, 0.5], 0)):
        with pytest.raises(ValueError, match="expected"):
            Categorical(torch.tensor(probabilities), dim)
    with pytest.raises(ValueError, match="5 components"):
        zipf_bits().index(torch.zeros(3, 4))
