"""The families: one line each, from which everything else is derived.

The line of a family `some-name` says its class, `SomeName`. By convention the model is
`veridical.families.some_name.SomeName`; its choices and recipes stand in `veridical.config.families.some_name`, which
imports nothing heavy and holds the dataclass `SomeNameConfig` and the declaration `FAMILY`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veridical.config.families.family import Family

FAMILIES: dict[str, str] = {
    "conditional-gan": "ConditionalGAN",
    "discrete-gan": "DiscreteGAN",
    "gan": "GAN",
    "infogan": "InfoGAN",
    "noise-level": "NoiseLevel",
    "progressive-gan": "ProgressiveGAN",
    "semisupervised-gan": "SemiSupervisedGAN",
    "unrolled-gan": "UnrolledGAN",
    "vae": "VAE",
}
"""Name, as in config.yaml, to class."""


def find_family(name: str) -> Family:
    """Return the declaration of a family.

    Raises:
        ValueError: there is none of that name; the nearest is said.
    """
    if name not in FAMILIES:
        from veridical.nearest import did_you_mean

        raise ValueError(f"there is no family {name!r}. {did_you_mean(name, FAMILIES)}")
    return import_module(f"veridical.config.families.{module_name(name)}").FAMILY


def name_of(config: Any) -> str | None:
    """Return the name of the family that a configuration belongs to; None: to no family of the table."""
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
    """Return the module of a family, in both packages.

    Examples:
        >>> module_name("unrolled-gan")
        'unrolled_gan'
    """
    return name.replace("-", "_")
