"""Configuration and presets of a VAE with two levels of codes; `families/hierarchical_vae.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.families.variational import LIKELIHOODS, OUTPUTS, Likelihood, VAESampling, check_free_bits
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class HierarchicalVAEConfig:
    """A VAE with two levels of codes (`families/hierarchical_vae.py`)."""

    likelihood: Likelihood = "auto"
    """p(x | z); auto: Bernoulli for two-valued data, Gaussian with a learned scale otherwise. For 3 to 256 levels also
    categorical (a number for each level) and discretised-logistic (a mixture of rounded logistic distributions), which
    give probabilities to the levels."""

    sampling: Literal["auto", "draw", "mean"] = "auto"
    """Output of `sample` for a code: a draw from p(x | z), or its mean E[x | z], which is not a draw from the model but
    has no pixel noise. auto: the mean for images with a Gaussian likelihood."""

    kl_weight: float = 1.0
    """Weight of the KL divergence of both levels; with 1 the loss is a bound on the likelihood."""

    importance_samples: int = 1
    """Number k of samples: 1 trains the ELBO, k > 1 the IWAE bound."""

    free_bits: float = 0.0
    """Nats of KL divergence of each level, on average over a batch, that cost nothing; above 0 the loss is no bound.
    Keeps the upper level from becoming inactive early (Kingma et al. 2016)."""

    network: Literal["auto", "mlp", "conv"] = "auto"
    """Networks next to the data; auto: conv for images and lattices of at least 8 x 8, mlp otherwise."""

    upper_dim: int | None = None
    """Dimension of the upper code; None: 16, or the dimension of an example if that is smaller."""

    lower_dim: int | None = None
    """Dimension of the lower code; None: 32, or the dimension of an example if that is smaller."""

    width: int | None = None
    """Channels of the finest convolution, or units of the layers next to the data; None: 32 channels, 256 units."""

    features: int = 128
    """Units of the networks between the levels, and of what the encoder passes on to both."""

    depth: int = 2
    """Hidden layers of the perceptrons next to the data."""

    dropout: float = 0.0
    """Share of the features of an example that are left out at random in training: less overfitting of few data."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        checks.one_of("likelihood", self.likelihood, LIKELIHOODS)
        checks.one_of("sampling", self.sampling, OUTPUTS)
        checks.one_of("network", self.network, ("auto", "mlp", "conv"))
        checks.positive("kl_weight", self.kl_weight, zero=True)
        checks.share("dropout", self.dropout)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)
        for name in ("importance_samples", "upper_dim", "lower_dim", "width", "features"):
            checks.positive(name, getattr(self, name), most=checks.MOST_UNITS)
        check_free_bits(self.free_bits, self.importance_samples)


FAMILY = Family(
    config=HierarchicalVAEConfig,
    sampling=VAESampling,
    about="A variational autoencoder with two levels of codes, the lower one given the upper one.",
    purpose="likelihood",
    good_at="a tighter bound and a richer distribution of codes than with one level",
    weak_at="the upper level can stay unused; twice the networks of a VAE",
    needs=(),
    smallest=HierarchicalVAEConfig(upper_dim=2, lower_dim=3, width=8, features=8),
    presets={
        "hierarchical-vae": Preset(
            "Variational autoencoder with two levels of codes.",
            model=HierarchicalVAEConfig(),
            paper="Sønderby, Raiko, Maaløe, Sønderby & Winther, Ladder Variational Autoencoders, NeurIPS 2016. "
            "https://arxiv.org/abs/1602.02282",
            measured="digits: at most 3.25 (3.17 to 3.34) bits/dim on held-out images, overfitted; 55 CPU seconds, one "
            "core",
        ),
        "hierarchical-levels": Preset(
            "The same with probabilities of levels and five importance samples, for few small images.",
            model=HierarchicalVAEConfig(
                likelihood="discretised-logistic",
                network="mlp",
                upper_dim=8,
                lower_dim=16,
                importance_samples=5,
                dropout=0.2,
                optimizer=OptimizerConfig(name="adamw", lr=1e-3, weight_decay=0.3, schedule="cosine"),
            ),
            training=TrainingConfig(steps=800, ema=0.99),
            paper="Sønderby, Raiko, Maaløe, Sønderby & Winther, Ladder Variational Autoencoders, NeurIPS 2016. "
            "https://arxiv.org/abs/1602.02282",
            published="digits, best hierarchical VAE of J. Tomczak's intro_dgm: 100.4 nats on rows [1000:1350]",
            measured="digits: 88.7 +- 0.5 nats on rows [1350:], 91.5 on rows [1000:1350]; 27 CPU seconds, one core",
        ),
        "hierarchical-bits": Preset(
            "The same with narrow convolutions, for fifty thousand binary images of 28 x 28 pixels.",
            model=HierarchicalVAEConfig(width=16, features=256, optimizer=OptimizerConfig(lr=2e-3, schedule="cosine")),
            training=TrainingConfig(steps=11_000, batch_size=100, ema=0.999, precision="bf16"),
            paper="Sønderby, Raiko, Maaløe, Sønderby & Winther, Ladder Variational Autoencoders, NeurIPS 2016. "
            "https://arxiv.org/abs/1602.02282",
            published="fixed binarised MNIST, one level of codes (Burda et al. 2016): 88.7 nats",
            measured="fixed binarised MNIST (S&M 2008): 85.74 +- 0.23 nats on the test part (500 codes), 11 CPU min",
        ),
    },
)
