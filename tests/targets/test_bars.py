"""The law of bars and stripes against enumeration of all images."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from tests.mutants import mutated

from veridical.targets.bars import BarsAndStripes
from veridical.targets.law import HasDensity, HasEntropy, HasLevels, Law


def everything(side: int) -> torch.Tensor:
    bits = list(itertools.product([-1.0, 1.0], repeat=side * side))
    return torch.tensor(bits, dtype=torch.float64).reshape(-1, 1, side, side)


@pytest.mark.parametrize("side", [2, 3])
def test_probabilities_of_all_images_sum_to_one_and_give_the_entropy(side: int) -> None:
    law = BarsAndStripes(side)
    log_p = law.log_prob(everything(side))
    possible = log_p[log_p > -math.inf]
    assert len(possible) == len(law.images) == 2 ** (side + 1) - 2
    assert possible.exp().sum().item() == pytest.approx(1)
    assert law.entropy().value == pytest.approx(-float(possible.exp() @ possible))


def test_the_listed_images_are_those_of_positive_probability() -> None:
    law = BarsAndStripes(3)
    assert law.log_prob(law.images).isfinite().all() and len(law.images.unique(dim=0)) == 14
    # Sums over the 2^(n+1) draws, in the literature: -41.6 for 3 x 3.
    draws = 16 * law.log_prob(law.images).exp()
    assert float((draws * law.log_prob(law.images)).sum()) == pytest.approx(-41.589, abs=1e-3)
    assert 2**5 * -BarsAndStripes(4).entropy().value == pytest.approx(-108.131, abs=1e-3)
    assert 2**6 * -BarsAndStripes(5).entropy().value == pytest.approx(-263.396, abs=1e-3)


def test_samples_follow_the_law() -> None:
    law, n = BarsAndStripes(3), 20_000
    x = law.sample(n, torch.Generator().manual_seed(0), torch.float64)
    same = (x[:, None] == law.images).flatten(2).all(2)
    assert (same.sum(1) == 1).all()
    expected = n * law.log_prob(law.images).exp()
    # False-alarm rate 1e-4.
    assert stats.chisquare(same.sum(0).numpy(), expected.numpy()).pvalue > 1e-4


def test_what_it_declares() -> None:
    law = BarsAndStripes(4)
    for ability in (Law, HasLevels, HasDensity, HasEntropy):
        assert isinstance(law, ability)
    assert law.name == "bars:4" and law.shape == (1, 4, 4)


@pytest.mark.parametrize("side", [1, 31, 2.0])
def test_other_sides_are_refused(side: int) -> None:
    with pytest.raises(ValueError, match="from 2 to 30"):
        BarsAndStripes(side)


def test_other_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="expects"):
        BarsAndStripes(3).log_prob(torch.ones(2, 1, 3, 4))
    assert BarsAndStripes(3).log_prob(torch.zeros(1, 1, 3, 3)) == -math.inf
    with pytest.raises(ValueError, match="at most 18"):
        _ = BarsAndStripes(20).images


MUTANTS: dict[str, tuple[str, str, str, Callable[[], None]]] = {
    "one value counts once": (
        "log_prob",
        "-self.side * math.log(2)",
        "-(self.side + 1) * math.log(2)",
        lambda: test_probabilities_of_all_images_sum_to_one_and_give_the_entropy(3),
    ),
    "grey is allowed": ("log_prob", " & bits", "", test_other_examples_are_refused),
    "bars only": (
        "log_prob",
        "(bars | stripes)",
        "bars",
        lambda: test_probabilities_of_all_images_sum_to_one_and_give_the_entropy(3),
    ),
    "the entropy of the draws": (
        "entropy",
        " - 2.0 ** (1 - self.side)",
        "",
        lambda: test_probabilities_of_all_images_sum_to_one_and_give_the_entropy(3),
    ),
    "the choice is one of the lines": ("sample", "bits[:, 0,", "bits[:, 1,", test_samples_follow_the_law),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, before, after, test = MUTANTS[name]
    monkeypatch.setattr(BarsAndStripes, method, mutated(getattr(BarsAndStripes, method), before, after))
    with pytest.raises(AssertionError):
        test()
