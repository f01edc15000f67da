"""Annealed importance sampling: means of weights by enumeration in both directions, with mutants."""

import inspect
import itertools
import math

import pytest
import torch
from tests.mcmc.machines import kernel as kernel_of
from tests.mcmc.machines import law, machine_of, number_of, states_of
from tests.mutants import mutated
from torch import Tensor

from veridical.mcmc import annealing
from veridical.mcmc.annealing import combine, combined_error, effective_size, schedule, weigh
from veridical.mcmc.bipartite import Chains, Machine, Tempering
from veridical.mcmc.units import Layer, Spin
from veridical.noise import FreshNoise, Noise

LOG_F0 = torch.tensor([0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
LOG_F1 = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
RATIO = float(torch.logsumexp(LOG_F1, 0) - math.log(4))
BETAS = torch.tensor([0.0, 0.3, 0.4, 1.0], dtype=torch.float64)


def kernel(t: int) -> Tensor:
    """Metropolis moves to a neighbour on a cycle of four states, in detailed balance at temperature t."""
    log_f = LOG_F0 + BETAS[t] * (LOG_F1 - LOG_F0)
    P = torch.zeros(4, 4, dtype=torch.float64)
    for i, side in itertools.product(range(4), (-1, 1)):
        j = (i + side) % 4
        P[i, j] += 0.5 * min(1.0, math.exp(log_f[j] - log_f[i]))
    return P + torch.diag(1 - P.sum(1))


def expected(module, backward: bool) -> float:
    """The exact mean of w (backward: of 1/w) over all paths of the four states."""
    total, sign = 0.0, -1 if backward else 1
    ends = torch.softmax(LOG_F1 if backward else LOG_F0, 0)
    for path in itertools.product(range(4), repeat=4):
        p, moves = float(ends[path[0]]), iter(path[1:])

        def transition(state: Tensor, t: int, moves=moves) -> Tensor:
            nonlocal p
            following = next(moves)
            p *= float(kernel(t)[int(state), following])
            return torch.tensor([following])

        log_w, _ = module["anneal"](
            lambda s: (LOG_F1 - LOG_F0)[s], transition, torch.tensor([path[0]]), BETAS, backward=backward
        )
        total += p * math.exp(sign * float(log_w))
    return total


def is_right(module) -> bool:
    return all(
        math.isclose(expected(module, backward), math.exp(sign * RATIO), rel_tol=1e-9)
        for backward, sign in ((False, 1), (True, -1))
    )


def test_mean_weights_are_the_ratio_of_normalisations() -> None:
    assert is_right(vars(annealing))


MUTANTS = {
    "temperatures shifted": ("gaps[t - 1] *", "gaps[t - 2] *"),
    "transition first": ("        if backward:\n            state", "        if not backward:\n            state"),
    "same order backward": ("range(steps, 0, -1) if backward", "range(1, steps + 1) if backward"),
    "sign": ("log_w = log_w +", "log_w = log_w -"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str) -> None:
    before, after = MUTANTS[mutant]
    source = inspect.getsource(annealing)
    assert before in source
    namespace: dict = {"__name__": "mutant"}
    exec(source.replace(before, after), namespace)
    with pytest.raises((AssertionError, RuntimeError)):
        assert is_right(namespace)


def test_schedules_end_at_both_ends_and_hurry_in_the_middle() -> None:
    betas = schedule(100)
    assert betas[0] == 0 and betas[-1] == 1 and bool((betas.diff() > 0).all())
    assert float(betas.diff()[0]) < 0.2 * float(betas.diff()[50])
    torch.testing.assert_close(schedule(10, 1e-4), torch.linspace(0, 1, 11).double(), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="at least 1"):
        schedule(0)


def test_chains_are_combined_in_the_units_of_weights() -> None:
    log_w = torch.tensor([[1000.0], [1000.0 + math.log(3.0)]], dtype=torch.float64)
    assert float(combine(log_w)) == pytest.approx(1000 + math.log(2))
    assert float(combine(log_w, backward=True)) == pytest.approx(1000 - math.log((1 + 1 / 3) / 2))
    assert float(combined_error(log_w)) == pytest.approx(math.sqrt(2) / 2 / math.sqrt(2))


# Along a path: all ways of a machine of three visible units over an uneven ladder, each with its probability.

LADDER = (0.0, 0.35, 0.5, 1.0)


class Scripted(Tempering):
    """A path whose chains go where they are told; what the steps had as probabilities is collected."""

    def __init__(self, path: Tempering, ways: Tensor, order: list[int]) -> None:
        super().__init__(path.machine, path.visible, path.hidden)
        self.ways, self.order, self.p, self.taken = ways, iter(order), torch.ones(len(ways)), 0

    def step(self, state: Chains, beta: float | Tensor, noise: Noise) -> Chains:
        assert not isinstance(beta, Tensor)
        following = self.ways[:, next(self.order)]
        self.p = self.p * kernel_of(self, beta)[number_of(state.v, self.machine), following]
        return self.at(states_of(self.machine)[following])


def base() -> Tempering:
    return Tempering(machine_of("spin", "binary"), visible=torch.tensor([0.4, -0.2, 0.7]))


def every_way(start: Tensor, backward: bool) -> tuple[Tensor, Tensor]:
    """Return log w and the probability of every way, given the law of its start."""
    path, ways = base(), torch.cartesian_prod(*[torch.arange(8)] * 4)
    scripted = Scripted(path, ways, [1, 2, 3])
    first = scripted.at(states_of(path.machine)[ways[:, 0]])
    log_w, _ = weigh(scripted, LADDER, FreshNoise(len(ways)), first, backward=backward)
    return log_w, start[ways[:, 0]] * scripted.p


@pytest.mark.usefixtures("double_precision")
def test_mean_weights_along_a_path_are_the_ratio_of_normalisations() -> None:
    path = base()
    ratio = float(torch.logsumexp(path.log_f(path.at(states_of(path.machine)), 1.0), 0)) - path.log_z0
    for backward, sign in ((False, 1), (True, -1)):
        log_w, p = every_way(law(path, 1.0 if backward else 0.0), backward)
        assert float(p.sum()) == pytest.approx(1, rel=1e-12)
        assert float((p * (sign * log_w).exp()).sum()) == pytest.approx(math.exp(sign * ratio), rel=1e-10)
        bound = sign * float((p * log_w).sum())  # Jensen: log w below the ratio forward, above it backward
        assert bound < sign * ratio


@pytest.mark.usefixtures("double_precision")
def test_backward_weights_of_an_example_are_its_probability_at_the_end_of_the_forward_chains() -> None:
    """E over chains that start at v of f_1(v) / (Z_0 w) is the probability that the forward chains end at v."""
    path = base()
    states = states_of(path.machine)
    end = law(path, 0.0)
    for beta in LADDER[1:]:
        end = end @ kernel_of(path, beta)
    log_f = path.log_f(path.at(states), 1.0)
    for v in range(8):
        log_w, p = every_way(torch.eye(8)[v], backward=True)
        found = (p * (log_f[v] - path.log_z0 - log_w).exp()).sum()
        assert float(found) == pytest.approx(float(end[v]), rel=1e-10)


@pytest.mark.usefixtures("double_precision")
def test_without_interaction_every_weight_is_one() -> None:
    layers = (Layer(Spin(), torch.zeros(n)) for n in (5, 4))
    path = Tempering(Machine(torch.zeros(5, 4), *layers))
    log_w, _ = weigh(path, LADDER, FreshNoise(3))
    assert log_w.abs().max() < 1e-12 and path.log_z0 == pytest.approx(9 * math.log(2))


def test_effective_sizes_do_not_overflow() -> None:
    log_w = torch.tensor([0.0, 0.0, 0.0, -1e3], dtype=torch.float64)
    assert float(effective_size(1e3 + log_w)) == pytest.approx(3)
    assert float(effective_size(torch.full((7,), -3.0))) == pytest.approx(7)


def test_effective_sizes_are_those_of_the_definition_of_each_column() -> None:
    log_w = torch.randn(50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    w = log_w.exp()
    torch.testing.assert_close(effective_size(log_w), w.sum(0).square() / w.square().sum(0), rtol=1e-12, atol=0)
    torch.testing.assert_close(effective_size(log_w + 800), effective_size(log_w), rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "path.log_ratio(x, betas[t - 1], betas[t])",
            "path.log_ratio(x, betas[t], betas[t - 1])",
        ),
        ("path.step(x, betas[t], noise)", "path.step(x, betas[t - 1], noise)"),
        ("len(betas) - 1", "len(betas) - 2"),
        ("backward=backward", "backward=not backward"),
    ],
)
def test_mutants_along_a_path_are_found(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "weigh", mutated(annealing.weigh, before, after))
    with pytest.raises((AssertionError, StopIteration)):
        torch.set_default_dtype(torch.float64)
        try:
            test_mean_weights_along_a_path_are_the_ratio_of_normalisations()
            test_backward_weights_of_an_example_are_its_probability_at_the_end_of_the_forward_chains()
        finally:
            torch.set_default_dtype(torch.float32)
