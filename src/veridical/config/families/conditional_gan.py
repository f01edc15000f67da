"""Configuration and presets of a conditional GAN; `families/conditional_gan.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from veridical.config import checks
from veridical.config.families.adversarial import PLAIN, AdversarialConfig, AdversarialSampling, both
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class ConditionalGANSampling(AdversarialSampling):
    """Sampling from a generator, of one class or of all classes."""

    labels: ClassVar[bool] = True


@dataclass(frozen=True)
class ConditionalGANConfig(AdversarialConfig):
    """A GAN whose generator draws examples of a given class, trained on labelled data."""

    conditioning: Literal["concatenate", "projection", "auxiliary"] = "projection"
    """How the discriminator uses the label: as a second input (concatenate), as an inner product with its features
    (projection), or as a second output that it must predict (auxiliary: AC-GAN)."""

    class_weight: float = 1.0
    """Weight of the cross-entropy of the class, in nats, for both players (auxiliary)."""

    orthogonal_weight: float = 0.0
    """Weight of the generator's orthogonal regularisation |W W^T * (1 - I)|^2 (BigGAN: 1e-4)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("conditioning", self.conditioning, ("concatenate", "projection", "auxiliary"))
        checks.positive("class_weight", self.class_weight)
        checks.positive("orthogonal_weight", self.orthogonal_weight, zero=True)
        if self.class_weight != 1.0 and self.conditioning != "auxiliary":
            raise ValueError(
                f"class_weight is {self.class_weight} with conditioning {self.conditioning!r}; only an auxiliary "
                'classifier has one. Leave it at 1, or choose conditioning = "auxiliary".'
            )
        if self.pack > 1:
            raise ValueError(
                f"pack is {self.pack}; examples with different labels cannot be combined into one input. "
                'Leave pack at 1, or train the family "gan".'
            )


FAMILY = Family(
    config=ConditionalGANConfig,
    sampling=ConditionalGANSampling,
    about="A GAN whose generator draws examples of a given class.",
    purpose="labels",
    good_at="samples of a chosen class",
    weak_at="needs labels; the quality may differ between classes: evaluate each",
    needs=("labels",),
    smallest=ConditionalGANConfig(latent_dim=4, width=8),
    presets={
        "cgan": Preset(
            "Draws a given class: the label is an input of both networks; other settings as in the default preset.",
            model=ConditionalGANConfig(conditioning="concatenate"),
            training=TrainingConfig(ema=0.995),
            paper="Mirza & Osindero, Conditional Generative Adversarial Nets (2014), https://arxiv.org/abs/1411.1784",
            deviates="the game, networks and optimiser of gan rather than the paper's maxout perceptrons with momentum"
            " and dropout; an average of 0.995",
            published="MNIST: 132 nats by Parzen windows, which is no likelihood",
            measured="fashion-mnist-10k: fashion-28 distance 8.1 (7.9 to 8.3), recall 0.01, 178 steps of 64 in 44 s",
        ),
        "acgan": Preset(
            "The discriminator also predicts the class (AC-GAN), on DCGAN networks.",
            model=ConditionalGANConfig(
                **PLAIN,
                conditioning="auxiliary",
                network="dcgan",
                latent_dim=100,
                **both(OptimizerConfig(lr=2e-4, betas=(0.5, 0.999))),
            ),
            paper="Odena, Olah & Shlens, Auxiliary Classifier GANs (2017), https://arxiv.org/abs/1610.09585",
            deviates="no dropout and no noise in the discriminator; networks of the PyTorch example of DCGAN; batch "
            "64, not 100; an average of 0.999",
            published="CIFAR-10, modified, as run by StudioGAN: FID 33.4",
            measured="fashion-mnist-10k: fashion-28 distance 30.4 (30.1 to 30.7), recall 0.00, 296 steps of 64 in 30 s",
        ),
        "projection": Preset(
            "The class as an inner product with the features, on narrow SNGAN networks.",
            model=ConditionalGANConfig(
                **PLAIN,
                conditioning="projection",
                objective="hinge",
                network="sngan",
                spectral_norm=True,
                latent_dim=128,
                width=32,
                **both(OptimizerConfig(lr=2e-4, betas=(0.0, 0.9), schedule="linear")),
            ),
            paper="Miyato & Koyama, cGANs with Projection Discriminator (2018), https://arxiv.org/abs/1802.05637",
            deviates="width 32, not 256 and 128; one turn of the discriminator, not five; 5,000 steps; an average of "
            "0.999",
            published="CIFAR-10: FID 17.5 (mimicry: 17.8)",
            measured="fashion-mnist-10k: fashion-28 distance 14.8 (14.6 to 15.0), recall 0.00, 100 steps of 64 in 24 s",
        ),
        "biggan-32": Preset(
            "BigGAN for 32x32 with the paper's values: needs a GPU; on a CPU use --width 16 or less.",
            model=ConditionalGANConfig(
                **PLAIN,
                conditioning="projection",
                objective="hinge",
                network="biggan",
                spectral_norm=True,
                latent_dim=80,
                width=384,
                orthogonal_weight=1e-4,
                discriminator_turns=2,
                generator_optimizer=OptimizerConfig(lr=5e-5, betas=(0.0, 0.999)),
                discriminator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.0, 0.999)),
            ),
            training=TrainingConfig(steps=100_000, batch_size=2048, ema=0.9999),
            paper="Brock, Donahue & Simonyan, Large Scale GAN Training (2019), https://arxiv.org/abs/1809.11096",
            deviates="100,000 steps are ours: the paper states none for CIFAR-10",
            published="CIFAR-10: FID 14.7 (StudioGAN: 4.2)",
            measured="fashion-mnist-10k: fashion-28 distance 30.4 (30.0 to 30.7), recall 0.00, 312 steps of 64 in 25 "
            "s; 7.6 (7.3 to 7.8), recall 0.04, 5,325 steps in 546 s; both at width 16",
        ),
    },
)
