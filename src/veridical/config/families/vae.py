"""The choices of a variational autoencoder; the mathematics stands in `families/vae.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.sampling import ConditionedSampling
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class VAESampling(ConditionedSampling):
    """Samples of a decoder."""

    output: Literal["auto", "draw", "mean"] = "auto"
    """What is returned for a code: a draw from p(x | z), or its mean; auto: as the model's `sampling` says."""

    temperature: float = 1.0
    """Standard deviation of the codes; below 1 safer, less varied images; 1: the prior."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("output", self.output, ("auto", "draw", "mean"))
        checks.positive("temperature", self.temperature)
        if self.condition is not None and self.temperature != 1.0:
            raise ValueError(
                f"temperature is {self.temperature} with a condition, whose chains draw codes of the prior; choose one."
            )


@dataclass(frozen=True)
class VAEConfig:
    """An encoder and a decoder tied by a bound on the likelihood (`families/vae.py`)."""

    likelihood: Literal["auto", "bernoulli", "gaussian"] = "auto"
    """p(x | z); auto: Bernoulli for two-valued data, Gaussian with a learned scale otherwise."""

    sampling: Literal["auto", "draw", "mean"] = "auto"
    """What `sample` returns for a code: a draw from p(x | z), or its mean E[x | z], which for images leaves out the
    grain of a Gaussian decoder but is no draw from the model; auto: mean for images of more than two levels."""

    kl_weight: float = 1.0
    """Weight of KL(q(z|x) || p(z)); 1 is the bound on the likelihood."""

    importance_samples: int = 1
    """1 trains the elbo, k > 1 the IWAE bound with k samples."""

    network: Literal["auto", "mlp", "conv"] = "auto"
    """Networks; auto: conv for images and lattices of at least 8 x 8, mlp otherwise."""

    latent_dim: int | None = None
    """Dimension of z, standard normal a priori; None: 32, or the number of components of an example if that is less."""

    width: int | None = None
    """Channels of the finest convolution, or units of the MLP's layers; None: 32 channels, 256 units."""

    depth: int = 2
    """Hidden layers of the MLPs; 0: affine maps, which with a Gaussian likelihood is probabilistic PCA."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        checks.one_of("likelihood", self.likelihood, ("auto", "bernoulli", "gaussian"))
        checks.one_of("sampling", self.sampling, ("auto", "draw", "mean"))
        checks.one_of("network", self.network, ("auto", "mlp", "conv"))
        checks.positive("kl_weight", self.kl_weight, zero=True)
        checks.positive("depth", self.depth, zero=True)
        for name in ("importance_samples", "latent_dim", "width"):
            checks.positive(name, getattr(self, name))


FAMILY = Family(
    config=VAEConfig,
    sampling=VAESampling,
    about="An encoder and a decoder trained on a bound of the likelihood.",
    purpose="likelihood",
    good_at="bounds on the likelihood; codes for given examples; stable training",
    weak_at="smooth images; the samples of a Gaussian decoder show grain",
    needs=(),
    smallest=VAEConfig(latent_dim=4, width=8),
    presets={
        "vae": Preset(
            "Variational autoencoder, trained on the elbo.",
            model=VAEConfig(),
        ),
        "iwae": Preset(
            "Importance-weighted autoencoder with 5 samples.",
            model=VAEConfig(importance_samples=5),
        ),
    },
)
