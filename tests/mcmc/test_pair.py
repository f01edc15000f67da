"""Two kinds of units in one layer: sums, means and draws of both; detailed balance of a machine with them."""

import pytest
import torch
from tests.mcmc.machines import law, number_of, states_of
from tests.mutants import mutated

from veridical.mcmc.bipartite import Machine, Tempering, log_partition
from veridical.mcmc.pair import Pair, side_by_side
from veridical.mcmc.units import Binary, Categorical, Layer, Spin
from veridical.noise import FreshNoise
from veridical.statistics import chi_square_test

pytestmark = pytest.mark.usefixtures("double_precision")

PAIR = Pair(Categorical(3), Spin(), 3)
FIELD = torch.tensor([0.4, -0.7, 0.2, 1.1, -0.3], dtype=torch.float64)


def all_states() -> torch.Tensor:
    first, second = Categorical(3).states(1), Spin().states(2)
    return torch.cat([first.repeat_interleave(4, 0), second.repeat(3, 1)], 1)


def check_the_sum() -> None:
    expected = torch.logsumexp(all_states() @ FIELD, 0)
    assert torch.allclose(PAIR.log_normaliser(FIELD, None), expected)


def test_the_log_normaliser_sums_both_out_and_its_derivative_is_the_mean() -> None:
    check_the_sum()
    a = FIELD.clone().requires_grad_()
    (slope,) = torch.autograd.grad(PAIR.log_normaliser(a, None), a)
    torch.testing.assert_close(PAIR.mean(FIELD, None), slope)
    torch.testing.assert_close(PAIR.mean(PAIR.field(slope, None), None), slope)


def test_draws_have_the_probabilities_of_both() -> None:
    """False alarms: 1e-4."""
    torch.manual_seed(0)
    n, states = 4_000, all_states()
    drawn = PAIR.draw(FIELD.expand(n, -1), None, FreshNoise(n))
    counts = (drawn[:, None] == states).all(-1).sum(0)
    assert int(counts.sum()) == n
    assert chi_square_test(counts, n * torch.softmax(states @ FIELD, 0)).p_value > 1e-4


def test_chains_of_a_machine_keep_its_law() -> None:
    """Exact draws of a layer beside a pair, after a step at two temperatures; false alarms: 2e-4."""
    torch.manual_seed(1)
    machine = Machine(1.3 * torch.randn(3, 5), Layer(Binary(), torch.randn(3)), Layer(PAIR, FIELD))
    path, states, n = Tempering(machine), states_of(machine), 4_000
    for beta in (0.5, 1.0):
        p = law(path, beta)
        start = states[torch.multinomial(p, n, replacement=True)]
        counts = torch.bincount(number_of(path.step(path.at(start), beta, FreshNoise(n)).v, machine), minlength=8)
        assert chi_square_test(counts, n * p).p_value > 1e-4


def test_log_z_is_the_sum_over_the_other_layer() -> None:
    machine = Machine(torch.randn(3, 5), Layer(Binary(), torch.randn(3)), Layer(PAIR, FIELD))
    h, states = machine.visible.states(), all_states()
    energies = machine.energy(h[:, None].expand(-1, len(states), -1), states.expand(len(h), -1, -1))
    assert log_partition(machine) == pytest.approx(float(torch.logsumexp(-energies.flatten(), 0)), rel=1e-12)


def test_equal_kinds_are_one_layer() -> None:
    assert side_by_side(Binary(), Binary(), 4) == Binary() and side_by_side(Categorical(3), Spin(), 3) == PAIR


def test_its_states_are_not_listed() -> None:
    assert PAIR.values is None
    with pytest.raises(ValueError, match="sum over the other layer"):
        PAIR.states(2)


@pytest.mark.parametrize(("before", "after"), [("self._split(field)", "(field[..., :2], field[..., 2:])")])
def test_mutants_are_found(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pair, "log_normaliser", mutated(Pair.log_normaliser, before, after))
    with pytest.raises((AssertionError, RuntimeError)):
        check_the_sum()
