"""Machines small enough that everything is a sum: all states, laws at every temperature, kernels."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.mcmc.bipartite import Machine, Tempering
from veridical.mcmc.path_integral import coupling
from veridical.mcmc.units import Binary, Categorical, Layer, Spin, Units

NAMES: dict[str, Units] = {"binary": Binary(), "spin": Spin(), "categorical": Categorical(3)}

KINDS = [("binary", "binary"), ("spin", "spin"), ("binary", "spin"), ("categorical", "binary"), ("spin", "categorical")]
"""Units of the visible and of the hidden layer."""


def machine_of(visible: str, hidden: str, scale: float = 1.0, seed: int = 0) -> Machine:
    """Return a machine of 3 (categorical: 2) visible and 2 hidden units, with weights of a scale."""
    random = torch.Generator().manual_seed(seed)
    sites = {"categorical": 2}.get(visible, 3)
    v, h = sites * NAMES[visible].numbers, 2 * NAMES[hidden].numbers
    W, b, c = (scale * torch.randn(shape, generator=random) for shape in ((v, h), (v,), (h,)))
    return Machine(W, Layer(NAMES[visible], b), Layer(NAMES[hidden], c))


def states_of(machine: Machine) -> Float[Tensor, "states v"]:
    return machine.visible.states()


def number_of(v: Float[Tensor, "N v"], machine: Machine) -> Int[Tensor, " N"]:
    """Return the row of each state among all."""
    same = (v[:, None] == states_of(machine)).all(-1)
    assert same.any(1).all()
    return same.long().argmax(1)


def law(path: Tempering, beta: float) -> Float[Tensor, " states"]:
    """Return the probabilities of all visible states at a temperature."""
    return torch.softmax(path.log_f(path.at(states_of(path.machine)), beta), 0)


def kernel(path: Tempering, beta: float) -> Float[Tensor, "states states"]:
    """Return the probabilities of a step from every state to every other, written from the definition of the path."""
    m, v = path.machine, states_of(path.machine)
    h = m.hidden.states()
    to_hidden = (1 - beta) * path.hidden + beta * (m.hidden.bias + v @ m.weights)
    to_visible = (1 - beta) * path.visible + beta * (m.visible.bias + h @ m.weights.T)
    return torch.softmax(to_hidden @ h.T, 1) @ torch.softmax(to_visible @ v.T, 1)


def states_and_energies(machine: Machine) -> tuple[Tensor, Tensor]:
    """Return all states of both layers of spins, and their energies."""
    s = Spin().states(machine.visible.sites + machine.hidden.sites)
    v, h = s.split([machine.visible.sites, machine.hidden.sites], 1)
    return s, machine.energy(v, h)


def law_of_a_slice(machine: Machine, gamma: float, slices: int) -> Tensor:
    """Marginal of one slice of the classical ring, by products of its transfer matrix."""
    s, energies = states_and_energies(machine)
    between = (coupling(gamma, slices) * s @ s.T - energies[:, None] / slices).exp()
    p = torch.linalg.matrix_power(between, slices).diagonal()
    return p / p.sum()
