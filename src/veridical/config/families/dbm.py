"""Configuration and presets of deep Boltzmann machines; `families/dbm.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.boltzmann import BoltzmannSampling, check_chains
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class DBMSampling(BoltzmannSampling):
    """Sampling by a Markov chain for every example; each step draws all three layers."""


@dataclass(frozen=True)
class DBMConfig:
    """A layer of visible and two layers of hidden units, neighbours connected (`families/dbm.py`)."""

    width: int = 500
    """Units of the lower hidden layer."""

    upper_width: int = 500
    """Units of the upper hidden layer."""

    visible: Literal["auto", "binary", "spin", "categorical"] = "auto"
    """Visible units. binary (0, 1) and spin (-1, 1): components of two values; categorical: of up to 32 levels. auto:
    spin for lattices of two values, binary for others, or categorical."""

    hidden: Literal["binary", "spin"] = "binary"
    """Hidden units."""

    negative: Literal["pcd", "temper"] = "temper"
    """Chains of the gradient. pcd: persistent ones. temper: persistent ones at several temperatures that exchange their
    states."""

    updates: int = 10
    """Mean-field updates of each hidden layer for a batch; `mean_field_change` is logged: how far from convergence."""

    pretrain: int = 0
    """Steps in which each of both pairs of layers is trained alone, lower first; 0: all are trained together at once,
    which centring allows."""

    sweeps: int = 1
    """Steps of the chains per training step."""

    chains: int = 100
    """Persistent chains."""

    replicas: int = 10
    """Temperatures of temper."""

    centred: bool = True
    """Take the gradient in coordinates whose origin is the mean of the units."""

    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=1e-3, betas=(0.0, 0.999), schedule="linear")
    )
    """Without momentum (betas 0), which follows persistent chains the wrong way."""

    def __post_init__(self) -> None:
        checks.one_of("visible", self.visible, ("auto", "binary", "spin", "categorical"))
        checks.one_of("hidden", self.hidden, ("binary", "spin"))
        checks.one_of("negative", self.negative, ("pcd", "temper"))
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.positive("upper_width", self.upper_width, most=checks.MOST_UNITS)
        checks.positive("updates", self.updates, most=checks.MOST_REPEATS)
        checks.positive("pretrain", self.pretrain, zero=True)
        check_chains(self.sweeps, self.chains, self.replicas)


_PAPER = (
    "Salakhutdinov & Hinton, Deep Boltzmann Machines, AISTATS 2009. "
    "https://proceedings.mlr.press/v5/salakhutdinov09a.html"
)

FAMILY = Family(
    config=DBMConfig,
    sampling=DBMSampling,
    about="Three layers of units with an energy; the odd and the even layers are drawn in turn.",
    purpose="energies",
    good_at="data of two or few values, with a lower bound of the likelihood; log Z by a sum or by annealing",
    weak_at="images of many grey levels; slower and harder to train than an rbm of as many units",
    needs=("few-levels",),
    smallest=DBMConfig(width=5, upper_width=4, chains=5, replicas=3, updates=3),
    presets={
        "dbm": Preset(
            "Deep Boltzmann machine of two hidden layers: mean field, chains at ten temperatures, centred gradient.",
            model=DBMConfig(),
            training=TrainingConfig(batch_size=100),
            paper=_PAPER,
            published="Binarised MNIST, 500 and 1000 units: at least -84.62 nats (Salakhutdinov & Hinton 2009)",
            measured="bars:4, 16 and 8 units, steps of 1e-2: -3.420 +- 0.003 nats (a perfect model: -3.381), 32 s, one "
            "core; with 500 and 500 log Z could not be estimated",
        ),
        "dbm-pretrained": Preset(
            "The same after 2,000 steps for each pair of layers alone.",
            model=DBMConfig(pretrain=2_000),
            training=TrainingConfig(batch_size=100),
            paper=_PAPER,
            published="Binarised MNIST, 500 and 1000 units: at least -84.62 nats (Salakhutdinov & Hinton 2009)",
            measured="bars:4, 16 and 8 units, steps of 1e-2: -10.0 +- 0.1 nats after the 1,000 steps that are left, 28 "
            "s, one core",
        ),
    },
)
