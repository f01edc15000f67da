"""A whole run in one value: family, data, training."""

from __future__ import annotations

from dataclasses import dataclass, field

from veridical.config.data import DataConfig
from veridical.config.families import (
    ConditionalGANConfig,
    DiscreteGANConfig,
    GANConfig,
    InfoGANConfig,
    ModelConfig,
    NoiseLevelConfig,
    ProgressiveGANConfig,
    SemiSupervisedGANConfig,
    UnrolledGANConfig,
    VAEConfig,
)
from veridical.config.training import TrainingConfig

FAMILY_CONFIGS: dict[str, type[ModelConfig]] = {
    "conditional-gan": ConditionalGANConfig,
    "discrete-gan": DiscreteGANConfig,
    "gan": GANConfig,
    "infogan": InfoGANConfig,
    "noise-level": NoiseLevelConfig,
    "progressive-gan": ProgressiveGANConfig,
    "semisupervised-gan": SemiSupervisedGANConfig,
    "unrolled-gan": UnrolledGANConfig,
    "vae": VAEConfig,
}
"""The configuration class of every family; the key is written in config.yaml."""


@dataclass(frozen=True)
class RunConfig:
    """All choices of one run; `config.yaml` is this, with the origin of each value."""

    model: ModelConfig = field(default_factory=GANConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    @property
    def family(self) -> str:
        """Name of the family of `model`."""
        return next(name for name, config in FAMILY_CONFIGS.items() if type(self.model) is config)
