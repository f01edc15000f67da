"""Configuration and preset of WaveNet; `families/wavenet.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class WaveNetSampling(AutoregressiveSampling):
    """Sampling step by step."""


@dataclass(frozen=True)
class WaveNetConfig:
    """Dilated causal convolutions over a sequence (`families/wavenet.py`)."""

    width: int = 32
    """Channels of the residual stream."""

    layers: int = 6
    """Layers of a block; their dilations are 1, 2, 4, ..."""

    blocks: int = 2
    """Blocks; in each the dilations start at 1 again."""

    kernel: int = 2
    """Taps of a convolution, at least 2."""

    output: Literal["auto", "mu-law", "levels", "mixture"] = "auto"
    """Distribution of a step. mu-law: 256 codes of the μ-law, for bounded values of many levels (audio); levels: a
    logit for each level; mixture: of Gaussians, or of logistic distributions on levels. auto: levels up to 256,
    mu-law for continuous values with bounds and for 16 bits, mixture for all others."""

    components: int = 10
    """Distributions in a mixture."""

    labels: bool = False
    """Learn p(x | label), for labelled data."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        checks.one_of("output", self.output, ("auto", "mu-law", "levels", "mixture"))
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.at_least("layers", self.layers, 1, 24)
        checks.positive("blocks", self.blocks, most=checks.MOST_LAYERS)
        checks.at_least("kernel", self.kernel, 2, 64)
        checks.positive("components", self.components, most=checks.MOST_TURNS)


FAMILY = Family(
    config=WaveNetConfig,
    sampling=WaveNetSampling,
    about="Dilated causal convolutions that predict each step of a sequence from those before.",
    purpose="likelihood",
    good_at="exact likelihoods of sequences and audio; dependence over hundreds of steps; sampling with queues",
    weak_at="images, of which it sees a line; dependence beyond its receptive field",
    smallest=WaveNetConfig(width=4, layers=2, blocks=1, components=2),
    presets={
        "wavenet": Preset(
            "WaveNet: sequences and audio, step by step.",
            model=WaveNetConfig(),
            paper="van den Oord et al., WaveNet: A Generative Model for Raw Audio (2016), "
            "https://arxiv.org/abs/1609.03499",
            published="Judged by listeners (text to speech: mean opinion score 4.21 of 5); the paper gives no nats.",
        ),
    },
)
