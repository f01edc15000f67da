"""Configuration and presets of autoencoders; `families/autoencoder.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.families.fitted_codes import RECONSTRUCTIONS, Reconstruction
from veridical.config.sampling import CodeSampling
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class AutoencoderConfig:
    """A code for every example and a decoder that restores it (`families/autoencoder.py`)."""

    code: Literal["dense", "one-hot"] = "dense"
    """dense: an encoder computes the code. one-hot: the code of training example i is the i-th unit vector, and the
    decoder's first layer a table with one row for each example."""

    reconstruction: Reconstruction = "auto"
    """Misfit of example and restored example: bernoulli (data with two values), gaussian and laplace (a learned scale),
    squared, laplacian (all scales of an image alike). auto: Bernoulli for two-valued data, Gaussian otherwise."""

    linear_layers: int = 0
    """Square linear layers after the encoder; they change no function that can be expressed, but gradient descent then
    finds codes that span few directions (IRMAE)."""

    perceptual_weight: float = 0.0
    """Weight of the distance of features of examples and restored ones, added to the loss."""

    perceptual_features: str | None = None
    """Extractor of these features, by name, as for `evaluate`; None: the default of the data. Your own: in Python,
    features=..."""

    network: Literal["auto", "mlp", "conv"] = "auto"
    """Networks; auto: conv for images and lattices of at least 8 x 8, mlp otherwise."""

    latent_dim: int | None = None
    """Dimension of the code (for one-hot codes: of a row of the table); None: 32, or the dimension of an example if
    that is smaller."""

    width: int | None = None
    """Channels of the finest convolution, or units of the MLP's layers; None: 32 channels, 256 units."""

    depth: int = 2
    """Hidden layers of the MLPs; 0: affine maps (with squared errors: principal components)."""

    kept: int = 5_000
    """Codes of training examples that are kept, the newest of each, to fit the density from which samples are drawn."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        checks.one_of("code", self.code, ("dense", "one-hot"))
        checks.one_of("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        checks.one_of("network", self.network, ("auto", "mlp", "conv"))
        checks.positive("linear_layers", self.linear_layers, zero=True, most=checks.MOST_LAYERS)
        checks.positive("perceptual_weight", self.perceptual_weight, zero=True)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)
        checks.positive("kept", self.kept, most=checks.MOST_REPEATS)
        for name in ("latent_dim", "width"):
            checks.positive(name, getattr(self, name), most=checks.MOST_UNITS)
        if self.code == "one-hot" and self.linear_layers:
            raise ValueError(
                f"linear_layers is {self.linear_layers} with one-hot codes, which no encoder computes; choose one."
            )


FAMILY = Family(
    config=AutoencoderConfig,
    sampling=CodeSampling,
    about="An encoder and a decoder that restore examples; samples from a density fitted to the codes.",
    purpose="restoration",
    good_at="sharp restored images; the number of dimensions of the data; codes for given examples",
    weak_at="samples, which are no better than the Gaussian fitted to its codes; no likelihood",
    needs=(),
    smallest=AutoencoderConfig(latent_dim=4, width=8, kept=16),
    presets={
        "autoencoder": Preset(
            "Autoencoder.",
            model=AutoencoderConfig(),
            paper="Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 2006. "
            "https://doi.org/10.1126/science.1127647",
            published="MNIST, 30 dimensions: squared error of 3.00 per digit; 30 principal components: 13.87",
            measured="digits: error 0.025 of the variance of held-out images, 32.0 dB on training ones; "
            "36 CPU seconds, one core",
        ),
        "autoencoder-one-hot": Preset(
            "Decoder of one-hot codes: a table of the training examples.",
            model=AutoencoderConfig(code="one-hot"),
            paper="The case without shared dimensions of: Bojanowski et al., Optimizing the "
            "Latent Space of Generative Networks, ICML 2018. https://arxiv.org/abs/1707.05776",
            published="no figures",
            measured="digits: error 0.347 of the variance of held-out images, 17.3 dB on training ones; "
            "27 CPU seconds, one core",
        ),
        "irmae": Preset(
            "Implicit rank-minimising autoencoder: four linear layers; the spectrum of its codes shows the dimension.",
            model=AutoencoderConfig(
                linear_layers=4,
                latent_dim=128,
                reconstruction="squared",
                optimizer=OptimizerConfig(lr=1e-4, schedule="constant"),
            ),
            paper="Jing, Zbontar & LeCun, Implicit Rank-Minimizing Autoencoder, NeurIPS 2020. "
            "https://arxiv.org/abs/2010.00679",
            published="MNIST: 8 linear layers, 128 dimensions, of which the covariance of the codes uses few (Fig. 3)",
            measured="digits: error 0.012 of the variance of held-out images, 32.8 dB on training ones, 29 dimensions "
            "of the code are used; 43 CPU seconds, one core",
        ),
    },
)
