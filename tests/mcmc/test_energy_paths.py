"""Paths that an energy alone admits: their laws and weights against sums and integrals; with mutants."""

import math

import pytest
import torch
from tests.mutants import is_noticed
from torch import Tensor

from veridical.mcmc import annealing
from veridical.mcmc.annealing import combine, combined_error, even_ladder, weigh
from veridical.mcmc.energy_paths import Normal, Sites
from veridical.noise import FreshNoise
from veridical.statistics import chi_square_test, kolmogorov_smirnov_test

pytestmark = pytest.mark.usefixtures("double_precision")

RATE = 1e-4
"""False-alarm rate of each goodness of fit, for a fresh seed."""

VALUES = torch.tensor([-1.0, 0.0, 2.0])
STATES = torch.cartesian_prod(VALUES, VALUES, VALUES).double()


def energy(x: Tensor) -> Tensor:
    """Neighbours attract, in a field."""
    return -0.7 * (x[:, 0] * x[:, 1] + x[:, 1] * x[:, 2]) + 0.3 * x.square().sum(1) - 0.2 * x[:, 0]


def sites() -> Sites:
    return Sites(energy, VALUES.double(), 3)


def frequencies(x: Tensor) -> Tensor:
    return (x[:, None] == STATES).all(-1).double().sum(0)


def site_step_from(path: Sites, beta: float | Tensor, n: int = 4_000) -> Tensor:
    """Frequencies after a step from exact draws at a temperature."""
    p = torch.softmax(-(0.6 * energy(STATES)), 0)
    first = path.at(STATES[torch.multinomial(p, n, replacement=True)])
    return frequencies(path.step(first, beta, FreshNoise(n)).x)


def test_steps_over_sites_leave_the_law_invariant() -> None:
    for beta in (0.6, torch.full((4_000,), 0.6)):
        law = torch.softmax(-0.6 * energy(STATES), 0)
        assert chi_square_test(site_step_from(sites(), beta), 4_000 * law).p_value > RATE


def site_kernel(beta: float) -> Tensor:
    """The matrix of a step forth and back, from the definition."""
    K = torch.eye(27)
    for site in (0, 1, 2, 2, 1, 0):
        one = torch.zeros(27, 27)
        for i, state in enumerate(STATES):
            others = (STATES[:, torch.arange(3) != site] == state[torch.arange(3) != site]).all(1)
            one[i, others] = torch.softmax(-beta * energy(STATES[others]), 0)
        K = K @ one
    return K


def test_steps_over_sites_are_those_of_the_definition_and_in_detailed_balance() -> None:
    K, n = site_kernel(0.6), 4_000
    law = torch.softmax(-0.6 * energy(STATES), 0)
    flow = law[:, None] * K
    torch.testing.assert_close(flow, flow.T)
    path = sites()
    found = frequencies(path.step(path.at(STATES[5].expand(n, -1)), 0.6, FreshNoise(n)).x)
    assert chi_square_test(found, n * K[5]).p_value > RATE


def test_weights_over_sites_have_the_mean_of_the_sum() -> None:
    path = sites()
    betas = even_ladder(path, 30, FreshNoise(20), pilots=10)
    log_w, _ = weigh(path, betas, FreshNoise(1_000))
    exact = float(torch.logsumexp(-energy(STATES), 0))
    assert path.log_z0 + float(combine(log_w)) == pytest.approx(exact, abs=4 * float(combined_error(log_w)))
    assert float(combined_error(log_w)) < 0.02


def well(x: Tensor) -> Tensor:
    """Two wells in the first component, a normal density in the second."""
    return 2 * (x[:, 0].square() - 1).square() - 0.5 * x[:, 0] + (x[:, 1] - 1).square()


def test_weights_of_continuous_components_have_the_mean_of_the_integral() -> None:
    path = Normal(well, 0.2, 1.5, 2)
    path.tune(FreshNoise(50), temperatures=8)
    log_w, state = weigh(path, torch.linspace(0, 1, 60).tolist(), FreshNoise(1_500))
    x = torch.linspace(-4, 4, 4_001)
    mass = (-2 * (x.square() - 1).square() + 0.5 * x).exp()
    exact = math.log(torch.trapezoid(mass, x)) + 0.5 * math.log(math.pi)
    assert path.log_z0 + float(combine(log_w)) == pytest.approx(exact, abs=4 * float(combined_error(log_w)))
    assert float(combined_error(log_w)) < 0.03
    last = 0.2 + 1.5 * state.u[:, 1]
    normal = torch.distributions.Normal(1.0, 0.5**0.5)
    assert kolmogorov_smirnov_test(last, lambda v: normal.cdf(torch.as_tensor(v)).numpy()).p_value > RATE


def test_without_interaction_the_normal_path_goes_nowhere() -> None:
    path = Normal(lambda x: 0.5 * ((x - 0.2) / 1.5).square().sum(1) + 0.7, 0.2, 1.5, 2)
    log_w, _ = weigh(path, [0.0, 0.1, 1.0], FreshNoise(5))
    torch.testing.assert_close(log_w, torch.full((5,), math.log(2 * math.pi * 1.5**2) - 0.7).double())
    assert float(path.log_f(path.at(torch.full((1, 2), 0.2)), 0.0)) == pytest.approx(-math.log(2 * math.pi))


def test_chains_of_the_normal_path_have_one_temperature() -> None:
    path = Normal(well, 0.0, 1.0, 2)
    with pytest.raises(ValueError, match="one temperature at a time"):
        path.step(path.start(FreshNoise(2)), torch.zeros(2), FreshNoise(2))


def test_ladders_are_close_where_the_density_changes() -> None:
    """The spread of the energy is that of the first sites alone, which freeze: most steps are at the beginning."""
    path = Sites(lambda x: -20 * x[:, 0], torch.tensor([-1.0, 1.0]), 2)
    betas = even_ladder(path, 50, FreshNoise(200), pilots=50)
    assert len(betas) == 51 and betas[0] == 0 and betas[-1] == 1 and betas == sorted(betas)
    flat = even_ladder(Sites(lambda x: 0 * x[:, 0], path.values, 2), 50, FreshNoise(2), pilots=50)
    early, of_flat = (sum(beta < 0.2 for beta in ladder) for ladder in (betas, flat))
    assert early >= of_flat + 8 and sum(beta > 0.9 for beta in flat) > 10


def share_that_counts(betas: list[float]) -> float:
    """Exact effective share of the weights of 21 spins in a field of 0.3 without interaction, drawn anew at each
    temperature: the product over the steps of (E w)^2 / E w^2."""
    low, high = 0.3 * torch.tensor(betas[:-1]), 0.3 * torch.tensor(betas[1:])
    a, b, c = (x.cosh().log() for x in (low, high, 2 * high - low))
    return float((21 * (2 * b - a - c)).sum().exp())


def test_a_ladder_costs_few_chains_where_equal_steps_are_best() -> None:
    """Equal steps leave .9125 of the chains; pilots decide too little to lose more than .025 of them."""
    path = Sites(lambda x: -0.3 * x.sum(1), torch.tensor([-1.0, 1.0]), 21)
    assert share_that_counts([t / 20 for t in range(21)]) == pytest.approx(0.9125, abs=1e-4)
    assert share_that_counts(even_ladder(path, 20, FreshNoise(20), pilots=20)) > 0.8875


MUTANTS = [
    (annealing, "even_ladder", "0.5 * late", "5 * late", test_a_ladder_costs_few_chains_where_equal_steps_are_best),
    (annealing, "even_ladder", "+ inside", "- inside", test_a_ladder_costs_few_chains_where_equal_steps_are_best),
    (Sites, "step", "*range(self.sites - 1, -1, -1)", "*range(self.sites)",
     test_steps_over_sites_are_those_of_the_definition_and_in_detailed_balance),
    (Sites, "_drawn", "-beta * energies", "-energies", test_steps_over_sites_leave_the_law_invariant),
    (Sites, "_drawn", "energies[chosen, rows]", "energies[0, rows]",
     test_weights_over_sites_have_the_mean_of_the_sum),
    (Normal, "_log_ratio", "+ self.sites * math.log(self.std)", "",
     test_without_interaction_the_normal_path_goes_nowhere),
    (Normal, "log_f", "beta * state.log_l", "state.log_l",
     test_weights_of_continuous_components_have_the_mean_of_the_integral),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[1]}: {m[2]}")
def test_mutants_are_found(mutant: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    *planted, check = mutant
    is_noticed(check, monkeypatch, *planted)
