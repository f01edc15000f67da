"""How a trained model is sampled: what a family lets you choose, besides the seed and the number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

from veridical.config import checks

Divergence = Literal["kl", "js", "logd"]


@dataclass(frozen=True)
class SamplingOptions:
    """Nothing to choose."""

    labels: ClassVar[bool] = False
    """Whether the family draws examples of a given class."""


@dataclass(frozen=True)
class RefinedSampling(SamplingOptions):
    """Samples that may be moved along the model's own discriminator."""

    refine: Divergence | None = None
    """Move samples along the model's own discriminator, down this divergence (`latent/refinement.py`)."""

    refine_in: Literal["auto", "data", "latent"] = "auto"
    """What is moved; auto: the samples where they are continuous vectors, otherwise their latent codes, so that images
    stay images."""

    refine_steps: int = 25
    """Steps of the refinement."""

    def __post_init__(self) -> None:
        if self.refine is not None:
            checks.one_of("refine", self.refine, ("kl", "js", "logd"))
        checks.one_of("refine_in", self.refine_in, ("auto", "data", "latent"))
        checks.positive("refine_steps", self.refine_steps)


@dataclass(frozen=True)
class ConditionedSampling(SamplingOptions):
    """Samples whose codes may be drawn under a condition."""

    condition: str | None = None
    """Draw codes under a condition (`latent/plug_and_play.py`): the number of a class of Fashion-MNIST, for models of
    grey 28x28 images, or "data": of looking like the data to the model's own discriminator."""

    condition_steps: int = 200
    """Length of the chains that draw the codes."""

    def __post_init__(self) -> None:
        if self.condition is not None and self.condition != "data" and not self.condition.isdecimal():
            raise ValueError(f"condition is {self.condition!r}; expected the number of a class, or 'data'.")
        if self.condition_steps < 2:
            raise ValueError(f"condition_steps is {self.condition_steps}; expected at least 2.")


Options = TypeVar("Options", bound=SamplingOptions)


def options_of(kind: type[Options], options: SamplingOptions | None) -> Options:
    """Return the options of a family: those given, or its defaults.

    Raises:
        ValueError: they are those of another family.
    """
    if options is None:
        return kind()
    if not isinstance(options, kind):
        raise ValueError(f"options are {type(options).__name__}; this family is sampled with {kind.__name__}.")
    return options
