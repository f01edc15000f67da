"""Configuration and presets of PixelCNN++; `families/pixelcnn_plus_plus.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class PixelCNNPlusPlusConfig:
    """PixelCNN with a mixture of logistic distributions for a pixel (`families/pixelcnn_plus_plus.py`)."""

    width: int = 32
    """Channels of a stack."""

    blocks: int = 2
    """Residual blocks of each resolution on the way down, one more on the way up."""

    scales: int = 2
    """Resolutions, each half of the last."""

    components: int = 10
    """Logistic distributions in the mixture."""

    dropout: float = 0.0
    """Share of the inner values of a block that are dropped while training."""

    directions: Literal[1, 2, 4, 8] = 1
    """Directions in which images are read (mirrored and turned), all by one network that is given the direction; the
    probabilities are averaged."""

    labels: bool = False
    """Learn p(x | class), for data with labels."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        for name in ("width", "components"):
            checks.positive(name, getattr(self, name), most=checks.MOST_UNITS)
        checks.positive("blocks", self.blocks, most=checks.MOST_LAYERS)
        checks.at_least("scales", self.scales, 1, 10)
        checks.share("dropout", self.dropout)
        if self.directions not in (1, 2, 4, 8):
            raise ValueError(f"directions is {self.directions}; expected 1, 2, 4 or 8.")


FAMILY = Family(
    config=PixelCNNPlusPlusConfig,
    sampling=AutoregressiveSampling,
    about="PixelCNN with residual blocks at several resolutions and a mixture of logistic distributions for a pixel.",
    purpose="likelihood",
    good_at="exact likelihoods of images of many ordered levels; colours",
    weak_at="sampling takes as many steps as there are pixels; values at single levels, such as an exact black",
    needs=("image", "levels"),
    smallest=PixelCNNPlusPlusConfig(width=6, blocks=1, components=2),
    presets={
        "pixelcnn++": Preset(
            "PixelCNN++ without weight normalisation; smaller than in the paper, for a CPU.",
            model=PixelCNNPlusPlusConfig(),
            paper="Salimans, Karpathy, Chen & Kingma, PixelCNN++ (2017), https://arxiv.org/abs/1701.05517",
            published="CIFAR-10: 2.92 bits per dimension",
        ),
    },
)
