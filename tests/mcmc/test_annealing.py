"""Annealed importance sampling: means of weights by enumeration in both directions, with mutants."""

import inspect
import itertools
import math

import pytest
import torch
from torch import Tensor

from veridical.mcmc import annealing
from veridical.mcmc.annealing import combine, combined_error, schedule

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
    "same order backward": ("range(len(gaps), 0, -1) if backward", "range(1, len(gaps) + 1) if backward"),
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
