"""Declaration of a family, without importing its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from veridical.config.sampling import SamplingOptions
from veridical.config.training import TrainingConfig

Need = Literal["labels", "image", "levels", "few-levels", "few-levels-or-continuous", "number"]
"""Requirements on the data: labels; examples of shape (channels, height, width); components with levels; components of
at most `FEW_LEVELS` values; these or continuous ones; a known number of examples."""

FEW_LEVELS = 32
"""Largest number of values of a component with few levels."""

PURPOSES: dict[str, str] = {
    "images": "images",
    "vectors": "vectors of few components",
    "labels": "labelled data",
    "codes": "codes that can be recovered from the samples",
    "discrete": "components of few levels",
    "likelihood": "a bound on the likelihood",
    "energies": "an energy, whose normalisation is computed or estimated",
    "restoration": "restored training examples, and their codes",
    "denoising": "denoising",
    "history": "models from the literature, with the values of their papers",
}
"""Purposes of presets, in the order of the help; a family may add others."""


@dataclass(frozen=True)
class Preset:
    """A named configuration with its source and its results."""

    summary: str
    """Description in one sentence."""

    model: Any
    """Configuration of the model."""

    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Configuration of the training."""

    purpose: str = ""
    """Group in the help; empty: the group of the family."""

    vectors: str = ""
    """Preset whose values are taken where the data are vectors, unless they are given; empty: none."""

    paper: str = ""
    """The paper that it follows."""

    deviates: str = ""
    """What differs from the paper; empty: nothing that is known, or there is no paper."""

    published: str = ""
    """Results in the paper or a known reproduction; data and compute differ from those measured here."""

    measured: str = ""
    """Results measured with this program: data, time and hardware (docs/presets.md)."""


@dataclass(frozen=True)
class Family:
    """Declaration of a family; it can be read without importing the model."""

    config: type[Any]
    """Frozen dataclass of its configuration."""

    about: str
    """Description in one sentence."""

    purpose: str
    """Group of its presets in the help: a key of `PURPOSES`, or another name."""

    smallest: Any
    """Smallest configuration that can be trained, for the contract tests."""

    needs: tuple[Need, ...] = ()
    """Requirements on the data; other data raise an error."""

    presets: Mapping[str, Preset] = field(default_factory=dict)
    """Named configurations, in addition to the defaults."""

    sampling: type[SamplingOptions] = SamplingOptions
    """Frozen dataclass of the sampling options."""

    good_at: str = ""
    """Strengths, for the page that compares the families."""

    weak_at: str = ""
    """Weaknesses, for the same page."""
