"""The choices of each family, one file each. The mathematics they refer to stands in `families/<name>.py`."""

from veridical.config.families.adversarial import AdversarialConfig, GANConfig
from veridical.config.families.conditional_gan import ConditionalGANConfig
from veridical.config.families.discrete_gan import DiscreteGANConfig
from veridical.config.families.infogan import InfoGANConfig
from veridical.config.families.noise_level import NoiseLevelConfig
from veridical.config.families.progressive_gan import ProgressiveGANConfig
from veridical.config.families.semisupervised_gan import SemiSupervisedGANConfig
from veridical.config.families.unrolled_gan import UnrolledGANConfig
from veridical.config.families.vae import VAEConfig

__all__ = [
    "AdversarialConfig",
    "ConditionalGANConfig",
    "DiscreteGANConfig",
    "GANConfig",
    "InfoGANConfig",
    "ModelConfig",
    "NoiseLevelConfig",
    "ProgressiveGANConfig",
    "SemiSupervisedGANConfig",
    "UnrolledGANConfig",
    "VAEConfig",
]

ModelConfig = AdversarialConfig | NoiseLevelConfig | VAEConfig
