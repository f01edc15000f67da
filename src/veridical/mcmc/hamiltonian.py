r"""Hamiltonian Monte Carlo for a standard normal variable given data: the posterior of a code, also a tempered one.

$$ p_\beta(u) \propto \mathcal N(u; 0, I)\, L(u)^\beta $$

A velocity $v \sim \mathcal N(0, I)$ is drawn, $(u, v)$ follow Hamilton's equations, and the end is accepted or not. The
normal part is solved exactly, as a rotation of $(u, v)$, and only the likelihood kicks the velocity:

$$ v \leftarrow v + \tfrac\epsilon2 \beta \nabla\log L(u), \qquad
   (u, v) \leftarrow (u\cos\epsilon + v\sin\epsilon,\; v\cos\epsilon - u\sin\epsilon), \qquad
   v \leftarrow v + \tfrac\epsilon2 \beta \nabla\log L(u). $$

At $\beta = 0$ every proposal is accepted whatever the step, and L steps of $\epsilon = \pi/2L$ give an independent
draw. Each step satisfies detailed balance, so a chain may be run in either direction.

References:
    Neal, MCMC Using Hamiltonian Dynamics (2011), Sec. 5.1 (splitting). https://arxiv.org/abs/1206.1901
    Beskos, Pinski, Sanz-Serna & Stuart, Hybrid Monte Carlo on Hilbert Spaces (2011).
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from veridical.mcmc.langevin import LogDensity, evaluate
from veridical.noise import Noise, noise_for

BEST_ACCEPTANCE = 0.7
"""Acceptance aimed at; the best one in high dimension is 0.65 (Beskos et al. 2013)."""


class State(NamedTuple):
    """The state of a batch of chains."""

    u: Float[Tensor, "N *latent"]
    log_l: Float[Tensor, " N"]
    """Log-likelihood of u, nats."""

    gradient: Float[Tensor, "N *latent"]
    """Its gradient."""


def start(log_likelihood: LogDensity, u: Float[Tensor, "N *latent"]) -> State:
    """Start a chain at every row of u.

    Args:
        log_likelihood: (N, *latent) → (N,) nats.
        u: where the chains start.
    """
    return State(*evaluate(log_likelihood, u))


def hamiltonian_step(
    log_likelihood: LogDensity,
    state: State,
    beta: float,
    step: Float[Tensor, " N"],
    *,
    leaps: int,
    noise: Noise | None = None,
) -> tuple[State, Bool[Tensor, " N"]]:
    r"""Take one step that leaves $\mathcal N(u; 0, I)\,L(u)^\beta$ invariant.

    Args:
        log_likelihood: $\log L$.
        state: of the chains.
        beta: power of the likelihood.
        step: $\epsilon$, an angle, of every chain.
        leaps: rotations before the end is accepted or not.
        noise: one row for each chain, going on from step to step; None: torch's global generator.

    Returns:
        The next state, and which chains moved.
    """
    noise = noise_for(len(state.u), state.u.device, noise)
    angle = _column(step, state.u)
    v = noise.normal(*state.u.shape[1:], dtype=state.u.dtype).to(state.u.device)
    proposal, at_start = state, _log_joint(state, v, beta)
    for _ in range(leaps):
        v = v + 0.5 * angle * beta * proposal.gradient
        u, v = proposal.u * angle.cos() + v * angle.sin(), v * angle.cos() - proposal.u * angle.sin()
        proposal = start(log_likelihood, u)
        v = v + 0.5 * angle * beta * proposal.gradient
    log_ratio = _log_joint(proposal, v, beta) - at_start
    uniform = noise.uniform(dtype=torch.float64).to(log_ratio.device)
    accepted = uniform.log() < log_ratio  # a log-likelihood that is not a number is not accepted
    chosen = (torch.where(_column(accepted, new), new, old) for new, old in zip(proposal, state, strict=True))
    return State(*chosen), accepted


def largest_step(leaps: int) -> float:
    """Return the step whose leaps make a quarter of a turn: an independent draw where there is no likelihood."""
    return math.pi / (2 * leaps)


def _log_joint(state: State, v: Tensor, beta: float) -> Tensor:
    """Return log density of (u, v) in float64, up to a constant."""
    kinetic = state.u.double().square().flatten(1).sum(1) + v.double().square().flatten(1).sum(1)
    return beta * state.log_l.double() - 0.5 * kinetic


def _column(row: Tensor, like: Tensor) -> Tensor:
    row = row if row.dtype is torch.bool else row.to(like.dtype)
    return row.reshape(-1, *[1] * (like.ndim - 1))
