"""Configuration and presets of flows of coupling layers; `families/flow.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.families.normalizing import NormalizingConfig, NormalizingSampling
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class FlowSampling(NormalizingSampling):
    """Sampling from a flow of several scales."""

    hide_scales: int = 0
    """Number of the finest scales whose codes are set to their mean given the coarser ones; 0: all are drawn."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("hide_scales", self.hide_scales, zero=True)


@dataclass(frozen=True)
class FlowConfig(NormalizingConfig):
    """A flow of coupling layers, trained on the likelihood (`families/flow.py`)."""

    layers: Literal["nice", "realnvp", "glow"] = "glow"
    """nice: additive couplings of components, learned scales, logistic codes. realnvp: affine couplings by masks of
    sites and of channels. glow: affine couplings of channels that are mixed before. The last two standardise channels.
    """

    couplings: int = 4
    """Couplings of a scale; realnvp: of each mask, so that images have twice as many."""

    scales: int | None = None
    """Scales of an image or lattice; None: as many as its sides can be halved, at most 3. nice: one."""

    width: int | None = None
    """Channels or units of the couplings' networks; None: 64 channels, 128 units (nice: 512)."""

    depth: int = 2
    """Hidden layers of the networks of vectors."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("layers", self.layers, ("nice", "realnvp", "glow"))
        checks.positive("couplings", self.couplings, most=checks.MOST_LAYERS)
        checks.positive("scales", self.scales, most=checks.MOST_LAYERS)
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)


FAMILY = Family(
    config=FlowConfig,
    sampling=FlowSampling,
    about="An invertible network of coupling layers with an exact density.",
    purpose="likelihood",
    good_at="the exact density of continuous data; codes of examples without loss; samples in one pass",
    weak_at="needs many layers; on data with levels the likelihood is a bound; as many codes as components",
    smallest=FlowConfig(width=8, couplings=1, depth=1, noise_width=8, noise_steps=1),
    presets={
        "nice": Preset(
            "NICE: additive couplings, learned scales and logistic codes.",
            model=FlowConfig(layers="nice", units="standard"),
            paper="Dinh, Krueger & Bengio, NICE: Non-linear Independent Components Estimation (2015)",
            published="MNIST: 1980.50 nats, that is 4.36 bits/dim (uniform noise)",
        ),
        "realnvp": Preset(
            "RealNVP: affine couplings by masks, over several scales.",
            model=FlowConfig(layers="realnvp"),
            training=TrainingConfig(clip_norm=100.0),
            paper="Dinh, Sohl-Dickstein & Bengio, Density Estimation Using Real NVP (2017)",
            published="CIFAR-10: 3.49 bits/dim",
        ),
        "realnvp-levels": Preset(
            "RealNVP with learned noise, for small images of few levels.",
            model=FlowConfig(
                layers="realnvp",
                width=32,
                dequantisation="variational",
                noise_width=16,
                margin=1e-3,
                optimizer=OptimizerConfig(lr=2e-3, schedule="cosine", warmup=100),
            ),
            training=TrainingConfig(steps=480, ema=0.998, clip_norm=100.0),
            paper="Dinh et al. (2017); Ho et al., Flow++ (2019), for the noise",
            measured="digits, rows of the file: 83.5 nats (bound of 16 draws), 48 s (docs/families/flow.md)",
        ),
        "glow": Preset(
            "Glow: affine couplings and mixing of channels, over several scales.",
            model=FlowConfig(layers="glow"),
            training=TrainingConfig(clip_norm=100.0),
            paper="Kingma & Dhariwal, Glow: Generative Flow with Invertible 1x1 Convolutions (2018)",
            published="CIFAR-10: 3.35 bits/dim; MNIST padded to 32x32: 1.05",
        ),
    },
)
