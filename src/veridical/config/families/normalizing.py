"""Configuration shared by all normalizing flows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.sampling import SamplingOptions
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class NormalizingConfig:
    """Units and noise of the data, and the optimiser (`families/normalizing.py`)."""

    dequantisation: Literal["uniform", "variational"] = "uniform"
    """Noise that makes data with levels continuous: uniform in the cell of a level, or learned (a conditional flow)."""

    units: Literal["auto", "standard", "logit"] = "auto"
    """Units in which the flow sees the data: standard deviations, or the logit of their share of the support, for data
    with levels. auto: logit for images with levels, standard otherwise."""

    margin: float = 0.05
    """Share of the interval that the logit leaves free at each end."""

    noise_width: int = 32
    """Channels or units of the networks of variational noise."""

    noise_steps: int = 2
    """Pairs of couplings of variational noise."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, schedule="cosine", warmup=100))

    def __post_init__(self) -> None:
        checks.one_of("dequantisation", self.dequantisation, ("uniform", "variational"))
        checks.one_of("units", self.units, ("auto", "standard", "logit"))
        if not 0 <= self.margin < 0.5:
            raise ValueError(f"margin is {self.margin}; expected a number in [0, 0.5).")
        checks.positive("noise_width", self.noise_width, most=checks.MOST_UNITS)
        checks.positive("noise_steps", self.noise_steps, zero=True, most=checks.MOST_LAYERS)


@dataclass(frozen=True)
class NormalizingSampling(SamplingOptions):
    """Sampling from a flow."""

    temperature: float = 1.0
    """Factor on the codes; 1: the model; below 1: more typical and less diverse examples."""

    def __post_init__(self) -> None:
        checks.positive("temperature", self.temperature)
