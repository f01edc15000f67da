"""Configuration and presets of a progressively growing GAN; `families/progressive_gan.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.adversarial import AdversarialConfig, AdversarialSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


def growing_optimizer() -> OptimizerConfig:
    """Return the optimiser of both players; equalised weights allow larger steps, also in the last stage."""
    return OptimizerConfig(lr=2e-3, betas=(0.0, 0.99))


@dataclass(frozen=True)
class ProgressiveGANConfig(AdversarialConfig):
    """A GAN that grows from coarse to fine images, with or without codes at every scale."""

    stage_steps: int | None = 1_000
    """Number of steps per stage; the new blocks fade in during the first half (except in the coarsest stage), and the
    last stage lasts until the end. None: the networks have full size from the start, as a control."""

    upsampling: Literal["nearest", "bilinear"] = "nearest"
    """Upsampling of images and features."""

    codes_per_scale: int = 0
    """Number of standard normal codes per stage that are recovered from the image (ProInfoGAN); 0: none."""

    information_weight: float = 1.0
    """Weight of the information about the codes, in nats per code, for both players."""

    scale_weights: tuple[float, ...] | None = None
    """Weight of recovering the codes of each stage, from coarse to fine; None: 1 for all."""

    consistency: float = 0.0
    """Weight of the mean squared difference, in standard units, between the downsampled image of every stage and the
    image of the previous stage; it keeps the meaning of the coarse codes when finer stages follow."""

    generator_optimizer: OptimizerConfig = field(default_factory=growing_optimizer)
    discriminator_optimizer: OptimizerConfig = field(default_factory=growing_optimizer)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("stage_steps", self.stage_steps)
        checks.one_of("upsampling", self.upsampling, ("nearest", "bilinear"))
        checks.positive("codes_per_scale", self.codes_per_scale, zero=True, most=checks.MOST_UNITS)
        for name in ("information_weight", "consistency"):
            checks.positive(name, getattr(self, name), zero=True)
        for weight in self.scale_weights or ():
            checks.positive("scale_weights", weight, zero=True)
        self._refuse_other_networks()
        self._refuse_idle_choices()

    def _refuse_other_networks(self) -> None:
        networks = ("network", "normalization", "depth", "discriminator_depth", "fourier_octaves", "latent_octaves")
        for name in (*networks, "pack"):
            given, only = getattr(self, name), getattr(AdversarialConfig, name)
            if given != only:
                raise ValueError(
                    f"{name} is {given!r}; this setting does not apply to growing networks. Leave it at {only!r}."
                )
        if self.spectral_norm or self.minibatch == "discrimination":
            raise ValueError(
                f"spectral_norm is {self.spectral_norm} and minibatch {self.minibatch!r}; growing networks use "
                'equalised weights without spectral normalisation, and support minibatch "none" and "stddev".'
            )
        penalties = [name for name in ("r1", "r2", "gradient_penalty", "dragan") if getattr(self, name) > 0]
        if self.minibatch == "stddev" and penalties:
            raise ValueError(
                f'minibatch is "stddev" with {", ".join(penalties)} > 0; the gradient of one example would depend on '
                "the others of its batch. Set the penalties to 0."
            )

    def _refuse_idle_choices(self) -> None:
        if self.codes_per_scale == 0 and self.scale_weights is not None:
            raise ValueError(
                f"scale_weights is {self.scale_weights} with codes_per_scale 0; there are no codes. Set "
                "codes_per_scale, or omit scale_weights."
            )
        if self.codes_per_scale > 0 and self.latent != "normal":
            raise ValueError(
                f"latent is {self.latent!r} with codes_per_scale {self.codes_per_scale}; the information is defined "
                'for standard normal codes only. Set latent to "normal".'
            )


FAMILY = Family(
    config=ProgressiveGANConfig,
    sampling=AdversarialSampling,
    about="A GAN that grows from coarse to fine images.",
    purpose="images",
    good_at="codes for each scale; images grown from coarse to fine",
    weak_at="slow on a CPU; vectors",
    needs=("image",),
    # Full size from the start: parameters of a later stage get no gradient at step 0.
    smallest=ProgressiveGANConfig(latent_dim=4, width=8, stage_steps=None, codes_per_scale=2, consistency=1.0),
    presets={
        "progressive": Preset(
            "Progressive growing: from coarse images to fine ones.",
            model=ProgressiveGANConfig(),
            training=TrainingConfig(ema=0.995),
            paper="Karras et al., Progressive Growing of GANs (2018), https://arxiv.org/abs/1710.10196",
            deviates="the game of gan (relativistic, R1 and R2), not WGAN-GP; codes are not normalised and have 64 "
            "components, not 512; no statistics of the batch; batch 64 at every size; 1,000 steps a stage; an"
            " average of 0.995",
            published="CIFAR-10, as run by chainer-gan-lib: FID 19.1",
            measured="fashion-mnist-10k: fashion-28 distance 18.8 (18.5 to 19.0), recall 0.00, 181 steps of 64 in 25 "
            "s, still in the first stage, 7x7",
        ),
        "proinfogan": Preset(
            "Progressive growing with codes at every scale, which can be recovered from the image.",
            model=ProgressiveGANConfig(latent_dim=16, codes_per_scale=4, consistency=10.0),
            training=TrainingConfig(ema=0.995),
            purpose="codes",
            paper="after Karras et al. (2018), https://arxiv.org/abs/1710.10196, and Chen et al. (2016)",
            deviates="as progressive; no paper has this recipe",
            published="none",
            measured="fashion-mnist-10k: fashion-28 distance 20.5 (20.3 to 20.7), recall 0.00, 140 steps of 64 in 22 "
            "s, still in the first stage, 7x7",
        ),
    },
)
