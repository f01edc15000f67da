r"""The path of a machine along its own training: parameters that were kept on the way, and those of the moment.

A machine that learns passes through machines that are simpler and mix faster. With the parameters $\theta_0$ of
independent units, $\theta_1, \dots, \theta_{K-1}$ kept during training and $\theta_K$ of the moment,

$$ f_\beta(v) = e^{-F(v;\,\theta(\beta))}, \qquad \theta(\beta) \text{ on the line between } \theta_k \text{ and }
   \theta_{k+1} \text{ at } \beta = \frac{k + t}{K} . $$

Replicas at the kept parameters exchange their states as those at several temperatures do (`mcmc/tempering.py`): with
the energies under both sets of parameters. Annealing along the same path estimates log Z (`mcmc/annealing.py`). Where
learning passes a phase transition of first order in the temperature, both are shorter ways than temperatures. With
$K = 1$ it is the path of `bipartite.Tempering`, since fields are linear in the parameters.

**Keeping.** Where the machine of the moment exchanges too seldom with the newest kept one, its parameters are kept,
with a copy of its chains, in the place of those whose neighbours exchange most with them: as many are kept as before,
and the ladder stays even. All of it is done with tensors of fixed size, so that a recorded step does the same.

References:
    Béreux, Decelle, Furtlehner & Seoane, Fast Training and Sampling of Restricted Boltzmann Machines (2025).
        https://arxiv.org/abs/2405.15376
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.mcmc.bipartite import Machine
from veridical.mcmc.path import Path
from veridical.noise import Noise

SELDOM = 0.3
"""Mean probability of an exchange with the newest kept parameters, below which those of the moment are kept."""


class Visible(NamedTuple):
    """Chains, one for each row."""

    v: Float[Tensor, "N v"]


class Knots(NamedTuple):
    """Parameters of several machines of the same units, stacked."""

    weights: Float[Tensor, "K v h"]
    visible: Float[Tensor, "K v"]
    hidden: Float[Tensor, "K h"]

    def and_now(self, machine: Machine) -> Knots:
        """Return these with the parameters of a machine at the end."""
        own = (machine.weights, machine.visible.bias, machine.hidden.bias)
        return Knots(*(torch.cat([kept, now[None]]) for kept, now in zip(self, own, strict=True)))


class Trajectory(Path[Visible]):
    """The path along parameters (module docstring).

    Args:
        machine: the end, whose units all have; not Gaussian.
        kept: parameters on the way; those of the first have no weights.
    """

    def __init__(self, machine: Machine, kept: Knots) -> None:
        self.machine, self.knots = machine, kept.and_now(machine)
        self.last = len(kept.weights)

    @property
    def log_z0(self) -> float:
        """Log Z of the independent units."""
        m, (_, b, c) = self.machine, self.knots
        return float(m.visible.log_normaliser(b[0]).double() + m.hidden.log_normaliser(c[0]).double())

    @property
    def betas(self) -> Float[Tensor, " K"]:
        """Where the parameters are."""
        return torch.linspace(0, 1, self.last + 1, dtype=torch.float64).to(self.machine.weights)

    def start(self, noise: Noise) -> Visible:
        """Draw the independent units."""
        return self.at(self.machine.visible.draw(self.knots.visible[0].expand(noise.n, -1), noise))

    def at(self, x: Tensor) -> Visible:
        """Return chains at given values of the visible layer."""
        return Visible(x)

    def log_f(self, state: Visible, beta: float | Tensor) -> Tensor:
        """Return -F in float64; rows of a tensor of beta as in `step`."""
        blocks, (W, b, c) = self._blocks(state.v, beta)
        own = (blocks @ b[..., None]).squeeze(-1)
        hidden = self.machine.hidden.units.log_normaliser(c[:, None] + blocks @ W, None)
        return (own.double() + hidden.double()).flatten()

    def step(self, state: Visible, beta: float | Tensor, noise: Noise) -> Visible:
        """Draw the hidden units, then the visible ones.

        Args:
            state: of N chains.
            beta: of all; or (N,) of the rows, in equal blocks of one beta each, as replicas are, all of them at kept
                parameters (`betas`).
            noise: one row for each chain.
        """
        blocks, (W, b, c) = self._blocks(state.v, beta)
        h = self.machine.hidden.draw((c[:, None] + blocks @ W).flatten(0, 1), noise)
        field = b[:, None] + h.reshape(len(W), -1, h.shape[-1]) @ W.mT
        return Visible(self.machine.visible.draw(field.flatten(0, 1), noise))

    def _blocks(self, v: Tensor, beta: float | Tensor) -> tuple[Float[Tensor, "R C v"], Knots]:
        """Return rows by block, and the parameters of every block."""
        if isinstance(beta, Tensor):
            replicas = self.last + 1
            chosen = (beta.reshape(replicas, -1)[:, 0] * self.last).round().long()
            return v.reshape(replicas, -1, v.shape[-1]), Knots(*(stack[chosen] for stack in self.knots))
        k = min(int(beta * self.last), self.last - 1)
        return v[None], Knots(*(torch.lerp(x[k : k + 1], x[k + 1 : k + 2], beta * self.last - k) for x in self.knots))


def kept_next(exchanged: Float[Tensor, " R-1"]) -> Int[Tensor, " R"]:
    """Return from which places the R replicas of the next step come: the places themselves, or with a new one kept.

    If the last pair exchanges too seldom, the last replica is there twice, and the one is left out, of those between
    the first and the last, whose neighbours exchange most with it.

    Args:
        exchanged: mean probability of an exchange of every pair of neighbours.
    """
    place = torch.arange(len(exchanged) + 1, device=exchanged.device)
    out = 1 + (exchanged[:-1] * exchanged[1:]).argmax()
    kept = torch.where(place >= out, (place + 1).clamp(max=len(exchanged)), place)
    return torch.where(exchanged[-1] < SELDOM, kept, place)
