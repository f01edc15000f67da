"""Units: log-normalisers and means by summation over their values, draws by goodness of fit, with mutants."""

import math

import pytest
import torch
from tests.mutants import is_noticed
from torch import Tensor

from veridical.mcmc.units import Binary, Categorical, Gaussian, Layer, Spin, Units
from veridical.noise import FreshNoise
from veridical.statistics import chi_square_test, kolmogorov_smirnov_test

pytestmark = pytest.mark.usefixtures("double_precision")

RATE = 1e-4
"""False-alarm rate of each goodness of fit, for a fresh seed."""

COUNTED = {"binary": Binary(), "spin": Spin(), "categorical": Categorical(3)}


def layer(kind: Units, sites: int = 2) -> Layer:
    return Layer(kind, torch.linspace(-0.7, 1.1, sites * kind.numbers))


def weights_of_states(kind: Units, field: Tensor) -> tuple[Tensor, Tensor]:
    """All states of a layer, and their probabilities under a field, from the definition."""
    states = layer(kind, len(field) // kind.numbers).states()
    return states, torch.softmax(states @ field, 0)


@pytest.mark.parametrize("name", COUNTED)
def test_the_log_normaliser_sums_over_all_states(name: str) -> None:
    own = layer(COUNTED[name])
    field = 3 * torch.randn(5, len(own.bias))
    torch.testing.assert_close(own.log_normaliser(field), torch.logsumexp(field @ own.states().T, 1))


@pytest.mark.parametrize("name", COUNTED)
def test_means_are_means(name: str) -> None:
    own = layer(COUNTED[name])
    states, p = weights_of_states(own.units, own.bias)
    torch.testing.assert_close(own.mean(own.bias), p @ states)


@pytest.mark.parametrize("name", COUNTED)
def test_draws_have_the_probabilities(name: str) -> None:
    own, n = layer(COUNTED[name]), 4_000
    states, p = weights_of_states(own.units, own.bias)
    drawn = own.draw(own.bias.expand(n, -1), FreshNoise(n))
    found = (drawn[:, None] == states).all(-1).double()
    assert found.sum() == n
    assert chi_square_test(found.sum(0), n * p).p_value > RATE


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_kept_is_whole_and_comes_back(name: str) -> None:
    states = layer(COUNTED[name]).states()
    kept = COUNTED[name].pack(states)
    assert kept.dtype is torch.int8 and torch.equal(COUNTED[name].unpack(kept, states.dtype), states)


def test_gaussian_units_are_normal() -> None:
    q, field = torch.tensor([0.5, 4.0]), torch.tensor([1.0, -2.0])
    own = Layer(Gaussian(), field, q)
    x = torch.linspace(-30, 30, 200_001)
    integrals = [torch.trapezoid((field[i] * x - q[i] * x.square() / 2).exp(), x) for i in range(2)]
    assert float(own.log_normaliser(field)) == pytest.approx(math.log(integrals[0] * integrals[1]), rel=1e-9)
    drawn = own.draw(field.expand(3_000, -1), FreshNoise(3_000))
    for i in range(2):
        normal = torch.distributions.Normal(float(own.mean(field)[i]), float(q[i]) ** -0.5)
        assert (
            kolmogorov_smirnov_test(drawn[:, i], lambda v, d=normal: d.cdf(torch.as_tensor(v)).numpy()).p_value > RATE
        )


def test_energies_are_those_of_the_definition() -> None:
    x, q = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 4.0])
    assert float(Layer(Gaussian(), x.new_tensor([1.0, 3.0]), q).own_energy(x)) == 0.5 * (0.5 * 4 + 4 * 1) - (2 - 3)


def test_gaussian_units_refuse_what_they_cannot() -> None:
    with pytest.raises(ValueError, match="sum over the other layer"):
        Gaussian().states(2)
    with pytest.raises(ValueError, match="precision of Gaussian units is None"):
        Gaussian().mean(torch.zeros(1), None)


MUTANTS = [
    (Spin, "log_normaliser", "-2 * field.abs()", "-field.abs()", test_the_log_normaliser_sums_over_all_states, "spin"),
    (Spin, "draw", "(2 * field)", "(field)", test_draws_have_the_probabilities, "spin"),
    (Spin, "mean", "field.tanh()", "(field / 2).tanh()", test_means_are_means, "spin"),
    (Categorical, "draw", "[..., :-1]", "[..., 1:]", test_draws_have_the_probabilities, "categorical"),
    (Categorical, "log_normaliser", ".logsumexp(-1).sum(-1)", ".sum(-1).logsumexp(-1)",
     test_the_log_normaliser_sums_over_all_states, "categorical"),
    (Gaussian, "log_normaliser", "- q.log()", "+ q.log()", test_gaussian_units_are_normal, None),
    (Gaussian, "draw", "/ q.sqrt()", "/ q", test_gaussian_units_are_normal, None),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[0].__name__}.{m[1]}")
def test_mutants_are_found(mutant: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    *planted, test, argument = mutant
    is_noticed(lambda: test(argument) if argument else test(), monkeypatch, *planted)
