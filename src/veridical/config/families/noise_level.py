"""Configuration and presets of a discriminator of noise levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.sampling import SamplingOptions
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class NoiseLevelSampling(SamplingOptions):
    """Sampling from a discriminator of noise levels: the number of levels, and the steps at each level."""

    noise_levels: int | None = None
    """Number of noise levels during sampling, geometrically spaced; None: as in training. The discriminator is
    evaluated noise_levels x (1 + langevin_steps) times."""

    langevin_steps: int | None = None
    """Steps of Langevin dynamics at every level; None: the value of the model's configuration."""

    def __post_init__(self) -> None:
        checks.at_least("noise_levels", self.noise_levels, 2, checks.MOST_REPEATS)
        checks.positive("langevin_steps", self.langevin_steps, zero=True, most=checks.MOST_REPEATS)


@dataclass(frozen=True)
class NoiseLevelConfig:
    """A discriminator of noise levels, whose gradient denoises and generates (`families/noise_level.py`)."""

    levels: int = 32
    """Number K of noise levels between `sigma_min` and `sigma_max`, geometrically spaced; pure noise is one more class.
    """

    sigma_min: float = 0.01
    """Lowest noise level, in standard deviations of the data; smaller details are lost."""

    sigma_max: float = 4.0
    """Highest noise level, in standard deviations of the data."""

    denoising_weight: float = 1.0
    """Weight of the denoising loss: the squared error of the noise predicted by the discriminator's gradient. 0: only
    the cross-entropy, which has the same optimum but learns poorer gradients."""

    langevin_steps: int = 1
    """Steps of Langevin dynamics at every level, after the step to this level; 0: none."""

    langevin_step: float = 0.1
    """Size of the Langevin steps, in units of the variance of the noise level."""

    noise_mean: float | None = None
    """Mean of the logarithm of the noise in training, in standard deviations of the data; levels near it are drawn more
    often, and errors weighted as those of EDM's target. None: all levels alike."""

    noise_std: float = 1.2
    """Standard deviation of the logarithm of the noise in training."""

    network: Literal["auto", "mlp", "conv", "unet"] | None = None
    """Network; None: unet, an energy around the denoiser of a U-Net, for images and lattices of at least 8 x 8, mlp
    otherwise. auto: as None, with conv in the place of unet, as in earlier versions."""

    width: int | None = None
    """Channels of the finest grid, or units of the MLP's layers; None: 32 channels, 128 units."""

    depth: int = 3
    """Hidden layers of the MLP."""

    fourier_octaves: int = 7
    """Octaves of random Fourier features that are added to the input of the MLP; 0: none."""

    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=1e-3, betas=(0.9, 0.99), schedule="cosine", warmup=100)
    )

    def __post_init__(self) -> None:
        for name in ("sigma_min", "sigma_max", "langevin_step"):
            checks.positive(name, getattr(self, name))
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.positive("denoising_weight", self.denoising_weight, zero=True)
        checks.positive("langevin_steps", self.langevin_steps, zero=True, most=checks.MOST_REPEATS)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)
        checks.positive("fourier_octaves", self.fourier_octaves, zero=True, most=checks.MOST_OCTAVES)
        if self.network is not None:
            checks.one_of("network", self.network, ("auto", "mlp", "conv", "unet"))
        checks.positive("noise_std", self.noise_std)
        if self.noise_mean is not None:
            checks.finite("noise_mean", self.noise_mean)
        checks.at_least("levels", self.levels, 2, checks.MOST_REPEATS)
        if self.sigma_min >= self.sigma_max:
            raise ValueError(
                f"sigma_min is {self.sigma_min} and sigma_max {self.sigma_max}; expected the first smaller."
            )


PAPER = "Yadin, Elata & Michaeli, Classification Diffusion Models (2024), https://arxiv.org/abs/2402.10095"

FAMILY = Family(
    config=NoiseLevelConfig,
    sampling=NoiseLevelSampling,
    about="A discriminator of noise levels, whose gradient denoises and generates.",
    purpose="denoising",
    good_at="denoising with a calibrated noise level; scores of vectors and small images",
    weak_at="a training step costs three times that of diffusion, a sample two gradients at every level",
    needs=(),
    smallest=NoiseLevelConfig(levels=4, width=8, sigma_min=0.1),
    presets={
        "noise-level": Preset(
            "A discriminator of noise levels whose gradient denoises and generates; on vectors it is noise-level-2d.",
            model=NoiseLevelConfig(
                sigma_min=0.05,
                sigma_max=20.0,
                noise_mean=-0.5,
                denoising_weight=100.0,
                optimizer=OptimizerConfig(lr=2e-3, betas=(0.9, 0.99), schedule="cosine", warmup=50),
            ),
            training=TrainingConfig(ema=0.99),
            vectors="noise-level-2d",
            paper=PAPER,
            deviates="an energy around the U-Net's denoiser in the place of logits at its end, from a Gaussian start; "
            "EDM's noise and weights; Langevin steps",
            published="CelebA 64x64 and CIFAR-10 only",
            measured="digits, 500 steps of 64 in 187 processor seconds, one seed, 360 samples: FID of pixels 0.54 "
            "(0.44 to 0.67; a perfect model 0.43), precision .83, recall .80",
        ),
        "noise-level-2d": Preset(
            "The same for vectors: perceptrons that share the levels.",
            model=NoiseLevelConfig(),
            training=TrainingConfig(batch_size=128),
            purpose="vectors",
            paper=PAPER,
            deviates="logits of perceptrons, which start at those of Gaussian data; Langevin steps",
            published="no comparable results known",
            measured="grid: 25 modes, high quality 0.87, 1,461 steps of 128 in 19 s",
        ),
    },
)
