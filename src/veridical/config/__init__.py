"""Every choice a person can make, as frozen dataclasses. Imports nothing heavy, so that `--help` is instant.

The configurations of the families are found by the table of families: `veridical.config.VAEConfig` is the one of
`veridical.config.families.vae`.
"""

from typing import Any

from veridical.config.data import DataConfig
from veridical.config.families.adversarial import AdversarialConfig
from veridical.config.families.table import public_names
from veridical.config.run import OwnModel, RunConfig
from veridical.config.training import OptimizerConfig, TrainingConfig

__all__ = ["AdversarialConfig", "DataConfig", "OptimizerConfig", "OwnModel", "RunConfig", "TrainingConfig"]


def __getattr__(name: str) -> Any:
    """Import the configuration of a family."""
    home = public_names().get(name)
    if home is None or not name.endswith("Config"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
