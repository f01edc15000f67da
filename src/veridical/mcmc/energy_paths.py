r"""Paths to any density whose energy can be computed, from one without interaction.

`Sites` is for components of a few values: $f_\beta = e^{-\beta E}$ begins with equal probabilities, and a step draws
one component after another from its values given the rest (heat bath), first to last and back, so that the whole step
satisfies detailed balance. `Normal` is for continuous components: $f_\beta = \mathcal N^{1-\beta} e^{-\beta E}$ begins
with a normal distribution, and a step is one of Hamiltonian Monte Carlo, whose size is tuned before and then a fixed
function of $\beta$. Both cost many energies; a model that knows better transitions has a path of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from veridical.mcmc import hamiltonian
from veridical.mcmc.path import Path
from veridical.noise import Noise

Energy = Callable[[Tensor], Tensor]
"""(N, D) → (N,) nats; each number depends on its own row alone."""

LEAPS = 5
"""Gradients of a step of Hamiltonian Monte Carlo."""


class Sited(NamedTuple):
    """Chains of components with a few values."""

    x: Float[Tensor, "N D"]
    energy: Float[Tensor, " N"]


class Sites(Path[Sited]):
    """The path to an energy of components with a few values.

    Args:
        energy: of examples.
        values: that a component can take.
        sites: number of components.
    """

    def __init__(self, energy: Energy, values: Float[Tensor, " L"], sites: int) -> None:
        self.energy, self.values, self.sites = energy, values, sites

    @property
    def log_z0(self) -> float:
        """Log of the number of states."""
        return self.sites * math.log(len(self.values))

    def start(self, noise: Noise) -> Sited:
        """Draw every component from all values."""
        u = noise.uniform(self.sites, dtype=torch.float64).to(self.values.device)
        return self.at(self.values[(u * len(self.values)).long().clamp(max=len(self.values) - 1)])

    def at(self, x: Tensor) -> Sited:
        """Return chains at examples (N, D)."""
        return Sited(x, self.energy(x).double())

    def log_f(self, state: Sited, beta: float | Tensor) -> Tensor:
        """Return -beta E."""
        return -beta * state.energy

    def step(self, state: Sited, beta: float | Tensor, noise: Noise) -> Sited:
        """Draw one component after another, forth and back."""
        for site in (*range(self.sites), *range(self.sites - 1, -1, -1)):
            state = self._drawn(state, site, beta, noise)
        return state

    def _drawn(self, state: Sited, site: int, beta: float | Tensor, noise: Noise) -> Sited:
        levels = len(self.values)
        x = state.x.repeat(levels, 1, 1)
        x[:, :, site] = self.values[:, None]
        energies = self.energy(x.flatten(0, 1)).double().reshape(levels, -1)
        below = torch.softmax(-beta * energies, 0).cumsum(0)[:-1]
        chosen = (noise.uniform(dtype=torch.float64).to(below.device) >= below).sum(0)
        rows = torch.arange(x.shape[1], device=x.device)
        return Sited(x[chosen, rows], energies[chosen, rows])


class Normal(Path[hamiltonian.State]):
    """The path to an energy of continuous components.

    Args:
        energy: of examples, differentiable.
        mean: of the normal distribution, of every component.
        std: of the same.
        sites: number of components.
    """

    def __init__(self, energy: Energy, mean: float, std: float, sites: int) -> None:
        self.energy, self.mean, self.std, self.sites = energy, mean, std, sites
        self._steps: tuple[Sequence[float], Sequence[float]] = ((0.0,), (hamiltonian.largest_step(LEAPS),))

    @property
    def log_z0(self) -> float:
        """Log of the integral of a density."""
        return 0.0

    def start(self, noise: Noise) -> hamiltonian.State:
        """Draw normal numbers."""
        return hamiltonian.start(self._log_ratio, noise.normal(self.sites))

    def at(self, x: Tensor) -> hamiltonian.State:
        """Return chains at examples (N, D)."""
        return hamiltonian.start(self._log_ratio, (x - self.mean) / self.std)

    def log_f(self, state: hamiltonian.State, beta: float | Tensor) -> Tensor:
        """Return the log density of the normal distribution plus beta times the log ratio."""
        return self._log_normal(state.u) + beta * state.log_l.double()

    def step(self, state: hamiltonian.State, beta: float | Tensor, noise: Noise) -> hamiltonian.State:
        """Take a step of Hamiltonian Monte Carlo of the size that belongs to the temperature."""
        if isinstance(beta, Tensor):
            raise ValueError("beta is a tensor; chains of this path have one temperature at a time.")
        return self._moved(state, beta, float(np.interp(beta, *self._steps)), noise)[0]

    def tune(self, noise: Noise, temperatures: int = 40, repeats: int = 5) -> None:
        """Set the sizes of the steps, by chains that are then forgotten.

        Args:
            noise: of the chains.
            temperatures: between which sizes are interpolated.
            repeats: steps at each of them.
        """
        state, step, sizes = self.start(noise), hamiltonian.largest_step(LEAPS), []
        betas = np.linspace(0, 1, temperatures)
        for beta in betas:
            for _ in range(repeats):
                state, accepted = self._moved(state, float(beta), step, noise)
                step *= math.exp(float(accepted.double().mean()) - hamiltonian.BEST_ACCEPTANCE)
                step = min(step, hamiltonian.largest_step(LEAPS))
            sizes.append(step)
        self._steps = (betas.tolist(), sizes)

    def _moved(
        self, state: hamiltonian.State, beta: float, step: float, noise: Noise
    ) -> tuple[hamiltonian.State, Tensor]:
        sizes = torch.full((len(state.u),), step, device=state.u.device)
        return hamiltonian.hamiltonian_step(self._log_ratio, state, beta, sizes, leaps=LEAPS, noise=noise)

    def _log_ratio(self, u: Tensor) -> Tensor:
        x = self.mean + self.std * u
        return -self.energy(x) + self.sites * math.log(self.std) - self._log_normal(u)

    def _log_normal(self, u: Tensor) -> Tensor:
        return -(u.double().square().sum(1) + self.sites * math.log(2 * math.pi)) / 2
