"""Hamiltonian steps: tempered posteriors of known mean and width stay invariant; mutants do not keep them."""

import inspect
import math

import pytest
import scipy.stats
import torch

from veridical.mcmc import hamiltonian
from veridical.mcmc.hamiltonian import hamiltonian_step, largest_step, start
from veridical.noise import FreshNoise

FALSE_ALARM = 1e-4  # of each of the two tests of a chain; seeds are fixed
PRECISION, CENTRE = 15.0, 2.0


def log_likelihood(u: torch.Tensor) -> torch.Tensor:
    return -0.5 * PRECISION * (u - CENTRE).square().sum(1)


def keeps(beta: float, step: float, module=None, moves: int = 20) -> bool:
    """Chains that start in the tempered posterior N(m, s^2) are still in it after some steps."""
    module = vars(hamiltonian) if module is None else module
    s = 1 / math.sqrt(1 + beta * PRECISION)
    m = beta * PRECISION * CENTRE * s**2
    noise = FreshNoise(10_000, "cpu", torch.Generator().manual_seed(0))
    state = module["start"](log_likelihood, m + s * noise.normal(1, dtype=torch.float64))
    for _ in range(moves):
        state, _ = module["hamiltonian_step"](
            log_likelihood, state, beta, torch.full((10_000,), step), leaps=3, noise=noise
        )
    return scipy.stats.kstest(state.u[:, 0], scipy.stats.norm(m, s).cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize(("beta", "step"), [(0.0, 0.5), (0.3, 0.2), (1.0, 0.3), (1.0, 0.02)])
def test_tempered_posteriors_stay_invariant(beta: float, step: float) -> None:
    assert keeps(beta, step)


MUTANTS = {
    "always accepted": ("uniform.log() < log_ratio", "uniform.log() < log_ratio + 1000"),
    "likelihood not tempered": ("return beta * state.log_l", "return state.log_l"),
    "velocity forgotten": (" + v.double().square().flatten(1).sum(1)", ""),
    "one kick left out": (
        "        proposal = start(log_likelihood, u)\n        v = v + 0.5 *",
        "        proposal = start(log_likelihood, u)\n        v = v + 0.0 *",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str) -> None:
    before, after = MUTANTS[mutant]
    source = inspect.getsource(hamiltonian)
    assert before in source
    namespace: dict = {"__name__": "mutant"}
    exec(source.replace(before, after), namespace)
    assert not (keeps(0.3, 0.6, namespace) and keeps(1.0, 0.3, namespace))


def test_a_quarter_of_a_turn_without_likelihood_is_an_independent_draw() -> None:
    noise = FreshNoise(5000, "cpu", torch.Generator().manual_seed(1))
    state = start(log_likelihood, noise.normal(1, dtype=torch.float64))
    step = torch.full((5000,), largest_step(4), dtype=torch.float64)
    after, accepted = hamiltonian_step(log_likelihood, state, 0.0, step, leaps=4, noise=noise)
    assert bool(accepted.all())
    assert abs(float(torch.corrcoef(torch.stack([state.u[:, 0], after.u[:, 0]]))[0, 1])) < 4 / math.sqrt(5000)


def test_steps_that_are_too_large_stay_where_they_are() -> None:
    state = start(lambda u: -1e6 * u.square().sum(1), torch.full((3, 2), 1e-3))
    after, accepted = hamiltonian_step(
        lambda u: -1e6 * u.square().sum(1), state, 1.0, torch.full((3,), 0.5), leaps=5, noise=None
    )
    assert not bool(accepted.any()) and torch.equal(after.u, state.u)
