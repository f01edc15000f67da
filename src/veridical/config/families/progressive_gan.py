"""The choices of a progressively growing GAN; the mathematics stands in `families/progressive_gan.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.families.adversarial import AdversarialConfig, AdversarialSampling
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


def growing_optimizer() -> OptimizerConfig:
    """Return the optimiser of both players: equalised weights bear larger steps, and the last stage needs them too."""
    return OptimizerConfig(lr=2e-3, betas=(0.0, 0.99))


@dataclass(frozen=True)
class ProgressiveGANConfig(AdversarialConfig):
    """A game that grows from coarse images to fine ones, with or without codes at every scale."""

    stage_steps: int | None = 1_000
    """Steps of every stage; during the first half of them the stage's blocks fade in (the coarsest needs none), and the
    last stage lasts until the end. None: the networks stand grown from the start, as a control."""

    upsampling: Literal["nearest", "bilinear"] = "nearest"
    """How a coarse image, or its features, are enlarged."""

    codes_per_scale: int = 0
    """Codes of every stage, standard normal, to be read back from the image (ProInfoGAN); 0: none."""

    information_weight: float = 1.0
    """Weight of the information about the codes, in nats per code, for both players."""

    scale_weights: tuple[float, ...] | None = None
    """Emphasis on restoring the codes of each stage, from coarse to fine; None: 1 for all."""

    consistency: float = 0.0
    """Weight of the mean squared difference, in standard units, between the image of every stage, halved, and the
    image of the stage before: what a coarse code has come to mean is kept when finer stages follow."""

    generator_optimizer: OptimizerConfig = field(default_factory=growing_optimizer)
    discriminator_optimizer: OptimizerConfig = field(default_factory=growing_optimizer)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("stage_steps", self.stage_steps)
        checks.one_of("upsampling", self.upsampling, ("nearest", "bilinear"))
        for name in ("codes_per_scale", "information_weight", "consistency"):
            checks.positive(name, getattr(self, name), zero=True)
        for weight in self.scale_weights or ():
            checks.positive("scale_weights", weight, zero=True)
        self._refuse_other_networks()
        self._refuse_idle_choices()

    def _refuse_other_networks(self) -> None:
        for name in ("network", "normalization", "depth", "discriminator_depth", "fourier_octaves", "pack"):
            given, only = getattr(self, name), getattr(AdversarialConfig, name)
            if given != only:
                raise ValueError(
                    f"{name} is {given!r}; growing networks are of one kind and have no such choice. "
                    f"Leave it at {only!r}."
                )
        if self.spectral_norm or self.minibatch == "discrimination":
            raise ValueError(
                f"spectral_norm is {self.spectral_norm} and minibatch {self.minibatch!r}; growing networks have "
                'equalised weights instead of normalised ones, and know minibatch "none" and "stddev".'
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
                f"scale_weights is {self.scale_weights} with codes_per_scale 0; there is nothing to restore. Set "
                "codes_per_scale, or leave scale_weights out."
            )
        if self.codes_per_scale > 0 and self.latent != "normal":
            raise ValueError(
                f"latent is {self.latent!r} with codes_per_scale {self.codes_per_scale}; the information is that about "
                'standard normal codes. Set latent to "normal".'
            )


FAMILY = Family(
    config=ProgressiveGANConfig,
    sampling=AdversarialSampling,
    about="A game that grows from coarse images to fine ones.",
    purpose="images",
    good_at="codes for each scale; images grown from coarse to fine",
    weak_at="slow on a CPU; vectors",
    needs=("image",),
    # Grown from the start: parameters of a later stage would rightly learn nothing at step 0.
    smallest=ProgressiveGANConfig(latent_dim=4, width=8, stage_steps=None, codes_per_scale=2, consistency=1.0),
    presets={
        "progressive": Preset(
            "Progressive growing: from coarse images to fine ones.",
            model=ProgressiveGANConfig(),
            training=TrainingConfig(ema=0.995),
            paper="Karras et al., Progressive Growing of GANs (2018), https://arxiv.org/abs/1710.10196",
            published="CIFAR-10, as run by chainer-gan-lib: FID 19.1",
            measured="fashion-mnist-10k: FID 18.8 (18.5 to 19.0), recall 0.00, 181 steps of 64 in 25 s, still in the "
            "first stage, 7x7",
        ),
        "proinfogan": Preset(
            "Progressive growing with codes at every scale, each read back from the image.",
            model=ProgressiveGANConfig(latent_dim=16, codes_per_scale=4, consistency=10.0),
            training=TrainingConfig(ema=0.995),
            purpose="codes",
            paper="after Karras et al. (2018), https://arxiv.org/abs/1710.10196, and Chen et al. (2016)",
            published="none",
            measured="fashion-mnist-10k: FID 20.5 (20.3 to 20.7), recall 0.00, 140 steps of 64 in 22 s, still in the "
            "first stage, 7x7",
        ),
    },
)
