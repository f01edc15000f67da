"""Configuration shared by all families with a generator and a discriminator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from veridical.config import checks
from veridical.config.sampling import ConditionedSampling, RefinedSampling
from veridical.config.training import OptimizerConfig

ObjectiveName = Literal[
    "nonsaturating",
    "minimax",
    "maximum-likelihood",
    "least-squares",
    "pearson-least-squares",
    "hinge",
    "wasserstein",
    "f-kl",
    "f-reverse-kl",
    "f-js",
    "f-pearson",
    "f-neyman",
    "f-hellinger",
    "f-total-variation",
]
LOGISTIC = ("nonsaturating", "minimax", "maximum-likelihood")
"""Objectives whose discriminator minimises the cross-entropy between real and fake examples."""

NetworkName = Literal["auto", "mlp", "tanh-mlp", "noisy-mlp", "conv", "dcgan", "dcgan-paper", "sngan", "biggan"]
AugmentationName = Literal["colour", "translation", "cutout"]
NormalizationName = Literal["own", "none", "layer", "reference", "virtual"]


def constant() -> OptimizerConfig:
    """Return the discriminator's optimiser of the default preset: no momentum, steps relative to the weights.

    Its learning rate is constant. Only the generator's is annealed: at the end of training the discriminator still
    adapts to a generator that changes slowly (two time scales: Heusel et al. 2017, Thm. 1).
    """
    return OptimizerConfig(lr=0.01, trust=1.0, betas=(0.0, 0.99))


def annealed() -> OptimizerConfig:
    """Return the generator's optimiser of the default preset: the same, with a learning rate that falls to 0."""
    return replace(constant(), schedule="trapezoid")


@dataclass(frozen=True)
class AdversarialConfig:
    """Configuration of a generator and a discriminator: objective, regularisation, networks, turns, optimisers."""

    objective: ObjectiveName = "nonsaturating"
    """Objective of the two players."""

    relativistic: bool = True
    """Compare each fake with a real example, by D(x_fake) - D(x)."""

    smoothing: float = 0.0
    """One-sided label smoothing: the target for real examples is 1 - smoothing."""

    r1: float = 0.1
    """Weight gamma of the penalty gamma/2 E|grad D(x)|^2 on real examples."""

    r2: float = 0.1
    """Weight gamma of the same penalty on fakes."""

    gradient_penalty: float = 0.0
    """Weight lambda of E(|grad D| - 1)^2 between real and fake."""

    one_sided: bool = False
    """Apply the gradient penalty only to gradient norms above one."""

    noise_penalty: float = 0.0
    """Variance of small noise on all examples; its effect on the logistic loss is added as a penalty."""

    dragan: float = 0.0
    """Weight lambda of E(|grad D| - 1)^2 around real examples."""

    penalty_half_life: int | None = None
    """Half-life of the weights of R1, R2 and the noise penalty, in steps; None: the weights are constant."""

    penalty_end: float = 1.0
    """Share of these weights that is left at the end; they fall in the second half of training. 1: they stay."""

    historical_averaging: float = 0.0
    """Weight of |theta - mean of its past|^2, for both players."""

    clip_weights: float | None = None
    """Bound c: the discriminator's weights are clipped to [-c, c] after each of its updates."""

    instance_noise: float = 0.0
    """Standard deviation of the noise on all inputs of the discriminator at the first step, in standard units."""

    instance_noise_steps: int | None = 2_000
    """Number of steps in which the instance noise falls linearly to 0; None: it stays."""

    augment: tuple[AugmentationName, ...] = ()
    """Random augmentations of all real and fake images before the discriminator, for small data sets (DiffAugment)."""

    pack: int = 1
    """Number of examples that the discriminator receives together as one input (PacGAN)."""

    network: NetworkName = "auto"
    """Networks; auto: conv for images and lattices of at least 8 x 8, mlp otherwise."""

    normalization: NormalizationName = "own"
    """Replacement for the batch normalisation of the networks; own: keep it."""

    spectral_norm: bool = False
    """Divide every weight of the discriminator by its largest singular value."""

    minibatch: Literal["none", "stddev", "discrimination"] = "none"
    """Statistics of the batch that are added to the features of the discriminator."""

    latent: Literal["normal", "uniform"] = "normal"
    """Distribution of the components of z: standard normal, or uniform on [-1, 1]."""

    latent_dim: int | None = None
    """Dimension of z; None: 64, or the number of components of an example if that is less."""

    width: int | None = None
    """Channels of the finest convolution, or units of the MLP's layers; None: the value of the network's paper, or 32
    channels (conv), 64 units (mlp)."""

    discriminator_width: int | None = None
    """Width of the discriminator; None: the same as `width`."""

    depth: int = 8
    """Residual blocks of the MLP generator."""

    discriminator_depth: int = 3
    """Hidden layers of the MLP discriminator."""

    fourier_octaves: int = 7
    """Octaves of random Fourier features that are added to the input of the MLP discriminator; 0: none."""

    latent_octaves: int = 0
    """Octaves of random Fourier features that are added to the input z of the MLP generator; 0: none."""

    discriminator_turns: int = 1
    """Updates of the discriminator, each on a new batch, per update of the generator."""

    generator_optimizer: OptimizerConfig = field(default_factory=annealed)
    discriminator_optimizer: OptimizerConfig = field(default_factory=constant)

    def __post_init__(self) -> None:
        for name in (
            "r1",
            "r2",
            "gradient_penalty",
            "noise_penalty",
            "dragan",
            "historical_averaging",
            "instance_noise",
        ):
            checks.positive(name, getattr(self, name), zero=True)
        if not 0 <= self.penalty_end <= 1:
            raise ValueError(f"penalty_end is {self.penalty_end}; expected a number from 0 to 1.")
        for name in ("depth", "discriminator_depth"):
            checks.positive(name, getattr(self, name), zero=True, most=checks.MOST_LAYERS)
        for name in ("fourier_octaves", "latent_octaves"):
            checks.positive(name, getattr(self, name), zero=True, most=checks.MOST_OCTAVES)
        for name in ("penalty_half_life", "clip_weights", "instance_noise_steps"):
            checks.positive(name, getattr(self, name))
        for name in ("latent_dim", "width", "discriminator_width"):
            checks.positive(name, getattr(self, name), most=checks.MOST_UNITS)
        for name in ("pack", "discriminator_turns"):
            checks.positive(name, getattr(self, name), most=checks.MOST_TURNS)
        checks.share("smoothing", self.smoothing)
        for kind in self.augment:
            checks.one_of("augment", kind, get_args(AugmentationName))
        checks.one_of("objective", self.objective, get_args(ObjectiveName))
        checks.one_of("network", self.network, get_args(NetworkName))
        checks.one_of("normalization", self.normalization, get_args(NormalizationName))
        checks.one_of("minibatch", self.minibatch, ("none", "stddev", "discrimination"))
        checks.one_of("latent", self.latent, ("normal", "uniform"))
        if self.noise_penalty and (self.relativistic or self.objective not in LOGISTIC):
            raise ValueError(
                f"noise_penalty is {self.noise_penalty} with objective {self.objective!r}, relativistic "
                f"{self.relativistic}; it belongs to the unpaired objectives {', '.join(LOGISTIC)}."
            )
        if self.one_sided and not self.gradient_penalty:
            raise ValueError("one_sided is true, but gradient_penalty is 0; give it a weight (10 in the paper).")
        if self.smoothing and (self.relativistic or self.objective not in LOGISTIC):
            raise ValueError(
                f"smoothing is {self.smoothing} with objective {self.objective!r}, relativistic {self.relativistic}; "
                f"labels exist only in the unpaired objectives {', '.join(LOGISTIC)}. Set relativistic to false."
            )


@dataclass(frozen=True)
class AdversarialSampling(RefinedSampling, ConditionedSampling):
    """Sampling from a generator: plain, with truncated latent codes, refined, or conditional."""

    truncation: float | None = None
    """Truncate the components of the latent code at this many standard deviations; images are better and less diverse.
    """

    def __post_init__(self) -> None:
        RefinedSampling.__post_init__(self)
        ConditionedSampling.__post_init__(self)
        checks.positive("truncation", self.truncation)
        chosen = [name for name in ("truncation", "refine", "condition") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} are both given; choose one.")


PLAIN: dict[str, Any] = {"relativistic": False, "r1": 0.0, "r2": 0.0}
"""Settings without relativistic pairing and penalties, as in papers before 2018."""


def both(optimizer: OptimizerConfig) -> dict[str, Any]:
    """Return settings with the same optimiser for both players."""
    return {"generator_optimizer": optimizer, "discriminator_optimizer": optimizer}
