"""Generative models, measured against the truth.

Public names are imported when they are first used, so `import veridical` is fast. Every family in the table
(`veridical.config.families.table`) adds two names: its class and its configuration, for example `VAE` and `VAEConfig`.
"""

from typing import TYPE_CHECKING, Any

from veridical.config.families.table import public_names as _public_names
from veridical.version import __version__ as __version__

_HOME = {
    "ArrayData": "veridical.data.dataset",
    "Batch": "veridical.data.batch",
    "BatchSource": "veridical.data.source",
    "DataConfig": "veridical.config",
    "EnergySource": "veridical.data.source",
    "Facts": "veridical.model",
    "GenerativeModel": "veridical.model",
    "Loader": "veridical.data.loader",
    "Loss": "veridical.model",
    "OptimizerConfig": "veridical.config",
    "OwnModel": "veridical.config",
    "RunConfig": "veridical.config",
    "Space": "veridical.data.space",
    "State": "veridical.training.fit",
    "TrainingConfig": "veridical.config",
    "build_report": "veridical.report",
    "callbacks": "veridical.callbacks",
    "draw": "veridical.sampling",
    "encode": "veridical.latent.encoding",
    "evaluate": "veridical.evaluation",
    "evaluate_samples": "veridical.evaluation",
    "fit": "veridical.training.fit",
    "preset": "veridical.config.presets",
    "load": "veridical.workflows.load",
    "load_data": "veridical.data.sources",
    "resume": "veridical.workflows.resume",
    "train": "veridical.workflows.start",
}
_FAMILIES = _public_names()
_NAMES = {"preset": "find_preset", "build_report": "build", "load_data": "load", "callbacks": ""}
"""Names that differ in their module; empty: the module itself."""

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    "__version__",
    "ArrayData",
    "Batch",
    "BatchSource",
    "DataConfig",
    "EnergySource",
    "Facts",
    "GenerativeModel",
    "Loader",
    "Loss",
    "OptimizerConfig",
    "OwnModel",
    "RunConfig",
    "Space",
    "State",
    "TrainingConfig",
    "build_report",
    "callbacks",
    "draw",
    "encode",
    "evaluate",
    "evaluate_samples",
    "fit",
    "load",
    "load_data",
    "preset",
    "resume",
    "train",
    *_FAMILIES,  # pyright: ignore[reportUnsupportedDunderAll]
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    home = _HOME.get(name) or _FAMILIES.get(name)
    if home is None:
        raise AttributeError(f"module 'veridical' has no attribute {name!r}")
    from importlib import import_module

    attribute = _NAMES.get(name, name)
    return getattr(import_module(home), attribute) if attribute else import_module(home)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)


if TYPE_CHECKING:
    from veridical import callbacks
    from veridical.config import (
        DataConfig,
        OptimizerConfig,
        OwnModel,
        RunConfig,
        TrainingConfig,
    )
    from veridical.config.presets import find_preset as preset
    from veridical.data.batch import Batch
    from veridical.data.dataset import ArrayData
    from veridical.data.loader import Loader
    from veridical.data.source import BatchSource, EnergySource
    from veridical.data.sources import load as load_data
    from veridical.data.space import Space
    from veridical.evaluation import evaluate, evaluate_samples
    from veridical.latent.encoding import encode
    from veridical.model import Facts, GenerativeModel, Loss
    from veridical.report import build as build_report
    from veridical.sampling import draw
    from veridical.training.fit import State, fit
    from veridical.workflows.load import load
    from veridical.workflows.resume import resume
    from veridical.workflows.start import train
