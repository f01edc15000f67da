"""Named starting points: `veridical train PRESET --data D`. Each is a complete `RunConfig`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from veridical.config.families import (
    ConditionalGANConfig,
    DiscreteGANConfig,
    GANConfig,
    InfoGANConfig,
    NoiseLevelConfig,
    ProgressiveGANConfig,
    SemiSupervisedGANConfig,
    UnrolledGANConfig,
    VAEConfig,
)
from veridical.config.run import RunConfig
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class Preset:
    """A configuration and the sentence that says what it is for."""

    summary: str
    config: RunConfig


def discrete(estimator: Literal["gumbel", "reinforce"]) -> RunConfig:
    """Return the recipe of discrete examples; the two estimators share it."""
    optimizer = OptimizerConfig(lr=2e-3, betas=(0.0, 0.99), schedule="linear")
    return RunConfig(
        model=DiscreteGANConfig(
            estimator=estimator,
            depth=2,
            generator_optimizer=optimizer,
            discriminator_optimizer=optimizer,
        ),
        training=TrainingConfig(steps=500, batch_size=256, ema=0.99),
    )


PRESETS: dict[str, Preset] = {
    "gan": Preset(
        "Relativistic pairing with R1 and R2 (R3GAN): the default, locally convergent; for pictures.",
        RunConfig(model=GANConfig(), training=TrainingConfig(ema=0.995)),
    ),
    "gan-2d": Preset(
        "The same recipe for vectors: 25 of 25 modes of the grid in a minute and a half on one core.",
        RunConfig(
            model=GANConfig(),
            training=TrainingConfig(
                steps=12_000, batch_size=256, log_every=100, sample_every=2_000, checkpoint_every=2_000
            ),
        ),
    ),
    "dcgan": Preset(
        "The non-saturating GAN on DCGAN networks, as in the paper.",
        RunConfig(
            model=GANConfig(
                relativistic=False,
                r1=0.0,
                r2=0.0,
                network="dcgan",
                latent_dim=100,
                generator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.5, 0.999)),
                discriminator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.5, 0.999)),
            ),
            training=TrainingConfig(batch_size=128),
        ),
    ),
    "dcgan-paper": Preset(
        "DCGAN to the letter: 5x5 kernels, uniform z, 128 channels (Radford et al. 2016); four times the work.",
        RunConfig(
            model=GANConfig(
                relativistic=False,
                r1=0.0,
                r2=0.0,
                network="dcgan-paper",
                latent="uniform",
                latent_dim=100,
                generator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.5, 0.999)),
                discriminator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.5, 0.999)),
            ),
            training=TrainingConfig(batch_size=128, ema=0.0),
        ),
    ),
    "gan-2014": Preset(
        "The first GAN: Algorithm 1, non-saturating, perceptrons, momentum (Goodfellow et al. 2014).",
        RunConfig(
            model=GANConfig(
                relativistic=False,
                r1=0.0,
                r2=0.0,
                network="mlp",
                latent="uniform",
                latent_dim=100,
                width=256,
                depth=1,
                discriminator_depth=2,
                fourier_octaves=0,
                generator_optimizer=OptimizerConfig(name="sgd", lr=0.01, momentum=0.5),
                discriminator_optimizer=OptimizerConfig(name="sgd", lr=0.01, momentum=0.5),
            ),
            training=TrainingConfig(batch_size=100, ema=0.0),
        ),
    ),
    "lsgan": Preset(
        "Least squares instead of cross-entropy, on DCGAN networks (Mao et al. 2017).",
        RunConfig(
            model=GANConfig(
                objective="least-squares",
                relativistic=False,
                r1=0.0,
                r2=0.0,
                network="dcgan",
                latent_dim=100,
                generator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.5, 0.999)),
                discriminator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.5, 0.999)),
            ),
        ),
    ),
    "wgan": Preset(
        "A critic with clipped weights, five turns to one (Arjovsky et al. 2017).",
        RunConfig(
            model=GANConfig(
                objective="wasserstein",
                relativistic=False,
                r1=0.0,
                r2=0.0,
                clip_weights=0.01,
                discriminator_turns=5,
                latent_dim=100,
                generator_optimizer=OptimizerConfig(name="rmsprop", lr=5e-5),
                discriminator_optimizer=OptimizerConfig(name="rmsprop", lr=5e-5),
            ),
        ),
    ),
    "wgan-gp": Preset(
        "A critic held to slope one by a penalty, five turns to one (Gulrajani et al. 2017).",
        RunConfig(
            model=GANConfig(
                objective="wasserstein",
                relativistic=False,
                r1=0.0,
                r2=0.0,
                gradient_penalty=10.0,
                discriminator_turns=5,
                latent_dim=128,
                generator_optimizer=OptimizerConfig(lr=1e-4, betas=(0.0, 0.9)),
                discriminator_optimizer=OptimizerConfig(lr=1e-4, betas=(0.0, 0.9)),
            ),
        ),
    ),
    "dragan": Preset(
        "A penalty around the data alone (Kodali et al. 2017).",
        RunConfig(
            model=GANConfig(
                relativistic=False,
                r1=0.0,
                r2=0.0,
                dragan=10.0,
                latent_dim=100,
                generator_optimizer=OptimizerConfig(lr=1e-4, betas=(0.5, 0.9)),
                discriminator_optimizer=OptimizerConfig(lr=1e-4, betas=(0.5, 0.9)),
            ),
        ),
    ),
    "pacgan": Preset(
        "Four examples judged together, so that too few modes show (Lin et al. 2018, on the default recipe).",
        RunConfig(model=GANConfig(pack=4), training=TrainingConfig(ema=0.995)),
    ),
    "improved-gan": Preset(
        "Minibatch discrimination, virtual batch normalisation, one-sided smoothing (Salimans et al. 2016).",
        RunConfig(
            model=GANConfig(
                relativistic=False,
                r1=0.0,
                r2=0.0,
                smoothing=0.1,
                network="dcgan",
                normalization="virtual",
                minibatch="discrimination",
                latent_dim=100,
                generator_optimizer=OptimizerConfig(lr=3e-4, betas=(0.5, 0.999)),
                discriminator_optimizer=OptimizerConfig(lr=3e-4, betas=(0.5, 0.999)),
            ),
        ),
    ),
    "infogan": Preset(
        "Codes that can be read from the samples, their information in nats (Chen et al. 2016, on the default recipe).",
        RunConfig(model=InfoGANConfig(latent_dim=62), training=TrainingConfig(ema=0.995)),
    ),
    "sngan": Preset(
        "Hinge loss and spectral normalisation on residual networks (Miyato et al. 2018), narrower than theirs.",
        RunConfig(
            model=GANConfig(
                objective="hinge",
                relativistic=False,
                r1=0.0,
                r2=0.0,
                network="sngan",
                spectral_norm=True,
                latent_dim=128,
                width=32,
                generator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.0, 0.9), schedule="linear"),
                discriminator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.0, 0.9), schedule="linear"),
            ),
        ),
    ),
    "cgan": Preset(
        "Draws the class asked for: the label beside code and example (Mirza & Osindero 2014, on the default recipe).",
        RunConfig(model=ConditionalGANConfig(conditioning="concatenate"), training=TrainingConfig(ema=0.995)),
    ),
    "acgan": Preset(
        "A discriminator that also tells the class (AC-GAN, Odena et al. 2017), on DCGAN networks.",
        RunConfig(
            model=ConditionalGANConfig(
                conditioning="auxiliary",
                relativistic=False,
                r1=0.0,
                r2=0.0,
                network="dcgan",
                latent_dim=100,
                generator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.5, 0.999)),
                discriminator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.5, 0.999)),
            ),
        ),
    ),
    "projection": Preset(
        "The class as an inner product with the features (Miyato & Koyama 2018), on narrow SNGAN networks.",
        RunConfig(
            model=ConditionalGANConfig(
                conditioning="projection",
                objective="hinge",
                relativistic=False,
                r1=0.0,
                r2=0.0,
                network="sngan",
                spectral_norm=True,
                latent_dim=128,
                width=32,
                generator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.0, 0.9), schedule="linear"),
                discriminator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.0, 0.9), schedule="linear"),
            ),
        ),
    ),
    "biggan-32": Preset(
        "BigGAN for 32x32 with the paper's values (Brock et al. 2019): far beyond a CPU; on one, --width 16 and less.",
        RunConfig(
            model=ConditionalGANConfig(
                conditioning="projection",
                objective="hinge",
                relativistic=False,
                r1=0.0,
                r2=0.0,
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
        ),
    ),
    "progressive": Preset(
        "Progressive growing: from coarse pictures to fine ones (Karras et al. 2018).",
        RunConfig(model=ProgressiveGANConfig(), training=TrainingConfig(ema=0.995)),
    ),
    "proinfogan": Preset(
        "Progressive growing with codes at every scale, each read back from the picture.",
        RunConfig(
            model=ProgressiveGANConfig(latent_dim=16, codes_per_scale=4, consistency=10.0),
            training=TrainingConfig(ema=0.995),
        ),
    ),
    "semisupervised": Preset(
        "A classifier from 100 labels, with fakes as one more class and feature matching (Salimans et al. 2016).",
        RunConfig(
            model=SemiSupervisedGANConfig(instance_noise=0.3, instance_noise_steps=1_000_000),
            training=TrainingConfig(steps=3_000),
        ),
    ),
    "noise-level": Preset(
        "A discriminator of noise levels whose gradient denoises and generates (Yadin et al. 2024).",
        RunConfig(model=NoiseLevelConfig(), training=TrainingConfig(batch_size=128)),
    ),
    "unrolled": Preset(
        "For vectors: a generator that foresees five answers of the discriminator (Metz et al. 2017).",
        RunConfig(
            model=UnrolledGANConfig(network="tanh-mlp", width=128, discriminator_depth=2, latent_dim=256),
            training=TrainingConfig(batch_size=128, ema=0.0),
        ),
    ),
    "discrete-gan": Preset(
        "Draws from few levels, for data of at most 32 of them: another name of discrete-gumbel.",
        discrete("gumbel"),
    ),
    "discrete-gumbel": Preset(
        "Learns through draws from few levels by Gumbel-softmax, straight-through (Jang et al. 2017).",
        discrete("gumbel"),
    ),
    "discrete-reinforce": Preset(
        "Learns from the cost alone of draws from few levels: REINFORCE, leave-one-out (Kool et al. 2019).",
        discrete("reinforce"),
    ),
    "vae": Preset("Variational autoencoder, trained on the elbo.", RunConfig(model=VAEConfig())),
    "iwae": Preset("Importance-weighted autoencoder with 5 samples.", RunConfig(model=VAEConfig(importance_samples=5))),
}
