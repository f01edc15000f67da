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
from collections.abc import Hashable
from typing import ClassVar

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.family import FEW_LEVELS
from veridical.config.families.rbm import RBMConfig, RBMSampling
from veridical.config.sampling import SamplingOptions, options_of
from veridical.data.dataset import ArrayData
from veridical.mcmc.bipartite import Machine, Tempering, centred, log_partition
from veridical.mcmc.path_integral import SLICES, falling, quantum
from veridical.mcmc.population import population, simulated
from veridical.mcmc.tempering import ReplicaNoise, temper
from veridical.mcmc.units import Binary, Categorical, Gaussian, Layer, Spin, Units
from veridical.model import (
    Batch,
    Facts,
    GenerativeModel,
    Loss,
    Replayable,
    Sampler,
    Space,
    StartsFromData,
    Tempered,
    refuse_labels,
    refuse_shape,
)
from veridical.nn.buffers import BufferRole
from veridical.noise import FreshNoise, Noise, noise_for

FIRST = 0.01
"""Standard deviation of the first weights."""

PERSISTENT = ("pcd", "temper")
"""Negative phases whose chains go on from step to step."""

SLIDING = 0.01
"""Share of the newest batch in the means of the units."""

_EXAMPLES = 10_000
"""Examples whose means are the start."""


class RBM(GenerativeModel, Sampler, Tempered, Replayable, StartsFromData):
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

    buffer_roles: ClassVar = {
        "chains": BufferRole.PER_PROCESS,
        "visible_mean": BufferRole.PER_PROCESS,
        "hidden_mean": BufferRole.PER_PROCESS,
        "start": BufferRole.LIVE,
        "betas": BufferRole.LIVE,
    }
    start: Tensor
    visible_mean: Tensor
    hidden_mean: Tensor
    betas: Tensor
    chains: Tensor
    papers = (
        "Hinton, Training Products of Experts by Minimizing Contrastive Divergence (2002), "
        "https://doi.org/10.1162/089976602760128018",
        "Tieleman, Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (2008), "
        "https://doi.org/10.1145/1390156.1390290",
        "Melchior, Fischer & Wiskott, How to Center Deep Boltzmann Machines (2016), "
        "https://www.jmlr.org/papers/v17/14-237",
    )

    def __init__(self, config: RBMConfig, facts: Facts | Space) -> None:
        super().__init__(facts)
        self.config = config
        self.visible_units, self.hidden_units = visible_units(config.visible, self.space), UNITS[config.hidden]
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
        self.register_buffer("chains", self._first_chains())

    def _first_chains(self) -> Tensor:
        """Return persistent chains (or replicas of chains) at independent units."""
        if self.config.negative not in PERSISTENT:
            return torch.zeros(0, dtype=torch.int8)
        layer = self._kept(self.machine()).visible
        n = self.config.chains * (self.config.replicas if self.config.negative == "temper" else 1)
        with torch.no_grad():
            return layer.units.pack(layer.draw(torch.zeros_like(layer.bias).expand(n, -1), FreshNoise(n)))

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

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
        kept, sweeps = self._kept(machine), range(self.config.sweeps)
        if self.config.negative == "cd":
            noise = FreshNoise(len(v), v.device)
            x = v if kept is machine else machine.hidden.draw(machine.hidden_field(v), noise)
            for _ in sweeps:
                x = kept.gibbs(x, noise)
            return x, {}
        if self.config.negative not in PERSISTENT:
            return self._annealed(machine, FreshNoise(self.config.chains, v.device)), {}
        x, noise = kept.visible.units.unpack(self.chains, v.dtype), FreshNoise(len(self.chains), v.device)
        terms: dict[str, Tensor] = {}
        if self.config.negative == "pcd":
            for _ in sweeps:
                x = kept.gibbs(x, noise)
        else:
            path = self._tempering(machine)
            state, betas = path.at(x), self.betas.to(x.dtype)
            for _ in sweeps:
                state, exchanged = temper(path, state, betas, noise)
                terms["exchanged"] = exchanged.min().to(x.dtype)
            x = state.v
        self.chains.copy_(kept.visible.units.pack(x))
        return x[-self.config.chains :], terms

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

    @torch.no_grad()
    def start_from(self, data: ArrayData) -> None:
        """Set the visible biases, and the start of every annealing, to independent units with the means of the data."""
        rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:_EXAMPLES]
        mean = self.to_units(data.batch(rows, "cpu").x).mean(0)
        share = 1 / (len(rows) + 1)  # a value that does not occur keeps a small probability
        even = self.visible_units.mean(torch.zeros_like(mean), torch.ones_like(mean))
        mean = (1 - share) * mean + share * even
        field = self.visible_units.field(mean, torch.ones_like(mean))
        for target in (self.start, self.visible_bias):
            target.copy_(field)
        self.visible_mean.copy_(mean)
        if self.config.negative in PERSISTENT:
            self.chains.copy_(self._first_chains())

    def to_units(self, x: Tensor) -> Tensor:
        """Return (B, n) visible units of examples in data space.

        Raises:
            ValueError: examples of another shape.
        """
        refuse_shape(x, self.space, "machine")
        x = x.flatten(1)
        if self.space.levels is None:
            return (x - self.space.mean) / self.space.std
        assert self.space.support is not None and self.space.bin_width is not None
        level = (x - self.space.support[0]) / self.space.bin_width
        if isinstance(self.visible_units, Categorical):
            return self.visible_units.unpack(level.round(), x.dtype)
        return 2 * level - 1 if isinstance(self.visible_units, Spin) else level

    def from_units(self, v: Tensor) -> Tensor:
        """Return (B, *event) examples in data space, inside its support, of visible units or their means."""
        if self.space.levels is None:
            x = self.space.mean + self.space.std * v
        else:
            assert self.space.support is not None and self.space.bin_width is not None
            if isinstance(self.visible_units, Categorical):
                levels = torch.arange(self.visible_units.values, device=v.device, dtype=v.dtype)
                v = v.unflatten(-1, (-1, self.visible_units.values)) @ levels
            elif isinstance(self.visible_units, Spin):
                v = (v + 1) / 2
            x = self.space.support[0] + self.space.bin_width * v
        return (x if self.space.support is None else x.clamp(*self.space.support)).reshape(-1, *self.space.shape)

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

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        """Draw examples, one chain each from independent units; see `Sampler.sample`."""
        refuse_labels(c)
        chosen, noise, path = options_of(RBMSampling, options), noise_for(n, self.device, noise), self.path()
        if chosen.method == "temper":
            noise = ReplicaNoise(noise, chosen.replicas)
        state, steps = path.start(noise), chosen.steps
        betas = torch.linspace(0, 1, chosen.replicas).to(self.start)
        for step in range(steps):
            if chosen.method == "temper":
                state, _ = temper(path, state, betas, noise)
            else:
                beta = 1.0 if chosen.method == "gibbs" else min(1.0, 2 * (step + 1) / steps)
                state = path.step(state, beta, noise)
        v = state.v[-n:] if n else state.v[:0]
        return self.from_units(v if chosen.output == "draw" else self._means(path.machine, v, noise, n))

    def _means(self, machine: Machine, v: Tensor, noise: Noise, n: int) -> Tensor:
        """Return the means of visible units given hidden units that are drawn given v."""
        inputs = machine.hidden_field(v).repeat(noise.n // max(1, n), 1)  # every replica has its row of noise
        h = machine.hidden.draw(inputs, noise)[-n:] if n else inputs
        return machine.visible.mean(machine.visible.bias + h @ machine.weights.T)


UNITS: dict[str, Units] = {"binary": Binary(), "spin": Spin(), "gaussian": Gaussian()}
"""Kinds of units by name."""


def visible_units(name: str, space: Space) -> Units:
    """Return the visible units for a space.

    Raises:
        ValueError: they do not fit its components.
    """
    levels = space.levels
    if levels is not None and levels > FEW_LEVELS:
        raise ValueError(
            f"space has shape {space.shape}; its components have {levels} levels, and this machine takes at most "
            f"{FEW_LEVELS}, or continuous data."
        )
    if name == "auto":
        two = "spin" if space.kind == "lattice" else "binary"
        name = "gaussian" if levels is None else two if levels == 2 else "categorical"
    fits = {"binary": levels == 2, "spin": levels == 2, "categorical": levels is not None, "gaussian": levels is None}
    if not fits[name]:
        given = "are continuous" if levels is None else f"have {levels} levels"
        raise ValueError(f"visible is {name!r}, but the components {given}; leave it at 'auto'.")
    return Categorical(levels) if name == "categorical" and levels is not None else UNITS[name]
