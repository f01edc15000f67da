"""All settings, as frozen dataclasses; each is imported when it is first used. Imports nothing heavy.

The table of families lists the configurations of the families: `veridical.config.VAEConfig` is defined in
`veridical.config.families.vae`.
"""

from typing import TYPE_CHECKING, Any

_HOME = {
    "AdversarialConfig": "veridical.config.families.adversarial",
    "DataConfig": "veridical.config.data",
    "OptimizerConfig": "veridical.config.training",
    "OwnModel": "veridical.config.run",
    "RunConfig": "veridical.config.run",
    "TrainingConfig": "veridical.config.training",
}

__all__ = ["AdversarialConfig", "DataConfig", "OptimizerConfig", "OwnModel", "RunConfig", "TrainingConfig"]


def __getattr__(name: str) -> Any:
    """Import a configuration; the table of families gives the module of a family's configuration."""
    from importlib import import_module

    from veridical.config.families.table import public_names

    home = _HOME.get(name) or (public_names().get(name) if name.endswith("Config") else None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


if TYPE_CHECKING:
    from veridical.config.data import DataConfig
    from veridical.config.families.adversarial import AdversarialConfig
    from veridical.config.run import OwnModel, RunConfig
    from veridical.config.training import OptimizerConfig, TrainingConfig
