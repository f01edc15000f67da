"""Configuration and presets of generative latent optimisation; `families/glo.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.families.fitted_codes import RECONSTRUCTIONS, Reconstruction
from veridical.config.sampling import CodeSampling
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class GLOConfig:
    """A decoder, and a learned code for every training example (`families/glo.py`)."""

    reconstruction: Reconstruction = "auto"
    """Misfit of example and restored example: bernoulli (data with two values), gaussian and laplace (a learned scale),
    squared, laplacian (all scales of an image alike, plus squared). auto: laplacian for images and lattices of at least
    8 x 8, squared otherwise."""

    codes: Literal["ball", "sphere"] = "ball"
    """Codes have a norm of at most 1, or of exactly 1; they are projected there after every step."""

    start: Literal["pca", "random"] = "pca"
    """First codes: the principal components of the examples, or random ones."""

    network: Literal["auto", "mlp", "conv"] = "auto"
    """Decoder; auto: conv for images and lattices of at least 8 x 8, mlp otherwise."""

    latent_dim: int = 32
    """Dimension of the codes."""

    width: int | None = None
    """Channels of the finest convolution, or units of the MLP's layers; None: 32 channels, 256 units."""

    depth: int = 2
    """Hidden layers of the MLP."""

    code_lr: float = 0.01
    """Learning rate of the codes; every row moves on its own, only when its example is in the batch."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))
    """Of the decoder; the schedule is that of the codes too."""

    def __post_init__(self) -> None:
        checks.one_of("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        checks.one_of("codes", self.codes, ("ball", "sphere"))
        checks.one_of("start", self.start, ("pca", "random"))
        checks.one_of("network", self.network, ("auto", "mlp", "conv"))
        checks.positive("latent_dim", self.latent_dim, most=checks.MOST_UNITS)
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)
        checks.positive("code_lr", self.code_lr)


FAMILY = Family(
    config=GLOConfig,
    sampling=CodeSampling,
    about="A decoder and a learned code for every training example, which it restores.",
    purpose="restoration",
    good_at="restoring the training examples; the smallest dimension that does; interpolation between them",
    weak_at="samples, which are no better than the Gaussian fitted to its codes; new examples have no code; no "
    "likelihood",
    needs=("number",),
    smallest=GLOConfig(latent_dim=4, width=8),
    presets={
        "glo": Preset(
            "Generative latent optimisation: codes in a ball, Laplacian-pyramid loss, start from principal components.",
            model=GLOConfig(),
            paper="Bojanowski et al., Optimizing the Latent Space of Generative Networks, ICML 2018. "
            "https://arxiv.org/abs/1707.05776",
            published="FID of MNIST 49.6, Fashion-MNIST 57.7, CIFAR-10 65.4, as run by GLANN (2019), table 1",
            measured="Fashion-MNIST, 100 images: all restored, the worst with 111 dB (perceptron of 512 units, 31 s)",
        ),
    },
)
