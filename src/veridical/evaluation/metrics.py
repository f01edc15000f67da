"""The table of metrics: when each applies, and what it measures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.data.stacked import STACKED
from veridical.evaluation.coverage import measure_modes
from veridical.evaluation.extractors import Extractor, extractor_for
from veridical.evaluation.features import BATCH, FeatureSets, Progress, extract, extract_data
from veridical.evaluation.likelihood import log_prob_of, measure_divergence, measure_likelihood
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.outcomes import measure_outcomes
from veridical.evaluation.stacked import measure_stacks
from veridical.evaluation.two_sample import measure_frechet, measure_kernel, measure_manifold, measure_memorisation
from veridical.model import GenerativeModel
from veridical.targets import GaussianMixture
from veridical.targets.categorical import Categorical

FEWEST = 20
"""Samples, training examples and held-out examples below which features are not compared."""

AnyExtractor = str | Extractor | Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Subject:
    """All that a metric may look at."""

    model: GenerativeModel | None
    samples: Tensor | None
    train: ArrayData
    test: ArrayData | None
    n: int
    seed: int
    choice: AnyExtractor | None
    progress: Progress

    @cached_property
    def extractor(self) -> Extractor:
        """What makes the features."""
        device = torch.device("cpu") if self.model is None else self.model.device
        return extractor_for(self.train.space, self.choice, device)

    @cached_property
    def features(self) -> FeatureSets:
        """Features of samples, training and held-out data."""
        assert self.samples is not None  # `_needs_features` has seen to it
        self.progress(f"features: {self.extractor.name} ({self.extractor.version})")
        samples = extract(iter(self.samples.split(BATCH)), self.extractor, len(self.samples), self.progress)
        train = extract_data(self.train, self.extractor, self.progress)
        test = None if self.test is None else extract_data(self.test, self.extractor, self.progress)
        return FeatureSets(self.extractor, samples, train, test, self.seed)


class Metric(NamedTuple):
    """When a metric applies, and what it measures."""

    why_not: Callable[[Subject], str | None]
    """Reason not to measure; None: it applies."""

    measure: Callable[[Subject], list[Measurement]]

    unasked: Callable[[Subject], str | None] = lambda subject: None
    """Reason to measure only when asked for by name; None: measured anyway."""


def _needs_mixture(subject: Subject) -> str | None:
    if subject.samples is None:
        return "the model cannot sample"
    return None if isinstance(subject.train.target, GaussianMixture) else "the modes of the data are not known"


def _needs_stacks(subject: Subject) -> str | None:
    if subject.samples is None:
        return "the model cannot sample"
    return None if subject.train.name == STACKED else f"the data are not {STACKED}"


def _needs_outcomes(subject: Subject) -> str | None:
    if subject.samples is None:
        return "the model cannot sample"
    return None if isinstance(subject.train.target, Categorical) else "the data are no few outcomes of known law"


def _needs_law_and_likelihood(subject: Subject) -> str | None:
    if not isinstance(subject.train.target, GaussianMixture):
        return "the law of the data is not known"
    return _needs_likelihood(subject)


def _needs_likelihood(subject: Subject) -> str | None:
    if subject.model is None:
        return "samples have no likelihood"
    return None if log_prob_of(subject.model) else f"{type(subject.model).__name__} has no likelihood"


def _needs_features(subject: Subject) -> str | None:
    if subject.samples is None:
        return "the model cannot sample"
    test = len(subject.train) // 2 if subject.test is None else len(subject.test)
    for what, count in (("samples", len(subject.samples)), ("training", len(subject.train)), ("held-out", test)):
        if count < FEWEST:
            return f"{count} {what} examples are too few; at least {FEWEST} are needed"
    return None


def _known_law(subject: Subject) -> str | None:
    counted = None in (_needs_mixture(subject), _needs_stacks(subject), _needs_outcomes(subject))
    return "the modes of the data are known: they are counted" if counted else None


METRICS: Mapping[str, Metric] = {
    "coverage": Metric(
        _needs_mixture,
        lambda s: measure_modes(s.samples, s.train.target, s.seed),  # type: ignore[arg-type]
    ),
    "stacks": Metric(
        _needs_stacks,
        lambda s: measure_stacks(s.samples, s.train, s.seed),  # type: ignore[arg-type]
    ),
    "outcomes": Metric(
        _needs_outcomes,
        lambda s: measure_outcomes(s.samples, s.train.target, s.seed),  # type: ignore[arg-type]
    ),
    "divergence": Metric(
        _needs_law_and_likelihood,
        lambda s: measure_divergence(s.model, s.train.target, s.samples, s.n, s.seed),  # type: ignore[arg-type]
    ),
    "fid": Metric(_needs_features, lambda s: measure_frechet(s.features), _known_law),
    "kid": Metric(_needs_features, lambda s: measure_kernel(s.features), _known_law),
    "prdc": Metric(_needs_features, lambda s: measure_manifold(s.features), _known_law),
    "memorisation": Metric(_needs_features, lambda s: measure_memorisation(s.features), _known_law),
    "likelihood": Metric(
        _needs_likelihood,
        lambda s: measure_likelihood(s.model, s.train, s.test, s.n, s.seed),  # type: ignore[arg-type]
    ),
}
"""Everything that can be measured: fid, kid, prdc and memorisation compare features."""
