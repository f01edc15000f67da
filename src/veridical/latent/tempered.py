r"""Tempered codes: chains under weaker and weaker conditions, down to the prior, which exchange their states.

Replica r of a chain draws codes, standard normal a priori, from

$$ p_r(u) \propto \mathcal N(u; 0, 1)\, p(y \mid G(u))^{\beta_r}, \qquad 0 = \beta_0 < \dots < \beta_R = 1 . $$

Replica 0 draws the prior anew at every step, independently of all before; the others take a Metropolis-adjusted
Langevin step. Then neighbours exchange states with the probability
$\min(1, e^{(\beta_{r+1} - \beta_r)(c_r - c_{r+1})})$, $c = \log p(y \mid G(u))$ of the state of each. Every part leaves
the product of all $p_r$ invariant, so that the last replica has exactly the distribution that a chain of its own would
have, and it receives codes whose ancestor is a new draw of the prior: it need not cross between modes itself.

**The ladder** starts at $\beta_r = (r/R)^3$. While the chains burn in, each adapts its own towards equal exchanges
between all neighbours, by the logarithms of the differences of $T_r = 1/\beta_r$:

$$ \log(T_r - T_{r+1}) \leftarrow \log(T_r - T_{r+1}) + (n + 1)^{-0.6} (a_{r,r+1} - a_{r-1,r}) , $$

$a$ the probability of exchange. Ladder and steps are then kept, since a chain whose kernel depends on its past is no
longer a Markov chain.

References:
    Swendsen & Wang, Replica Monte Carlo Simulation of Spin-Glasses (1986).
        https://doi.org/10.1103/PhysRevLett.57.2607
    Vousden, Farr & Mandel, Dynamic Temperature Selection for Parallel Tempering (2016).
        https://doi.org/10.1093/mnras/stv2422
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from veridical.mcmc import langevin
from veridical.mcmc.langevin import LogDensity, accept, adapt, evaluate, unadjusted_step
from veridical.mcmc.path import Path
from veridical.mcmc.tempering import ReplicaNoise, exchange
from veridical.noise import Noise


class State(NamedTuple):
    """The codes of all replicas."""

    u: Float[Tensor, "N *latent"]

    log_condition: Float[Tensor, " N"]
    """c, nats, up to a constant."""

    slope: Float[Tensor, "N *latent"]
    """Its gradient."""

    moved: Bool[Tensor, " N"]
    """Whether the last proposal was accepted."""

    drawn: Int[Tensor, " N"]
    """The step at which the ancestor of the code was drawn from the prior; -1: a start of the chains."""


@dataclass(frozen=True)
class ConditionPath(Path[State]):
    """From the prior to the prior under a condition."""

    log_condition: LogDensity
    """c of codes, nats, up to a constant."""

    shape: tuple[int, ...]
    """Of a code."""

    steps: Float[Tensor, " N"] | None = None
    """Step size of each chain; None: 0.1."""

    preconditioner: Float[Tensor, "*latent"] | None = None
    """Diagonal, positive; None: ones."""

    n: int = 0
    """Number of the next step."""

    @property
    def log_z0(self) -> float:
        """Zero: the prior has its constant."""
        return 0.0

    def start(self, noise: Noise) -> State:
        """Draw codes of the prior."""
        return self.at(noise.normal(*self.shape))

    def at(self, x: Float[Tensor, "N *latent"]) -> State:
        """Return chains at given codes."""
        found = evaluate(self.log_condition, x)
        still = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        return State(*found, still, torch.full_like(still, -1, dtype=torch.int64))

    def log_f(self, state: State, beta: float | Tensor) -> Float[Tensor, " N"]:
        """Return the logarithms of prior and condition to the power of beta, in float64, nats."""
        beta = torch.as_tensor(beta, dtype=torch.float64, device=state.u.device)
        return _log_normal(state.u) + torch.where(beta == 0, 0.0, beta * state.log_condition.double())

    def step(self, state: State, beta: float | Tensor, noise: Noise) -> State:
        """Take a Langevin step, or draw the prior anew where beta is 0.

        Raises:
            ValueError: the condition is not a number somewhere.
        """
        beta = torch.as_tensor(beta, dtype=torch.float64, device=state.u.device).expand(len(state.u))
        now, free = self._tilted(state, beta), beta == 0
        steps = torch.full((len(beta),), 0.1).to(state.u) if self.steps is None else self.steps
        x = unadjusted_step(now.x, now.score, steps, preconditioner=self.preconditioner, noise=noise)
        fresh = noise.normal(*x.shape[1:], dtype=x.dtype).to(x.device)
        proposal = self.at(torch.where(_over(free, x), fresh, x))
        if bool(proposal.log_condition.isnan().any()):
            raise ValueError(f"the condition is not a number at {int(proposal.log_condition.isnan().sum())} proposals.")
        wanted = self._tilted(proposal, beta)
        moved = free | accept(now, wanted, steps, preconditioner=self.preconditioner, noise=noise)
        taken = State(*(torch.where(_over(moved, new), new, old) for new, old in zip(proposal, state, strict=True)))
        return taken._replace(moved=moved, drawn=torch.where(free, self.n, state.drawn))

    def _tilted(self, state: State, beta: Tensor) -> langevin.State:
        """Return codes with the log-density of their own temperature, and its score."""
        slope = torch.where(_over(beta == 0, state.u), 0.0, _over(beta.to(state.u), state.u) * state.slope)
        return langevin.State(state.u, self.log_f(state, beta).to(state.u), slope - state.u)


class Guided(NamedTuple):
    """Codes drawn under a condition."""

    z: Float[Tensor, "C *latent"]

    log_condition: Float[Tensor, " C"]
    """log p(y | G(z)) at the codes, nats, up to the constant of the condition."""

    acceptance: Float[Tensor, " C"]
    """Share of accepted proposals of each chain after burn-in; below 0.2 the chain has hardly moved."""

    step: Float[Tensor, " C"]
    """Step size of each chain after burn-in."""

    betas: Float[Tensor, "C R"]
    """Powers of the condition, from 0 to 1; without replicas 1 alone."""

    exchange: Float[Tensor, "C R-1"]
    """Mean probability after burn-in with which neighbouring replicas exchanged their codes."""

    renewals: Int[Tensor, " C"]
    """How often after burn-in a chain received a code that stems from a later draw of the prior than all before."""


def temper(
    path: ConditionPath,
    u: Float[Tensor, "C *latent"],
    replicas: int,
    n_steps: int,
    noise: Noise,
    *,
    adapted: bool = True,
) -> Guided:
    """Run the chains, of which the first half of the steps burns in.

    Args:
        path: with the step size of each chain.
        u: codes at which the chains start, all replicas of one at the same.
        replicas: number of temperatures, at least 2.
        n_steps: length of the chains.
        noise: one row for each chain.
        adapted: whether the ladder is.

    Raises:
        ValueError: too few replicas.
    """
    if replicas < 2:
        raise ValueError(f"replicas is {replicas}; expected at least 2, the prior and the condition.")
    chains, burn_in, rows = len(u), n_steps // 2, ReplicaNoise(noise, replicas)
    state = path.at(u.repeat(replicas, *[1] * (u.ndim - 1)))
    steps = (torch.full((chains,), 0.1).to(u) if path.steps is None else path.steps).repeat(replicas)
    betas = ladder(replicas).to(u.device)[:, None].repeat(1, chains)
    taken, exchanged = torch.zeros(chains).to(u), torch.zeros(replicas - 1, chains, dtype=torch.float64).to(u.device)
    newest, renewals = state.drawn[-chains:], torch.zeros_like(state.drawn[-chains:])
    for n in range(n_steps):
        state = replace(path, steps=steps, n=n).step(state, betas.flatten(), rows)
        moved = state.moved
        state, probability = exchange(path, state, betas, rows)
        if n < burn_in:
            steps = torch.where(betas.flatten() == 0, steps, adapt(steps, moved, n))
            betas = respaced(betas, probability, n) if adapted else betas
        else:
            taken, exchanged = taken + moved[-chains:], exchanged + probability
            renewals = renewals + (state.drawn[-chains:] > newest)
        newest = newest.maximum(state.drawn[-chains:])
    kept = n_steps - burn_in
    last = State(*(part[-chains:] for part in state))
    return Guided(last.u, last.log_condition, taken / kept, steps[-chains:], betas.T, exchanged.T / kept, renewals)


def ladder(replicas: int) -> Float[Tensor, " R"]:
    """Return the first ladder, in float64.

    Examples:
        >>> ladder(3).tolist()
        [0.0, 0.125, 1.0]
    """
    return torch.linspace(0, 1, replicas, dtype=torch.float64) ** 3


def respaced(betas: Float[Tensor, "R C"], probability: Float[Tensor, "R-1 C"], n: int) -> Float[Tensor, "R C"]:
    """Correct the ladder of every chain after its n-th step (from 0), towards equal exchanges of all neighbours.

    Args:
        betas: from 0 to 1.
        probability: of exchange between neighbours.
        n: steps before this one.
    """
    if len(betas) == 2:
        return betas
    temperatures = 1 / betas[1:]
    gaps = (temperatures[:-1] - temperatures[1:]) * torch.exp((n + 1.0) ** -0.6 * probability.diff(dim=0))
    temperatures = 1 + torch.cat([gaps.flip(0).cumsum(0).flip(0), torch.zeros_like(gaps[:1])])
    return torch.cat([torch.zeros_like(betas[:1]), 1 / temperatures])


def _log_normal(u: Tensor) -> Tensor:
    return -u.double().square().flatten(1).sum(dim=1) / 2 - u[0].numel() * math.log(2 * math.pi) / 2


def _over(rows: Tensor, like: Tensor) -> Tensor:
    """Return a number of each row in the shape of the others."""
    return rows.reshape(-1, *[1] * (like.ndim - 1))
