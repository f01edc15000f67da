"""Three ways to solve a triangular system; `tests/families/test_autoregressive.py` compares them on models."""

import torch
from torch import Tensor

from veridical.nn.heads import Bernoulli, Grid
from veridical.nn.triangular import Chain, Task, from_sites, solve, to_sites

BITS = Bernoulli(Grid(0.0, 1.0, levels=2))


def copied(x: Tensor, c: Tensor | None) -> Tensor:
    """A site equals the one before it, with the label for the first: each sweep settles one more site, if all flip."""
    return 100 * (2 * torch.cat([torch.ones(len(x), 1), x[:, :-1]], dim=1)[..., None] - 1)


def task(S: int) -> Task:
    nothing = torch.zeros(S, dtype=torch.bool)
    return Task(Chain(torch.arange(S), copied), BITS, (S,), torch.zeros(2, S, 1), nothing, torch.full((2, S, 1), 0.5))


def test_jacobi_needs_a_sweep_per_site_at_worst() -> None:
    solved = solve(task(7), "jacobi")
    assert solved.evaluations == 7 and solved.sites.min() == 1 and solved.log_prob.abs().max() < 1e-30


def test_jacobi_is_done_when_nothing_changes() -> None:
    alone = Chain(torch.arange(7), lambda x, c: torch.ones(len(x), 7, 1))
    first = task(7)
    solved = solve(Task(alone, BITS, (7,), first.given, first.known, first.u), "jacobi")
    assert solved.evaluations == 2


def test_naive_evaluates_once_for_every_site() -> None:
    solved = solve(task(7), "naive")
    assert solved.evaluations == 7 and solved.sites.min() == 1


def test_sites_come_back_as_examples() -> None:
    x = torch.randn(4, 3, 2, 5)
    assert torch.equal(from_sites(to_sites(x, 3), (3, 2, 5)), x) and torch.equal(to_sites(x, 3)[:, 7], x[:, :, 1, 2])
    assert torch.equal(from_sites(to_sites(x, 1), (3, 2, 5)), x)
