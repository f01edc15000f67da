"""The table of families; each is a page of its own, and none knows another."""

from veridical.families.conditional_gan import ConditionalGAN
from veridical.families.discrete_gan import DiscreteGAN
from veridical.families.gan import GAN
from veridical.families.infogan import InfoGAN
from veridical.families.noise_level import NoiseLevel
from veridical.families.progressive_gan import ProgressiveGAN
from veridical.families.semisupervised_gan import SemiSupervisedGAN
from veridical.families.unrolled_gan import UnrolledGAN
from veridical.families.vae import VAE
from veridical.model import GenerativeModel

FAMILIES: dict[str, type[GenerativeModel]] = {
    "conditional-gan": ConditionalGAN,
    "discrete-gan": DiscreteGAN,
    "gan": GAN,
    "infogan": InfoGAN,
    "noise-level": NoiseLevel,
    "progressive-gan": ProgressiveGAN,
    "semisupervised-gan": SemiSupervisedGAN,
    "unrolled-gan": UnrolledGAN,
    "vae": VAE,
}
"""Name, as in config.yaml, to class."""

__all__ = [
    "FAMILIES",
    "GAN",
    "ConditionalGAN",
    "DiscreteGAN",
    "InfoGAN",
    "NoiseLevel",
    "ProgressiveGAN",
    "SemiSupervisedGAN",
    "UnrolledGAN",
    "VAE",
]
