"""Configuration and presets of PixelCNN; `families/pixelcnn.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class PixelCNNConfig:
    """Causal convolutions that predict every pixel from those before (`families/pixelcnn.py`)."""

    network: Literal["gated", "plain"] = "gated"
    """gated: two stacks, which see every pixel before. plain: one stack of masked convolutions, with a blind spot."""

    width: int = 32
    """Channels of a stack."""

    layers: int = 6
    """Gated layers, or residual blocks."""

    first_kernel: int = 7
    """Side of the first convolution; odd."""

    kernel: int = 3
    """Side of the others; odd."""

    dropout: float = 0.0
    """Share of the values of a layer that are dropped while training."""

    directions: Literal[1, 2, 4, 8] = 1
    """Directions in which images are read (mirrored and turned), all by one network that is given the direction; the
    probabilities are averaged."""

    components: int = 10
    """Gaussians in the mixture for a component of continuous data."""

    labels: bool = False
    """Learn p(x | class), for data with labels."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        checks.one_of("network", self.network, ("gated", "plain"))
        for name in ("width", "components"):
            checks.positive(name, getattr(self, name), most=checks.MOST_UNITS)
        checks.positive("layers", self.layers, most=checks.MOST_LAYERS)
        for name in ("first_kernel", "kernel"):
            _odd(name, getattr(self, name))
        checks.share("dropout", self.dropout)
        if self.directions not in (1, 2, 4, 8):
            raise ValueError(f"directions is {self.directions}; expected 1, 2, 4 or 8.")


def _odd(name: str, value: int) -> None:
    """Require an odd number of pixels."""
    checks.at_least(name, value, 1, 999)
    if value % 2 == 0:
        raise ValueError(f"{name} is {value}; expected an odd number of pixels.")


FAMILY = Family(
    config=PixelCNNConfig,
    sampling=AutoregressiveSampling,
    about="Causal convolutions that predict every pixel from those before.",
    purpose="likelihood",
    good_at="exact likelihoods of images; completion from the top; stable training",
    weak_at="sampling takes as many steps as there are pixels; no codes",
    needs=("image",),
    smallest=PixelCNNConfig(width=6, layers=1, first_kernel=3),
    presets={
        "gated-pixelcnn": Preset(
            "Gated PixelCNN: two stacks without a blind spot; smaller than in the paper, for a CPU.",
            model=PixelCNNConfig(),
            paper="van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016), "
            "https://arxiv.org/abs/1606.05328",
            published="CIFAR-10: 3.03 bits per dimension",
        ),
        "gated-pixelcnn-8x8": Preset(
            "Gated PixelCNN for about a thousand images of 8 x 8 pixels: read in eight directions, with dropout.",
            model=PixelCNNConfig(
                width=48,
                layers=5,
                first_kernel=5,
                dropout=0.3,
                directions=8,
                optimizer=OptimizerConfig(lr=2e-3, schedule="cosine", warmup=50),
            ),
            training=TrainingConfig(steps=2_800, ema=0.998),
            paper="van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016), "
            "https://arxiv.org/abs/1606.05328; directions: Jun et al., Distribution Augmentation for Generative "
            "Modeling (2020), https://proceedings.mlr.press/v119/jun20a.html",
            published="digits, best autoregressive model of J. Tomczak's intro_dgm: 88.7 nats on rows [1000:1350]",
            measured="digits: 76.9 +- 0.4 nats on rows [1350:], 79.6 on rows [1000:1350]; 464 CPU seconds, one core",
        ),
        "gated-pixelcnn-bits": Preset(
            "Gated PixelCNN for fifty thousand binary images of 28 x 28 pixels.",
            model=PixelCNNConfig(
                width=48, layers=5, kernel=5, optimizer=OptimizerConfig(lr=2e-3, schedule="cosine", warmup=300)
            ),
            training=TrainingConfig(steps=18_750, batch_size=16, ema=0.999, precision="bf16"),
            paper="van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016), "
            "https://arxiv.org/abs/1606.05328",
            published="Binarised MNIST, PixelCNN: 81.30 nats",
            measured="fixed binarised MNIST (S&M 2008): 83.99 +- 0.20 nats on the test part; 45 CPU minutes, one core",
        ),
        "pixelcnn": Preset(
            "PixelCNN of one masked stack, with its blind spot; smaller than in the paper, for a CPU.",
            model=PixelCNNConfig(network="plain"),
            paper="van den Oord, Kalchbrenner & Kavukcuoglu, Pixel Recurrent Neural Networks (2016), "
            "https://arxiv.org/abs/1601.06759",
            published="CIFAR-10: 3.14 bits per dimension; binarised MNIST: 81.30 nats",
        ),
    },
)
