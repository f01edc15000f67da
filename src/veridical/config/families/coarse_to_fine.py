"""Configuration and presets of the coarse-to-fine model; `families/coarse_to_fine.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import EnergyConfig, OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class CoarseToFineSampling(AutoregressiveSampling):
    """Sampling level by level."""


@dataclass(frozen=True)
class CoarseToFineConfig:
    """An autoregressive model of a lattice, from coarse to fine (`families/coarse_to_fine.py`)."""

    width: int = 48
    """Units of a hidden layer, for every colour of every level."""

    depth: int = 2
    """Hidden layers; 0: logits are linear in the known sites."""

    reach: float = 4.0
    """Radius of the known sites that a site sees, in distances of neighbours of its level."""

    period: int = 4
    """Distance of sites that are drawn together, in units of their level: smaller is faster, larger more exact."""

    last: Literal["auto", "heat-bath", "network"] = "auto"
    """The finest level. heat-bath: spins that depend on their four neighbours alone, by a single number K, as in the
    Ising model; network: as the other levels. auto: heat-bath for lattices of two levels with even sides."""

    coupling: float | None = None
    """K of the heat bath; None: learned."""

    symmetric: bool | None = None
    """Give an example and its negative the same probability, for two levels. None: for lattices."""

    components: int = 10
    """Distributions in the mixture of a component: Gaussian for continuous data, logistic for more than 32 levels."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=3e-3, schedule="cosine", warmup=20))

    def __post_init__(self) -> None:
        checks.one_of("last", self.last, ("auto", "heat-bath", "network"))
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)
        checks.positive("reach", self.reach)
        checks.positive("period", self.period, most=checks.MOST_UNITS)
        checks.positive("components", self.components, most=checks.MOST_TURNS)
        checks.finite("coupling", self.coupling)
        if self.reach < 1:
            raise ValueError(f"reach is {self.reach}; expected at least 1, the distance of neighbours.")


PAPER = (
    "Singha, Cellini, Nicoli, Jansen, Kühn & Nakajima, Multilevel Generative Samplers for Investigating Critical "
    "Phenomena (2025), https://arxiv.org/abs/2503.08918"
)

FAMILY = Family(
    config=CoarseToFineConfig,
    sampling=CoarseToFineSampling,
    about="An autoregressive model of a lattice or image, level by level from coarse to fine.",
    purpose="likelihood",
    good_at="lattices at a critical point, whose structure is the same on all scales; exact likelihoods, few steps to "
    "draw; training from an energy",
    weak_at="images whose sites within a level depend on each other beyond what is known; it sees a limited patch",
    smallest=CoarseToFineConfig(width=4, depth=1, reach=1.5, period=2, components=2),
    needs=("image",),
    presets={
        "coarse-to-fine": Preset(
            "A lattice from coarse to fine, learned from configurations.",
            model=CoarseToFineConfig(),
            training=TrainingConfig(batch_size=256),
            paper=PAPER,
        ),
        "critical-energy": Preset(
            "The critical Ising model from its energy alone, without data (--data ising:16).",
            model=CoarseToFineConfig(coupling=0.44068679350977151),
            training=TrainingConfig(
                steps=5000,
                batch_size=256,
                ema=0.99,
                clip_norm=10.0,
                from_energy="reverse-kl",
                energy=EnergyConfig(beta=0.5, anneal=150),
            ),
            paper=PAPER,
            published="L = 16 at K = 0.44, four A100: KL(model || exact) .026 nats per lattice, effective share .949; "
            "L = 32: .037 (from the published logs of the paper).",
            measured="L = 16, 5,000 steps (about six processor minutes): KL(model || exact) .0045 nats per lattice "
            "(.0033 to .0057), effective share .993; L = 32, as many (17 minutes): .0165 (.0140 to .0190), .967; one "
            "seed each.",
        ),
    },
)
