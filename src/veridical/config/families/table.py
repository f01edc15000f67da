"""The table of families: one line per family; everything else is derived from it.

The line of a family `some-name` contains its class, `SomeName`. By convention the model is
`veridical.families.some_name.SomeName`. The module `veridical.config.families.some_name`, which imports nothing heavy,
contains the dataclass `SomeNameConfig` and the declaration `FAMILY` with the presets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veridical.config.families.family import Family

FAMILIES: dict[str, str] = {
    "autoencoder": "Autoencoder",
    "causal-transformer": "CausalTransformer",
    "coarse-to-fine": "CoarseToFine",
    "conditional-gan": "ConditionalGAN",
    "dbm": "DBM",
    "diffusion": "Diffusion",
    "discrete-gan": "DiscreteGAN",
    "flow": "Flow",
    "flow-matching": "FlowMatching",
    "gan": "GAN",
    "glo": "GLO",
    "hierarchical-vae": "HierarchicalVAE",
    "infogan": "InfoGAN",
    "made": "MADE",
    "nade": "NADE",
    "noise-level": "NoiseLevel",
    "pixelcnn": "PixelCNN",
    "pixelcnn-plus-plus": "PixelCNNPlusPlus",
    "progressive-gan": "ProgressiveGAN",
    "rbm": "RBM",
    "semisupervised-gan": "SemiSupervisedGAN",
    "transformer-flow": "TransformerFlow",
    "unrolled-gan": "UnrolledGAN",
    "vae": "VAE",
    "wavenet": "WaveNet",
}
"""Name of the family, as in config.yaml → name of the class."""


def find_family(name: str) -> Family:
    """Return the declaration of a family.

    Raises:
        ValueError: there is no family of that name; the message names the closest one.
    """
    if name not in FAMILIES:
        from veridical.nearest import did_you_mean

        raise ValueError(f"there is no family {name!r}. {did_you_mean(name, FAMILIES)}")
    return import_module(f"veridical.config.families.{module_name(name)}").FAMILY


def name_of(config: Any) -> str | None:
    """Return the name of the family that a configuration belongs to; None if it is not in the table."""
    for name, kind in FAMILIES.items():
        if type(config).__name__ == f"{kind}Config" and type(config).__module__.endswith(f".{module_name(name)}"):
            return name
    return None


def public_names() -> dict[str, str]:
    """Return the class and the configuration of every family, each with its module."""
    models = {kind: f"veridical.families.{module_name(name)}" for name, kind in FAMILIES.items()}
    configs = {f"{kind}Config": f"veridical.config.families.{module_name(name)}" for name, kind in FAMILIES.items()}
    return models | configs


def module_name(name: str) -> str:
    """Return the name of a family's module; it is the same in both packages.

    Examples:
        >>> module_name("unrolled-gan")
        'unrolled_gan'
    """
    return name.replace("-", "_")
