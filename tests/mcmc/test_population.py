"""Population annealing: unbiased estimates at every temperature, laws by enumeration; with mutants."""

import math

import pytest
import torch
from tests.mcmc.machines import law, machine_of, number_of, states_of
from tests.mutants import mutated

from veridical.mcmc import population as module
from veridical.mcmc.bipartite import Tempering
from veridical.mcmc.population import population, simulated
from veridical.noise import FreshNoise
from veridical.statistics import chi_square_test

pytestmark = pytest.mark.usefixtures("double_precision")

LADDERS = {"uneven": (0.15, 0.5, 0.6, 1.0), "from zero": (0.0, 0.7, 1.0), "one step": (1.0,)}
RUNS, SIZE = 4_000, 4
RATE = 1e-4
"""False-alarm rate of each goodness of fit, for a fresh seed."""


def path_of() -> Tempering:
    return Tempering(machine_of("spin", "binary", scale=1.2), visible=torch.tensor([0.4, -0.2, 0.7]))


def log_z_of(path: Tempering, beta: float) -> float:
    return float(torch.logsumexp(path.log_f(path.at(states_of(path.machine)), beta), 0))


@pytest.mark.parametrize("name", LADDERS)
def test_estimates_of_small_populations_have_the_mean_z_at_every_temperature(name: str) -> None:
    """Populations of four, of which thousands: unbiased, and not only close. A t test at each temperature."""
    path, ladder = path_of(), LADDERS[name]
    _, found = population(path, ladder, FreshNoise(RUNS * SIZE), groups=RUNS)
    for beta, log_ratio in zip(ladder, found.log_ratio, strict=True):
        w = (path.log_z0 + log_ratio - log_z_of(path, beta)).exp()
        assert abs(float(w.mean()) - 1) < 3.9 * float(w.std()) / math.sqrt(RUNS) + 1e-9  # a rate of 1e-4


def test_a_large_population_follows_the_law_of_every_temperature() -> None:
    path, n = path_of(), 4_000
    for beta in (0.5, 1.0):
        ladder = [b for b in LADDERS["uneven"] if b <= beta]
        state, found = population(path, ladder, FreshNoise(n), sweeps=2)
        counts = torch.bincount(number_of(state.v, path.machine), minlength=8)
        # Copies of one chain are not independent at first; two steps of so small a machine part them.
        assert chi_square_test(counts, n * law(path, beta)).p_value > RATE
        assert 0.2 < len(found.ancestors.unique()) / n < 1


def test_simulated_annealing_ends_in_the_law_of_its_last_steps() -> None:
    path, n = path_of(), 4_000
    for beta in (0.3, 1.0):
        state = simulated(path, [0.1, 0.2] + [beta] * 12, FreshNoise(n))
        counts = torch.bincount(number_of(state.v, path.machine), minlength=8)
        assert chi_square_test(counts, n * law(path, beta)).p_value > RATE


def test_copies_are_in_proportion_to_weights() -> None:
    log_w = torch.tensor([[0.0, 1.0, -2.0, 0.5]]).repeat(5_000, 1) + 1e3
    rows = module._parents(log_w, FreshNoise(20_000)).reshape(5_000, 4)
    assert torch.equal(rows // 4, torch.arange(5_000)[:, None].expand(-1, 4))
    counts = (rows % 4)[..., None] == torch.arange(4)
    mean, expected = counts.double().sum(1), 4 * torch.softmax(log_w[0], 0)
    error = mean.std(0) / 5_000**0.5
    assert ((mean.mean(0) - expected).abs() < 4.5 * error + 1e-9).all()
    assert ((mean - expected).abs() < 2).all()  # one draw from each part: never far from its share


def test_populations_must_have_one_size() -> None:
    with pytest.raises(ValueError, match="10 chains in 3 populations"):
        population(path_of(), [1.0], FreshNoise(10), groups=3)


def everything() -> None:
    test_estimates_of_small_populations_have_the_mean_z_at_every_temperature("uneven")
    test_a_large_population_follows_the_law_of_every_temperature()


MUTANTS = [
    ("population", "path.log_f(state, before)", "0.0"),
    ("population", "- math.log(log_w.shape[1])", ""),
    ("population", "ancestors[rows], beta", "ancestors[rows], 0.0"),
    ("population", "rows = _parents(log_w, noise)", "rows = torch.arange(noise.n)"),
    ("population", "log_ratio = log_ratio + ", "log_ratio = "),
    ("_parents", "torch.softmax(log_w, 1)", "torch.softmax(-log_w, 1)"),
]


@pytest.mark.parametrize(("name", "before", "after"), MUTANTS)
def test_mutants_are_found(name: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = mutated(getattr(module, name), before, after)
    monkeypatch.setattr(module, name, wrong)
    if name == "population":
        monkeypatch.setitem(globals(), name, wrong)
    with pytest.raises(AssertionError):
        everything()
