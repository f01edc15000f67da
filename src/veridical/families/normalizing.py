"""The base of normalizing flows: density, noise of data with levels, codes, samples; a family builds the network."""

from __future__ import annotations

from abc import ABC
from collections.abc import Hashable, Mapping
from typing import ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.normalizing import NormalizingConfig, NormalizingSampling
from veridical.config.sampling import SamplingOptions, options_of
from veridical.data.preprocess import log_det
from veridical.data.refuse import refuse_between_levels, refuse_codes
from veridical.kinds import TermKind
from veridical.model import (
    Batch,
    Bijective,
    Dequantised,
    ExactLikelihood,
    Facts,
    GenerativeModel,
    LatentVariable,
    Loss,
    Reparameterised,
    Replayable,
    Sampler,
    Space,
    refuse_labels,
    refuse_shape,
)
from veridical.nn.dequantisation import Logit, Standardise, VariationalNoise, log_slope, open_uniform
from veridical.nn.invertible import Invertible, statistics_from_data
from veridical.nn.modes import evaluating
from veridical.nn.precision import at_least_single
from veridical.noise import Noise, noise_for
from veridical.objectives.likelihoods import gaussian_log_prob

INVERSE_EVERY, INVERSE_EXAMPLES = 100, 8
"""Steps between measurements of the error of the inverse, and the examples of each."""

Config = TypeVar("Config", bound=NormalizingConfig)


class NormalizingFlow(
    GenerativeModel,
    Replayable,
    Sampler,
    LatentVariable,
    ExactLikelihood,
    Reparameterised,
    Dequantised,
    Bijective,
    ABC,
    Generic[Config],
):
    """A density by a change of variables: examples are mapped to codes of a simple distribution, one to one.

    Args:
        config: units, noise and optimiser.
        facts: of the data.
        flow: (B, *event) in the units of `self.units` → (B, D).
        codes: distribution of the components of a code, normal or logistic.
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {
        "model/loss": "objective",
        "model/nats": "nats",
        "model/inverse_error": "inverse_error",
    }
    sampling_options: ClassVar[type[NormalizingSampling]] = NormalizingSampling

    def __init__(
        self, config: Config, facts: Facts | Space, flow: Invertible, codes: Literal["normal", "logistic"] = "normal"
    ) -> None:
        super().__init__(facts)
        self.config: Config = config
        self.latent_shape = (self.space.dim,)
        self.logistic = codes == "logistic"
        self.units = build_units(config, self.space)
        self.flow = flow
        self.noise: VariationalNoise | None = None
        if self.space.levels is not None and config.dequantisation == "variational":
            self.noise = VariationalNoise(self.space, config.noise_width, config.noise_steps)

    @property
    def noise_kind(self) -> str:
        """Distribution of the noise within the cell of a level."""
        return self.config.dequantisation

    @property
    def prior_kind(self) -> Literal["normal", "other"]:
        """Distribution of the codes; logistic ones are "other"."""
        return "other" if self.logistic else "normal"

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def pattern(self, step: int) -> Hashable | None:
        """Return whether the inverse is measured; the first step, which may set statistics, is not recorded."""
        return None if step == 0 else step % INVERSE_EVERY == 0

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the mean of -log p(x), or of its bound with one draw of the noise, in nats per example.

        Terms: `loss` and `nats`, both this mean; now and then `inverse_error`.
        """
        y, log_q = self.dequantise(batch.x)
        if step == 0 and self.training:
            with torch.no_grad(), statistics_from_data(self.flow):
                self.flow(self.units(y)[0])
        loss = (log_q - self.log_density(y)).mean()
        terms = {"loss": loss, "nats": loss}
        if step % INVERSE_EVERY == 0:
            terms["inverse_error"] = self.inverse_error(batch.x[:INVERSE_EXAMPLES]).mean()
        return Loss(loss, terms)

    def dequantise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return continuous values within the cells of x, and (B,) log q(u | x); continuous data stay as they are."""
        x = at_least_single(x)
        width = self.space.bin_width
        if width is None:
            return x, x.new_zeros(len(x))
        if self.noise is None:
            u, log_q = open_uniform(x), x.new_zeros(len(x))
        else:
            u, log_q = self.noise((x - self.space.mean) / self.space.std)
        return x + width * (u - 0.5), log_q

    def log_density(self, y: Tensor) -> Tensor:
        """Return (B,) nats: the log density of continuous values in data space; on data with levels add noise first."""
        z, volume = self._code(y)
        return self._log_prior(z) + volume

    def rsample(self, n: int, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        """Return continuous values (n, *event) in data space and their (n,) log densities, both with a gradient."""
        z = self.prior(n, noise).to(next(self.parameters()).dtype)
        inner, volume = self.flow.inverse(z)
        x, of_units = self.units.inverse(inner)
        return x, self._log_prior(z) - volume - of_units

    def _log_prior(self, z: Tensor) -> Tensor:
        if self.logistic:
            return log_slope(z)
        zero = z.new_zeros(1, 1)
        return gaussian_log_prob(z, zero, zero)

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) log p(x) of continuous data, in nats.

        Raises:
            ValueError: the data have levels, of which a flow bounds the likelihood.
        """
        refuse_labels(c)
        if self.space.levels is not None:
            raise ValueError(
                f"the data have {self.space.levels} levels, and a flow has the density of continuous values only. "
                "Call dequantised_bound(x, k), a lower bound, or log_density of values with noise."
            )
        return self.log_density(x)

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats: the bound of one draw of the noise; on continuous data log p(x) itself."""
        refuse_labels(c)
        return self.log_density(x) if self.space.levels is None else self.dequantised_bound(x, 1)

    def noise_log_weights(self, x: Tensor, k: int) -> Tensor:
        """Return (B, k) log weights p(x + noise) / q(noise) of draws of the noise, nats in data space.

        Args:
            x: (B, *event) on the grid of levels.
            k: draws of the noise for every example.

        Raises:
            ValueError: the data are continuous, or no draw is requested.
        """
        if k < 1 or self.space.bin_width is None:
            raise ValueError(
                f"k is {k} and the data have {self.space.levels or 'no'} levels; expected at least one draw of the "
                "noise, and levels. Continuous data have log_prob."
            )
        refuse_shape(x, self.space, type(self).__name__)
        refuse_between_levels(x, self.space)
        drawn = (self.dequantise(x) for _ in range(k))
        weights = torch.stack([self.log_density(y) - log_q for y, log_q in drawn], dim=1)
        # Of two levels the probability is returned, of more the density of the noisy data.
        return weights + log_det(self.space) if self.space.levels == 2 else weights

    def encode(self, x: Tensor) -> Tensor:
        """Return codes (B, D) of examples; those of data with levels are the codes of the centres of their cells."""
        return self._code(x)[0]

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, *event) in data space for codes (B, D), neither rounded to levels nor cut to the support."""
        refuse_labels(c)
        refuse_codes(z, self.latent_shape)
        return self.units.inverse(self.flow.inverse(z)[0])[0]

    def prior(self, n: int, noise: Noise | None = None) -> Tensor:
        """Draw (n, D) codes."""
        noise = noise_for(n, self.device, noise)
        return (
            torch.logit(noise.uniform(*self.latent_shape), 1e-7) if self.logistic else noise.normal(*self.latent_shape)
        )

    @torch.no_grad()
    def inverse_error(self, x: Tensor) -> Tensor:
        """Return (B,) mean distances of the components of x, with noise, from the inverse of their code.

        Without dropout: with it every pass is another map, and no inverse undoes it.
        """
        y, _ = self.dequantise(x)
        with evaluating(self):
            back = self.decode(self._code(y)[0])
        return (back - y).abs().flatten(1).mean(1) / self.space.std

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *event) examples; those of data with levels are the levels in whose cells the values lie.

        Values beyond the support are moved to its ends.
        """
        refuse_labels(c)
        chosen = options_of(self.sampling_options, options)
        z = chosen.temperature * self.prior(n, noise).to(next(self.parameters()).dtype)
        return self.to_levels(self.decode_with(z, chosen))

    def decode_with(self, z: Tensor, options: NormalizingSampling) -> Tensor:
        """Decode codes as the options of sampling say; a family may have its own."""
        return self.decode(z)

    def to_levels(self, y: Tensor) -> Tensor:
        """Return the nearest values of the data: levels, or the ends of the support."""
        if self.space.support is None:
            return y
        low, high = self.space.support
        width = self.space.bin_width
        return (y if width is None else low + width * ((y - low) / width).round()).clamp(low, high)

    def _code(self, y: Tensor) -> tuple[Tensor, Tensor]:
        refuse_shape(y, self.space, type(self).__name__)
        inner, in_units = self.units(at_least_single(y))
        z, volume = self.flow(inner)
        return z, volume + in_units


def build_units(config: NormalizingConfig, space: Space) -> Invertible:
    """Return the map from data space to the units of the flow.

    Raises:
        ValueError: logit units of data without levels.
    """
    wanted = config.units
    if wanted == "auto":
        wanted = "logit" if space.kind == "image" and space.levels is not None else "standard"
    if wanted == "standard":
        return Standardise(space.mean, space.std)
    if space.support is None or space.bin_width is None:
        raise ValueError("units is 'logit' and the data are continuous; expected levels. Choose units='standard'.")
    half = space.bin_width / 2
    return Logit(space.support[0] - half, space.support[1] + half, config.margin)
