r"""Langevin dynamics: chains that follow the score of a distribution with added noise.

The diffusion $dx = \nabla \log p(x)\,dt + \sqrt2\,dW$ leaves $p$ invariant. Two kernels discretise it, both on a batch
of independent chains, both with a constant diagonal preconditioner $M$ (the identity if left out):

$$ x' = x + h M \nabla \log p(x) + \sqrt{2 h \gamma}\, M^{1/2} \varepsilon $$

- *unadjusted* (`unadjusted_step`): takes every proposal. Its stationary distribution is off by $O(h)$: on
  $\mathcal N(0, s^2)$ at temperature $\gamma = 1$ it is $\mathcal N(0, s^2 / (1 - h / 2 s^2))$, and for $h \ge 2 s^2$
  there is none. Temperature $\gamma$ makes it sample $p^{1/\gamma}$; $\gamma = 0$ is gradient ascent.
- *Metropolis-adjusted* (`adjusted_step`, MALA): accepts the proposal with the probability that makes $p$ exactly
  invariant for every $h$. A step that accepts 57 % is near the best in high dimension.

A chain starts with `init` and is a value: kernels return the next state and change nothing.

References:
    Roberts & Tweedie, Exponential Convergence of Langevin Distributions and Their Discrete Approximations (1996).
        https://doi.org/10.2307/3318418
    Roberts & Rosenthal, Optimal Scaling of Discrete Approximations to Langevin Diffusions (1998).
        https://doi.org/10.1111/1467-9868.00123
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from veridical.noise import Noise, noise_for

LogDensity = Callable[[Tensor], Tensor]
"""(B, *event) → (B,) nats, up to a constant; each number depends on its own example alone."""

BEST_ACCEPTANCE = 0.574
"""Acceptance of the most efficient step in high dimension (Roberts & Rosenthal 1998, Theorem 2)."""


class State(NamedTuple):
    """The state of a batch of chains."""

    x: Float[Tensor, "B *event"]
    log_p: Float[Tensor, " B"]
    """Log-density at x, nats, up to a constant."""

    score: Float[Tensor, "B *event"]
    """Its gradient."""


def init(log_density: LogDensity, x: Float[Tensor, "B *event"]) -> State:
    """Start a chain at every row of x.

    Args:
        log_density: of the distribution to sample.
        x: where the chains start.

    Returns:
        The state, free of any graph.

    Raises:
        ValueError: the log-density does not return one number per row, or not a finite one: such a chain would never
            move.

    Examples:
        >>> init(lambda x: -x.square().sum(dim=1) / 2, torch.ones(1, 2)).score
        tensor([[-1., -1.]])
    """
    state = evaluate(log_density, x)
    if not bool(state.log_p.isfinite().all()):
        raise ValueError(
            f"log_density is not finite at {int((~state.log_p.isfinite()).sum())} of {len(x)} starting points; "
            "start the chains where the distribution has mass."
        )
    return state


def evaluate(log_density: LogDensity, x: Float[Tensor, "B *event"]) -> State:
    """Return x with its log-density and score.

    Raises:
        ValueError: the log-density does not return one number per row.
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        log_p = log_density(x)
        if log_p.shape != (len(x),):
            raise ValueError(
                f"log_density returned shape {tuple(log_p.shape)} for {len(x)} chains; expected ({len(x)},)."
            )
        (score,) = torch.autograd.grad(log_p.sum(), x)
    return State(x.detach(), log_p.detach(), score)


def unadjusted_step(
    x: Float[Tensor, "B *event"],
    score: Float[Tensor, "B *event"],
    step: float | Float[Tensor, " B"],
    *,
    temperature: float = 1.0,
    preconditioner: Float[Tensor, "*event"] | None = None,
    noise: Noise | None = None,
) -> Float[Tensor, "B *event"]:
    r"""Take one step of unadjusted Langevin dynamics.

    Args:
        x: positions.
        score: $\nabla \log p(x)$, or any other drift.
        step: $h$, in squared units of x; one for all chains or one each.
        temperature: $\gamma$; 0 adds no noise.
        preconditioner: diagonal of $M$, positive, broadcast over one example.
        noise: one row for each chain, going on from step to step; None: torch's global generator.

    Returns:
        The next positions.

    Examples:
        >>> unadjusted_step(torch.ones(1, 1), -torch.ones(1, 1), 0.25, temperature=0.0)
        tensor([[0.7500]])
    """
    if temperature < 0:
        raise ValueError(f"temperature is {temperature}; expected at least 0.")
    h, M = _step_size(step, x), _preconditioner(preconditioner, x)
    x = x + h * M * score
    if temperature == 0:
        return x
    eps = noise_for(len(x), x.device, noise).normal(*x.shape[1:], dtype=x.dtype)
    return x + (2 * temperature * h * M).sqrt() * eps.to(x.device)


def adjusted_step(
    log_density: LogDensity,
    state: State,
    step: float | Float[Tensor, " B"],
    *,
    preconditioner: Float[Tensor, "*event"] | None = None,
    noise: Noise | None = None,
) -> tuple[State, Bool[Tensor, " B"]]:
    r"""Take one step of Metropolis-adjusted Langevin dynamics (MALA).

    $$ \alpha = \min\left(1, \frac{p(x')\, k(x \mid x')}{p(x)\, k(x' \mid x)}\right), \qquad
       k(x' \mid x) = \mathcal N(x';\, x + h M \nabla \log p(x),\, 2 h M) $$

    Args:
        log_density: of the distribution to sample; $-\infty$ where it has no mass.
        state: of the chains.
        step: $h$, in squared units of x; one for all chains or one each.
        preconditioner: diagonal of $M$, positive, broadcast over one example.
        noise: one row for each chain, going on from step to step; None: torch's global generator.

    Returns:
        The next state, and which chains moved.

    Raises:
        ValueError: the log-density is not a number somewhere.
    """
    noise = noise_for(len(state.x), state.x.device, noise)
    proposal = evaluate(
        log_density, unadjusted_step(state.x, state.score, step, preconditioner=preconditioner, noise=noise)
    )
    accepted = accept(state, proposal, step, preconditioner=preconditioner, noise=noise)
    return State(*(_choose(accepted, new, old) for new, old in zip(proposal, state, strict=True))), accepted


def accept(
    state: State,
    proposal: State,
    step: float | Float[Tensor, " B"],
    *,
    preconditioner: Float[Tensor, "*event"] | None = None,
    noise: Noise,
) -> Bool[Tensor, " B"]:
    """Return whether each proposal of a Langevin step is accepted; see `adjusted_step`.

    Args:
        state: of the chains.
        proposal: the states that are proposed.
        step: step size h, of all chains or of each.
        preconditioner: diagonal of M, positive; None: ones.
        noise: one row for each chain.

    Raises:
        ValueError: the log-density is not a number somewhere.
    """
    forth = log_transition(state, proposal.x, step, preconditioner)
    back = log_transition(proposal, state.x, step, preconditioner)
    log_ratio = proposal.log_p - state.log_p + back - forth
    log_ratio = torch.where(proposal.log_p == -math.inf, -math.inf, log_ratio)  # there the score need not exist
    if bool(log_ratio.isnan().any()):
        raise ValueError(
            f"log_density is not a number at {int(log_ratio.isnan().sum())} proposals; take a smaller step."
        )
    u = noise.uniform(dtype=log_ratio.dtype)
    return u.to(log_ratio.device).log() < log_ratio


def log_transition(
    state: State,
    x: Float[Tensor, "B *event"],
    step: float | Float[Tensor, " B"],
    preconditioner: Float[Tensor, "*event"] | None = None,
) -> Float[Tensor, " B"]:
    r"""Log-density $\log k(x \mid \text{state})$ of proposing x, nats, up to a constant of (step, preconditioner).

    Args:
        state: points (B, *event) from which a step is made, and their scores.
        x: points that are proposed.
        step: step size h, of all chains or of each.
        preconditioner: diagonal of M, positive; None: ones.
    """
    h, M = _step_size(step, x), _preconditioner(preconditioner, x)
    return -((x - state.x - h * M * state.score).square() / (4 * h * M)).flatten(1).sum(dim=1)


def adapt(
    step: Float[Tensor, " B"], accepted: Bool[Tensor, " B"], n: int, target: float = BEST_ACCEPTANCE
) -> Float[Tensor, " B"]:
    r"""Correct the step of every chain after its n-th step (from 0), towards a share of accepted proposals.

    $$ \log h \leftarrow \log h + (n + 1)^{-0.6} (\mathbb 1[\text{accepted}] - a^*) $$

    A chain whose step depends on its past is no longer a Markov chain: adapt while it burns in, then keep the step.

    Args:
        step: step size h of every chain.
        accepted: whether its proposal was accepted.
        n: steps before this one.
        target: share of accepted proposals aimed at.

    References:
        Andrieu & Thoms, A Tutorial on Adaptive MCMC (2008), Algorithm 4. https://doi.org/10.1007/s11222-008-9110-y
    """
    return step * torch.exp((accepted.to(step) - target) * (n + 1.0) ** -0.6)


def _step_size(step: float | Tensor, x: Tensor) -> Tensor:
    h = torch.as_tensor(step, dtype=x.dtype, device=x.device)
    if not bool((h > 0).all()) or h.shape not in ((), (len(x),)):
        raise ValueError(f"step is {step}; expected a number above 0, or one for each of {len(x)} chains.")
    return h.reshape(-1, *[1] * (x.ndim - 1))


def _preconditioner(preconditioner: Tensor | None, x: Tensor) -> Tensor:
    if preconditioner is None:
        return torch.ones((), dtype=x.dtype, device=x.device)
    if preconditioner.shape != x.shape[1:] or not bool((preconditioner > 0).all()):
        raise ValueError(
            f"preconditioner has shape {tuple(preconditioner.shape)}, smallest value {float(preconditioner.min())}; "
            f"expected {tuple(x.shape[1:])}, positive."
        )
    return preconditioner.to(x)


def _choose(accepted: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(accepted.reshape(-1, *[1] * (new.ndim - 1)), new, old)
