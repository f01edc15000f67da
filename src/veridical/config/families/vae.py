"""Configuration and presets of a variational autoencoder; `families/vae.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.families.variational import LIKELIHOODS, OUTPUTS, Likelihood, VAESampling, check_free_bits
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class VAEConfig:
    """An encoder and a decoder, trained on a bound of the likelihood (`families/vae.py`)."""

    likelihood: Likelihood = "auto"
    """p(x | z); auto: Bernoulli for two-valued data, Gaussian with a learned scale otherwise. For 3 to 256 levels also
    categorical (a number for each level) and discretised-logistic (a mixture of rounded logistic distributions), which
    give probabilities to the levels."""

    sampling: Literal["auto", "draw", "mean"] = "auto"
    """Output of `sample` for a latent code: a draw from p(x | z), or its mean E[x | z], which is not a draw from the
    model but has no pixel noise. auto: the mean for images with a Gaussian likelihood."""

    kl_weight: float = 1.0
    """Weight of KL(q(z|x) || p(z)); with 1 the loss is a bound on the likelihood."""

    importance_samples: int = 1
    """Number k of samples: 1 trains the ELBO, k > 1 the IWAE bound."""

    free_bits: float = 0.0
    """Nats of KL divergence of each latent unit, on average over a batch, that cost nothing; above 0 the loss is no
    bound. Keeps units from becoming inactive early (Kingma et al. 2016)."""

    perceptual_weight: float = 0.0
    """Weight of the distance of features of examples and restored ones, added to the loss; above 0 the loss
    is no bound."""

    perceptual_features: str | None = None
    """Extractor of these features, by name, as for `evaluate`; None: the default of the data. Your own: in Python,
    features=..."""

    network: Literal["auto", "mlp", "conv"] = "auto"
    """Networks; auto: conv for images and lattices of at least 8 x 8, mlp otherwise."""

    latent_dim: int | None = None
    """Dimension of z, whose prior is standard normal; None: 32, or the dimension of an example if that is smaller."""

    width: int | None = None
    """Channels of the finest convolution, or units of the MLP's layers; None: 32 channels, 256 units."""

    depth: int = 2
    """Hidden layers of the MLPs; 0: affine maps (with a Gaussian likelihood: probabilistic PCA)."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        checks.one_of("likelihood", self.likelihood, LIKELIHOODS)
        checks.one_of("sampling", self.sampling, OUTPUTS)
        checks.one_of("network", self.network, ("auto", "mlp", "conv"))
        checks.positive("kl_weight", self.kl_weight, zero=True)
        checks.positive("perceptual_weight", self.perceptual_weight, zero=True)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)
        for name in ("importance_samples", "latent_dim", "width"):
            checks.positive(name, getattr(self, name), most=checks.MOST_UNITS)
        check_free_bits(self.free_bits, self.importance_samples)


__all__ = ["FAMILY", "VAEConfig", "VAESampling"]

FAMILY = Family(
    config=VAEConfig,
    sampling=VAESampling,
    about="An encoder and a decoder trained on a bound of the likelihood.",
    purpose="likelihood",
    good_at="bounds on the likelihood; codes for given examples; stable training",
    weak_at="blurred images; samples of a Gaussian decoder contain pixel noise",
    needs=(),
    smallest=VAEConfig(latent_dim=4, width=8),
    presets={
        "vae": Preset(
            "Variational autoencoder, trained on the elbo.",
            model=VAEConfig(),
            paper="Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014. https://arxiv.org/abs/1312.6114",
            published="Fixed binarised MNIST, MLP of 400 units, 40 codes: 89.9 nats (pythae: 89.8)",
            measured="Fashion-MNIST, 10,000 images: 6.75 bits/dim on held-out images; 161 s, two threads",
        ),
        "iwae": Preset(
            "Importance-weighted autoencoder with 5 samples.",
            model=VAEConfig(importance_samples=5),
            paper="Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016. https://arxiv.org/abs/1509.00519",
            published="Fixed binarised MNIST, one stochastic layer: 87.6 nats (k = 1: 88.7)",
            measured="digits: at most 2.93 (2.89 to 2.97) bits/dim on held-out images (64 codes), overfitted; 108 CPU "
            "seconds, one core",
        ),
        "vae-levels": Preset(
            "Variational autoencoder with probabilities of levels, for few small images.",
            model=VAEConfig(
                likelihood="discretised-logistic",
                network="mlp",
                latent_dim=16,
                optimizer=OptimizerConfig(name="adamw", lr=1e-3, weight_decay=0.3, schedule="cosine"),
            ),
            training=TrainingConfig(steps=800, ema=0.99),
            paper="Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014. https://arxiv.org/abs/1312.6114",
            published="digits, best VAE of J. Tomczak's intro_dgm: 100.5 nats on rows [1000:1350]",
            measured="digits: 89.1 +- 0.5 nats on rows [1350:], 92.6 on rows [1000:1350]; 11 CPU seconds, one core",
        ),
        "iwae-levels": Preset(
            "Importance-weighted autoencoder with probabilities of levels, for few small images.",
            model=VAEConfig(
                likelihood="discretised-logistic",
                network="mlp",
                latent_dim=16,
                importance_samples=5,
                optimizer=OptimizerConfig(name="adamw", lr=1e-3, weight_decay=1.0, schedule="cosine"),
            ),
            training=TrainingConfig(steps=800, ema=0.99),
            paper="Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016. https://arxiv.org/abs/1509.00519",
            published="digits, best VAE of J. Tomczak's intro_dgm: 100.5 nats on rows [1000:1350]",
            measured="digits: 87.6 +- 0.5 nats on rows [1350:], 91.1 on rows [1000:1350]; 22 CPU seconds, one core",
        ),
    },
)
