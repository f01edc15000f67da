"""Configuration and presets of restricted Boltzmann machines; `families/rbm.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.boltzmann import BoltzmannSampling, check_chains
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class RBMSampling(BoltzmannSampling):
    """Sampling by a Markov chain for every example."""


@dataclass(frozen=True)
class RBMConfig:
    """A layer of visible and a layer of hidden units, connected with each other (`families/rbm.py`)."""

    width: int = 500
    """Hidden units."""

    visible: Literal["auto", "binary", "spin", "categorical", "gaussian"] = "auto"
    """Visible units. binary (0, 1) and spin (-1, 1): components of two values; categorical: of up to 32 levels;
    gaussian: continuous. auto: spin for lattices of two values, binary for others, categorical, or gaussian."""

    hidden: Literal["binary", "spin", "gaussian"] = "binary"
    """Hidden units; gaussian for components with levels only (with two values: a Hopfield network)."""

    negative: Literal["cd", "pcd", "temper", "trajectory", "anneal", "population", "quantum"] = "temper"
    """Chains of the gradient. cd: from the batch. pcd: persistent ones. temper: persistent ones at several
    temperatures that exchange their states. trajectory: the same at parameters that are kept during training, in
    place of temperatures. New ones at every step: anneal, over rising temperatures; population, whose
    chains are weighted and drawn anew at each; quantum, spins in a falling transverse field."""

    sweeps: int = 1
    """Steps of the chains per training step, and at every temperature of annealed ones; each draws both layers."""

    chains: int = 100
    """Chains, but for cd, which has those of the batch."""

    replicas: int = 10
    """Temperatures of temper, anneal and population; fields of quantum; machines of trajectory, at least 3."""

    tracked: int = 0
    """Chains that estimate log Z during training, annealed along the parameters; 0: none."""

    centred: bool = True
    """Take the gradient in coordinates whose origin is the mean of the units, so that it does not depend on which
    value is called 0."""

    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=2e-3, betas=(0.0, 0.999), schedule="linear")
    )
    """Momentum follows persistent chains the wrong way; without it (betas 0) the divergence is smaller."""

    def __post_init__(self) -> None:
        checks.one_of("visible", self.visible, ("auto", "binary", "spin", "categorical", "gaussian"))
        checks.one_of("hidden", self.hidden, ("binary", "spin", "gaussian"))
        checks.one_of(
            "negative", self.negative, ("cd", "pcd", "temper", "trajectory", "anneal", "population", "quantum")
        )
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        check_chains(self.sweeps, self.chains, self.replicas)
        checks.positive("tracked", self.tracked, zero=True, most=checks.MOST_BATCH)
        if self.negative == "trajectory":
            checks.at_least("replicas", self.replicas, 3, checks.MOST_LAYERS)


FAMILY = Family(
    config=RBMConfig,
    sampling=RBMSampling,
    about="Two layers of units with an energy; each layer is drawn at once given the other.",
    purpose="energies",
    good_at="data of two or few values; a density from few weights, with a certified log Z; spins",
    weak_at="images of many grey levels; samples take a Markov chain, and the likelihood an estimate of log Z",
    needs=("few-levels-or-continuous",),
    smallest=RBMConfig(width=6, chains=5, replicas=3),
    presets={
        "rbm": Preset(
            "Restricted Boltzmann machine: persistent chains at ten temperatures that exchange their states.",
            model=RBMConfig(),
            training=TrainingConfig(batch_size=100),
            paper="Desjardins et al., Parallel Tempering for Training of Restricted Boltzmann Machines, AISTATS 2010. "
            "https://proceedings.mlr.press/v9/desjardins10a.html",
            published="none on one of the data sets here",
            measured="bars:4: -3.435 +- 0.003 nats (a perfect model: -3.381); ising:8: -18.36 +- 0.10 (-18.20); 143 "
            "CPU seconds, one core",
        ),
        "rbm-pcd": Preset(
            "Persistent chains at one temperature: a tenth of the cost, for machines that mix.",
            model=RBMConfig(negative="pcd"),
            training=TrainingConfig(batch_size=100),
            paper="Tieleman, Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient, "
            "ICML 2008. https://doi.org/10.1145/1390156.1390290",
            published="Binarised MNIST, 500 units: -86.35 nats, CD-25 (Salakhutdinov & Murray 2008)",
            measured="ising:8: -18.28 +- 0.12 nats (a perfect model: -18.20); bars:4: -20.96, worse than a uniform "
            "guess, since the chains stop mixing; 24 CPU seconds, one core",
        ),
        "rbm-cd": Preset(
            "Contrastive divergence: chains of one step from the data.",
            model=RBMConfig(negative="cd", centred=False),
            training=TrainingConfig(batch_size=100),
            paper="Hinton, Training Products of Experts by Minimizing Contrastive Divergence (2002). "
            "https://doi.org/10.1162/089976602760128018",
            published="none on one of the data sets here",
            measured="bars:4: -3.631 +- 0.006 nats (a perfect model: -3.381); ising:8: -18.63 +- 0.10 (-18.20); 21 CPU "
            "seconds, one core",
        ),
        "rbm-trajectory": Preset(
            "Persistent chains at ten machines that training has passed, which exchange states; log Z on the way.",
            model=RBMConfig(
                negative="trajectory", tracked=100, optimizer=OptimizerConfig("sgd", lr=0.1, schedule="linear")
            ),
            training=TrainingConfig(batch_size=100),
            paper="Béreux et al., Fast Training and Sampling of Restricted Boltzmann Machines, ICLR 2025. "
            "https://arxiv.org/abs/2405.15376",
            published="none on one of the data sets here",
            measured="bars:4: -3.409 +- 0.003 nats (a perfect model: -3.381); 235 s, a shared core",
        ),
    },
)
