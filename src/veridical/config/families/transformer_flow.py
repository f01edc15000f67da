"""Configuration and presets of the transformer flow; `families/transformer_flow.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass

from veridical.config import checks
from veridical.config.families.autoregressive import METHODS, Method
from veridical.config.families.family import Family, Preset
from veridical.config.families.normalizing import NormalizingConfig, NormalizingSampling
from veridical.config.training import TrainingConfig


@dataclass(frozen=True)
class TransformerFlowSampling(NormalizingSampling):
    """Sampling from a transformer flow."""

    method: Method = "auto"
    """How the blocks are inverted: token by token with kept keys and values (cached) or from the start each time
    (naive), or all tokens at once until they settle (jacobi). auto: cached."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("method", self.method, METHODS)


@dataclass(frozen=True)
class TransformerFlowConfig(NormalizingConfig):
    """A flow of causal transformers over tokens (`families/transformer_flow.py`)."""

    blocks: int = 4
    """Autoregressive maps, in alternating order of the tokens."""

    layers: int = 2
    """Layers of the transformer of each."""

    width: int = 64
    """Width of the transformers."""

    heads: int = 4
    """Heads of the attention; they divide the width."""

    patch: int | None = None
    """Side of a patch of an image, or components of a token of a vector; None: the smallest with at most 64 tokens."""

    dropout: float = 0.0
    """Share of the transformers' units that is dropped in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("blocks", "layers", "heads", "patch"):
            checks.positive(name, getattr(self, name), most=checks.MOST_LAYERS)
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.share("dropout", self.dropout)
        checks.divides("heads", self.heads, "width", self.width)


FAMILY = Family(
    config=TransformerFlowConfig,
    sampling=TransformerFlowSampling,
    about="An invertible network of causal transformers with an exact density.",
    purpose="likelihood",
    good_at="the exact density of continuous data; vectors and images without a choice of masks and scales",
    weak_at="samples token by token; few images; on data with levels the likelihood is a bound",
    smallest=TransformerFlowConfig(blocks=2, layers=1, width=8, heads=2, noise_width=8, noise_steps=1),
    presets={
        "transformer-flow": Preset(
            "Transformer autoregressive flow: causal transformers over patches, in alternating order.",
            model=TransformerFlowConfig(),
            training=TrainingConfig(clip_norm=100.0),
            paper="Zhai et al., Normalizing Flows are Capable Generative Models (2024)",
            published="ImageNet 64x64: 2.99 bits/dim",
        ),
    },
)
