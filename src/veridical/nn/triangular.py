r"""Sampling as a triangular system of equations: $x_i = F_i^{-1}(u_i \mid x_1, \dots, x_{i-1})$, solved in three ways.

*In order*, site by site, from numbers that are computed in steps (with what earlier steps have kept) or naively (the
whole network for every site); or by *Jacobi iteration*, all sites at once from the last values of all. After t sweeps
at least the first t sites are final, since each depends on earlier ones alone: the fixed point is reached after at
most S sweeps, and a sweep that changes nothing proves it.

References:
    Song, Meng, Liao & Ermon, Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving (2021).
        https://arxiv.org/abs/2002.03629
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from veridical.config.families.autoregressive import Method
from veridical.nn.heads import Head
from veridical.nn.precision import at_least_single

Steps = Generator[Tensor, Tensor, None]
"""Yields the numbers (n, P) of one site after another, in order; receives the values (n, k) of the site just drawn."""

Conditionals = Callable[[Tensor, Tensor | None], Tensor]
"""Examples (B, *event) and labels (B,) → numbers (B, S, P); those of a site depend on the sites before it alone."""


@final
@dataclass(frozen=True)
class Chain:
    """One factorisation of a distribution."""

    order: Tensor
    """(S,) int64: the sites in the order in which they are drawn."""

    conditionals: Conditionals
    """The numbers of all sites, in their places, not in the order of drawing."""

    steps: Callable[[int, Tensor | None], Steps] | None = None
    """Starts the computation of n examples with labels (n,), site by site; None: only all at once."""


@final
@dataclass(frozen=True)
class Task:
    """What is to be drawn: the sites that are not known, from uniform numbers."""

    chain: Chain
    head: Head

    shape: tuple[int, ...]
    """Shape of an example."""

    given: Tensor
    """(n, S, k) the known sites; the others have any value, on which no result depends."""

    known: Tensor
    """(S,) which sites are known; they come first in the order."""

    u: Tensor
    """(n, S, U) uniform numbers, in their places."""

    c: Tensor | None = None
    """(n,) labels."""

    def conditionals(self, sites: Tensor) -> Tensor:
        """Return (n, S, P) numbers for sites (n, S, k)."""
        return at_least_single(self.chain.conditionals(from_sites(sites, self.shape), self.c))


class Solved(NamedTuple):
    """A solution, and its cost."""

    sites: Tensor
    """(n, S, k)."""

    log_prob: Tensor
    """(n,) nats of the sites that were not known, given the known ones."""

    evaluations: int
    """Evaluations of all conditionals."""


def solve(task: Task, method: Method) -> Solved:
    """Draw by a method; auto: in cached steps if there are any, otherwise by Jacobi iteration.

    Raises:
        ValueError: the method is "cached", and there are no steps.
    """
    steps = task.chain.steps
    if method == "naive":
        return Solved(*in_order(task, naive_steps(task)), evaluations=len(task.known))
    if method == "jacobi" or (method == "auto" and steps is None):
        return jacobi(task)
    if steps is None:
        raise ValueError("method is 'cached', and this family keeps no cache; choose 'jacobi', or leave it at 'auto'.")
    return Solved(*in_order(task, steps(len(task.u), task.c)), evaluations=0)


def in_order(task: Task, steps: Steps) -> tuple[Tensor, Tensor]:
    """Draw one site after another; return sites (n, S, k) and log-probabilities (n,).

    Probabilities are computed for `TOGETHER` sites at once, since small operations cost their calls.
    """
    sites, log_p = task.given.clone(), task.u.new_zeros(len(task.u))
    known, drawn, x = task.known.tolist(), _Drawn([], []), None
    for place in task.chain.order.tolist():
        h = at_least_single(next(steps) if x is None else steps.send(x))
        if not known[place]:
            sites[:, place] = task.head.draw(h, task.u[:, place])
            drawn.places.append(place)
            drawn.numbers.append(h.clone())  # steps may reuse its memory
            if len(drawn.places) == TOGETHER:
                log_p, drawn = log_p + drawn.log_prob(task.head, sites), _Drawn([], [])
        x = sites[:, place]
    if drawn.places:
        log_p = log_p + drawn.log_prob(task.head, sites)
    return sites, log_p


TOGETHER = 64
"""Sites whose probabilities are computed at once."""


class _Drawn(NamedTuple):
    """Sites that were drawn, with the numbers (n, P) of each."""

    places: list[int]
    numbers: list[Tensor]

    def log_prob(self, head: Head, sites: Tensor) -> Tensor:
        """Return (n,) nats of these sites."""
        return head.log_prob(torch.stack(self.numbers, dim=1), sites[:, self.places]).sum(1)


def naive_steps(task: Task) -> Steps:
    """Evaluate the conditionals of all sites for every site: the oracle of what is cached."""
    sites = task.given.clone()
    for place in task.chain.order.tolist():
        sites[:, place] = yield task.conditionals(sites)[:, place]


def jacobi(task: Task) -> Solved:
    """Draw all sites from the last values of all, until nothing changes or S sweeps are done."""
    sites, missing, sweeps = task.given, ~task.known[:, None], 0
    while True:
        h, sweeps = task.conditionals(sites), sweeps + 1
        drawn = torch.where(missing, task.head.draw(h, task.u), sites)
        settled = sweeps == len(task.known) or torch.equal(drawn, sites)
        sites = drawn
        if settled:
            nats = task.head.log_prob(h, sites)
            return Solved(sites, nats.masked_fill(task.known, 0.0).sum(1), sweeps)


def to_sites(x: Tensor, size: int) -> Tensor:
    """Return (B, S, size): the components of examples (B, *event), or with a size above 1 the rows of their first axis.

    Examples:
        >>> to_sites(torch.arange(6).reshape(1, 2, 3), 2)
        tensor([[[0, 3],
                 [1, 4],
                 [2, 5]]])
    """
    return x.reshape(len(x), size, math.prod(x.shape[1:]) // size).transpose(1, 2)


def from_sites(sites: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return examples (B, *shape) for their sites (B, S, k): undoes `to_sites`."""
    return sites.transpose(1, 2).reshape(len(sites), *shape)
