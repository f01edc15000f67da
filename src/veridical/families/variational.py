r"""The common base of variational families: what a decoder's numbers mean, and how examples are drawn from them.

The decoder maps a code $z$ with the prior $\mathcal N(0, I)$ to $P$ numbers for every component of an example:

| likelihood | $P$ | $p(x \mid z)$ |
|---|---|---|
| bernoulli | 1 | two levels: $\prod_i p_i^{b_i}(1-p_i)^{1-b_i}$ from logits |
| gaussian | 1 | $\mathcal N(\mu(z), \sigma^2 I)$ with one learned $\sigma$; with the noise of one bin on levels |
| categorical | levels | a probability for every level |
| discretised-logistic | 3 $\cdot$ 5 | a mixture of five logistic distributions, rounded to the levels |

The last two give probabilities to levels (`nn/heads.py`); in data space they are the densities of the levels with
uniform noise of one bin, $\log P - D \log\delta$. A family states how codes are inferred: `encode`, `propose`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from veridical.config.families.variational import Likelihood, VAESampling
from veridical.config.sampling import SamplingOptions, options_of
from veridical.data.refuse import refuse_between_levels, refuse_codes
from veridical.model import (
    Encoder,
    Facts,
    GenerativeModel,
    LatentVariable,
    LikelihoodBound,
    ObservationModel,
    Replayable,
    Sampler,
    Space,
    refuse_labels,
)
from veridical.nn.autoencoding import Network, decoder_network
from veridical.nn.default_heads import grid_of
from veridical.nn.heads import Categorical, Head, LogisticMixture
from veridical.nn.learned_scale import first_log_scale, learned_scale, scale_group
from veridical.nn.precision import at_least_single
from veridical.noise import Noise, noise_for
from veridical.objectives.bounds import iwae_bound
from veridical.objectives.likelihoods import bernoulli_log_prob, dequantised_gaussian_log_prob, gaussian_log_prob

LOG_VAR_BOUND = 10.0
"""A log variance is B tanh(h / B) of a network's output h: about h near 0, never beyond B."""

LOGISTICS = 5
"""Logistic distributions in the mixture of a component."""

MOST_LEVELS = 256
"""Largest number of levels that are given probabilities."""

_VALUES = 1 << 25
"""Numbers of decoder outputs that are scored at a time where no gradient is taken."""


class Variational(GenerativeModel, Replayable, Sampler, LatentVariable, Encoder, ObservationModel, LikelihoodBound):
    """Base of families whose decoder has one of the likelihoods of the module docstring.

    Args:
        facts: the space of the examples and their number; a space alone is accepted too.
        likelihood: p(x | z).
        sampling: what `sample` returns for a code.

    Raises:
        ValueError: the likelihood does not exist in this space.
    """

    decoder: nn.Module
    """Network of codes (B, *) → (B, P C, ...) for examples of shape (C, ...)."""

    def __init__(self, facts: Facts | Space, likelihood: Likelihood, sampling: str) -> None:
        super().__init__(facts)
        space = self.space
        self.likelihood = chosen_likelihood(likelihood, space)
        self.bernoulli, self.gaussian = self.likelihood == "bernoulli", self.likelihood == "gaussian"
        self.head = head_of(self.likelihood, space)
        self.draws = sampling == "draw" or (sampling == "auto" and (not self.gaussian or space.kind != "image"))

    def add_scale(self) -> None:
        """Add the scale of a Gaussian likelihood, after the networks."""
        if self.gaussian:
            self.log_scale = first_log_scale(self.space.std)

    def built_decoder(self, in_dim: int, network: Network, width: int | None, depth: int) -> nn.Module:
        """Build the network (B, in_dim) → (B, P C, ...) for examples of shape (C, ...).

        Args:
            in_dim: components of its input.
            network: its kind.
            width: see `decoder_network`.
            depth: see `decoder_network`.
        """
        return decoder_network(self.output_space, in_dim, network, width, depth, logits=not self.gaussian)

    @property
    def output_space(self) -> Space:
        """Space of the decoder's output: P times as many components along the first axis."""
        if self.head is None:
            return self.space
        first, *rest = self.space.shape
        return replace(self.space, shape=(self.head.parameters * first, *rest))

    @abstractmethod
    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what is known of examples before codes are drawn; the last two of it are a mean and a log variance."""

    @abstractmethod
    def propose(self, encoded: tuple[Tensor, ...], k: int) -> tuple[Tensor, Tensor]:
        """Draw k codes (k, B, *latent) of q(z | x); return them with log q (k, B). Gradients flow to the encoder."""

    def player_parameters(self, player: str) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
        """Return the weights; a Gaussian's scale is a group of its own, with ten times the step size."""
        if not self.gaussian:
            return self.parameters()
        weights = [p for p in self.parameters() if p is not self.log_scale]
        return [{"params": weights}, scale_group(self.log_scale, self.optimizer(player).lr)]

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

    @torch.no_grad()
    def iwae(self, x: Tensor, k: int, *, decodes: int = 2048) -> Tensor:
        """Return (B,) nats: the importance-weighted bound of k codes, the tighter the larger k; without gradient.

        Args:
            x: (B, *event) examples, encoded once.
            k: codes per example.
            decodes: codes decoded at a time (at least B), which limits the memory.

        Returns:
            The bound, at most log p(x) in expectation.
        """
        if k < 1:
            raise ValueError(f"k is {k}; expected at least one code per example.")
        encoded = self.encode(x)
        chunk = max(1, decodes // max(1, len(x)))
        log_w = []
        for start in range(0, k, chunk):
            z, log_q = self.propose(encoded, min(chunk, k - start))
            log_w.append(self.log_likelihood(x, z) + log_prior(z) - log_q)
        return iwae_bound(torch.cat(log_w).T)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *event) examples: draws from p(x | z), or its means; see `VAESampling.output`.

        Draws of a Gaussian for quantised data are rounded to the nearest level, which is the inverse of adding noise of
        one bin; values beyond the support are moved to its ends.
        """
        refuse_labels(c)
        chosen, noise = options_of(VAESampling, options), noise_for(n, self.device, noise)
        z = chosen.temperature * self.prior(n, noise)
        h = self.decoder_output(z.to(next(self.parameters()).dtype))
        draws = self.draws if chosen.output == "auto" else chosen.output == "draw"
        return self.draw(h, noise) if draws else self.means(h)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return the means E[x | z] (B, *event) in data space."""
        refuse_labels(c)
        refuse_codes(z, self.latent_shape)
        return self.means(self.decoder_output(z))

    def decoder_input(self, z: Tensor) -> Tensor:
        """Return the input of the decoder for codes (B, *latent): the codes themselves."""
        return z

    def decoder_output(self, z: Tensor) -> Tensor:
        """Return the decoder's numbers (B, P C, ...) for codes (B, *latent), at least in single precision."""
        h = self.decoder(self.decoder_input(z))
        expected = (z.shape[0], *self.output_space.shape)
        if h.shape != expected:
            what = "logits" if self.bernoulli else "means in data space" if self.gaussian else "numbers of the levels"
            raise ValueError(
                f"the decoder returned {tuple(h.shape)} for codes of shape {tuple(z.shape)}; expected {expected}: "
                f"{what}."
            )
        return at_least_single(h)

    def of_components(self, h: Tensor) -> Tensor:
        """Return (B, D, P) numbers of every component, for outputs (B, P C, ...) of a decoder with a head."""
        assert self.head is not None
        return h.unflatten(1, (self.head.parameters, -1)).movedim(1, -1).flatten(1, -2)

    def means(self, h: Tensor) -> Tensor:
        """Return E[x | z] (B, *event) in data space, for outputs of the decoder."""
        if self.gaussian:
            return h
        if self.head is None:
            low, high = support(self.space)
            return low + (high - low) * h.sigmoid()
        h = self.of_components(h)
        mean = h.new_zeros(h.shape[:-1])
        for level in torch.linspace(*support(self.space), self.space.levels or 0).tolist():
            mean = mean + level * self.head.log_prob(h, h.new_full((*h.shape[:-1], 1), level)).exp()
        return mean.reshape(len(h), *self.space.shape)

    def log_likelihood(self, x: Tensor, z: Tensor, *, check: bool = True, h: Tensor | None = None) -> Tensor:
        """Return log p(x | z), (k, B) nats in data space, for codes (k, B, *latent).

        Args:
            x: (B, *event) examples.
            z: their codes.
            check: refuse values that are not levels of the data; otherwise their likelihood is NaN. A Gaussian accepts
                all values.
            h: (k B, P C, ...) outputs of the decoder for these codes, if they are there.
        """
        x = at_least_single(x).flatten(1)
        if self.head is not None:
            return self._log_probabilities(self.head, x, z, check, h)
        h = self.decoder_output(z.flatten(0, 1)) if h is None else h
        h = h.flatten(1).unflatten(0, z.shape[:2])
        if self.bernoulli:
            if check:
                refuse_between_levels(x, self.space)
            return bernoulli_log_prob(h, bits(x, self.space), check=False)
        return dequantised_gaussian_log_prob(x, h, 2 * self.sigma.log(), self.space.bin_width or 0.0)

    def _log_probabilities(self, head: Head, x: Tensor, z: Tensor, check: bool, h: Tensor | None) -> Tensor:
        """Score levels, block by block of codes where no gradient is taken; the arguments of `log_likelihood`."""
        strange = grid_of(self.space).between(x)
        if check:
            refuse_between_levels(x, self.space)
        codes, rows = z.flatten(0, 1), x.expand(len(z), *x.shape).flatten(0, 1)
        size = len(codes) if torch.is_grad_enabled() else max(1, _VALUES // (self.space.dim * head.parameters))
        outputs = map(self.decoder_output, codes.split(size)) if h is None else h.split(size)
        nats = torch.cat(
            [
                head.log_prob(self.of_components(output), row[..., None]).sum(1)
                for output, row in zip(outputs, rows.split(size), strict=True)
            ]
        )
        log_bin = self.space.dim * math.log(self.space.bin_width or 1.0)
        return nats.reshape(z.shape[:2]).masked_fill(strange.any(1), math.nan) - log_bin

    def observe(self, z: Tensor, noise: Noise) -> Tensor:
        """Draw x from p(x | z); a Gaussian is neither rounded nor cut to the support."""
        h = self.decoder_output(z)
        return self.with_noise(h, noise) if self.gaussian else self.draw(h, noise)

    def with_noise(self, mean: Tensor, noise: Noise) -> Tensor:
        """Add the noise of a Gaussian decoder to its means."""
        return mean + self.sigma * noise.normal(*mean.shape[1:], dtype=mean.dtype)

    def draw(self, h: Tensor, noise: Noise) -> Tensor:
        """Draw x from p(x | z), given the outputs of the decoder."""
        if self.head is not None:
            h = self.of_components(h)
            u = noise.uniform(h.shape[1], self.head.uniforms, dtype=h.dtype)
            return self.head.draw(h, u).reshape(len(h), *self.space.shape)
        if self.bernoulli:
            (low, high), mean = support(self.space), self.means(h)
            return low + (high - low) * noise.bernoulli((mean - low) / (high - low))
        x = self.with_noise(h, noise)
        if self.space.support is None:
            return x
        low, high = self.space.support
        width = self.space.bin_width
        return (x if width is None else low + width * ((x - low) / width).round()).clamp(low, high)

    @property
    def sigma(self) -> Tensor:
        """(1,) standard deviation of a Gaussian decoder, in units of data space."""
        return learned_scale(self.log_scale, self.space.std, self.space.bin_width)


def chosen_likelihood(likelihood: Likelihood, space: Space) -> str:
    """Return the likelihood of a space: Bernoulli of two-valued data, and of no other.

    Raises:
        ValueError: the likelihood is for another kind of data.
    """
    two_valued, levels = space.levels == 2, space.levels or 0
    if likelihood == "bernoulli" and not two_valued:
        raise ValueError(
            f"likelihood is 'bernoulli' and the data have {space.levels or 'continuous'} levels; expected two. "
            "Choose likelihood='gaussian', or binarise the data."
        )
    if likelihood == "gaussian" and two_valued:
        raise ValueError(
            "likelihood is 'gaussian' and the data have two levels; they have probabilities, not densities. "
            "Choose likelihood='bernoulli', or leave it at 'auto'."
        )
    if likelihood in ("categorical", "discretised-logistic") and not 2 < levels <= MOST_LEVELS:
        raise ValueError(
            f"likelihood is '{likelihood}' and the data have {space.levels or 'continuous'} levels; expected 3 to "
            f"{MOST_LEVELS}. Leave it at 'auto'."
        )
    return ("bernoulli" if two_valued else "gaussian") if likelihood == "auto" else likelihood


def head_of(likelihood: str, space: Space) -> Head | None:
    """Return the distribution of the levels of one component; None for the other likelihoods."""
    if likelihood not in ("categorical", "discretised-logistic"):
        return None
    grid = grid_of(space)
    return Categorical(grid) if likelihood == "categorical" else LogisticMixture(grid, components=LOGISTICS)


def support(space: Space) -> tuple[float, float]:
    """Return the bounded support of a space with levels."""
    assert space.support is not None  # `Space` refuses levels without a support
    return space.support


def bits(x: Tensor, space: Space) -> Tensor:
    """Map the two values of data space to 0 and 1; other values stay different from both and are refused later."""
    low, high = support(space)
    b = (x - low) / (high - low)
    return torch.where((b - b.round()).abs() < 1e-5, b.round(), b)  # forgives the rounding of the division


def bounded_log_var(h: Tensor) -> Tensor:
    """Return the log variance B tanh(h / B) for a network's output h."""
    return LOG_VAR_BOUND * torch.tanh(h / LOG_VAR_BOUND)


def log_prior(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) in nats."""
    zero = torch.zeros_like(z)
    return gaussian_log_prob(z, zero, zero)
