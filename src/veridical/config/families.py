"""The choices of each family. The mathematics they refer to stands in `families/<name>.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class GANConfig:
    """A generator against a discriminator (`families/gan.py`)."""

    objective: Literal["nonsaturating", "minimax", "hinge", "wasserstein"] = "nonsaturating"
    """What the two minimise."""

    relativistic: bool = True
    """Judge each fake against a paired real example: D(x_fake) - D(x)."""

    r1: float = 0.1
    """Weight gamma of the penalty gamma/2 E|grad D(x)|^2 on real examples."""

    r2: float = 0.1
    """Weight gamma of the same penalty on fakes."""

    gradient_penalty: float = 0.0
    """Weight lambda of E(|grad D| - 1)^2 between real and fake."""

    penalty_half_life: int | None = None
    """Steps in which the weights of R1 and R2 halve, over and over; None: they stay."""

    network: Literal["auto", "mlp", "conv", "dcgan"] = "auto"
    """Networks; auto: conv for images and lattices of at least 8 x 8, mlp otherwise."""

    latent_dim: int | None = None
    """Dimension of z, standard normal; None: 64, or the number of components of an example if that is less."""

    width: int | None = None
    """Channels of the finest convolution, or units of the MLP's layers; None: conv 32, dcgan and mlp 64."""

    depth: int = 8
    """Residual blocks of the MLP generator."""

    discriminator_depth: int = 3
    """Hidden layers of the MLP discriminator."""

    fourier_octaves: int = 7
    """Octaves of random Fourier features that the MLP discriminator sees beside its input; 0: none."""

    discriminator_turns: int = 1
    """Turns of the discriminator, each on a fresh batch, per turn of the generator."""

    generator_optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=1e-3, betas=(0.0, 0.99), schedule="linear")
    )
    discriminator_optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=1e-3, betas=(0.0, 0.99), schedule="linear")
    )

    def __post_init__(self) -> None:
        for name in ("r1", "r2", "gradient_penalty"):
            checks.positive(name, getattr(self, name), zero=True)
        for name in ("depth", "discriminator_depth", "fourier_octaves"):
            checks.positive(name, getattr(self, name), zero=True)
        for name in ("penalty_half_life", "latent_dim", "width", "discriminator_turns"):
            checks.positive(name, getattr(self, name))
        checks.one_of("objective", self.objective, ("nonsaturating", "minimax", "hinge", "wasserstein"))
        checks.one_of("network", self.network, ("auto", "mlp", "conv", "dcgan"))


@dataclass(frozen=True)
class VAEConfig:
    """An encoder and a decoder tied by a bound on the likelihood (`families/vae.py`)."""

    likelihood: Literal["auto", "bernoulli", "gaussian"] = "auto"
    """p(x | z); auto: Bernoulli for two-valued data, Gaussian with a learned scale otherwise."""

    sampling: Literal["auto", "draw", "mean"] = "auto"
    """What `sample` returns for a code: a draw from p(x | z), or its mean E[x | z], which for pictures leaves out the
    grain of a Gaussian decoder but is no draw from the model; auto: mean for pictures of more than two levels."""

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


ModelConfig = GANConfig | VAEConfig
