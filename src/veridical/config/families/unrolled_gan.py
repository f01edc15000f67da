"""Configuration and presets of an unrolled GAN; `families/unrolled_gan.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.adversarial import AdversarialConfig, AdversarialSampling, ObjectiveName
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig

REFUSED = ("r1", "r2", "gradient_penalty", "dragan", "historical_averaging", "clip_weights", "spectral_norm")


@dataclass(frozen=True)
class UnrolledGANConfig(AdversarialConfig):
    """A GAN whose generator is trained against a discriminator several updates ahead (`families/unrolled_gan.py`)."""

    unrolled_steps: int = 5
    """Number K of unrolled steps of the discriminator; 0: a plain GAN."""

    unrolled_optimizer: Literal["adam", "sgd"] = "adam"
    """Optimiser of the unrolled steps. adam: with the betas of the discriminator's optimiser, starting from the moments
    of its past gradients. sgd: plain gradient descent."""

    unrolled_lr: float | None = None
    """Learning rate of the unrolled steps; None: that of the discriminator's optimiser."""

    objective: ObjectiveName = "minimax"
    relativistic: bool = False
    r1: float = 0.0
    r2: float = 0.0

    generator_optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, betas=(0.5, 0.999)))
    discriminator_optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=1e-4, betas=(0.5, 0.999))
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("unrolled_steps", self.unrolled_steps, zero=True, most=checks.MOST_TURNS)
        checks.positive("unrolled_lr", self.unrolled_lr)
        checks.one_of("unrolled_optimizer", self.unrolled_optimizer, ("adam", "sgd"))
        for name in REFUSED:
            if getattr(self, name):
                raise ValueError(
                    f"{name} is {getattr(self, name)}; the unrolled steps use the objective of the discriminator only, "
                    "and its second derivatives are exact only without penalties, clipping and spectral "
                    "normalisation. Leave it out, or choose the family gan."
                )


FAMILY = Family(
    config=UnrolledGANConfig,
    sampling=AdversarialSampling,
    about="A GAN whose generator is trained against a discriminator several updates ahead.",
    purpose="vectors",
    good_at="studying the oscillations of GAN training",
    weak_at="costs several steps for each update; no advantage over `gan` was measured",
    needs=(),
    smallest=UnrolledGANConfig(latent_dim=4, width=8, unrolled_steps=2),
    presets={
        "unrolled": Preset(
            "For vectors: the generator is trained against the discriminator five updates ahead.",
            model=UnrolledGANConfig(network="tanh-mlp", width=128, discriminator_depth=2, latent_dim=256),
            training=TrainingConfig(batch_size=128, ema=0.0),
            paper="Metz et al., Unrolled Generative Adversarial Networks (2017), https://arxiv.org/abs/1611.02163",
            published="ring, as run by VEEGAN: 7.6 of 8 modes, 35.6 % of high quality",
            measured="grid: 17 modes, high quality 0.01, 463 steps of 128 in 24 s",
        ),
    },
)
