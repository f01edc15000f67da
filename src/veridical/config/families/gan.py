"""Configuration and presets of a GAN; `families/gan.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from veridical.config.families.adversarial import (
    PLAIN,
    AdversarialConfig,
    AdversarialSampling,
    annealed,
    both,
    constant,
)
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class GANConfig(AdversarialConfig):
    """A generator against a discriminator (`families/gan.py`)."""


RADFORD = OptimizerConfig(lr=2e-4, betas=(0.5, 0.999))
PLANE = TrainingConfig(steps=30_000, batch_size=256, log_every=100, sample_every=2_000, checkpoint_every=2_000)
"""Training on vectors, whose steps are quick."""
LONG: dict[str, Any] = {
    "generator_optimizer": replace(annealed(), lr=0.02),
    "discriminator_optimizer": replace(constant(), lr=0.02),
}
"""Steps of the default recipe on images: twice those of vectors, where they lose modes."""
SETTLING: dict[str, Any] = {"latent_octaves": 5, "generator_optimizer": replace(annealed(), schedule="settle")}
"""Settings of the default recipe on vectors: steep maps of the code, and a generator that comes to rest."""


FAMILY = Family(
    config=GANConfig,
    sampling=AdversarialSampling,
    about="A generator against a discriminator.",
    purpose="images",
    good_at="sharp images; many modes of vectors; one fast pass per sample",
    weak_at="no density; the number of modes and their width must be measured",
    needs=(),
    smallest=GANConfig(latent_dim=4, width=8),
    presets={
        "gan": Preset(
            "The default: relativistic pairing with R1 and R2 (R3GAN), steps relative to the weights; on vectors it "
            "is gan-2d.",
            model=GANConfig(**LONG),
            vectors="gan-2d",
            training=TrainingConfig(ema=0.995),
            paper="Huang et al., The GAN is dead; long live the GAN! (2024), https://arxiv.org/abs/2501.05441",
            deviates="networks without grouped convolutions; gamma 0.1 is not annealed; steps of 2 % of the weights;"
            " batch 64; an average of 0.995",
            published="Stacked MNIST: 1000 modes, KL 0.029; CIFAR-10: FID 1.96 (32 GPU-days)",
            measured="fashion-mnist-10k: fashion-28 distance 8.0 (7.8 to 8.2), recall 0.02, 115 steps of 64 in 46 s; "
            "0.65, 0.64 and 0.61, recall 0.59, 0.55 and 0.59 (three seeds) in bf16 in 600 s; vectors: as gan-2d",
        ),
        "gan-2d": Preset(
            "The same recipe for vectors: 25 of 25 modes of the grid in five minutes on one core.",
            model=GANConfig(**SETTLING),
            training=PLANE,
            purpose="vectors",
            paper="Huang et al. (2024), https://arxiv.org/abs/2501.05441",
            deviates="as gan, with perceptrons, Fourier features of the code, batch 256, and an average of 0.999 from "
            "which the generator starts anew at three quarters of the run",
            published="grid, PacGAN4 (Lin et al. 2018): 24.8 modes, 93.6 % of high quality, KL 0.04",
            measured="grid, three seeds: 25 of 25 modes, high quality 0.968, width of modes 0.89, 1-NN 0.54, "
            "290 s of one thread",
        ),
        "pacgan": Preset(
            "The discriminator receives four examples at once, against mode collapse (PacGAN, Lin et al. 2018); on "
            "vectors it is pacgan-2d.",
            model=GANConfig(pack=4),
            vectors="pacgan-2d",
            training=TrainingConfig(ema=0.995),
            paper="Lin, Khetan, Fanti & Oh, PacGAN (2018), https://arxiv.org/abs/1712.04086",
            deviates="the game of gan (relativistic, R1 and R2, steps relative to the weights) rather than the "
            "paper's; an average of 0.995",
            published="grid: 24.8 modes, 93.6 % of high quality, KL 0.04; Stacked MNIST: 1000 modes, KL 0.07",
            measured="fashion-mnist-10k: fashion-28 distance 8.1 (7.9 to 8.2), recall 0.02, 386 steps of 64 in 45 s; "
            "grid: 24 and 25 modes (two seeds), high quality 0.30 and 0.28, 5,000 steps of 64 in 43 s",
        ),
        "pacgan-2d": Preset(
            "The same for vectors: four examples at once, 64 times per step.",
            model=GANConfig(pack=4),
            training=PLANE,
            purpose="vectors",
            paper="Lin, Khetan, Fanti & Oh, PacGAN (2018), https://arxiv.org/abs/1712.04086",
            deviates="as pacgan, with perceptrons on Fourier features of every example, batch 256 and an average of "
            "0.999; plain codes and a step that falls linearly, unlike gan-2d",
            published="grid: 24.8 modes, 93.6 % of high quality, KL 0.04 (400,000 steps of 100)",
            measured="grid: 25 modes, high quality 0.71, 6,000 steps of 256 in 46 s",
        ),
        "gan-2014": Preset(
            "The original GAN: Algorithm 1, non-saturating loss, MLPs, momentum.",
            model=GANConfig(
                **PLAIN,
                network="mlp",
                latent="uniform",
                latent_dim=100,
                width=256,
                depth=1,
                discriminator_depth=2,
                fourier_octaves=0,
                **both(OptimizerConfig(name="sgd", lr=0.01, momentum=0.5)),
            ),
            training=TrainingConfig(batch_size=100, ema=0.0),
            purpose="history",
            paper="Goodfellow et al., Generative Adversarial Nets (2014), https://arxiv.org/abs/1406.2661",
            deviates="rectified units instead of maxout, no dropout in the discriminator; a constant learning rate and"
            " momentum",
            published="grid, as run by VEEGAN (Srivastava et al. 2017): 3.3 modes",
            measured="fashion-mnist-10k: fashion-28 distance 18.3 (18.0 to 18.6), recall 0.00, 3,655 steps of 100 in "
            "37 s; grid: 20 modes, high quality 0.02, 1,520 steps of 100 in 23 s",
        ),
        "dcgan": Preset(
            "The non-saturating GAN on DCGAN networks, in the form of the PyTorch example.",
            model=GANConfig(**PLAIN, network="dcgan", latent_dim=100, **both(RADFORD)),
            training=TrainingConfig(batch_size=128),
            purpose="history",
            paper="Radford, Metz & Chintala (2016), https://arxiv.org/abs/1511.06434",
            deviates="5,000 steps by default, not 25 epochs and more; an average of 0.999",
            published="CIFAR-10, as run by StudioGAN: FID 48.3",
            measured="fashion-mnist-10k: fashion-28 distance 26.4 (26.1 to 26.7), recall 0.00, 262 steps of 128 in 43 "
            "s; 2.8 (2.6 to 2.9), recall 0.40, 2,916 steps in bf16 in 511 s",
        ),
        "dcgan-paper": Preset(
            "DCGAN with the networks of the paper: 5x5 kernels, uniform z, 128 channels; four times the compute.",
            model=GANConfig(**PLAIN, network="dcgan-paper", latent="uniform", latent_dim=100, **both(RADFORD)),
            training=TrainingConfig(batch_size=128, ema=0.0),
            purpose="history",
            paper="Radford, Metz & Chintala (2016), https://arxiv.org/abs/1511.06434",
            deviates="without the L2 penalty of 2.5e-5 in the authors' code",
            published="CIFAR-10: 82.8 % accuracy of a linear SVM on the discriminator's features",
            measured="fashion-mnist-10k: fashion-28 distance 47.7 (47.4 to 48.0), recall 0.00, 58 steps of 128 in 47 s",
        ),
        "lsgan": Preset(
            "Least squares instead of cross-entropy, on DCGAN networks.",
            model=GANConfig(**PLAIN, objective="least-squares", network="dcgan", latent_dim=100, **both(RADFORD)),
            purpose="history",
            paper="Mao et al., Least Squares Generative Adversarial Networks (2017), https://arxiv.org/abs/1611.04076",
            deviates="networks of the PyTorch example of DCGAN; batch 64; an average of 0.999",
            published="CIFAR-10, as run by StudioGAN: FID 40.2",
            measured="fashion-mnist-10k: fashion-28 distance 26.4 (26.1 to 26.6), recall 0.00, 610 steps of 64 in 46 s",
        ),
        "wgan": Preset(
            "WGAN: a critic with clipped weights, five critic updates per generator update.",
            model=GANConfig(
                **PLAIN,
                objective="wasserstein",
                clip_weights=0.01,
                discriminator_turns=5,
                latent_dim=100,
                **both(OptimizerConfig(name="rmsprop", lr=5e-5)),
            ),
            purpose="history",
            paper="Arjovsky, Chintala & Bottou, Wasserstein GAN (2017), https://arxiv.org/abs/1701.07875",
            deviates="residual convolutions without batch normalisation, not DCGAN's; always five turns, not 100 at "
            "first; the default 5,000 steps are 1,000 turns of the generator; an average of 0.999",
            published="CIFAR-10, as run by StudioGAN: FID 107.7",
            measured="fashion-mnist-10k: fashion-28 distance 21.1 (20.9 to 21.2), recall 0.00, 502 steps of 64 in 43 s",
        ),
        "wgan-gp": Preset(
            "WGAN-GP: a critic with a gradient penalty, five critic updates per generator update.",
            model=GANConfig(
                **PLAIN,
                objective="wasserstein",
                gradient_penalty=10.0,
                discriminator_turns=5,
                latent_dim=128,
                **both(OptimizerConfig(lr=1e-4, betas=(0.0, 0.9))),
            ),
            purpose="history",
            paper="Gulrajani et al., Improved Training of Wasserstein GANs (2017), https://arxiv.org/abs/1704.00028",
            deviates="residual convolutions of width 32, not the paper's of 128; a constant learning rate; the default"
            " 5,000 steps are 1,000 turns of the generator, of 100,000 in the paper; an average of 0.999",
            published="CIFAR-10: FID 29.3 (as quoted by mimicry, whose own is 26.1)",
            measured="fashion-mnist-10k: fashion-28 distance 31.7 (31.4 to 32.0), recall 0.00, 302 steps of 64 in 45 "
            "s; 11.8, recall 0.00, 2,846 steps in bf16 in 453 s; grid: 17 modes, high quality 0.01, 2,458 steps of 64 "
            "in 23 s",
        ),
        "dragan": Preset(
            "DRAGAN: a gradient penalty near the data only.",
            model=GANConfig(**PLAIN, dragan=10.0, latent_dim=100, **both(OptimizerConfig(lr=1e-4, betas=(0.5, 0.9)))),
            purpose="history",
            paper="Kodali et al., On Convergence and Stability of GANs (2017), https://arxiv.org/abs/1705.07215",
            deviates="residual convolutions, not the paper's; noise that is centred; an average of 0.999",
            published="CIFAR-10, as run by StudioGAN: FID 34.7",
            measured="fashion-mnist-10k: fashion-28 distance 25.2 (24.9 to 25.4), recall 0.00, 222 steps of 64 in 46 "
            "s; grid: 14 modes, high quality 0.01, 1,832 steps of 64 in 28 s",
        ),
        "improved-gan": Preset(
            "Minibatch discrimination, virtual batch normalisation, one-sided smoothing.",
            model=GANConfig(
                **PLAIN,
                smoothing=0.1,
                network="dcgan",
                normalization="virtual",
                minibatch="discrimination",
                latent_dim=100,
                **both(OptimizerConfig(lr=3e-4, betas=(0.5, 0.999))),
            ),
            purpose="history",
            paper="Salimans et al., Improved Techniques for Training GANs (2016), https://arxiv.org/abs/1606.03498",
            deviates="no feature matching (preset semisupervised), no weight normalisation; networks of the PyTorch "
            "example of DCGAN; an average of 0.999",
            published="CIFAR-10, minibatch discrimination as run by chainer-gan-lib: FID 31.3",
            measured="fashion-mnist-10k: fashion-28 distance 14.1 (13.8 to 14.3), recall 0.00, 151 steps of 64 in 44 s",
        ),
        "sngan": Preset(
            "Hinge loss and spectral normalisation on residual networks, narrower than the paper's.",
            model=GANConfig(
                **PLAIN,
                objective="hinge",
                network="sngan",
                spectral_norm=True,
                latent_dim=128,
                width=32,
                **both(OptimizerConfig(lr=2e-4, betas=(0.0, 0.9), schedule="linear")),
            ),
            purpose="history",
            paper="Miyato et al., Spectral Normalization for GANs (2018), https://arxiv.org/abs/1802.05957",
            deviates="width 32, not 256 and 128; one turn of the discriminator, not five; 5,000 steps; an average of "
            "0.999",
            published="CIFAR-10, widths 256 and 128: FID 21.7 (mimicry: 23.9)",
            measured="fashion-mnist-10k: fashion-28 distance 14.2 (14.1 to 14.4), recall 0.00, 192 steps of 64 in 45 "
            "s; 5.8 (5.7 to 5.9), recall 0.03, 2,672 steps in bf16 in 489 s",
        ),
    },
)
