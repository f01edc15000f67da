r"""Parallel tempering: replicas at several temperatures of a path, which exchange their states.

Each of R replicas takes steps at its own $\beta_r$; then neighbours exchange states with the probability

$$ \min\Big(1, \frac{f_r(x_{r+1})\, f_{r+1}(x_r)}{f_r(x_r)\, f_{r+1}(x_{r+1})}\Big) , $$

first the pairs (0, 1), (2, 3), ..., then (1, 2), (3, 4), .... Every replica keeps its own distribution; the last one
crosses between modes through the first, where they merge. Rows are ordered by replica: row $r C + c$ is replica r of
chain c.

References:
    Swendsen & Wang, Replica Monte Carlo Simulation of Spin-Glasses (1986).
        https://doi.org/10.1103/PhysRevLett.57.2607
    Desjardins, Courville, Bengio, Vincent & Delalleau, Parallel Tempering for Training of Restricted Boltzmann Machines
        (2010). https://proceedings.mlr.press/v9/desjardins10a.html
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.mcmc.path import Path
from veridical.noise import Noise

S = TypeVar("S", bound=tuple[Any, ...])


class ReplicaNoise(Noise):
    """Noise of R rows for each row of another: those of replica r and chain c are rows r C + c.

    Args:
        noise: C rows.
        replicas: R.
    """

    def __init__(self, noise: Noise, replicas: int) -> None:
        self.noise, self.replicas = noise, replicas
        self.n, self.device = noise.n * replicas, noise.device

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (R C, *shape) standard normal numbers."""
        return self._ordered(self.noise.normal(self.replicas, *shape, dtype=dtype))

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (R C, *shape) uniform numbers."""
        return self._ordered(self.noise.uniform(self.replicas, *shape, dtype=dtype))

    def integers(self, high: int) -> Tensor:
        """Return (R C,) equally likely whole numbers."""
        return (high * self.uniform(dtype=torch.float64)).long()

    def _ordered(self, drawn: Tensor) -> Tensor:
        return drawn.transpose(0, 1).flatten(0, 1)


def temper(path: Path[S], state: S, betas: Float[Tensor, " R"], noise: Noise) -> tuple[S, Float[Tensor, " R-1"]]:
    """Take a step of every replica, then let both sets of neighbours exchange their states.

    Args:
        path: of densities.
        state: R C rows, ordered by replica.
        betas: of the replicas, rising.
        noise: R C rows.

    Returns:
        The next state, and the mean probability of exchange of every pair of neighbours.
    """
    state = path.step(state, _of_rows(betas, state), noise)
    state, probability = exchange(path, state, betas, noise)
    return state, probability.mean(1)


def exchange(path: Path[S], state: S, betas: Float[Tensor, "R ..."], noise: Noise) -> tuple[S, Float[Tensor, "R-1 C"]]:
    """Let both sets of neighbours exchange their states, one after the other.

    Args:
        path: of densities.
        state: R C rows, ordered by replica.
        betas: of the replicas, rising: the same for all chains, or those of each.
        noise: R C rows.

    Returns:
        The next state, and the probability with which each pair exchanged its states.
    """
    found = []
    for parity in (0, 1):
        found.append(exchange_probability(path, state, betas))
        state = _exchanged(state, _exchanges(found[-1], parity, noise))
    even = torch.arange(len(betas) - 1, device=betas.device)[:, None] % 2 == 0
    return state, torch.where(even, *found)


def exchange_probability(path: Path[S], state: S, betas: Float[Tensor, "R ..."]) -> Float[Tensor, "R-1 C"]:
    """Return the probability with which each pair of neighbours exchanges its states, in float64."""
    replicas = len(betas)
    own, above, below = (
        path.log_f(state, _of_rows(moved, state)).reshape(replicas, -1)
        for moved in (betas, betas.roll(-1, 0), betas.roll(1, 0))
    )
    return (above[:-1] + below[1:] - own[:-1] - own[1:]).clamp(max=0).exp()


def _exchanges(probability: Float[Tensor, "R-1 C"], parity: int, noise: Noise) -> Int[Tensor, "R C"]:
    """Return the replica whose state each replica takes, of pairs that start at replicas of a parity."""
    replicas = len(probability) + 1
    u = noise.uniform(dtype=torch.float64).to(probability.device).reshape(replicas, -1)[:-1]
    pair = torch.arange(replicas - 1, device=probability.device)[:, None]
    yes = ((u < probability) & (pair % 2 == parity)).long()
    none = torch.zeros_like(yes[:1])
    own = torch.arange(replicas, device=probability.device)[:, None]
    return own + torch.cat([yes, none]) - torch.cat([none, yes])


def _exchanged(state: S, source: Int[Tensor, "R C"]) -> S:
    chains = torch.arange(source.shape[1], device=source.device)
    rows = (source * source.shape[1] + chains).flatten()
    return type(state)(*(part[rows] for part in state))


def _of_rows(betas: Float[Tensor, "R ..."], state: tuple[Any, ...]) -> Float[Tensor, " N"]:
    return betas.reshape(len(betas), -1).expand(-1, len(state[0]) // len(betas)).flatten()
