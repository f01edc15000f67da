"""Configuration and presets of MADE; `families/made.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class MADESampling(AutoregressiveSampling):
    """Sampling site by site."""


@dataclass(frozen=True)
class MADEConfig:
    """A masked autoencoder (`families/made.py`)."""

    width: int = 500
    """Units of a hidden layer."""

    depth: int = 1
    """Hidden layers; 0: a logistic regression for every component (a fully visible belief network)."""

    order: Literal["stored", "random", "any"] = "stored"
    """Order of the components: as they are stored (images: row by row), random, or a new random order at every step.
    With "any", whatever part of an example is known, the rest can be completed from its exact distribution."""

    masks: int = 1
    """Number of masks whose probabilities are averaged: each has its own connections, and with a random order its own
    order. Training uses one at random at every step, evaluation all of them, which takes as many times as long."""

    components: int = 10
    """Distributions in the mixture of a component: Gaussian for continuous data, logistic for more than 32 levels."""

    labels: bool = False
    """Learn p(x | label), for labelled data."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        checks.one_of("order", self.order, ("stored", "random", "any"))
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)
        checks.positive("masks", self.masks, most=checks.MOST_TURNS)
        checks.positive("components", self.components, most=checks.MOST_TURNS)


PAPER = (
    "Germain, Gregor, Murray & Larochelle, MADE: Masked Autoencoder for Distribution Estimation (2015), "
    "https://arxiv.org/abs/1502.03509"
)

FAMILY = Family(
    config=MADEConfig,
    sampling=MADESampling,
    about="A masked perceptron that returns the conditional distributions of all components in one pass.",
    purpose="likelihood",
    good_at="exact likelihoods of vectors and small binary images in one pass; any order of the components; exact "
    "completion of missing components",
    weak_at="large images: no weights are shared between places",
    smallest=MADEConfig(width=8, components=2),
    presets={
        "made": Preset(
            "Masked autoencoder: an exact likelihood in one pass.",
            model=MADEConfig(),
            paper=PAPER,
            published="Binarised MNIST, 500 units, one mask: 88.40 nats; 8000 units, two layers, 32 masks: 86.64 nats.",
        ),
        "made-any-order": Preset(
            "Masked autoencoder of all orders: any part of an example can be completed.",
            model=MADEConfig(order="any", masks=8),
            paper=PAPER,
        ),
    },
)
