r"""A classifier of noise levels, whose gradient denoises and thereby generates.

**Model.** Let $x_t = x + \sigma\varepsilon$ with $\sigma$ drawn from levels $\sigma_1 < \dots < \sigma_K$, and let one
more class be pure noise from a known distribution, $r = \mathcal N(m, (\sigma_K^2 + s^2) I)$ with the mean and standard
deviation of the data. A discriminator $D$ classifies one example. By Bayes' rule the optimal probabilities are $P(k
\mid x) = \pi_k\, p_k(x) / \bar p(x)$, with $p_k$ the distribution of the data with noise $\sigma_k$, so that

$$ \nabla \log P(k \mid x) = \nabla \log p_k(x) - \nabla \log \bar p(x). $$

The gradient of a discriminator is a *difference of scores*. Against the class of pure noise, whose score is known, the
unknown marginal $\bar p$ drops out:

$$ \nabla \log p_k(x) = \nabla \log \frac{P(k \mid x)}{P(r \mid x)} + \frac{m - x}{\sigma_K^2 + s^2}, \qquad
   \mathrm E[x_0 \mid x_t] = x_t + \sigma_k^2\, \nabla \log p_k(x_t). $$

These hold at the optimum, exactly, at every level: the discriminator is a `Denoiser`.

**Objective.** Cross-entropy of the level, in nats, plus `denoising_weight` times the squared error per component of the
noise that the gradient implies, $\hat\varepsilon = -\sigma_k \nabla \log p_k(x_t)$. The second term has the same
optimum, so the sum is as exact as the first term alone. It is needed because levels that are easily distinguished (many
components) give a small cross-entropy even with wrong gradients.

**Images.** The logits of a U-Net are an energy around its denoiser (`nn/level_energy.py`), which starts at the best
discriminator of Gaussian data with the covariance of the data (`start_from`). That denoiser is trained too, with the
same weight and the squared error of the mean of clean data, since the energy alone is stationary at the start. With
`noise_mean` the levels are drawn, and the errors weighted, as in EDM: those errors are 1 for the best isotropic
Gaussian at every level.

**Sampling** follows $D$'s gradient while the noise is lowered: from $x \sim r$, at every level one step that takes the
noise from $\sigma_{k+1}$ to $\sigma_k$ and `langevin_steps` of Langevin dynamics in $p_k$; finally half a step of
denoising, which is the probability flow from $\sigma_1$ to 0.

**The heuristic.** One may also regress the level and descend the estimate. For data on a set of few dimensions in a
space of many, $d$, noise of scale $\sigma$ moves a point by about $\sigma\sqrt d$ orthogonally to the set. Therefore
$\hat\sigma(x) \approx \operatorname{dist}(x, \text{data}) / \sqrt d$ (`noise_level`; where levels are close enough to
be confused), and $x - \tfrac d2 \nabla \hat\sigma^2(x)$ is the nearest point of the set. In few dimensions the estimate
depends on the distribution of the levels and its gradient is not a score; the sampler does not use it.

**Assumptions.** No labels. Samples are continuous, also where the data have levels, and cut to the support.

References:
    Yadin, Elata & Michaeli, Classification Diffusion Models: Revitalizing Density Ratio Estimation (2024).
        https://arxiv.org/abs/2402.10095
    Song & Ermon, Generative Modeling by Estimating Gradients of the Data Distribution (2019).
        https://arxiv.org/abs/1907.05600
    Efron, Tweedie's Formula and Selection Bias (2011). https://doi.org/10.1198/jasa.2011.tm11181
    Sønderby et al., Amortised MAP Inference for Image Super-resolution (2017), on instance noise.
        https://arxiv.org/abs/1610.04490
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.noise_level import NoiseLevelConfig, NoiseLevelSampling
from veridical.config.sampling import SamplingOptions, options_of
from veridical.data.dataset import ArrayData
from veridical.data.principal import principal_components
from veridical.kinds import TermKind
from veridical.mcmc.langevin import unadjusted_step
from veridical.model import (
    Batch,
    Denoiser,
    Facts,
    GenerativeModel,
    Loss,
    Replayable,
    Sampler,
    Space,
    StartsFromData,
    refuse_labels,
)
from veridical.nn.buffers import BufferRole
from veridical.nn.conv import ConvEncoder, fits_convolutions
from veridical.nn.fourier import FourierFeatures
from veridical.nn.level_energy import LevelEnergy
from veridical.nn.mlp import MLP
from veridical.noise import Noise, noise_for
from veridical.objectives.noise_levels import even_uniform

GROUPS = 4
"""Number of networks among which the levels are divided, for vectors."""

EXACT = 1024
"""Largest number of components of images of which the whole covariance is kept."""

AXES = 256
"""Principal axes that are kept of the covariance of larger images."""

EVERYWHERE = 0.1
"""Share of the levels that are drawn alike; the others are drawn by `noise_mean` and `noise_std`."""


class NoiseLevel(GenerativeModel, Replayable, Sampler, Denoiser, StartsFromData):
    """A discriminator of noise levels.

    Args:
        config: levels, objective, sampler, network, optimiser.
        facts: of the data: space and number of examples.
        discriminator: your own, twice differentiable, (B, *space.shape) in data space → (B, K + 1) logits of the levels
            from the least noise to the most, then of pure noise; None: built by `config.network`.

    Raises:
        ValueError: the network does not fit the space.
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {"model/loss": "objective", "model/denoising": "denoising_error"}
    papers = (
        "Yadin, Elata & Michaeli, Classification Diffusion Models: Revitalizing Density Ratio Estimation (2024), "
        "https://arxiv.org/abs/2402.10095",
        "Song & Ermon, Generative Modeling by Estimating Gradients of the Data Distribution (2019), "
        "https://arxiv.org/abs/1907.05600",
    )
    buffer_roles: ClassVar = {"sigmas": BufferRole.LIVE}
    sigmas: Tensor
    log_prior: Tensor

    def __init__(
        self, config: NoiseLevelConfig, facts: Facts | Space, *, discriminator: nn.Module | None = None
    ) -> None:
        super().__init__(facts)
        space = self.space
        self.config = config
        least, most = (space.std * sigma for sigma in (config.sigma_min, config.sigma_max))
        sigmas = torch.linspace(math.log(least), math.log(most), config.levels, dtype=torch.float64).exp()
        self.register_buffer("sigmas", sigmas.float())
        self.variance = most**2 + space.std**2
        """Of pure noise."""
        self.register_buffer("log_prior", log_prior(config), persistent=False)
        self.discriminator = build_discriminator(config, space, sigmas) if discriminator is None else discriminator

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def start_from(self, data: ArrayData) -> None:
        """Set the moments of the data from which the energy of images starts; other networks start without."""
        if isinstance(self.discriminator, EnergyDiscriminator):
            gaussian = self.discriminator.energy.gaussian
            found, std = principal_components(data, len(gaussian.axes)), data.space.std
            total = len(found.mean) * std**2 - float((found.mean - data.space.mean).square().sum())
            gaussian.set(found.mean, found.axes, found.variances, total)

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the cross-entropy of the levels and the denoising error of the gradient.

        Terms: `cross_entropy` in nats (log(K + 1): nothing learned); `denoising`, squared error per component of the
        noise (1: nothing learned); `accuracy`, share of levels predicted exactly; `level_error`, root mean square error
        of log sigma; for a U-Net `inner_denoising`, as `denoising`, of the denoiser in the energy.
        """
        with torch.autocast(batch.x.device.type, enabled=False):  # differences of log-densities, and their gradients
            return self._loss(batch.x.float())

    def _loss(self, x: Tensor) -> Loss:
        K, n = self.config.levels, len(x)
        level = self._classes(n)
        eps = torch.randn_like(x)
        noisy = level < K
        sigma = self._column(self.sigmas[level.clamp(max=K - 1)])
        x_t = torch.where(self._column(noisy), x + sigma * eps, self.space.mean + self.variance**0.5 * eps)
        x_t.requires_grad_()
        logits, inner = self._evaluated(x_t)
        posterior = logits + self.log_prior
        cross_entropy = F.cross_entropy(posterior, level)
        ratio = (logits.gather(1, level[:, None])[:, 0] - logits[:, K]).masked_fill(~noisy, 0.0)
        (slope,) = torch.autograd.grad(ratio.sum(), x_t, create_graph=True)
        errors = {"denoising": eps + sigma * (slope + self._score_of_noise(x_t))}
        if inner is not None:
            errors["inner_denoising"] = (inner - x) / sigma
        weight = self._weights(sigma.flatten()) * noisy
        terms = {
            name: (error.square().flatten(1).mean(dim=1) * weight).sum() / noisy.sum().clamp(min=1)
            for name, error in errors.items()
        }
        loss = cross_entropy + self.config.denoising_weight * sum(terms.values())
        with torch.no_grad():
            estimate = posterior[:, :K].softmax(dim=1) @ self.sigmas.log()
            off = (estimate - sigma.flatten().log()).square()
        terms |= {
            "loss": loss,
            "cross_entropy": cross_entropy,
            "accuracy": (posterior.argmax(dim=1) == level).float().mean(),
            "level_error": ((off * noisy).sum() / noisy.sum().clamp(min=1)).sqrt(),
        }
        return Loss(loss, {name: term.detach() for name, term in terms.items()})

    def _classes(self, n: int) -> Tensor:
        """Return (n,) classes by their probabilities, evenly spread over the batch where these differ."""
        if self.config.noise_mean is None:
            return torch.randint(self.config.levels + 1, (n,), device=self.sigmas.device)
        ends = self.log_prior.exp().cumsum(0)
        return torch.searchsorted(ends, even_uniform(n, self.sigmas.device), right=True).clamp(max=self.config.levels)

    def _weights(self, sigma: Tensor) -> Tensor:
        """Return (n,) weights of the squared error of the noise: 1, or those that make it the error of EDM's target."""
        alike = self.config.noise_mean is None
        return torch.ones_like(sigma) if alike else 1 + (sigma / self.space.std) ** 2

    def _evaluated(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the logits, and the denoiser of the energy if the discriminator has one."""
        if not isinstance(self.discriminator, EnergyDiscriminator):
            return self.logits(x), None
        return self.discriminator.evaluate(x)

    def logits(self, x: Tensor) -> Tensor:
        """Return (B, K + 1) logits of the levels and of pure noise.

        Raises:
            ValueError: the discriminator returns another shape.
        """
        logits = self.discriminator(x)
        expected = (len(x), self.config.levels + 1)
        if logits.shape != expected:
            raise ValueError(
                f"The discriminator returned shape {tuple(logits.shape)} for {len(x)} examples; expected {expected}: "
                "one logit for each level, and one for pure noise."
            )
        return logits

    def noise_level(self, x: Tensor) -> Tensor:
        """Return (B,) estimates of the noise in examples, in data space: the mean of log sigma over P(k | x)."""
        return (self.logits(x)[:, :-1].softmax(dim=1) @ self.sigmas.to(x).log()).exp()

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return (B, *event) gradients of log p_sigma; between levels log p_sigma is interpolated in log sigma.

        Args:
            x: examples with noise.
            sigma: (B,) or () scale of the noise, between the least and the most of the levels.

        Raises:
            ValueError: sigma is outside the range of the levels.
        """
        sigmas = self.sigmas.to(x)
        sigma = sigma.to(x).expand(len(x))
        low, high = float(sigmas[0]), float(sigmas[-1])
        if sigma.numel() and (float(sigma.min()) < low * (1 - 1e-4) or float(sigma.max()) > high * (1 + 1e-4)):
            raise ValueError(
                f"sigma reaches from {float(sigma.min()):.4g} to {float(sigma.max()):.4g}; this model was trained for "
                f"{low:.4g} to {high:.4g}. Choose sigma_min and sigma_max before training."
            )
        place = (sigma / sigmas[0]).log() / math.log(high / low) * (len(sigmas) - 1)
        below = place.floor().long().clamp(0, len(sigmas) - 2)
        share = (place - below).clamp(0, 1)
        with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
            x = x.detach().requires_grad_()
            logits = self.logits(x)
            pair = logits.gather(1, torch.stack([below, below + 1], dim=1))
            log_p = (1 - share) * pair[:, 0] + share * pair[:, 1] - logits[:, -1]
            (slope,) = torch.autograd.grad(log_p.sum(), x)
        return (slope + self._score_of_noise(x)).detach()

    @property
    def noise_range(self) -> tuple[float, float]:
        """Least and largest of the levels, in data space."""
        return float(self.sigmas[0]), float(self.sigmas[-1])

    def denoise(self, x_t: Tensor, sigma: Tensor) -> Tensor:
        """Return E[x | x_t] (B, *event) by Tweedie's formula; sigma (B,) or () between the levels' least and most."""
        return x_t + self._column(sigma.to(x_t).expand(len(x_t))) ** 2 * self.score(x_t, sigma)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *event) examples by following the discriminator's gradient from pure noise.

        Raises:
            ValueError: labels are passed; the model was trained without.
        """
        refuse_labels(c)
        chosen = options_of(NoiseLevelSampling, options)
        steps = self.config.langevin_steps if chosen.langevin_steps is None else chosen.langevin_steps
        noise, sigmas = noise_for(n, self.device, noise), self.levels(chosen.noise_levels)
        x = self.space.mean + self.variance**0.5 * noise.normal(*self.space.shape)
        for k in range(len(sigmas) - 1, -1, -1):
            for _ in range(steps):
                h = self.config.langevin_step * float(sigmas[k]) ** 2
                x = unadjusted_step(x, self.score(x, sigmas[k]), h, noise=noise)
            x = self._step_down(x, float(sigmas[k]), float(sigmas[k - 1]) if k else 0.0, noise)
        return x if self.space.support is None else x.clamp(*self.space.support)

    def levels(self, count: int | None) -> Tensor:
        """Return (count,) levels in equal ratios from the least noise to the most; None: those of training."""
        if count is None:
            return self.sigmas
        low, high = (math.log(float(self.sigmas[k])) for k in (0, -1))
        return torch.linspace(low, high, count, dtype=torch.float64, device="cpu").exp().to(self.sigmas)

    def _step_down(self, x: Tensor, sigma: float, lower: float, noise: Noise) -> Tensor:
        """Lower the noise by the exact distribution of x_lower given x_sigma and its mean; lastly without noise."""
        score = self.score(x, torch.tensor(sigma))
        if lower == 0:
            return x + sigma**2 / 2 * score  # Euler's step, in sigma^2, of dx = -score/2 d(sigma^2)
        removed = sigma**2 - lower**2
        return x + removed * score + math.sqrt(removed) * lower / sigma * noise.normal(*x.shape[1:], dtype=x.dtype)

    def _score_of_noise(self, x: Tensor) -> Tensor:
        return (self.space.mean - x) / self.variance

    def _column(self, value: Tensor) -> Tensor:
        return value.reshape(-1, *[1] * len(self.space.shape))


class LevelDiscriminator(nn.Module):
    r"""Logits $\log \mathcal N(x; m, (\sigma_k^2 + s^2) I) + \frac{s^2}{s^2 + \sigma_k^2} f_k(x)$; for pure noise no f.

    With $f = 0$, approximately the start of training, this is the optimal classifier for Gaussian data. The network
    learns the deviation from a Gaussian, which decreases with the noise.
    """

    buffer_roles: ClassVar = {"variances": BufferRole.LIVE, "shares": BufferRole.LIVE}
    variances: Tensor
    shares: Tensor

    def __init__(self, config: NoiseLevelConfig, space: Space, sigmas: Tensor) -> None:
        super().__init__()
        self.mean, self.std = space.mean, space.std
        variances = torch.cat([sigmas, sigmas[-1:]]) ** 2 + space.std**2
        self.register_buffer("variances", variances.float())
        self.register_buffer("shares", (space.std**2 / variances[:-1]).float())
        self.network = build_network(config, space)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *shape) in data space to (B, K + 1)."""
        variances = self.variances.to(x)
        centred = x - self.mean
        square = centred.square().flatten(1).sum(dim=1, keepdim=True)
        d = math.prod(centred.shape[1:])
        gaussian = -0.5 * square / variances - 0.5 * d * (variances / self.std**2).log()
        return gaussian + F.pad(self.shares.to(x) * self.network(centred / self.std), (0, 1))


class EnergyDiscriminator(nn.Module):
    """Logits of the levels by the energy of a U-Net, and of pure noise by its density."""

    def __init__(self, config: NoiseLevelConfig, space: Space, sigmas: Tensor) -> None:
        super().__init__()
        self.mean, self.variance = space.mean, float(sigmas[-1]) ** 2 + space.std**2
        axes = space.dim if space.dim <= EXACT else AXES
        self.energy = LevelEnergy(space, space.mean, space.std, sigmas, axes=axes, width=config.width or 32)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *shape) in data space to (B, K + 1)."""
        return self.evaluate(x)[0]

    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, *shape) in data space to logits (B, K + 1) and denoised examples (B, *shape)."""
        logits, inner = self.energy(x)
        square = (x - self.mean).square().flatten(1).sum(dim=1, keepdim=True)
        noise = -0.5 * (square / self.variance + math.prod(x.shape[1:]) * math.log(self.variance))
        return torch.cat([logits, noise], dim=1), inner


class PointNetwork(nn.Module):
    """Perceptrons on a vector, one for every group of neighbouring levels.

    The input of each is the vector, its components on a logarithmic scale, and octaves of Fourier features with
    wavelengths not below its smallest noise.
    """

    def __init__(self, config: NoiseLevelConfig, dim: int) -> None:
        super().__init__()
        self.features, self.layers = nn.ModuleList(), nn.ModuleList()
        ratio = config.sigma_max / config.sigma_min
        for group in torch.arange(config.levels).tensor_split(min(GROUPS, config.levels)):
            least = config.sigma_min * ratio ** (int(group[0]) / (config.levels - 1))
            octaves = min(config.fourier_octaves, max(0, math.ceil(-math.log2(least)) + 1))
            features = FourierFeatures(dim, octaves)
            layers = MLP(features.out_dim + dim, len(group), config.width or 64, config.depth)
            self.features.append(features)
            self.layers.append(start_small(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *shape) in standard deviations to (B, K)."""
        x = x.flatten(1)
        tail = x.asinh()
        groups = zip(self.features, self.layers, strict=True)
        return torch.cat([layers(torch.cat([features(x), tail], dim=1)) for features, layers in groups], dim=1)


def start_small(network: nn.Module) -> nn.Module:
    """Make the last affine layer a hundred times smaller."""
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(0.01)
    return network


def log_prior(config: NoiseLevelConfig) -> Tensor:
    """Return (K + 1,) logarithms of the probabilities of the classes in training, pure noise last."""
    if config.noise_mean is None:
        return torch.zeros(config.levels + 1)
    logs = torch.linspace(math.log(config.sigma_min), math.log(config.sigma_max), config.levels)
    normal = (-0.5 * ((logs - config.noise_mean) / config.noise_std) ** 2).softmax(dim=0)
    shares = config.levels * (1 - EVERYWHERE) * normal + EVERYWHERE
    return (torch.cat([shares, torch.ones(1)]) / (config.levels + 1)).log()


def build_discriminator(config: NoiseLevelConfig, space: Space, sigmas: Tensor) -> nn.Module:
    """Build the discriminator (B, *space.shape) → (B, K + 1) that the configuration names.

    Raises:
        ValueError: the network does not fit the space.
    """
    fits = fits_convolutions(space.shape)
    if config.network == "unet" and not fits:
        raise ValueError(
            f"space has shape {space.shape}; network unet needs (channels, height, width) with sides of at least 8. "
            "Choose network mlp."
        )
    if config.network == "unet" or (config.network is None and fits):
        return EnergyDiscriminator(config, space, sigmas)
    return LevelDiscriminator(config, space, sigmas)


def build_network(config: NoiseLevelConfig, space: Space) -> nn.Module:
    """Build the network (B, *space.shape) → (B, K) that the configuration names, of vectors or of earlier versions.

    Raises:
        ValueError: the network does not fit the space.
    """
    network = config.network
    if network == "auto":
        network = "conv" if fits_convolutions(space.shape) else "mlp"
    if network == "conv":
        return start_small(ConvEncoder(space, config.levels, config.width or 32))
    return PointNetwork(config, space.dim)
