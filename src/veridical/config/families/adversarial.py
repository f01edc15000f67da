"""What every game of a generator against a discriminator chooses."""

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
"""Objectives whose discriminator minimises the cross-entropy of real against fake."""

NetworkName = Literal["auto", "mlp", "tanh-mlp", "conv", "dcgan", "dcgan-paper", "sngan", "biggan"]
AugmentationName = Literal["colour", "translation", "cutout"]
NormalizationName = Literal["own", "none", "layer", "reference", "virtual"]


def constant() -> OptimizerConfig:
    """Return the discriminator's optimiser in the default recipe: no momentum, steps relative to the weights.

    Its step size is constant. Only the generator's is annealed: towards the end it averages over a discriminator that
    still adapts to it (two time scales: Heusel et al. 2017, Thm. 1).
    """
    return OptimizerConfig(lr=0.02, trust=0.01, betas=(0.0, 0.99))


def annealed() -> OptimizerConfig:
    """Return the generator's optimiser in the default recipe: the same, falling to 0 over the second half."""
    return replace(constant(), schedule="trapezoid")


@dataclass(frozen=True)
class AdversarialConfig:
    """A generator against a discriminator: objective, damping, views, networks, order of play, optimisers."""

    objective: ObjectiveName = "nonsaturating"
    """What the two minimise."""

    relativistic: bool = True
    """Judge each fake against a paired real example: D(x_fake) - D(x)."""

    smoothing: float = 0.0
    """One-sided label smoothing: real examples count as real with probability 1 - smoothing."""

    r1: float = 0.1
    """Weight gamma of the penalty gamma/2 E|grad D(x)|^2 on real examples."""

    r2: float = 0.1
    """Weight gamma of the same penalty on fakes."""

    gradient_penalty: float = 0.0
    """Weight lambda of E(|grad D| - 1)^2 between real and fake."""

    one_sided: bool = False
    """Let the gradient penalty punish slopes above one only."""

    noise_penalty: float = 0.0
    """Variance of the small noise on all examples whose effect on the logistic loss is added as a penalty."""

    dragan: float = 0.0
    """Weight lambda of E(|grad D| - 1)^2 around real examples."""

    penalty_half_life: int | None = None
    """Steps in which the weights of R1 and R2 halve, over and over; None: they stay."""

    historical_averaging: float = 0.0
    """Weight of |theta - mean of its past|^2, for both players."""

    clip_weights: float | None = None
    """Clip the discriminator's weights to [-c, c] after its every turn."""

    instance_noise: float = 0.0
    """Noise on all that the discriminator sees, in standard units, at the first step."""

    instance_noise_steps: int = 2_000
    """Steps in which the instance noise falls linearly to 0."""

    augment: tuple[AugmentationName, ...] = ()
    """Random changes to all images that the discriminator sees, real and fake, for small data sets (DiffAugment)."""

    pack: int = 1
    """Examples that the discriminator judges together (PacGAN)."""

    network: NetworkName = "auto"
    """Networks; auto: conv for images and lattices of at least 8 x 8, mlp otherwise."""

    normalization: NormalizationName = "own"
    """What stands in place of the networks' batch normalisation; own: leave it as the network has it."""

    spectral_norm: bool = False
    """Divide every weight of the discriminator by its largest singular value."""

    minibatch: Literal["none", "stddev", "discrimination"] = "none"
    """Statistics of the batch that the discriminator sees next to its features."""

    latent: Literal["normal", "uniform"] = "normal"
    """Distribution of the components of z: standard normal, or uniform on [-1, 1]."""

    latent_dim: int | None = None
    """Dimension of z; None: 64, or the number of components of an example if that is less."""

    width: int | None = None
    """Channels of the finest convolution, or units of the MLP's layers; None: as the network's paper, or 32 channels
    (conv), 64 units (mlp)."""

    discriminator_width: int | None = None
    """The same for the discriminator; None: as `width`."""

    depth: int = 8
    """Residual blocks of the MLP generator."""

    discriminator_depth: int = 3
    """Hidden layers of the MLP discriminator."""

    fourier_octaves: int = 7
    """Octaves of random Fourier features that the MLP discriminator sees next to its input; 0: none."""

    discriminator_turns: int = 1
    """Turns of the discriminator, each on a fresh batch, per turn of the generator."""

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
        for name in ("depth", "discriminator_depth", "fourier_octaves"):
            checks.positive(name, getattr(self, name), zero=True)
        for name in ("penalty_half_life", "clip_weights", "latent_dim", "width", "discriminator_width", "pack"):
            checks.positive(name, getattr(self, name))
        for name in ("instance_noise_steps", "discriminator_turns"):
            checks.positive(name, getattr(self, name))
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
    """Samples of a generator: as it draws them, with truncated codes, refined, or under a condition."""

    truncation: float | None = None
    """Truncate the components of the code at this many standard deviations: safer, less varied images."""

    def __post_init__(self) -> None:
        RefinedSampling.__post_init__(self)
        ConditionedSampling.__post_init__(self)
        checks.positive("truncation", self.truncation)
        chosen = [name for name in ("truncation", "refine", "condition") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} are both given; choose one.")


PLAIN: dict[str, Any] = {"relativistic": False, "r1": 0.0, "r2": 0.0}
"""A game without pairing and penalties, as it was before 2018."""


def both(optimizer: OptimizerConfig) -> dict[str, Any]:
    """Give both players the same optimiser."""
    return {"generator_optimizer": optimizer, "discriminator_optimizer": optimizer}
