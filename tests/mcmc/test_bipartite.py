"""Machines of two layers: energies, sums and conditionals by enumeration, detailed balance, log Z; with mutants."""

import math
from collections.abc import Callable

import pytest
import torch
from tests.mcmc.machines import KINDS, kernel, law, machine_of, number_of, states_of
from tests.mutants import is_noticed, mutated

from veridical.mcmc import bipartite
from veridical.mcmc.bipartite import Machine, Tempering, UnnormalisableError, log_partition
from veridical.mcmc.units import Binary, Gaussian, Layer, Spin
from veridical.noise import FreshNoise
from veridical.statistics import chi_square_test

pytestmark = pytest.mark.usefixtures("double_precision")

RATE = 1e-4
"""False-alarm rate of each goodness of fit, for a fresh seed."""


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_the_free_energy_sums_out_the_hidden_units(kinds: tuple[str, str]) -> None:
    machine = machine_of(*kinds)
    v, h = states_of(machine), machine.hidden.states()
    energies = machine.energy(v[:, None].expand(-1, len(h), -1), h.expand(len(v), -1, -1))
    torch.testing.assert_close(machine.free_energy(v), -torch.logsumexp(-energies, 1))


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_log_z_is_the_sum_over_both_layers(kinds: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_of(*kinds)
    expected = float(torch.logsumexp(-machine.free_energy(states_of(machine)), 0))
    for chunk in (4, 1 << 22):  # a few units are listed at a time, or all
        monkeypatch.setattr(bipartite, "_CHUNK", chunk)
        for same in (machine, machine.transposed()):
            assert log_partition(same) == pytest.approx(expected, rel=1e-12)


def test_log_z_of_a_gaussian_layer_is_that_of_a_mixture() -> None:
    """Binary hidden units and one Gaussian unit: a sum of integrals of normal densities."""
    W, q = torch.tensor([[1.5, -2.0]]), torch.tensor([3.0])
    machine = Machine(W, Layer(Gaussian(), torch.tensor([0.4]), q), Layer(Binary(), torch.tensor([-0.3, 0.8])))
    x = torch.linspace(-20, 20, 100_001)[:, None]
    expected = math.log(torch.trapezoid((-machine.free_energy(x)).exp(), x[:, 0]))
    assert log_partition(machine) == pytest.approx(expected, rel=1e-9)


def gaussian(scale: float) -> Machine:
    W = scale * torch.tensor([[0.5, -0.2], [0.3, 0.6]])
    layers = (Layer(Gaussian(), torch.tensor([0.3, b]), torch.tensor([1.0, 2.0])) for b in (-0.4, 0.9))
    return Machine(W, *layers)


def test_two_gaussian_layers_have_the_log_z_of_their_quadratic_form() -> None:
    machine, x = gaussian(1.0), torch.linspace(-14, 14, 701)
    v = torch.cartesian_prod(x, x)
    total = (-machine.free_energy(v)).exp().sum() * (x[1] - x[0]) ** 2
    assert log_partition(machine) == pytest.approx(math.log(total), rel=1e-8)


def test_a_machine_that_cannot_be_normalised_is_an_error_and_not_a_number() -> None:
    with pytest.raises(UnnormalisableError, match="eigenvalue -"):
        log_partition(gaussian(4.0))
    with pytest.raises(UnnormalisableError, match="infinite"):
        Tempering(gaussian(4.0))


def test_too_many_states_are_not_summed() -> None:
    layer = Layer(Spin(), torch.zeros(25))
    assert log_partition(Machine(torch.zeros(25, 25), layer, layer)) is None


def test_no_interaction_is_known_in_closed_form() -> None:
    layers = (Layer(Spin(), torch.zeros(n)) for n in (3, 24))
    assert log_partition(Machine(torch.zeros(3, 24), *layers)) == pytest.approx(27 * math.log(2), rel=1e-12)


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_gibbs_steps_are_in_detailed_balance(kinds: tuple[str, str]) -> None:
    """p(v) K(v, v') is symmetric at every temperature, with K from the conditionals."""
    path = Tempering(machine_of(*kinds), visible=0.5 * torch.ones_like(machine_of(*kinds).visible.bias))
    for beta in (0.0, 0.4, 1.0):
        flow = law(path, beta)[:, None] * kernel(path, beta)
        torch.testing.assert_close(flow, flow.T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_steps_have_the_probabilities_of_the_conditionals(kinds: tuple[str, str]) -> None:
    machine, n = machine_of(*kinds), 4_000
    path = Tempering(machine, visible=0.5 * torch.ones_like(machine.visible.bias))
    start = states_of(machine)[1]
    first = path.at(start.expand(n, -1))
    draws = {
        "0.4": lambda: path.step(first, 0.4, FreshNoise(n)).v,
        "1.0": lambda: path.step(first, 1.0, FreshNoise(n)).v,
        "0.4 of every row": lambda: path.step(first, torch.full((n,), 0.4), FreshNoise(n)).v,
        "1.0 without a path": lambda: machine.gibbs(first.v, FreshNoise(n)),
    }
    for name, draw in draws.items():
        counts = torch.bincount(number_of(draw(), machine), minlength=len(states_of(machine)))
        assert chi_square_test(counts, n * kernel(path, float(name[:3]))[1]).p_value > RATE


def test_the_ends_of_the_path_are_independent_units_and_the_machine() -> None:
    machine = machine_of("binary", "spin")
    b0, c0 = torch.tensor([0.3, -1.0, 0.2]), torch.tensor([0.5, -0.6])
    path = Tempering(machine, b0, c0)
    v = path.at(states_of(machine))
    torch.testing.assert_close(path.log_f(v, 1.0), -machine.free_energy(v.v))
    torch.testing.assert_close(path.log_f(v, 0.0), v.v @ b0 + (2 * c0.cosh()).log().sum())
    assert path.log_z0 == pytest.approx(float(torch.logsumexp(path.log_f(v, 0.0), 0)), rel=1e-12)
    rows = torch.linspace(0, 1, len(v.v))
    one_by_one = torch.stack([path.log_f(v, float(beta))[i] for i, beta in enumerate(rows)])
    torch.testing.assert_close(path.log_f(v, rows), one_by_one)


def spins_below() -> Machine:
    return machine_of("spin", "binary")


def gaussian_machine() -> Machine:
    machine = machine_of("binary", "binary")
    return machine._replace(visible=Layer(Gaussian(), machine.visible.bias, torch.linspace(1, 2, 3)))


@pytest.mark.parametrize("build", [spins_below, gaussian_machine])
def test_ratios_are_differences_of_log_densities(build: Callable[[], Machine]) -> None:
    machine = build()
    visible, hidden = (torch.linspace(-1, 1, len(layer.bias)) for layer in (machine.visible, machine.hidden))
    path, random = Tempering(machine, visible, hidden), torch.Generator().manual_seed(0)
    state = path.start(FreshNoise(5, generator=random))
    for low, high in ((0.0, 0.3), (0.3, 0.8), (1.0, 0.8)):
        expected = path.log_f(state, high) - path.log_f(state, low)
        torch.testing.assert_close(path.log_ratio(state, low, high), expected)


def test_the_start_is_drawn_from_independent_units() -> None:
    machine, n = machine_of("categorical", "binary"), 4_000
    path = Tempering(machine, visible=torch.linspace(-1, 1, len(machine.visible.bias)))
    counts = torch.bincount(number_of(path.start(FreshNoise(n)).v, machine), minlength=len(states_of(machine)))
    assert chi_square_test(counts, n * law(path, 0.0)).p_value > RATE


Pair = ("binary", "spin")
MUTANTS = [
    (Machine, "free_energy", "- self.hidden.log", "+ self.hidden.log",
     lambda: test_the_free_energy_sums_out_the_hidden_units(Pair)),
    (Machine, "energy", "- ((v", "+ ((v", lambda: test_the_free_energy_sums_out_the_hidden_units(Pair)),
    (Machine, "gibbs", "self.visible.bias + h", "h",
     lambda: test_steps_have_the_probabilities_of_the_conditionals(Pair)),
    (Tempering, "step", "_mixed(self.visible, field, beta, out=field)", "field",
     lambda: test_steps_have_the_probabilities_of_the_conditionals(Pair)),
    (Tempering, "step", "_hidden_field(state, beta)", "_hidden_field(state, 1.0)",
     lambda: test_steps_have_the_probabilities_of_the_conditionals(Pair)),
    (Tempering, "log_f", "self._hidden_field(state, beta)", "self._hidden_field(state, 1.0)",
     lambda: test_gibbs_steps_are_in_detailed_balance(Pair)),
    (Tempering, "log_ratio", "m.visible.bias - self.visible", "m.visible.bias",
     lambda: test_ratios_are_differences_of_log_densities(spins_below)),
    (Tempering, "log_ratio", "m.hidden.bias + state.inputs", "state.inputs",
     lambda: test_ratios_are_differences_of_log_densities(spins_below)),
    (Tempering, "_hidden_field", "self.machine.hidden.bias + state.inputs", "state.inputs",
     lambda: test_gibbs_steps_are_in_detailed_balance(Pair)),
    (Tempering, "start", "self.visible.expand", "self.machine.visible.bias.expand",
     test_the_start_is_drawn_from_independent_units),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[1]}: {m[2]}")
def test_mutants_are_found(mutant: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    *planted, check = mutant
    is_noticed(check, monkeypatch, *planted)


def test_a_wrong_sign_in_a_determinant_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = mutated(bipartite._gaussian_log_partition, "- torch.logdet", "+ torch.logdet")
    monkeypatch.setattr(bipartite, "_gaussian_log_partition", wrong)
    with pytest.raises(AssertionError):
        test_two_gaussian_layers_have_the_log_z_of_their_quadratic_form()
