"""Configuration of a run: model, data, training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from veridical.config.data import DataConfig
from veridical.config.families.table import find_family, name_of
from veridical.config.training import TrainingConfig


@dataclass(frozen=True)
class OwnModel:
    """Record of a model that is not in the table of families: its class and its settings."""

    name: str
    """Module and class, `package.module.Class`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Plain values (numbers, strings, lists, mappings), as written to `config.yaml`."""

    def __post_init__(self) -> None:
        if "." not in self.name:
            raise ValueError(f"name is {self.name!r}; expected module and class, such as 'mine.Model'.")

    @classmethod
    def of(cls, kind: type, config: object = None) -> OwnModel:
        """Record a class, and the fields of its configuration if that is a dataclass.

        Examples:
            >>> OwnModel.of(DataConfig).name
            'veridical.config.data.DataConfig'
            >>> OwnModel.of(DataConfig, TrainingConfig(steps=7)).settings["steps"]
            7
        """
        settings = plain(config) if is_dataclass(config) else {}
        return cls(f"{kind.__module__}.{kind.__qualname__}", settings)


@dataclass(frozen=True)
class RunConfig:
    """All settings of one run; `config.yaml` contains them with the origin of each value."""

    model: Any = field(default_factory=lambda: default_model())
    """Configuration of a family (`veridical.config.families`), or the record of a model of your own."""

    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if not isinstance(self.model, OwnModel) and name_of(self.model) is None:
            raise ValueError(
                f"model is {type(self.model).__name__}, which is not the configuration of a family; expected one of "
                "veridical.config.families. To train your own model, pass the model itself: "
                "veridical.train(model=model, ...)."
            )

    @property
    def family(self) -> str:
        """Name of the model's family; for a user's own model, its module and class."""
        return self.model.name if isinstance(self.model, OwnModel) else str(name_of(self.model))


def default_model() -> Any:
    """Return the model configuration of the default preset."""
    return find_family("gan").config()


def plain(value: object) -> Any:
    """Return a value as plain numbers, strings, lists and mappings; other objects are replaced by their repr.

    Examples:
        >>> plain({"sides": (1, 2), "kind": complex})
        {'sides': [1, 2], 'kind': "<class 'complex'>"}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return repr(value)
