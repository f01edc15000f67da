"""Sampling options of a family, in addition to the seed and the number of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

from veridical.config import checks

Divergence = Literal["kl", "js", "logd"]


@dataclass(frozen=True)
class SamplingOptions:
    """Base class of sampling options; it has none."""

    labels: ClassVar[bool] = False
    """Whether the family can draw examples of a given class."""

    completes: ClassVar[bool] = False
    """Whether the family can draw missing components of given examples."""


@dataclass(frozen=True)
class RefinedSampling(SamplingOptions):
    """Sampling with an optional refinement by the discriminator."""

    refine: Divergence | None = None
    """Refine samples with the model's discriminator, by a gradient flow of this divergence (`latent/refinement.py`)."""

    refine_in: Literal["auto", "data", "latent"] = "auto"
    """Where the refinement acts; auto: on the samples if they are continuous vectors, otherwise on their latent codes.
    """

    refine_steps: int = 25
    """Steps of the refinement."""

    def __post_init__(self) -> None:
        if self.refine is not None:
            checks.one_of("refine", self.refine, ("kl", "js", "logd"))
        checks.one_of("refine_in", self.refine_in, ("auto", "data", "latent"))
        checks.positive("refine_steps", self.refine_steps, most=checks.MOST_REPEATS)


@dataclass(frozen=True)
class ConditionedSampling(SamplingOptions):
    """Sampling with an optional condition on the latent codes."""

    condition: str | None = None
    """Draw latent codes under a condition (`latent/plug_and_play.py`): the number of a class of Fashion-MNIST, for
    models of grey 28x28 images; or "data": samples that the model's discriminator classifies as real."""

    condition_steps: int = 200
    """Length of the Markov chains that draw the codes."""

    condition_temperatures: int = 1
    """Replicas of every chain, down to the prior, which exchange their codes, so that chains move between distant modes
    (`latent/tempered.py`); 1: none. The cost is multiplied by this number."""

    def __post_init__(self) -> None:
        if self.condition is not None and self.condition != "data" and not self.condition.isdecimal():
            raise ValueError(f"condition is {self.condition!r}; expected the number of a class, or 'data'.")
        checks.at_least("condition_steps", self.condition_steps, 2, checks.MOST_REPEATS)
        checks.positive("condition_temperatures", self.condition_temperatures, most=checks.MOST_LAYERS)


@dataclass(frozen=True)
class CodeSampling(SamplingOptions):
    """Sampling from a density that is fitted to the codes of the training examples."""

    codes: Literal["auto", "gaussian", "mixture", "training", "between"] = "auto"
    """Codes to decode: drawn from a Gaussian, or a mixture of Gaussians, fitted to the codes of the training examples;
    the codes of training examples themselves; or points between those of two of them. auto: the Gaussian, but the
    training examples themselves for one-hot codes."""

    components: int = 10
    """Gaussians of the mixture, each of full covariance."""

    def __post_init__(self) -> None:
        checks.one_of("codes", self.codes, ("auto", "gaussian", "mixture", "training", "between"))
        checks.positive("components", self.components, most=checks.MOST_LAYERS)


Options = TypeVar("Options", bound=SamplingOptions)


def options_of(kind: type[Options], options: SamplingOptions | None) -> Options:
    """Return the given sampling options, or the defaults of the family.

    Raises:
        ValueError: the options belong to another family.
    """
    if options is None:
        return kind()
    if not isinstance(options, kind):
        raise ValueError(f"options are {type(options).__name__}; expected {kind.__name__} for this family.")
    return options
