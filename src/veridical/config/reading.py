"""How files are read for a comparison: the options of data that matter there, each open unless it is given."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from veridical.config.data import DataConfig


@dataclass(frozen=True)
class Reading:
    """How samples and data are read. None: as the data of the run, or by the defaults of `DataConfig`."""

    size: int | None = None
    """Side in pixels to which images are resized; if omitted, the size in the run's configuration."""

    fit: Literal["error", "crop", "pad", "stretch"] | None = None
    """How images that are not square or differ in size are treated: error, centre crop, pad, or stretch."""

    channels: Literal["auto", "grey", "colour"] | None = None
    """Channels of the images; if omitted, samples get those of the data."""

    background: Literal["black", "white"] | None = None
    """Background colour of transparent images."""

    levels: int | None = None
    """Number L of levels of integers with values 0..L-1: 4096 for 12-bit scans stored in 16 bits."""

    value_range: tuple[float, float] | None = None
    """The two values of an array that are mapped to -1 and 1, for example 0 1."""

    kind: Literal["auto", "image", "vector", "lattice", "sequence"] | None = None
    """Meaning of the axes of an array."""

    window: int | None = None
    """Number of steps of the windows into which recordings (WAV) are cut."""

    on_bad: Literal["fail", "skip"] | None = None
    """Treatment of images that cannot be read: error or skip."""

    labels: bool = True
    """Read labels if there are any."""

    holdout: float | None = None
    """Share of the data held out as the score of a perfect model, if they have no test split."""

    @property
    def given(self) -> dict[str, Any]:
        """The options that are given, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}

    def over(self, other: Reading) -> Reading:
        """Return the other options, replaced by those that are given here."""
        return replace(other, **self.given)

    def apply(self, config: DataConfig, only: tuple[str, ...] | None = None) -> DataConfig:
        """Return a configuration of data with the options that are given.

        Args:
            config: the configuration.
            only: names of the options that apply; None: all.
        """
        return replace(config, **{name: v for name, v in self.given.items() if only is None or name in only})
