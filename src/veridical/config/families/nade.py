"""Configuration and preset of NADE; `families/nade.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class NADESampling(AutoregressiveSampling):
    """Sampling site by site."""


@dataclass(frozen=True)
class NADEConfig:
    """One hidden layer whose pre-activation is a running sum over the components (`families/nade.py`)."""

    width: int = 500
    """Hidden units."""

    activation: Literal["sigmoid", "relu"] = "sigmoid"
    """Of the hidden units; the paper's is the sigmoid."""

    order: Literal["stored", "random"] = "stored"
    """Order of the components: as they are stored (images: row by row), or random."""

    components: int = 10
    """Distributions in the mixture of a component: Gaussian for continuous data, logistic for more than 32 levels."""

    labels: bool = False
    """Learn p(x | label), for labelled data."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine"))

    def __post_init__(self) -> None:
        checks.one_of("activation", self.activation, ("sigmoid", "relu"))
        checks.one_of("order", self.order, ("stored", "random"))
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.positive("components", self.components, most=checks.MOST_TURNS)


FAMILY = Family(
    config=NADEConfig,
    sampling=NADESampling,
    about="A hidden layer that is updated from component to component, with an output for each.",
    purpose="likelihood",
    good_at="exact likelihoods of vectors and small binary images from few weights; sampling at the cost of one pass",
    weak_at="large images; one hidden layer and one order",
    smallest=NADEConfig(width=8, components=2),
    presets={
        "nade": Preset(
            "Neural autoregressive distribution estimator.",
            model=NADEConfig(),
            paper="Larochelle & Murray, The Neural Autoregressive Distribution Estimator (2011), "
            "https://proceedings.mlr.press/v15/larochelle11a.html",
            published="Binarised MNIST, 500 units: 88.33 nats (Uria, Murray & Larochelle 2014, fixed order).",
        ),
        "nade-bits": Preset(
            "Neural autoregressive distribution estimator for fifty thousand binary images of 28 x 28 pixels.",
            model=NADEConfig(width=400, activation="relu", optimizer=OptimizerConfig(lr=2e-3, schedule="cosine")),
            training=TrainingConfig(steps=12_500, batch_size=32, ema=0.999, precision="fp32"),
            paper="Larochelle & Murray, The Neural Autoregressive Distribution Estimator (2011), "
            "https://proceedings.mlr.press/v15/larochelle11a.html",
            published="Binarised MNIST, 500 units: 88.33 nats (Uria, Murray & Larochelle 2014, fixed order).",
            measured="fixed binarised MNIST (S&M 2008): 88.20 +- 0.23 nats on the test part; 14 CPU minutes, one core",
        ),
    },
)
