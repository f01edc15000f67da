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
persistent at several temperatures, or at parameters that were kept during training, that exchange states
(`mcmc/tempering.py`, `mcmc/trajectory.py`). The loss is this difference; its value is not a likelihood and need not
fall.

**log Z along training.** Further chains (`tracked`) start from independent units and take a step of every machine that
training passes; before each step their weights grow by the ratio of its density to the previous one's. So they are
annealed along the parameters: the mean weight is on average Z at every step, whatever the parameters are, since these
chains have no part in the gradient. `log_z` and the nats of the batch that follow from it are logged.

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
    Béreux, Decelle, Furtlehner & Seoane, Fast Training and Sampling of Restricted Boltzmann Machines (2025), for the
        parameters that are kept. https://arxiv.org/abs/2405.15376
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.rbm import RBMConfig
from veridical.data.dataset import ArrayData
from veridical.families.boltzmann import FIRST, SLIDING, UNITS, Boltzmann, Phase, Tracked
from veridical.kinds import TermKind
from veridical.mcmc.annealing import combine, combined_error, effective_size
from veridical.mcmc.bipartite import Machine, Tempering, centred
from veridical.mcmc.path_integral import SLICES, falling, quantum
from veridical.mcmc.population import population, simulated
from veridical.mcmc.trajectory import Knots, Trajectory, kept_next
from veridical.mcmc.units import Layer, Spin
from veridical.model import Batch, Facts, Loss, Space
from veridical.nn.buffers import BufferRole
from veridical.noise import FreshNoise, Noise

PERSISTENT = ("pcd", "temper", "trajectory")
"""Negative phases whose chains go on from step to step."""

LADDERS = ("temper", "trajectory")
"""Negative phases with replicas."""


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

    term_kinds: ClassVar[Mapping[str, TermKind]] = {"model/free_energy": "free_energy"}
    buffer_roles: ClassVar = dict.fromkeys(
        ("hidden_mean", *(f"kept_{part}" for part in Knots._fields)), BufferRole.PER_PROCESS
    )
    hidden_mean: Tensor
    kept_weights: Tensor
    kept_visible: Tensor
    kept_hidden: Tensor
    papers = (
        "Hinton, Training Products of Experts by Minimizing Contrastive Divergence (2002), "
        "https://doi.org/10.1162/089976602760128018",
        "Tieleman, Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (2008), "
        "https://doi.org/10.1145/1390156.1390290",
        "Melchior, Fischer & Wiskott, How to Center Deep Boltzmann Machines (2016), "
        "https://www.jmlr.org/papers/v17/14-237",
        "Béreux, Decelle, Furtlehner & Seoane, Fast Training and Sampling of Restricted Boltzmann Machines (2025), "
        "https://arxiv.org/abs/2405.15376",
    )

    def __init__(self, config: RBMConfig, facts: Facts | Space) -> None:
        replicas = config.replicas if config.negative in LADDERS else 1
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
        if config.negative == "trajectory" and (config.hidden == "gaussian" or self.visible_units.values is None):
            raise ValueError(
                "negative is 'trajectory' with Gaussian units, whose precisions are not kept; take 'temper' for these."
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
        if config.negative == "trajectory":
            for name, part in zip(Knots._fields, (self.weights, self.visible_bias, self.hidden_bias), strict=True):
                self.register_buffer(f"kept_{name}", torch.zeros(replicas - 1, *part.shape))
        self.tracker = Tracked(config.tracked, self.kept_layer()) if config.tracked else None
        if self.tracker is not None:
            self.tracker.restart(self._tempering(self.machine()))

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

        Terms: `loss`; `free_energy`, the mean of F over the batch, nats; with replicas `exchanged`, the mean share of
        exchanges of the pair of neighbours that exchanges least; with tracked chains `log_z`, `nats` of the batch, both
        at the parameters before this step, and `tracked_effective`, how many chains count.
        """
        with torch.autocast(batch.x.device.type, enabled=False):
            v = self.to_units(batch.x.float() if batch.x.dtype.itemsize < 4 else batch.x)
            machine = self.machine()
            with torch.no_grad():
                negative, terms = self.negative(machine, v)
                terms |= self._track(machine, v)
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
        trajectory = self.config.negative == "trajectory"
        return self.go_on(Trajectory(machine, self._kept_parameters()) if trajectory else self._tempering(machine))

    def after_exchanges(self, exchanged: Tensor) -> None:
        """Keep the parameters of the moment where they exchange too seldom with the newest kept ones."""
        if self.config.negative != "trajectory":
            return
        order = kept_next(exchanged)
        for kept, stack in zip(self._kept_parameters(), self._kept_parameters().and_now(self.machine()), strict=True):
            kept.copy_(stack[order[:-1]])
        self.chains.copy_(self.chains.unflatten(0, (len(order), -1))[order].flatten(0, 1))

    def _kept_parameters(self) -> Knots:
        return Knots(self.kept_weights, self.kept_visible, self.kept_hidden)

    def _track(self, machine: Machine, v: Tensor) -> dict[str, Tensor]:
        """Let the tracked chains follow the parameters; return what is logged."""
        if self.tracker is None:
            return {}
        log_w = self.tracker.follow(Tempering(self._kept(machine)), self.config.sweeps, v.dtype)
        log_z = combine(log_w)
        terms = {
            "log_z": log_z,
            "nats": machine.free_energy(v).mean() + log_z,
            "tracked_effective": effective_size(log_w),
        }
        return {name: term.to(v.dtype) for name, term in terms.items()}

    @torch.no_grad()
    def tracked_log_z(self) -> tuple[float, float, float]:
        """Return log Z of the present parameters by the tracked chains, its standard error, and how many chains count.

        Raises:
            ValueError: no chains were tracked.
        """
        if self.tracker is None:
            raise ValueError("no chains were tracked; train with --model.tracked 100.")
        log_w = self.tracker.weighed(Tempering(self._kept(self.machine())), self.start.dtype)
        return float(combine(log_w)), float(combined_error(log_w)), float(effective_size(log_w))

    def start_from(self, data: ArrayData) -> None:
        """Set the start as the base does, and with it the kept parameters and the tracked chains."""
        super().start_from(data)
        if self.config.negative == "trajectory":
            self.kept_visible.copy_(self.start.expand_as(self.kept_visible))
        if self.tracker is not None:
            self.tracker.restart(self._tempering(self.machine()))

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
        """Return the path of temperatures to the layer that is kept."""
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

    def ladder(self, replicas: int) -> Tensor:
        """Return the places of the kept parameters, if there are any, or of temperatures."""
        return self.betas if self.config.negative == "trajectory" else super().ladder(replicas)

    def path(self) -> Tempering | Trajectory:
        """Return the path from independent units with the means of the data, by way of the kept parameters."""
        if self.config.negative == "trajectory":
            return Trajectory(self.machine().detached(), self._kept_parameters())
        return Tempering(self.machine().detached(), visible=self.start)

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
