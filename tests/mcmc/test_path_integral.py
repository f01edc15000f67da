"""Path-integral annealing: slices against the quantum density by diagonalisation, and its error in 1/P^2; mutants."""

import math
from collections.abc import Callable

import pytest
import torch
from tests.mcmc.machines import law_of_a_slice, machine_of, states_and_energies
from tests.mutants import mutated
from torch import Tensor

from veridical.mcmc import path_integral as module
from veridical.mcmc.bipartite import Machine
from veridical.mcmc.path_integral import coupling, quantum, start, step
from veridical.mcmc.units import Layer, Spin
from veridical.noise import FreshNoise
from veridical.statistics import chi_square_test

pytestmark = pytest.mark.usefixtures("double_precision")

RATE = 1e-4
"""False-alarm rate of each goodness of fit, for a fresh seed."""


def pair() -> Machine:
    """One visible and one hidden spin."""
    layers = (Layer(Spin(), torch.tensor([bias])) for bias in (0.5, -0.3))
    return Machine(torch.tensor([[0.8]]), *layers)


def quantum_law(machine: Machine, gamma: float) -> Tensor:
    """Diagonal of exp(-H) / tr exp(-H) in the basis of the classical states."""
    s, energies = states_and_energies(machine)
    flips = ((s[:, None] != s).sum(-1) == 1).double()
    value, vector = torch.linalg.eigh(torch.diag(energies) - gamma * flips)
    p = (vector.square() * (-value).exp()).sum(1)
    return p / p.sum()


@pytest.mark.parametrize("gamma", [0.5, 1.5])
def test_the_error_of_slices_falls_by_four_when_they_are_doubled(gamma: float) -> None:
    exact = quantum_law(pair(), gamma)
    errors = [float((law_of_a_slice(pair(), gamma, P) - exact).abs().max()) for P in (16, 32, 64)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05) and errors[1] / errors[2] == pytest.approx(4, rel=0.02)
    assert errors[2] < 1e-4


def test_a_small_field_leaves_the_classical_density_and_a_large_one_nothing() -> None:
    _, energies = states_and_energies(pair())
    torch.testing.assert_close(law_of_a_slice(pair(), 1e-3, 4), torch.softmax(-energies, 0), atol=1e-5, rtol=0)
    assert (quantum_law(pair(), 200.0) - 0.25).abs().max() < 0.01


@pytest.mark.parametrize("of", [pair, lambda: machine_of("spin", "spin", scale=0.8)], ids=["pair", "five"])
def test_steps_keep_and_reach_the_law_of_a_slice(of: Callable[[], Machine]) -> None:
    machine = of()
    n, slices, gamma = 4_000, 4, 1.2
    noise = FreshNoise(n)
    state = start(machine, slices, noise)
    for _ in range(25):
        state = step(machine, state, gamma, noise)
    s, _ = states_and_energies(machine)
    expected = n * law_of_a_slice(machine, gamma, slices)
    for place in (0, 3):
        both = torch.cat([state.v[:, place], state.h[:, place]], 1)
        counts = (both[:, None] == s).all(-1).double().sum(0)
        assert chi_square_test(counts, expected).p_value > RATE


def test_annealing_ends_near_the_classical_density_of_the_last_field() -> None:
    machine, n = pair(), 4_000
    gammas = [4.0 * 0.8**t for t in range(12)] + [0.4] * 15
    v = quantum(machine, gammas, 4, FreshNoise(n))
    law = law_of_a_slice(machine, 0.4, 4).reshape(2, 2).sum(1)
    counts = torch.stack([(v[:, 0] == value).sum() for value in (-1.0, 1.0)])
    assert chi_square_test(counts, n * law).p_value > RATE


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        coupling(0.0, 4)
    with pytest.raises(ValueError, match="an even number"):
        start(pair(), 3, FreshNoise(1))
    with pytest.raises(ValueError, match="spins in both layers"):
        start(machine_of("binary", "spin"), 4, FreshNoise(1))
    assert coupling(1.0, 2) == pytest.approx(-0.5 * math.log(math.tanh(0.5)))


def everything() -> None:
    test_the_error_of_slices_falls_by_four_when_they_are_doubled(1.5)
    test_steps_keep_and_reach_the_law_of_a_slice(pair)


MUTANTS = [
    ("coupling", "-0.5 * math.log", "0.5 * math.log"),
    ("coupling", "gamma / slices", "gamma * slices"),
    ("coupling", "-0.5 * math.log", "-0.5 * slices * math.log"),
    ("_drawn", "machine.weights.T) / slices", "machine.weights.T)"),
    ("_drawn", "x.roll(1, 1) + x.roll(-1, 1)", "2 * x.roll(1, 1)"),
    ("_drawn", "(2 * field)", "(field)"),
    ("_drawn", "torch.where(chosen, drawn, x)", "drawn"),
]


@pytest.mark.parametrize(("name", "before", "after"), MUTANTS)
def test_mutants_are_found(name: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = mutated(getattr(module, name), before, after)
    monkeypatch.setattr(module, name, wrong)
    if name == "coupling":
        monkeypatch.setitem(globals(), name, wrong)
    with pytest.raises((AssertionError, ValueError, OverflowError)):
        everything()
