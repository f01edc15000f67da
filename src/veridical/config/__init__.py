"""Every choice a person can make, as frozen dataclasses. Imports nothing heavy, so that `--help` is instant."""

from veridical.config.data import DataConfig
from veridical.config.families import (
    AdversarialConfig,
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
from veridical.config.run import RunConfig
from veridical.config.training import OptimizerConfig, TrainingConfig

__all__ = [
    "AdversarialConfig",
    "ConditionalGANConfig",
    "DataConfig",
    "DiscreteGANConfig",
    "GANConfig",
    "InfoGANConfig",
    "ModelConfig",
    "NoiseLevelConfig",
    "OptimizerConfig",
    "ProgressiveGANConfig",
    "RunConfig",
    "SemiSupervisedGANConfig",
    "TrainingConfig",
    "UnrolledGANConfig",
    "VAEConfig",
]
