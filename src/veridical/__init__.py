"""Generative models, measured against the truth.

The public names are imported when first used, so that `import veridical` costs nothing.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "ArrayData": "veridical.data.dataset",
    "Batch": "veridical.data.batch",
    "ConditionalGAN": "veridical.families.conditional_gan",
    "ConditionalGANConfig": "veridical.config",
    "DataConfig": "veridical.config",
    "DiscreteGAN": "veridical.families.discrete_gan",
    "DiscreteGANConfig": "veridical.config",
    "GAN": "veridical.families.gan",
    "GANConfig": "veridical.config",
    "GenerativeModel": "veridical.model",
    "InfoGAN": "veridical.families.infogan",
    "InfoGANConfig": "veridical.config",
    "Loader": "veridical.data.loader",
    "Loss": "veridical.model",
    "NoiseLevel": "veridical.families.noise_level",
    "NoiseLevelConfig": "veridical.config",
    "OptimizerConfig": "veridical.config",
    "ProgressiveGAN": "veridical.families.progressive_gan",
    "ProgressiveGANConfig": "veridical.config",
    "RunConfig": "veridical.config",
    "SemiSupervisedGAN": "veridical.families.semisupervised_gan",
    "SemiSupervisedGANConfig": "veridical.config",
    "Space": "veridical.data.space",
    "State": "veridical.training.fit",
    "TrainingConfig": "veridical.config",
    "UnrolledGAN": "veridical.families.unrolled_gan",
    "UnrolledGANConfig": "veridical.config",
    "VAE": "veridical.families.vae",
    "VAEConfig": "veridical.config",
    "build_report": "veridical.report",
    "draw": "veridical.workflows.sample",
    "evaluate": "veridical.evaluation",
    "evaluate_samples": "veridical.evaluation",
    "fit": "veridical.training.fit",
    "load": "veridical.workflows.load",
    "load_data": "veridical.data.sources",
    "resume": "veridical.workflows.resume",
    "train": "veridical.workflows.start",
}
_NAMES = {"build_report": "build", "load_data": "load"}

__all__ = [
    "__version__",
    "ArrayData",
    "Batch",
    "ConditionalGAN",
    "ConditionalGANConfig",
    "DataConfig",
    "DiscreteGAN",
    "DiscreteGANConfig",
    "GAN",
    "GANConfig",
    "GenerativeModel",
    "InfoGAN",
    "InfoGANConfig",
    "Loader",
    "Loss",
    "NoiseLevel",
    "NoiseLevelConfig",
    "OptimizerConfig",
    "ProgressiveGAN",
    "ProgressiveGANConfig",
    "RunConfig",
    "SemiSupervisedGAN",
    "SemiSupervisedGANConfig",
    "Space",
    "State",
    "TrainingConfig",
    "UnrolledGAN",
    "UnrolledGANConfig",
    "VAE",
    "VAEConfig",
    "build_report",
    "draw",
    "evaluate",
    "evaluate_samples",
    "fit",
    "load",
    "load_data",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    if name not in _HOME:
        raise AttributeError(f"module 'veridical' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), _NAMES.get(name, name))


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)


if TYPE_CHECKING:
    from veridical.config import (
        ConditionalGANConfig,
        DataConfig,
        DiscreteGANConfig,
        GANConfig,
        InfoGANConfig,
        NoiseLevelConfig,
        OptimizerConfig,
        ProgressiveGANConfig,
        RunConfig,
        SemiSupervisedGANConfig,
        TrainingConfig,
        UnrolledGANConfig,
        VAEConfig,
    )
    from veridical.data.batch import Batch
    from veridical.data.dataset import ArrayData
    from veridical.data.loader import Loader
    from veridical.data.sources import load as load_data
    from veridical.data.space import Space
    from veridical.evaluation import evaluate, evaluate_samples
    from veridical.families.conditional_gan import ConditionalGAN
    from veridical.families.discrete_gan import DiscreteGAN
    from veridical.families.gan import GAN
    from veridical.families.infogan import InfoGAN
    from veridical.families.noise_level import NoiseLevel
    from veridical.families.progressive_gan import ProgressiveGAN
    from veridical.families.semisupervised_gan import SemiSupervisedGAN
    from veridical.families.unrolled_gan import UnrolledGAN
    from veridical.families.vae import VAE
    from veridical.model import GenerativeModel, Loss
    from veridical.report import build as build_report
    from veridical.training.fit import State, fit
    from veridical.workflows.load import load
    from veridical.workflows.resume import resume
    from veridical.workflows.sample import draw
    from veridical.workflows.start import train
