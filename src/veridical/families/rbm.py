r"""Restricted Boltzmann machine: an energy of two layers, learned with the help of Markov chains.

**Model.** Visible units $v$ and hidden units $h$, without connections within a layer,

$$ p(v, h) = \frac1Z e^{-E(v,h)}, \qquad E = E_v(v) - c^\top h - v^\top W h, \qquad
   -\log p(v) = F(v) + \log Z, \quad F(v) = E_v(v) - A_h(c + W^\top v) , $$

where $E_v = -b^\top v$, for Gaussian units $\frac12\sum_i q_i v_i^2 - b^\top v$ with learned precisions, and $A_h$ sums
the hidden units out (`mcmc/units.py`). Data of two values have binary or spin units, of up to 32 levels categorical
ones, so that the density is a probability of the levels; continuous data have Gaussian ones, in standard deviations.

**Objective.** Maximum likelihood: the gradient of $-\log p$ is that of

$$ \operatorname E_{\text{data}} F(v) - \operatorname E_{\text{model}} F(v), $$

whose second part is estimated by Markov chains that draw one layer after the other: started at the batch and cut off
after a few steps (contrastive divergence, biased), persistent (the chains go on while the weights change slowly), or
persistent at several temperatures that exchange states (`mcmc/tempering.py`). The loss is this difference; its value
is not a likelihood and need not fall.

**Centring.** With $\mu, \lambda$ the means of the units, the gradient is taken in the coordinates
$E = -(v-\mu)^\top W (h-\lambda) - \dots$, in which weights and biases do not compete, and moved back: the machine stays
the same, the step does not depend on which value of a unit is called 0.

**What to expect.** Everything is exact but log Z, which is a sum for up to 24 units in the smaller layer and otherwise
estimated by annealing. Persistent chains stop mixing as weights grow: then take more sweeps, smaller
steps, or temperatures.

References:
    Smolensky (1986); Hinton, Training Products of Experts by Minimizing Contrastive Divergence (2002).
        https://doi.org/10.1162/089976602760128018
    Tieleman, Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (2008).
        https://doi.org/10.1145/1390156.1390290
    Melchior, Fischer & Wiskott, How to Center Deep Boltzmann Machines (2016). https://www.jmlr.org/papers/v17/14-237
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.rbm import RBMConfig
from veridical.families.boltzmann import SLIDING, UNITS, Boltzmann, Phase
from veridical.mcmc.bipartite import Machine, Tempering, centred, log_partition
from veridical.mcmc.path_integral import SLICES, falling, quantum
from veridical.mcmc.population import population, simulated
from veridical.mcmc.units import Layer, Spin
from veridical.model import Batch, Facts, Loss, Space
from veridical.nn.buffers import BufferRole
from veridical.noise import FreshNoise, Noise

FIRST = 0.01
"""Standard deviation of the first weights."""

PERSISTENT = ("pcd", "temper")
"""Negative phases whose chains go on from step to step."""


class RBM(Boltzmann):
    """A restricted Boltzmann machine (module docstring: model, objective, units).

    Args:
        config: the choices.
        facts: of the data; a space alone is accepted too.

    Raises:
        ValueError: the components have too many levels, or the chosen units do not fit them.

    Examples:
        >>> model = RBM(RBMConfig(width=8), Space((3,), kind="vector", levels=2))
        >>> model.energy(torch.ones(2, 3)).shape
        torch.Size([2])
    """

    buffer_roles: ClassVar = {"hidden_mean": BufferRole.PER_PROCESS}
    hidden_mean: Tensor
    papers = (
        "Hinton, Training Products of Experts by Minimizing Contrastive Divergence (2002), "
        "https://doi.org/10.1162/089976602760128018",
        "Tieleman, Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (2008), "
        "https://doi.org/10.1145/1390156.1390290",
        "Melchior, Fischer & Wiskott, How to Center Deep Boltzmann Machines (2016), "
        "https://www.jmlr.org/papers/v17/14-237",
    )

    def __init__(self, config: RBMConfig, facts: Facts | Space) -> None:
        replicas = config.replicas if config.negative == "temper" else 1
        super().__init__(
            facts, config.visible, Phase(config.sweeps, config.chains, replicas, config.negative in PERSISTENT)
        )
        self.config, self.hidden_units = config, UNITS[config.hidden]
        if config.hidden == "gaussian" and self.visible_units.values is None:
            raise ValueError(
                "hidden is 'gaussian' for continuous data, which gives no more than one normal distribution; take "
                "hidden units of two values (--model.hidden binary)."
            )
        if config.negative == "quantum" and not (config.hidden == "spin" and isinstance(self.visible_units, Spin)):
            raise ValueError(
                "negative is 'quantum', which turns spins over; take spins in both layers (--model.visible spin "
                "--model.hidden spin, for data of two values)."
            )
        visible = self.space.dim * self.visible_units.numbers
        self.weights = nn.Parameter(FIRST * torch.randn(visible, config.width))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.hidden_bias = nn.Parameter(torch.zeros(config.width))
        self.log_precision = nn.Parameter(torch.zeros(visible)) if self.visible_units.values is None else None
        self.register_buffer("start", torch.zeros(visible))
        self.register_buffer("visible_mean", self.visible_units.mean(torch.zeros(visible), torch.ones(visible)))
        self.register_buffer("hidden_mean", self.hidden_units.mean(torch.zeros(config.width), torch.ones(config.width)))
        self.register_buffer("betas", torch.linspace(0, 1, config.replicas))
        self.register_buffer("chains", self.first_chains())

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def machine(self) -> Machine:
        """Return the machine of the present parameters."""
        precision = None if self.log_precision is None else self.log_precision.exp()
        hidden_precision = torch.ones_like(self.hidden_bias) if self.hidden_units.values is None else None
        return Machine(
            self.weights,
            Layer(self.visible_units, self.visible_bias, precision),
            Layer(self.hidden_units, self.hidden_bias, hidden_precision),
        )

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the free energy of the data minus that of the chains, after their steps.

        Terms: `loss`; `free_energy`, the mean of F over the batch, nats; with temperatures `exchanged`, the mean share
        of exchanges of the pair of neighbours that exchanges least.
        """
        with torch.autocast(batch.x.device.type, enabled=False):
            v = self.to_units(batch.x.float() if batch.x.dtype.itemsize < 4 else batch.x)
            machine = self.machine()
            with torch.no_grad():
                negative, terms = self.negative(machine, v)
            if self.config.centred:
                machine = centred(machine, self.visible_mean.clone(), self.hidden_mean.clone())
            data = machine.free_energy(v).mean()
            loss = data - self._kept(machine).free_energy(negative).mean()
            self._slide(machine, v)
        return Loss(loss, {"loss": loss, "free_energy": data, **terms})

    def negative(self, machine: Machine, v: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return states of the layer that is kept (see `_kept`), after the steps of this call, and what is logged.

        Args:
            machine: of the present parameters.
            v: visible units of the batch, where contrastive divergence starts.
        """
        kept = self._kept(machine)
        if self.config.negative == "cd":
            noise = FreshNoise(len(v), v.device)
            x = v if kept is machine else machine.hidden.draw(machine.hidden_field(v), noise)
            for _ in range(self.config.sweeps):
                x = kept.gibbs(x, noise)
            return x, {}
        if self.config.negative not in PERSISTENT:
            return self._annealed(machine, FreshNoise(self.config.chains, v.device)), {}
        return self.go_on(self._tempering(machine))

    def _annealed(self, machine: Machine, noise: Noise) -> Tensor:
        """Return states of the layer that is kept, from chains that start anew."""
        steps, sweeps = self.config.replicas, self.config.sweeps
        if self.config.negative == "quantum":
            return quantum(machine, [g for g in falling(steps) for _ in range(sweeps)], SLICES, noise)
        path, betas = self._tempering(machine), [(t + 1) / steps for t in range(steps)]
        if self.config.negative == "population":
            return population(path, betas, noise, sweeps=sweeps)[0].v
        return simulated(path, [beta for beta in betas for _ in range(sweeps)], noise).v

    def _kept(self, machine: Machine) -> Machine:
        """Return the machine with the layer first whose states are kept: the hidden one if data are continuous."""
        return machine if self.visible_units.values is not None else machine.transposed()

    def _tempering(self, machine: Machine) -> Tempering:
        """Return the path to the layer that is kept."""
        if self.visible_units.values is not None:
            return Tempering(machine, visible=self.start)
        return Tempering(machine.transposed(), hidden=self.start)

    @torch.no_grad()
    def _slide(self, machine: Machine, v: Tensor) -> None:
        """Move the means of the units towards those of the batch; the gradient of this batch does not know them."""
        self.visible_mean.lerp_(v.mean(0).to(self.visible_mean), SLIDING)
        mean = machine.hidden.mean(machine.hidden_field(v)).mean(0)
        self.hidden_mean.lerp_(mean.to(self.hidden_mean), SLIDING)

    def energy(self, x: Tensor) -> Tensor:
        """Return (B,) free energies in nats; of continuous data in data space."""
        shift = self.space.dim * math.log(self.space.std) if self.space.levels is None else 0.0
        return self.machine().free_energy(self.to_units(x)) + shift

    def path(self) -> Tempering:
        """Return the path from independent units with the means of the data; its log Z is that of `energy`."""
        return Tempering(self.machine().detached(), visible=self.start)

    def log_partition(self) -> float | None:
        """Return log Z, summed in double precision over the smaller layer; None: it is too large."""
        return log_partition(self.machine().detached(torch.float64))

    def ends(self, x: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return the visible units of examples, and their negative energies."""
        return self.to_units(x), -self.energy(x)

    def kept_layer(self) -> Layer:
        """Return the layer whose states are kept: the hidden one if data are continuous."""
        return self._kept(self.machine()).visible

    def examples(self, x: Tensor, output: str, noise: Noise) -> Tensor:
        """Return the visible units, or their means given hidden units that are drawn given them."""
        if output == "draw":
            return x
        machine = self.machine()
        h = machine.hidden.draw(machine.hidden_field(x), noise)
        return machine.visible.mean(machine.visible.bias + h @ machine.weights.T)
