"""Configuration and presets of an InfoGAN; `families/infogan.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass

from veridical.config import checks
from veridical.config.families.adversarial import AdversarialConfig, AdversarialSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import TrainingConfig


@dataclass(frozen=True)
class InfoGANConfig(AdversarialConfig):
    """A GAN with latent codes that can be recovered from the samples."""

    categorical: tuple[int, ...] = (10,)
    """Number of values of each categorical code, equally likely; (): none."""

    continuous: int = 2
    """Number of continuous codes, uniform on [-1, 1]."""

    latent_dim: int | None = None
    """Dimension of the noise, to which the codes are added; None: 64, or the number of components of an example if that
    is less."""

    information_weight: float = 1.0
    """Weight of the information about the categorical codes, in nats, for both players."""

    continuous_weight: float = 0.1
    """Weight of the information about the continuous codes; near 1 it dominates the adversarial loss."""

    restore_noise: float = 0.0
    """Weight of the information about the noise, summed over its components; 0: the noise is not predicted."""

    code_resolution: float = 0.1
    """Smallest predicted standard deviation of a continuous code: errors below it change the loss by at most half a
    nat."""

    reader_width: int = 128
    """Hidden units between the discriminator's features and the predicted codes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("information_weight", "continuous_weight", "restore_noise"):
            checks.positive(name, getattr(self, name), zero=True)
        checks.positive("continuous", self.continuous, zero=True, most=checks.MOST_UNITS)
        for name in ("code_resolution", "reader_width"):
            checks.positive(name, getattr(self, name), most=checks.MOST_UNITS)
        for k in self.categorical:
            checks.positive("categorical", k, most=checks.MOST_UNITS)
        if any(k < 2 for k in self.categorical):
            raise ValueError(f"categorical is {self.categorical}; a code needs at least 2 values.")
        if not self.categorical and not self.continuous:
            raise ValueError("there are no codes; give categorical or continuous, or train the family gan.")
        if self.pack > 1:
            raise ValueError(f"pack is {self.pack}; codes are predicted from single examples. Set pack to 1.")


FAMILY = Family(
    config=InfoGANConfig,
    sampling=AdversarialSampling,
    about="A GAN with latent codes that can be recovered from its samples.",
    purpose="codes",
    good_at="codes that control one factor each, without labels",
    weak_at="the factor that a code controls depends on the seed",
    needs=(),
    smallest=InfoGANConfig(latent_dim=4, width=8, categorical=(3, 2), restore_noise=0.5, reader_width=8),
    presets={
        "infogan": Preset(
            "Latent codes that can be recovered from the samples; other settings as in the default preset.",
            model=InfoGANConfig(latent_dim=62),
            training=TrainingConfig(ema=0.995),
            paper="Chen et al., InfoGAN (2016), https://arxiv.org/abs/1606.03657",
            deviates="the game of gan (relativistic, R1 and R2), its networks, its steps relative to the weights and "
            "its schedule; normal noise, not uniform; a learned variance and weight 0.1 of continuous codes; "
            "batch 64; an average of 0.995",
            published="MNIST: the categorical code matches the digit in 95 % of the cases",
            measured="fashion-mnist-10k: fashion-28 distance 9.5 (9.3 to 9.7), recall 0.02, 156 steps of 64 in 46 s",
        ),
    },
)
