"""What is measured: a model or samples of one, the data it learned from, and what both are known to be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.evaluation.density import Density, find_density
from veridical.evaluation.extractors import Extractor, extractor_for
from veridical.evaluation.features import BATCH, FeatureSets, Progress, extract, extract_data
from veridical.evaluation.target import Target, mismatch
from veridical.model import GenerativeModel

AnyExtractor = str | Extractor | Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Subject:
    """The inputs of a metric."""

    model: GenerativeModel | None
    """None: samples of an unknown model are measured."""

    samples: Tensor | None
    """(n, *event) on the CPU, in data space; None: the model cannot sample."""

    train: ArrayData
    test: ArrayData | None
    n: int
    seed: int
    choice: AnyExtractor | None
    progress: Progress

    @cached_property
    def target(self) -> Target | None:
        """The law of the data, in data space; None: not known."""
        law, space = self.train.target, self.train.space
        return None if law is None or mismatch(law, space) else Target(law, space)

    @cached_property
    def found_density(self) -> Density | str:
        """The density of the model, a bound or an estimate, or why there is none."""
        return "there is no model" if self.model is None else find_density(self.model, self.train.space)

    @property
    def density(self) -> Density | None:
        """The density of the model, a bound or an estimate; None: it cannot be computed."""
        return None if isinstance(self.found_density, str) else self.found_density

    @cached_property
    def held_out(self) -> ArrayData:
        """Examples that the model did not learn from, or the training data where there are none."""
        return self.train if self.test is None else self.test

    @cached_property
    def extractor(self) -> Extractor:
        """The extractor of the features."""
        device = torch.device("cpu") if self.model is None else self.model.device
        return extractor_for(self.train.space, self.choice, device)

    @cached_property
    def features(self) -> FeatureSets:
        """Features of samples, training and held-out data."""
        assert self.samples is not None  # metrics of features need samples
        self.progress(f"features: {self.extractor.name} ({self.extractor.version})")
        samples = extract(iter(self.samples.split(BATCH)), self.extractor, len(self.samples), self.progress)
        train = extract_data(self.train, self.extractor, self.progress)
        test = None if self.test is None else extract_data(self.test, self.extractor, self.progress)
        return FeatureSets(self.extractor, samples, train, test, self.seed)

    def examples(self, rows: Tensor) -> Tensor:
        """Return held-out examples (n, *event) on the CPU, in data space."""
        return self.held_out.batch(rows, "cpu").x

    def some(self, data: ArrayData, n: int) -> Tensor:
        """Return at most n rows of a data set, drawn without repetition; the same for the same seed."""
        return torch.randperm(len(data), generator=torch.Generator().manual_seed(self.seed))[:n]
