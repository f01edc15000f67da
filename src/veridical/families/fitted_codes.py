r"""What models with learned codes and no prior share: losses, restored examples, and a density fitted to the codes.

Such a model minimises the misfit between examples and what their codes decode to. It has no distribution of codes
before training; afterwards one is fitted to the codes of the training examples (`nn/mixture.py`), and samples are
decoded draws of it. How good they are is a question about the fit as well as about the decoder: `prior_gap` of an
evaluation compares draws with the codes of held-out examples.

| misfit | of one example | for |
|---|---|---|
| bernoulli | $-\log P(x \mid z)$, nats | data with two values |
| gaussian, laplace | $-\log p(x \mid z)$ with one learned scale, nats; bins as in a VAE | all other |
| squared | mean squared error in variances of the data | all |
| laplacian | `laplacian_l1` in standard deviations, plus squared | images and lattices |

References:
    Bojanowski, Joulin, Lopez-Paz & Szlam, Optimizing the Latent Space of Generative Networks (2018).
        https://arxiv.org/abs/1707.05776
    Ghosh, Sajjadi, Vergari, Black & Schölkopf, From Variational to Deterministic Autoencoders (2020).
        https://arxiv.org/abs/1903.12436
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from veridical.config.sampling import CodeSampling, SamplingOptions, options_of
from veridical.data.refuse import refuse_codes
from veridical.model import (
    Facts,
    GenerativeModel,
    Interpolating,
    LatentVariable,
    PriorKind,
    Restorer,
    Sampler,
    Space,
    refuse_labels,
)
from veridical.nn.autoencoding import Network, Restandardise, decoder_network
from veridical.nn.learned_scale import first_log_scale, learned_scale, scale_group
from veridical.nn.mixture import GaussianMixture, fit_gaussian, fit_mixture
from veridical.nn.precision import at_least_single
from veridical.noise import Noise, noise_for
from veridical.objectives.likelihoods import (
    bernoulli_log_prob,
    dequantised_gaussian_log_prob,
    dequantised_laplace_log_prob,
)
from veridical.objectives.reconstruction import decibels, laplacian_l1, psnr, squared_error

FITTED = 5_000
"""Codes to which a density is fitted at most, evenly spaced among those that are known."""

FIRST = 0.1
"""Factor on the first weights of a decoder's last layer."""


class FittedCodes(GenerativeModel, Sampler, LatentVariable, Restorer, Interpolating):
    """Base of models whose codes get their density after training.

    Args:
        facts: space and number of the examples.
        misfit: key of `MISFITS`.

    Raises:
        ValueError: the misfit has no meaning in this space.
    """

    latent_dim: int

    def __init__(self, facts: Facts | Space, misfit: str) -> None:
        super().__init__(facts)
        refuse_misfit(misfit, self.space)
        self.misfit_name = misfit
        self.log_scale: nn.Parameter | None = None
        if misfit in ("gaussian", "laplace"):
            self.log_scale = first_log_scale(self.space.std)
        self._fit: tuple[tuple[Any, ...], GaussianMixture] | None = None

    @abstractmethod
    def decoder_output(self, z: Tensor) -> Tensor:
        """Return logits (bernoulli), or values in data space, (B, *event) for codes, at least in single precision."""

    def project(self, z: Tensor) -> Tensor:
        """Return the admissible codes nearest to codes; all are admissible by default."""
        return z

    @property
    def prior_kind(self) -> PriorKind:
        """Codes follow no standard distribution."""
        return "other"

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value of data with bounds."""
        assert self.space.support is not None
        return self.space.support

    @property
    def bernoulli(self) -> bool:
        """Whether the decoder returns logits."""
        return self.misfit_name == "bernoulli"

    @property
    def sigma(self) -> Tensor:
        """(1,) learned scale of the misfit, in units of data space."""
        assert self.log_scale is not None
        return learned_scale(self.log_scale, self.space.std, self.space.bin_width)

    def misfit(self, x: Tensor, h: Tensor) -> Tensor:
        """Return (B,) the misfit of examples and decoder outputs (B, *event); unit by its name (module docstring)."""
        return MISFITS[self.misfit_name](self, at_least_single(x), h)

    @torch.no_grad()
    def accuracy_terms(self, x: Tensor, h: Tensor) -> dict[str, Tensor]:
        """Return () `error`, the squared error in variances of the data, and `psnr` in dB where data are bounded."""
        mse = squared_error(at_least_single(x), self.as_data(h)).mean()
        terms = {"error": mse / self.space.std**2}
        if self.space.support is not None:
            low, high = self.space.support
            terms["psnr"] = decibels(mse.clamp(min=1e-12), high - low)
        return terms if self.log_scale is None else terms | {"sigma": self.sigma[0]}

    def scale_group(self, lr: float) -> list[dict[str, Any]]:
        """Return the group of the learned scale, if there is one, with ten times the step size."""
        return [] if self.log_scale is None else [scale_group(self.log_scale, lr)]

    def weights_without(self, *others: nn.Parameter | None) -> list[nn.Parameter]:
        """Return the parameters but for these and the learned scale."""
        left_out = {id(p) for p in (*others, self.log_scale)}
        return [p for p in self.parameters() if id(p) not in left_out]

    def built_decoder(self, network: Network, width: int | None, depth: int) -> nn.Module:
        """Build the network (B, latent_dim) → (B, *event): logits, or values of which some may exceed the support.

        Its first outputs are close to the mean of the data: noise of the first weights that no training example
        corrects would stay in what is decoded from other codes.

        Args:
            network: its kind.
            width: see `decoder_network`.
            depth: see `decoder_network`.
        """
        body = decoder_network(self.space, self.latent_dim, network, width, depth, logits=True)
        last = [module for module in body.modules() if isinstance(module, nn.Linear | nn.ConvTranspose2d)][-1]
        with torch.no_grad():
            last.weight.mul_(FIRST)
        return body if self.bernoulli else nn.Sequential(body, Restandardise(self.space))

    def means(self, h: Tensor) -> Tensor:
        """Return decoder outputs as means: logits become values between the two of the data, others stay."""
        if not self.bernoulli:
            return h
        low, high = self.bounds
        return low + (high - low) * h.sigmoid()

    def as_data(self, h: Tensor) -> Tensor:
        """Return decoder outputs as values within the support of the data."""
        return self.means(h) if self.space.support is None else self.means(h).clamp(*self.bounds)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, *event) in data space."""
        refuse_labels(c)
        refuse_codes(z, self.latent_shape)
        h = self.decoder_output(z.to(next(self.parameters()).dtype))
        if h.shape != (len(z), *self.space.shape):
            raise ValueError(
                f"the decoder returned {tuple(h.shape)} for codes of shape {tuple(z.shape)}; expected "
                f"{(len(z), *self.space.shape)}. Change the decoder."
            )
        return self.as_data(h)

    def density(self, components: int = 1) -> GaussianMixture | None:
        """Return the Gaussian (or the mixture of several) fitted to the known codes; None: no code is known.

        While a sampler is exported, it is the one that was fitted last, as constants.
        """
        if torch.compiler.is_exporting() and self._fit is not None:
            return self._fit[1]
        codes = self.known_codes().detach().flatten(1)
        if not len(codes):
            return None
        codes = codes[:: -(-len(codes) // FITTED)].double()
        key = (components, len(codes), float(codes.sum()), float(codes.square().sum()))
        if self._fit is None or self._fit[0] != key:
            fitted = fit_gaussian(codes) if components == 1 else fit_mixture(codes, components)
            self._fit = (key, fitted)
        return self._fit[1]

    @torch.no_grad()
    def prior(self, n: int, noise: Noise | None = None) -> Tensor:
        """Draw (n, *latent_shape) codes, those that `sample` decodes by default."""
        return self.draw_codes(noise_for(n, self.device, noise), CodeSampling())

    def draw_codes(self, noise: Noise, options: CodeSampling) -> Tensor:
        """Draw codes (n, *latent_shape), one for each row of the noise; standard normal while none is known."""
        kind = self.default_codes if options.codes == "auto" else options.codes
        like = next(self.parameters())
        if kind in ("gaussian", "mixture"):
            fitted = self.density(options.components if kind == "mixture" else 1)
            if fitted is not None:
                return self.project(fitted.draw(noise).to(like).unflatten(1, self.latent_shape))
            return self.project(noise.normal(*self.latent_shape))
        known = self.known_codes().detach()
        if not len(known):
            return self.project(noise.normal(*self.latent_shape))
        first = known[noise.integers(len(known))]
        if kind == "training":
            return first
        share = noise.uniform(*([1] * (known.dim() - 1)), dtype=known.dtype)
        return self.project(torch.lerp(first, known[noise.integers(len(known))], share))

    @property
    def default_codes(self) -> str:
        """The codes that `sample` decodes by default."""
        return "gaussian"

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        """Draw (n, *event) decoded codes (`CodeSampling`): draws of two-valued data, means of others."""
        refuse_labels(c)
        chosen, noise = options_of(CodeSampling, options), noise_for(n, self.device, noise)
        mean = self.decode(self.draw_codes(noise, chosen))
        if not self.bernoulli:
            return mean
        low, high = self.bounds
        return low + (high - low) * noise.bernoulli((mean - low) / (high - low))

    @torch.no_grad()
    def interpolate(self, first: Tensor, second: Tensor, steps: int = 8) -> Tensor:
        """Return (steps, B, *event) decoded codes on the way from the first to the second, both ends included.

        Args:
            first: (B, *latent_shape) codes.
            second: (B, *latent_shape) codes.
            steps: number of points.

        Raises:
            ValueError: fewer than two steps.
        """
        if steps < 2:
            raise ValueError(f"steps is {steps}; expected at least 2, the two ends.")
        shares = [step / (steps - 1) for step in range(steps)]
        return torch.stack([self.decode(self.project(torch.lerp(first, second, share))) for share in shares])

    def fidelity(self, x: Tensor, restored: Tensor) -> Tensor:
        """Return (B,) peak signal-to-noise ratios in dB of restored examples; the support is the span of the signal.

        Raises:
            ValueError: data space is unbounded.
        """
        if self.space.support is None:
            raise ValueError("data space is unbounded; a peak signal-to-noise ratio needs bounds. Compare squares.")
        low, high = self.space.support
        return psnr(x, restored, high - low)


def _bernoulli(model: FittedCodes, x: Tensor, h: Tensor) -> Tensor:
    low, high = model.bounds
    bits = ((x - low) / (high - low)).round()  # data of two levels; values between are the business of the reader
    return -bernoulli_log_prob(h.flatten(1), bits.flatten(1), check=False)


def _gaussian(model: FittedCodes, x: Tensor, h: Tensor) -> Tensor:
    width = model.space.bin_width or 0.0
    return -dequantised_gaussian_log_prob(x.flatten(1), h.flatten(1), 2 * model.sigma.log(), width)


def _laplace(model: FittedCodes, x: Tensor, h: Tensor) -> Tensor:
    width = model.space.bin_width or 0.0
    return -dequantised_laplace_log_prob(x.flatten(1), h.flatten(1), model.sigma.log(), width)


def _squared(model: FittedCodes, x: Tensor, h: Tensor) -> Tensor:
    return squared_error(x, model.means(h)) / model.space.std**2


def _laplacian(model: FittedCodes, x: Tensor, h: Tensor) -> Tensor:
    return laplacian_l1(x, model.means(h)) / model.space.std + _squared(model, x, h)


MISFITS: Mapping[str, Callable[[FittedCodes, Tensor, Tensor], Tensor]] = {
    "bernoulli": _bernoulli,
    "gaussian": _gaussian,
    "laplace": _laplace,
    "squared": _squared,
    "laplacian": _laplacian,
}
"""(model, examples, decoder outputs) → (B,) misfits."""


def refuse_misfit(misfit: str, space: Space) -> None:
    """Refuse a misfit that has no meaning for the data.

    Raises:
        ValueError: it has none.
    """
    if misfit == "bernoulli" and space.levels != 2:
        raise ValueError(
            f"reconstruction is 'bernoulli' and the data have {space.levels or 'continuous'} levels; expected two. "
            "Choose reconstruction='gaussian', or binarise the data."
        )
    if misfit in ("gaussian", "laplace") and space.levels == 2:
        raise ValueError(
            f"reconstruction is {misfit!r} and the data have two levels; they have probabilities, not densities. "
            "Choose reconstruction='bernoulli' or 'squared', or leave it at 'auto'."
        )
    if misfit == "laplacian" and len(space.shape) != 3:
        raise ValueError(
            f"reconstruction is 'laplacian' and examples have shape {space.shape}; a pyramid needs images (C, H, W). "
            "Choose reconstruction='squared'."
        )
