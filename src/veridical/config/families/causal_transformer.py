"""Configuration and presets of the causal transformer; `families/causal_transformer.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field

from veridical.config import checks
from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class CausalTransformerConfig:
    """A decoder-only transformer over the components of an example (`families/causal_transformer.py`)."""

    width: int = 64
    """Numbers of a position; a multiple of the heads."""

    layers: int = 4
    """Blocks of attention and a network of each position."""

    heads: int = 4
    """Of the attention."""

    dropout: float = 0.0
    """Share of embeddings, attention weights and added values that are dropped while training."""

    components: int = 10
    """Gaussians in the mixture for a component of continuous data."""

    labels: bool = False
    """Learn p(x | class), for data with labels."""

    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(name="adamw", lr=1e-3, betas=(0.9, 0.95), schedule="cosine", warmup=200)
    )

    def __post_init__(self) -> None:
        for name in ("width", "heads", "components"):
            checks.positive(name, getattr(self, name), most=checks.MOST_UNITS)
        checks.positive("layers", self.layers, most=checks.MOST_LAYERS)
        checks.share("dropout", self.dropout)
        checks.divides("heads", self.heads, "width", self.width)


FAMILY = Family(
    config=CausalTransformerConfig,
    sampling=AutoregressiveSampling,
    about="A decoder-only transformer that predicts every component from those before.",
    purpose="likelihood",
    good_at="exact likelihoods of small images, sequences and vectors; dependence at any distance",
    weak_at="memory and time grow with the square of the number of components",
    smallest=CausalTransformerConfig(width=8, layers=1, heads=2),
    presets={
        "causal-transformer": Preset("Decoder-only transformer for 8 x 8 images.", model=CausalTransformerConfig()),
        "causal-transformer-28": Preset(
            "Decoder-only transformer for images of about 28 x 28 pixels.",
            model=CausalTransformerConfig(width=128, layers=6),
            training=TrainingConfig(batch_size=16, steps=20_000, clip_norm=1.0),
        ),
    },
)
