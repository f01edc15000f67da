"""The needs of metrics, each with the reason in one line why it is not met.

A metric lists its needs (`metrics.METRICS`); the first one that is not met is the reason why it is not measured. Needs
ask for abilities of the model (`veridical.model`) and of the law of the data (`targets.law`), never for a class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch

from veridical.evaluation import decoder
from veridical.evaluation.density import only_of_classes
from veridical.evaluation.features import left_out
from veridical.evaluation.recovery import factors_of
from veridical.evaluation.subject import Subject
from veridical.evaluation.target import mismatch
from veridical.model import (
    Bijective,
    Classifier,
    Coded,
    Denoiser,
    Discriminating,
    Encoder,
    Integrated,
    LatentVariable,
    Restorer,
    Sampler,
    draws_classes,
)
from veridical.noise import SampleNoise
from veridical.targets.law import (
    HasDensity,
    HasDigits,
    HasEntropy,
    HasFactors,
    HasModes,
    HasObservables,
    HasOutcomes,
    MeasuresFactors,
)

FEWEST = 20
"""Samples, training examples and held-out examples below which features are not compared."""


FEWEST_HALVED = 200
"""Samples below which a bound is not fitted on one half and measured on the other."""


@final
@dataclass(frozen=True)
class Need:
    """Something that a metric needs."""

    missing: Callable[[Subject], str | None]
    """Why a subject does not have it, in plain English; None: it has."""

    more_examples: bool = False
    """Whether more examples would meet it."""


def of_model(ability: type, what: str) -> Need:
    """Need a model with an ability.

    Args:
        ability: class of `veridical.model`.
        what: what a model without it cannot do, after its name: "has no latent codes".
    """

    def missing(subject: Subject) -> str | None:
        if subject.model is None:
            return "only samples are given, not the model that made them"
        return None if isinstance(subject.model, ability) else f"{type(subject.model).__name__} {what}"

    return Need(missing)


def of_law(ability: type, what: str) -> Need:
    """Need data of a known law of which something is known.

    Args:
        ability: protocol of `targets.law`.
        what: what is known of such a law: "modes that can be counted".
    """

    def missing(subject: Subject) -> str | None:
        law = subject.train.target
        if law is None:
            return f"the distribution of the data is not known, so it has no {what}"
        wrong = mismatch(law, subject.train.space)
        return wrong if wrong else None if isinstance(law, ability) else f"{law.name} has no {what}"

    return Need(missing)


def _no_samples(subject: Subject) -> str | None:
    if subject.samples is not None:
        return None
    return "the model cannot draw samples" if subject.model is None else f"{type(subject.model).__name__} cannot sample"


def _no_density(subject: Subject) -> str | None:
    if subject.model is None:
        return "only samples are given, and samples have no likelihood"
    return subject.found_density if isinstance(subject.found_density, str) else None


def _too_few(subject: Subject) -> str | None:
    samples = 0 if subject.samples is None else len(subject.samples)
    test = 0 if subject.test is None else len(subject.test)
    held_out = test + left_out(samples, len(subject.train), test)
    counts = (("samples", samples), ("training examples", len(subject.train)), ("held-out examples", held_out))
    for what, count in counts:
        if count < FEWEST:
            return f"{count} {what} are too few; at least {FEWEST} are needed"
    return None


def _too_few_held_out(subject: Subject) -> str | None:
    count = len(subject.held_out)
    return None if count >= FEWEST else f"{count} examples are too few; at least {FEWEST} are needed"


def _too_few_for_a_mean(subject: Subject) -> str | None:
    if min(len(subject.train), len(subject.held_out)) > 1:
        return None
    return "the mean over one example has no interval; at least 2 are needed"


def _no_given_class(subject: Subject) -> str | None:
    if subject.model is None:
        return "only samples are given, not the model that made them"
    return None if draws_classes(subject.model) else f"{type(subject.model).__name__} cannot draw a given class"


def _no_classes(subject: Subject) -> str | None:
    return "the data have no class labels" if subject.train.space.classes is None else None


def _no_labels(subject: Subject) -> str | None:
    labels = subject.held_out.labels
    return None if labels is not None and labels.ndim == 1 else "the held-out examples have no class labels"


def _no_spins(subject: Subject) -> str | None:
    space = subject.train.space
    spins = space.kind == "lattice" and space.levels == 2 and len(space.shape) == 3 and space.shape[0] == 1
    return None if spins else "the data are no spins on a lattice"


def _no_training_labels(subject: Subject) -> str | None:
    labels = subject.train.labels
    if labels is not None and labels.ndim == 1 and not labels.is_floating_point():
        return None
    return "the training examples have no class labels"


def _no_codes(subject: Subject) -> str | None:
    model = subject.model
    if not isinstance(model, Coded) or not isinstance(model, LatentVariable):
        return None  # another need gives the reason
    codes = model.codes(model.prior(1, SampleNoise(0, 0, 1, subject.model.device if subject.model else "cpu")))
    return None if codes else f"this {type(model).__name__} was built without codes"


def _not_judged_alone(subject: Subject) -> str | None:
    model = subject.model
    other = model.logits_of if isinstance(model, Discriminating) else None
    return None if other is None else f"the discriminator of {type(model).__name__} judges {other}, not single examples"


def _exact_density(subject: Subject) -> str | None:
    density = subject.density
    return "the divergence itself is measured" if density is not None and density.exact else None


def _too_few_to_halve(subject: Subject) -> str | None:
    count = 0 if subject.samples is None else len(subject.samples)
    return None if count >= FEWEST_HALVED else f"{count} samples are too few; at least {FEWEST_HALVED} are needed"


def _no_decoder(subject: Subject) -> str | None:
    if subject.model is None:
        return "only samples are given, not the model that made them"
    return decoder.why_not(subject.model, subject.train.space)


def _unknown_rows(subject: Subject) -> str | None:
    data = subject.held_out
    known = factors_of(data, torch.arange(min(len(data), 8)))
    return None if known is not None else f"the factors of the rows of {data.name} are not known (is it a subset?)"


def _other_examples(subject: Subject) -> str | None:
    facts = None if subject.model is None else vars(subject.model).get("facts")
    n = None if facts is None else facts.n
    if n is None or n == len(subject.train):
        return None
    return f"the model was trained on {n:,} examples, and these data have {len(subject.train):,}"


def _unbounded(subject: Subject) -> str | None:
    return "the data have no bounds" if subject.train.space.support is None else None


SAMPLES = Need(_no_samples)
LIKELIHOOD = Need(_no_density)
ENOUGH = Need(_too_few, more_examples=True)
SEVERAL = Need(_too_few_for_a_mean, more_examples=True)
ENOUGH_HELD_OUT = Need(_too_few_held_out, more_examples=True)
CLASSES = Need(_no_classes)
LABELS = Need(_no_labels)
SPINS = Need(_no_spins)
TRAINING_LABELS = Need(_no_training_labels)
NO_EXACT_DENSITY = Need(_exact_density)
ENOUGH_TO_HALVE = Need(_too_few_to_halve)
CODES = Need(_no_codes)
DECODER = Need(_no_decoder)
KNOWN_ROWS = Need(_unknown_rows)

SAME_EXAMPLES = Need(_other_examples)
BOUNDED = Need(_unbounded)

SAMPLER = of_model(Sampler, "cannot sample")
ENCODER = of_model(Encoder, "has no encoder")
INTEGRATED = of_model(Integrated, "has no likelihood by the solution of an equation")
BIJECTIVE = of_model(Bijective, "has no inverse")
RESTORER = of_model(Restorer, "does not restore training examples")
LATENT = of_model(LatentVariable, "has no latent codes")
DENOISER = of_model(Denoiser, "is no denoiser")
DISCRIMINATOR = of_model(Discriminating, "has no discriminator")
JUDGED_ALONE = Need(_not_judged_alone)
CONDITIONAL = Need(_no_given_class)
OF_ALL_CLASSES = Need(lambda subject: only_of_classes(subject.model))
CLASSIFIER = of_model(Classifier, "is no classifier")
CODED = of_model(Coded, "has no codes that can be read from examples")

DENSITY = of_law(HasDensity, "density that can be computed")
ENTROPY = of_law(HasEntropy, "entropy that can be computed")
MODES = of_law(HasModes, "modes that can be counted")
OBSERVABLES = of_law(HasObservables, "expectations of observables")
OUTCOMES = of_law(HasOutcomes, "outcomes that can be counted")
DIGITS = of_law(HasDigits, "channels of digits that can be read")
FACTORS = of_law(HasFactors, "factors behind its examples")
MEASURED_FACTORS = of_law(MeasuresFactors, "factors that can be measured in samples")
