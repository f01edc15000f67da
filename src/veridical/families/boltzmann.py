r"""The common base of Boltzmann machines: units of the data, persistent chains, sampling.

A machine has layers of units, of which one half is independent given the other (`mcmc/bipartite.py`), and the chains
are states of the half that is *kept*. The gradient of the likelihood is that of

$$ \operatorname E_{\text{data}} E - \operatorname E_{\text{model}} F , $$

where F is the energy of the kept half with the other half summed out, and the second mean is over chains. They go on
from step to step while the weights change slowly, at one temperature (`pcd`) or at several that exchange their states
(`temper`).

**Units.** Data of two values have binary or spin units, of up to 32 levels categorical ones, so that the density is a
probability of the levels; continuous data have Gaussian ones, in standard deviations. A family says which machine it
is, how the data drive it, and how an example is drawn from a state.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from veridical.config.families.boltzmann import BoltzmannSampling
from veridical.config.families.family import FEW_LEVELS
from veridical.config.sampling import SamplingOptions, options_of
from veridical.data.dataset import ArrayData
from veridical.mcmc.bipartite import LARGEST, Machine, log_partition
from veridical.mcmc.path import Path
from veridical.mcmc.tempering import ReplicaNoise, temper
from veridical.mcmc.units import Binary, Categorical, Gaussian, Layer, Spin, Units
from veridical.model import (
    Facts,
    GenerativeModel,
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

SLIDING = 0.01
"""Share of the newest batch in the means of the units."""

_EXAMPLES = 10_000
"""Examples whose means are the start."""


class Phase(NamedTuple):
    """The persistent chains of a machine."""

    sweeps: int
    """Steps of the chains per training step."""

    chains: int
    """At every temperature."""

    replicas: int
    """Temperatures."""

    persistent: bool = True
    """Whether there are chains that go on from step to step."""


class Boltzmann(GenerativeModel, Sampler, Tempered, Replayable, StartsFromData):
    """Base of the families of Boltzmann machines.

    Args:
        facts: of the data; a space alone is accepted too.
        visible: name of the visible units.
        phase: the persistent chains.

    Raises:
        ValueError: the components have too many levels, or the chosen units do not fit them.
    """

    buffer_roles: ClassVar = {
        "chains": BufferRole.PER_PROCESS,
        "visible_mean": BufferRole.PER_PROCESS,
        "start": BufferRole.LIVE,
        "betas": BufferRole.LIVE,
    }
    continuous: ClassVar[bool] = True
    """Whether the family has units for continuous components."""

    start: Tensor
    """The visible fields of independent units with the means of the data."""

    visible_bias: Tensor
    visible_mean: Tensor
    betas: Tensor
    chains: Tensor

    def __init__(self, facts: Facts | Space, visible: str, phase: Phase) -> None:
        super().__init__(facts)
        self.phase = phase
        self.visible_units = visible_units(visible, self.space, continuous=self.continuous)

    @abstractmethod
    def machine(self) -> Machine:
        """Return the machine of two layers of the present parameters."""

    @abstractmethod
    def kept_layer(self) -> Layer:
        """Return the layer whose states are kept."""

    @abstractmethod
    def examples(self, x: Tensor, output: str, noise: Noise) -> Tensor:
        """Return (N, n) visible units, drawn or their means, given the states of chains of `path`.

        Args:
            x: (N, n) states.
            output: "draw" or "mean".
            noise: one row for each.
        """

    def first_chains(self) -> Tensor:
        """Return persistent chains (or replicas of chains) at independent units."""
        if not self.phase.persistent:
            return torch.zeros(0, dtype=torch.int8)
        layer, n = self.kept_layer(), self.phase.chains * self.phase.replicas
        with torch.no_grad():
            return layer.units.pack(layer.draw(torch.zeros_like(layer.bias).expand(n, -1), FreshNoise(n)))

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

    def go_on(self, path: Path[Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the states of the persistent chains after the steps of this call, and what is logged.

        Args:
            path: at whose end the chains are, or the last of their replicas.
        """
        x, noise = (
            self.kept_layer().units.unpack(self.chains, self.start.dtype),
            FreshNoise(len(self.chains), self.device),
        )
        state, betas, terms = path.at(x), self.betas.to(x.dtype), dict[str, Tensor]()
        exchanged: Tensor | None = None
        for _ in range(self.phase.sweeps):
            if self.phase.replicas == 1:
                state = path.step(state, 1.0, noise)
            else:
                state, exchanged = temper(path, state, betas, noise)
                terms["exchanged"] = exchanged.min().to(x.dtype)
        self.chains.copy_(self.kept_layer().units.pack(state[0]))
        if exchanged is not None:
            self.after_exchanges(exchanged)
        return state[0][-self.phase.chains :], terms

    def after_exchanges(self, exchanged: Tensor) -> None:
        """Do nothing after the replicas have exchanged states.

        Args:
            exchanged: (R-1,) mean probability of an exchange of every pair of neighbours.
        """

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
        if self.phase.persistent:
            self.chains.copy_(self.first_chains())

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

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        """Draw examples, one chain each from independent units; see `Sampler.sample`."""
        refuse_labels(c)
        chosen, noise, path = options_of(BoltzmannSampling, options), noise_for(n, self.device, noise), self.path()
        betas = self.ladder(chosen.replicas)
        if chosen.method == "temper":
            noise = ReplicaNoise(noise, len(betas))
        state, steps = path.start(noise), chosen.steps
        for step in range(steps):
            if chosen.method == "temper":
                state, _ = temper(path, state, betas, noise)
            else:
                beta = 1.0 if chosen.method == "gibbs" else min(1.0, 2 * (step + 1) / steps)
                state = path.step(state, beta, noise)
        return self.from_units(self.examples(state[0], chosen.output, noise)[noise.n - n :])

    def log_partition(self, bits: float = LARGEST) -> float | None:
        """Return log Z, summed in double precision over one of the two layers; None: both have more bits."""
        return log_partition(self.machine().detached(torch.float64), bits)

    def ladder(self, replicas: int) -> Tensor:
        """Return the places on `path` between which samples are tempered."""
        return torch.linspace(0, 1, replicas).to(self.start)


class Tracked(nn.Module):
    """Chains that are annealed along training: their mean weight is log Z of every machine that it passes.

    Args:
        chains: how many.
        layer: whose states they are.
    """

    buffer_roles: ClassVar = dict.fromkeys(("states", "log_weights", "last"), BufferRole.PER_PROCESS)
    states: Tensor
    log_weights: Tensor
    """(C,) in float64; they start at log Z of the first machine."""

    last: Tensor
    """(C,) in float64: log f of the machine of their last step."""

    def __init__(self, chains: int, layer: Layer) -> None:
        super().__init__()
        self.n, self.units = chains, layer.units
        self.register_buffer("states", layer.units.pack(torch.zeros(chains, len(layer.bias))))
        self.register_buffer("log_weights", torch.zeros(chains, dtype=torch.float64))
        self.register_buffer("last", torch.zeros(chains, dtype=torch.float64))

    @torch.no_grad()
    def restart(self, path: Path[Any]) -> None:
        """Draw the chains at the beginning of a path, whose log Z is known."""
        state = path.start(FreshNoise(self.n, self.last.device))
        self.states.copy_(self.units.pack(state[0]))
        self.last.copy_(path.log_f(state, 0.0))
        self.log_weights.fill_(path.log_z0)

    @torch.no_grad()
    def follow(self, path: Path[Any], sweeps: int, dtype: torch.dtype) -> Tensor:
        """Weigh the chains for the machine at the end of a path and let them take steps; return (C,) log weights."""
        state = path.at(self.units.unpack(self.states, dtype))
        self.log_weights.add_(path.log_f(state, 1.0) - self.last)
        for _ in range(sweeps):
            state = path.step(state, 1.0, FreshNoise(self.n, self.last.device))
        self.states.copy_(self.units.pack(state[0]))
        self.last.copy_(path.log_f(state, 1.0))
        return self.log_weights

    @torch.no_grad()
    def weighed(self, path: Path[Any], dtype: torch.dtype) -> Tensor:
        """Return (C,) log weights for a machine near that of the last step, as averaged weights are."""
        state = path.at(self.units.unpack(self.states, dtype))
        return self.log_weights + path.log_f(state, 1.0) - self.last


UNITS: dict[str, Units] = {"binary": Binary(), "spin": Spin(), "gaussian": Gaussian()}
"""Kinds of units by name."""


def visible_units(name: str, space: Space, *, continuous: bool) -> Units:
    """Return the visible units for a space.

    Args:
        name: of the units, or "auto".
        space: of the data.
        continuous: whether the machine has units for continuous components.

    Raises:
        ValueError: they do not fit its components.
    """
    levels = space.levels
    if levels is None and not continuous:
        raise ValueError(
            f"space has shape {space.shape}; its components are continuous, and this machine takes components of at "
            f"most {FEW_LEVELS} levels. For continuous data choose an rbm."
        )
    if levels is not None and levels > FEW_LEVELS:
        raise ValueError(
            f"space has shape {space.shape}; its components have {levels} levels, and this machine takes at most "
            f"{FEW_LEVELS}{', or continuous data' if continuous else ''}. For more levels choose made."
        )
    if name == "auto":
        two = "spin" if space.kind == "lattice" else "binary"
        name = "gaussian" if levels is None else two if levels == 2 else "categorical"
    fits = {"binary": levels == 2, "spin": levels == 2, "categorical": levels is not None, "gaussian": levels is None}
    if not fits[name]:
        given = "are continuous" if levels is None else f"have {levels} levels"
        raise ValueError(f"visible is {name!r}, but the components {given}; leave it at 'auto'.")
    return Categorical(levels) if name == "categorical" and levels is not None else UNITS[name]
