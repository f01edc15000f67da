r"""Path-integral annealing: spins in a transverse field, as P coupled copies of a classical machine.

The quantum system at temperature 1 has the Hamiltonian

$$ H = E(\sigma^z) - \Gamma \sum_i \sigma_i^x . $$

By the Trotter formula its density is the marginal of P slices of classical spins on a ring,

$$ p(s^1, \dots, s^P) \propto \exp\Big(-\frac1P\sum_p E(s^p) + J_\perp \sum_p\sum_i s_i^p s_i^{p+1}\Big), \qquad
   J_\perp = -\tfrac12 \ln\tanh\frac{\Gamma}{P}, $$

up to an error of $O(1/P^2)$. A large field lets spins tunnel; as it falls the slices align and the classical density
is left. At a finite field samples follow the quantum marginal and not the classical density: their bias does not
vanish with more steps.

A machine of two layers of spins is drawn in two halves, since slices alternate: the visible units of even slices and
the hidden ones of odd slices are independent given all others.

References:
    Suzuki, Relationship between d-Dimensional Quantal Spin Systems and (d+1)-Dimensional Ising Systems (1976).
        https://doi.org/10.1143/PTP.56.1454
    Martonak, Santoro & Tosatti, Quantum Annealing by the Path-integral Monte Carlo Method (2002).
        https://arxiv.org/abs/cond-mat/0205317
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.mcmc.bipartite import Machine
from veridical.mcmc.units import Spin
from veridical.noise import Noise

LARGEST_FIELD, LAST_FIELD = 3.0, 0.3
"""Transverse fields between which chains of a gradient are annealed."""

SLICES = 4
"""Their slices; more of them follow a change of the field more slowly."""


class Slices(NamedTuple):
    """Chains of P slices."""

    v: Float[Tensor, "N P v"]
    h: Float[Tensor, "N P h"]


def falling(steps: int) -> list[float]:
    """Return `steps` + 1 transverse fields from the largest to the last, in equal ratios."""
    return [LARGEST_FIELD * (LAST_FIELD / LARGEST_FIELD) ** (t / steps) for t in range(steps + 1)]


def coupling(gamma: float, slices: int) -> float:
    """Return the coupling of a spin to itself in the next slice.

    Args:
        gamma: transverse field, above 0.
        slices: P.

    Raises:
        ValueError: no field, in which slices would never separate.
    """
    if not gamma > 0:
        raise ValueError(f"gamma is {gamma}; expected a transverse field above 0.")
    return -0.5 * math.log(math.tanh(gamma / slices))


def start(machine: Machine, slices: int, noise: Noise) -> Slices:
    """Return independent random slices, one set for each row of noise.

    Args:
        machine: two layers of spins.
        slices: P, even.
        noise: of the chains.

    Raises:
        ValueError: other units, or an odd number of slices.
    """
    if not isinstance(machine.visible.units, Spin) or not isinstance(machine.hidden.units, Spin):
        raise ValueError("a transverse field turns spins over; expected a machine of spins in both layers.")
    if slices < 2 or slices % 2:
        raise ValueError(f"slices is {slices}; expected an even number, so that every second one is independent.")
    v, h = (noise.uniform(slices, len(layer.bias)) < 0.5 for layer in (machine.visible, machine.hidden))
    return Slices(2 * v.to(machine.weights) - 1, 2 * h.to(machine.weights) - 1)


def step(machine: Machine, state: Slices, gamma: float, noise: Noise) -> Slices:
    """Draw both halves, each given the other; leaves the distribution of the slices invariant.

    Args:
        machine: two layers of spins.
        state: of N chains.
        gamma: transverse field.
        noise: one row for each chain.
    """
    for parity in (0, 1):
        state = Slices(
            _drawn(machine, state.v, state.h, gamma, parity, noise),
            _drawn(machine.transposed(), state.h, state.v, gamma, 1 - parity, noise),
        )
    return state


def _drawn(machine: Machine, x: Tensor, other: Tensor, gamma: float, parity: int, noise: Noise) -> Tensor:
    """Return a layer whose slices of one parity are drawn anew; the other layer's slices of that parity are kept."""
    slices = x.shape[1]
    field = (machine.visible.bias + other @ machine.weights.T) / slices
    field = field + coupling(gamma, slices) * (x.roll(1, 1) + x.roll(-1, 1))
    drawn = 2 * noise.bernoulli((2 * field).sigmoid()) - 1
    chosen = torch.arange(slices, device=x.device)[:, None] % 2 == parity
    return torch.where(chosen, drawn, x)


def quantum(machine: Machine, gammas: Sequence[float], slices: int, noise: Noise) -> Float[Tensor, "N v"]:
    """Return visible spins of the first slice after one step at each transverse field.

    Args:
        machine: two layers of spins.
        gammas: of the steps, usually falling.
        slices: P, even.
        noise: one row for each chain.
    """
    state = start(machine, slices, noise)
    for gamma in gammas:
        state = step(machine, state, gamma, noise)
    return state.v[:, 0]
