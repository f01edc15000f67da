"""What a family declares of itself, without importing its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from veridical.config.sampling import SamplingOptions
from veridical.config.training import TrainingConfig

if TYPE_CHECKING:
    from veridical.config.run import RunConfig

Need = Literal["labels", "image", "few-levels", "number"]
"""What a family may need of the data: labels; examples (channels, height, width); components of at most `FEW_LEVELS`
values; a known number of examples."""

FEW_LEVELS = 32
"""Most values of a component that count as few."""

PURPOSES: dict[str, str] = {
    "images": "images",
    "vectors": "vectors of few components",
    "labels": "labelled data",
    "codes": "codes that can be read back from the samples",
    "discrete": "components of few levels",
    "likelihood": "a bound on the likelihood",
    "denoising": "denoising",
    "history": "recipes of the literature, with their papers' values",
}
"""What presets are for, in the order in which help shows them; a family may add its own."""


@dataclass(frozen=True)
class Preset:
    """A named starting point, and what is known of it."""

    summary: str
    """What it is for, in one sentence."""

    model: Any
    """Configuration of the model."""

    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Configuration of the loop."""

    purpose: str = ""
    """Group in which it is listed; empty: that of its family."""

    paper: str = ""
    """Where it comes from."""

    published: str = ""
    """What the paper, or a known reproduction of it, reports; on other data and with other budgets than ours."""

    measured: str = ""
    """What it reached here: on what, in how many seconds, on which hardware (docs/presets.md)."""

    @property
    def config(self) -> RunConfig:
        """The whole configuration; the data are still to be named."""
        from veridical.config.run import RunConfig

        return RunConfig(model=self.model, training=self.training)


@dataclass(frozen=True)
class Family:
    """Everything about a family that can be known without its model."""

    config: type[Any]
    """Frozen dataclass of its choices."""

    about: str
    """What it is, in one sentence."""

    purpose: str
    """Group in which its presets are listed: a key of `PURPOSES`, or one of its own."""

    smallest: Any
    """Its smallest configuration that learns, for the contract tests."""

    needs: tuple[Need, ...] = ()
    """What it needs of the data; it refuses any that lack it."""

    presets: Mapping[str, Preset] = field(default_factory=dict)
    """Its named starting points, beside its defaults."""

    sampling: type[SamplingOptions] = SamplingOptions
    """Frozen dataclass of the choices that are left when it samples."""

    good_at: str = ""
    """When to choose it, for the page that compares the families."""

    weak_at: str = ""
    """When not to."""
