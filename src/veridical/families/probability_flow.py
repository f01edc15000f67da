r"""The base of families that integrate an equation from noise to data: samples, density, denoiser.

In standard units (mean 0 and deviation 1 of the data) a family has a state $y$ and a *velocity*

$$ \frac{dy}{dt} = v(y, t), \qquad y(t_\text{noise}) \sim \mathcal N(0, I), \qquad
   y(t_\text{data}) = k\,(\text{example} + \sigma_\text{min}\,\varepsilon), $$

with a constant $k$. **The model is the distribution of the solution at the data's end**; it still has noise of scale
$\sigma_\text{min}$, which is as small as one likes for continuous data.

**Density.** $\log p(y_\text{data}) = \log \mathcal N(y_\text{noise}; 0, I) + \int \operatorname{tr}(\partial v /
\partial y)\,dt$ from data to noise, by the fourth-order method of `mcmc/runge_kutta.py`. The trace is exact up to
`exact_trace` components and otherwise Hutchinson's estimate with fixed random signs, whose errors have mean 0.
`solver_error` compares with half as many steps.

**Data with levels.** The noise that is left, a part of the distance between levels, makes levels continuous. A level is
drawn given the noisy value, component by component, with the mean that the denoiser knows from the others,

$$ P(x \mid y) = \prod_i \frac{\mathcal N(y_i; x_i, \sigma^2)\,e^{\lambda_i x_i}}
   {\sum_{\ell} \mathcal N(y_i; \ell, \sigma^2)\,e^{\lambda_i \ell}}, \qquad
   \log P(x) \ge \mathrm E_{y \sim \mathcal N(x, \sigma^2)} \big[\log p(y) + \log P(x \mid y) -
   \log \mathcal N(y; x, \sigma^2)\big], $$

with $\lambda$ such that $\mathrm E[x \mid y] = D(y; \sigma)$: a lower bound of the probability of the levels (Kingma et
al. 2021, Sec. 3, have $\lambda = 0$). Draws of $y$ tighten it as importance weights where the trace
is exact; where it is estimated, only their mean remains a bound, and that is what `dequantised_bound` returns.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.probability_flow import ProbabilityFlowConfig
from veridical.data.preprocess import log_det
from veridical.data.refuse import refuse_between_levels
from veridical.families.guided import Guided
from veridical.kinds import TermKind
from veridical.mcmc.runge_kutta import richardson, transport
from veridical.model import (
    Denoiser,
    Dequantised,
    ExactLikelihood,
    Facts,
    Integrated,
    Replayable,
    Sampler,
    Space,
    refuse_shape,
)
from veridical.nn.conv import fits_convolutions
from veridical.nn.dequantisation import GaussianCells
from veridical.nn.level_network import LevelMLP, UNet
from veridical.nn.precision import at_least_single
from veridical.noise import Noise, noise_for
from veridical.objectives.bounds import iwae_bound
from veridical.objectives.likelihoods import gaussian_log_prob

CONTINUOUS, OF_A_LEVEL = 0.002, 1 / 3
"""Noise that is left in samples: in standard deviations of continuous data, or in distances between levels."""

Config = TypeVar("Config", bound=ProbabilityFlowConfig)


class ProbabilityFlow(
    Guided,
    Replayable,
    Sampler,
    Denoiser,
    ExactLikelihood,
    Dequantised,
    Integrated,
    ABC,
    Generic[Config],
):
    """Base of the families that integrate an equation from noise to data (module docstring).

    Args:
        config: network, labels, smallest noise, likelihood, optimiser.
        facts: of the data.
        network: your own, (B, *event) in standard units, (B,) levels and (B,) labels or None → (B, *event); label
            `classes` stands for none. None: built by the configuration.

    Raises:
        ValueError: labels of data that have none, or a network that does not fit the space.
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {"model/loss": "objective"}

    def __init__(self, config: Config, facts: Facts | Space, network: nn.Module | None = None) -> None:
        super().__init__(facts)
        space = self.space
        self.config: Config = config
        self.learn_labels(config.labels, config.label_dropout)
        width = space.bin_width
        left = CONTINUOUS if width is None else OF_A_LEVEL * width / space.std
        self.sigma_min = left if config.sigma_min is None else config.sigma_min
        """Noise that is left in samples, in standard deviations of the data."""
        self.cells: GaussianCells | None = None
        if width is not None and space.support is not None:
            self.cells = GaussianCells(*space.support, width, self.sigma_min * space.std)
        self.network = build_network(config, space, self.classes) if network is None else network

    @abstractmethod
    def denoised(self, x: Tensor, sigma: Tensor, c: Tensor | None, guidance: float = 1.0) -> Tensor:
        """Return the mean of clean data, in standard units.

        Args:
            x: (B, *event) with noise, in standard units.
            sigma: () or (B,) noise in standard units.
            c: labels of `label_rows`.
            guidance: weight of the class.
        """

    @abstractmethod
    def velocity(self, y: Tensor, t: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, *event) velocities in standard units at time t () for labels (B,), of which `classes` is none."""

    @abstractmethod
    def times(self, steps: int) -> Tensor:
        """Return (steps + 1,) times in float64 on the CPU, from the data's end to that of the noise."""

    @property
    @abstractmethod
    def shrinkage(self) -> float:
        """The constant k: the state at the data's end is k times the example with its noise."""

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

    # Density.

    def log_density(self, y: Tensor, c: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Return (B,) nats: the log density of continuous values in data space; no graph is kept.

        Args:
            y: (B, *event) in data space; values with noise for data with levels.
            c: (B,) labels.
            noise: B rows, of which an estimated trace takes its random signs; None: torch's global generator.
        """
        return self._nats(y, c, self._probes(y, noise), self.config.likelihood_steps)

    def solver_error(self, x: Tensor) -> Tensor:
        """Return (B,) nats by which the solver may be off: from the difference to half as many steps, same signs."""
        y = x if self.cells is None else self.cells.noisy(x)[0]
        steps = self.config.likelihood_steps
        probes = self._probes(y, None)
        coarse, fine = (self._nats(y, None, probes, n) for n in (max(1, steps // 2), 2 * max(1, steps // 2)))
        return richardson(coarse, fine, "rk4")

    @property
    def density_facts(self) -> dict[str, float | str]:
        """How the density is computed."""
        trace = "exact" if self.tightens else f"estimated, random vectors: {self.config.probes}"
        steps = self.config.likelihood_steps
        return {"source": "probability flow", "trace": trace, "steps": steps, "evaluations": 4 * steps}

    def _nats(self, y: Tensor, c: Tensor | None, probes: Tensor | None, steps: int) -> Tensor:
        refuse_shape(y, self.space, "model")
        labels, scale = self.label_rows(len(y), c), self.shrinkage / self.space.std
        start = self.shrinkage * self.to_standard(y)
        end, expansion = transport(lambda x, t: self.velocity(x, t, labels), start, self.times(steps), "rk4", probes)
        zero = end.new_zeros(1, 1)
        return gaussian_log_prob(end.flatten(1), zero, zero) + expansion + self.space.dim * math.log(scale)

    def _probes(self, y: Tensor, noise: Noise | None) -> Tensor | None:
        """Return (k, B, *event) random signs; None where the trace is exact."""
        if self.tightens:
            return None
        drawn = noise_for(len(y), y.device, noise).uniform(self.config.probes, *y.shape[1:])
        return (2.0 * (drawn < 0.5) - 1.0).to(at_least_single(y).dtype).transpose(0, 1)

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) log p(x) of continuous data, in nats; of an estimated trace, without bias.

        Raises:
            ValueError: the data have levels, of which this model bounds the likelihood.
        """
        if self.space.levels is not None:
            raise ValueError(
                f"the data have {self.space.levels} levels, and this model has the density of continuous values only. "
                "Call dequantised_bound(x, k), a lower bound, or log_density of values with noise."
            )
        return self.log_density(x, c)

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats: the bound of one draw of the noise; on continuous data log p(x) itself."""
        return self.log_density(x, c) if self.cells is None else self.noise_log_weights(x, 1, c)[:, 0]

    @property
    def noise_kind(self) -> str:
        """Distribution of the noise that makes levels continuous."""
        return "Gaussian"

    def noise_log_weights(self, x: Tensor, k: int, c: Tensor | None = None) -> Tensor:
        """Return (B, k) nats in data space: log p(y) + log P(x | y) - log q(y | x) of draws y of x with noise.

        Args:
            x: (B, *event) on the grid of levels.
            k: draws of the noise for every example.
            c: (B,) labels.

        Raises:
            ValueError: the data are continuous, or no draw is requested.
        """
        if k < 1 or self.cells is None:
            raise ValueError(
                f"k is {k} and the data have {self.space.levels or 'no'} levels; expected at least one draw of the "
                "noise, and levels. Continuous data have log_prob."
            )
        refuse_between_levels(x, self.space)
        weights = [self._log_weight(x, *self.cells.noisy(x), c) for _ in range(k)]
        # Of two levels the probability is returned, of more the density of the levels with noise of one bin.
        shift = 0.0 if self.space.levels == 2 else log_det(self.space)
        return torch.stack(weights, dim=1) - shift

    def _log_weight(self, x: Tensor, y: Tensor, log_q: Tensor, c: Tensor | None) -> Tensor:
        """Return (B,) log p(y) + log P(x | y) - log q(y | x)."""
        assert self.cells is not None
        return self.log_density(y, c) + self.cells.log_prob(x, y, self.last_mean(y, c)) - log_q

    def last_mean(self, y: Tensor, c: Tensor | None) -> Tensor:
        """Return the mean of clean data given values (B, *event) in data space with the least noise."""
        return self.denoise(y, torch.full((len(y),), self.noise_range[0], device=y.device), c)

    @property
    def tightens(self) -> bool:
        """Whether more draws tighten the bound: with the exact trace."""
        return self.space.dim <= self.config.exact_trace

    def dequantised_bound(self, x: Tensor, k: int) -> Tensor:
        """Return (B,) nats in data space, in expectation at most log p(x).

        Where the trace is estimated it is the mean of the k log weights: the logarithm of the mean of weights that are
        themselves noisy would be no bound.
        """
        weights = self.noise_log_weights(x, k)
        return iwae_bound(weights) if self.tightens else weights.mean(1)

    # Units.

    def to_standard(self, x: Tensor) -> Tensor:
        """Return values of data space in standard units."""
        return (at_least_single(x) - self.space.mean) / self.space.std

    def to_data(self, x: Tensor) -> Tensor:
        """Return values of standard units in data space."""
        return self.space.mean + self.space.std * x

    def denoise(self, x_t: Tensor, sigma: Tensor, c: Tensor | None = None) -> Tensor:
        """Return E[x | x_t] (B, *event) in data space; sigma (B,) or () within `noise_range`, labels (B,).

        Raises:
            ValueError: sigma is outside of it.
        """
        self.require_range(sigma)
        x = self.to_standard(x_t)
        return self.to_data(self.denoised(x, sigma / self.space.std, self.label_rows(len(x), c)))

    @property
    def noise_range(self) -> tuple[float, float]:
        """Least and largest noise that can be removed, in data space."""
        return self.sigma_min * self.space.std, math.inf

    def require_range(self, sigma: Tensor) -> None:
        """Refuse noise that the model has not learned to remove.

        Raises:
            ValueError: it is outside the range.
        """
        low, high = self.noise_range
        if sigma.numel() and (float(sigma.min()) < low * (1 - 1e-4) or float(sigma.max()) > high * (1 + 1e-4)):
            raise ValueError(
                f"sigma reaches from {float(sigma.min()):.4g} to {float(sigma.max()):.4g}; this model removes noise "
                f"from {low:.4g} to {high:.4g}. Choose sigma_min and sigma_max before training."
            )

    def from_standard(self, x: Tensor, noise: Noise, c: Tensor | None) -> Tensor:
        """Return examples in data space for values in standard units: levels are drawn, a support is kept."""
        x = self.to_data(x)
        if self.cells is not None:
            return self.cells.draw(x, noise, self.last_mean(x, c))
        return x if self.space.support is None else x.clamp(*self.space.support)

    def column(self, value: Tensor, like: Tensor) -> Tensor:
        """Return (B, 1, ...) of values (B,) or (), of the type of `like` (B, *event)."""
        return value.to(like).expand(len(like)).reshape(-1, *[1] * (like.ndim - 1))


def build_network(config: ProbabilityFlowConfig, space: Space, classes: int) -> nn.Module:
    """Return the network of the configuration, with one more label, which stands for none.

    Raises:
        ValueError: a U-Net for a space without a grid.
    """
    kind, labels = config.network, classes + 1 if classes else 0
    if kind == "auto":
        kind = "unet" if fits_convolutions(space.shape) else "mlp"
    if kind == "mlp":
        sizes = space.dim, config.width or 128, config.depth
        return LevelMLP(*sizes, octaves=config.fourier_octaves, classes=labels, dropout=config.dropout)
    if len(space.shape) != 3:
        raise ValueError(
            f"network is 'unet' and an example has the shape {space.shape}; expected (C, H, W). Use 'mlp'."
        )
    sizes = config.width or 32, config.blocks
    return UNet(space, *sizes, scales=config.scales, classes=labels, dropout=config.dropout)
