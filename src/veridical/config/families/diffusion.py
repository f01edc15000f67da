"""Configuration and presets of diffusion models; `families/diffusion.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.families.probability_flow import ProbabilityFlowConfig, ProbabilityFlowSampling, require_even
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class DiffusionSampling(ProbabilityFlowSampling):
    """Sampling from a diffusion model."""

    method: Literal["heun", "euler", "ddim", "sde"] = "heun"
    """heun: the probability flow, second order. euler: first order. ddim: renews a share `eta` of the noise at every
    step. sde: adds noise before every one of Heun's steps, in all `churn`."""

    eta: float = 1.0
    """Share of the noise that ddim renews: 0 is Euler's sampler, 1 the ancestral one of DDPM."""

    churn: float = 30.0
    """Noise that sde adds, over all steps; 0 is Heun's sampler."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("method", self.method, ("heun", "euler", "ddim", "sde"))
        checks.positive("churn", self.churn, zero=True)
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta is {self.eta}; expected a number from 0 to 1.")
        if self.method in ("heun", "sde") and self.evaluations is not None:
            require_even(self.evaluations, self.method)


@dataclass(frozen=True)
class DiffusionConfig(ProbabilityFlowConfig):
    """A denoiser of all noise levels, which generates (`families/diffusion.py`)."""

    sigma_max: float = 80.0
    """Largest noise, from which sampling starts, in standard deviations of the data."""

    rho: float = 7.0
    """How densely the levels of a sampler lie near the least noise; they are even in sigma^(1/rho)."""

    noise_mean: float = -0.5
    """Mean of the logarithm of the noise in training, in standard deviations of the data. The paper's -1.2 for data
    of deviation 0.5 is -0.5 here."""

    noise_std: float = 1.2
    """Standard deviation of the logarithm of the noise in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_even(self.evaluations, "heun")
        for name in ("sigma_max", "rho", "noise_std"):
            checks.positive(name, getattr(self, name))
        checks.finite("noise_mean", self.noise_mean)
        if self.sigma_max <= (self.sigma_min or 0.0):
            raise ValueError(
                f"sigma_min is {self.sigma_min} and sigma_max {self.sigma_max}; expected the first smaller."
            )


PAPER = (
    "Karras, Aittala, Aila & Laine, Elucidating the Design Space of Diffusion-Based Generative Models (2022), "
    "https://arxiv.org/abs/2206.00364"
)

FAMILY = Family(
    config=DiffusionConfig,
    sampling=DiffusionSampling,
    about="A denoiser of all noise levels; its probability flow generates and has a density.",
    purpose="denoising",
    good_at="finds all modes with their shares and widths; stable training; labels with guidance; a likelihood; a "
    "denoiser for restoration",
    weak_at="tens of evaluations of the network for a sample; the likelihood costs hundreds",
    smallest=DiffusionConfig(
        width=8,
        depth=1,
        fourier_octaves=1,
        sigma_min=0.1,
        sigma_max=10.0,
        evaluations=16,
        likelihood_steps=6,
        exact_trace=9,
    ),
    presets={
        "diffusion": Preset(
            "Diffusion (EDM) of images: a U-Net that denoises.",
            model=DiffusionConfig(),
            paper=PAPER,
            published="CIFAR-10: FID 1.97 with 35 evaluations (56 million parameters)",
            measured="fashion-mnist-10k, 1,197 steps of 64 in 638 processor seconds: fashion-28 distance 2.39 (2.27 to "
            "2.53), recall .46; gan has .94 and .58 in the same time",
        ),
        "diffusion-2d": Preset(
            "Diffusion (EDM) of vectors with few components.",
            model=DiffusionConfig(
                network="mlp",
                depth=3,
                sigma_min=0.001,
                sigma_max=20.0,
                evaluations=200,
                likelihood_steps=32,
                optimizer=OptimizerConfig(lr=2e-3, betas=(0.9, 0.99), schedule="cosine", warmup=100),
            ),
            training=TrainingConfig(steps=6_000, batch_size=512),
            purpose="vectors",
            paper=PAPER,
            published="no comparable results known",
            measured="grid, one seed: 25 of 25 modes, high quality 0.981, width of modes 0.99, 69 s of one thread",
        ),
        "diffusion-levels": Preset(
            "Diffusion (EDM) of small images of few levels, trained for the likelihood.",
            model=DiffusionConfig(
                network="unet",
                width=24,
                dropout=0.1,
                sigma_min=0.083,
                noise_mean=-1.0,
                noise_std=1.5,
                optimizer=OptimizerConfig(lr=3e-3, betas=(0.9, 0.99), schedule="cosine", warmup=100),
            ),
            training=TrainingConfig(steps=600, ema=0.998),
            paper="Karras et al. (2022); Kingma et al., Variational Diffusion Models (2021), for the levels",
            published="no comparable results known: published losses on these images are no bounds",
            measured="digits, rows of the file, 48 s: at most 83.5 nats on the test images, a bound of one draw "
            "(docs/digits.md)",
        ),
    },
)
