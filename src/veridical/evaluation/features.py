"""The features of one evaluation: of samples, training data and held-out data, by one extractor.

The score of a perfect model is measured on `null`, real examples in the place of samples: held-out data where there are
some. Otherwise one half of the training data takes the place of samples and the other half is the reference. Such a
null describes the data distribution, but not how unseen data compare with the training data.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.evaluation.exchange import Exchange, exchange
from veridical.evaluation.extractors import Extractor

BATCH = 256
EXCHANGED = 10_000
"""Samples, and real examples in their place, that exchange labels at most: costs grow with the square."""

SECONDS_BETWEEN_LINES = 5.0

Progress = Callable[[str], None]
"""Called with a line that describes the current work."""


@dataclass(frozen=True)
class FeatureSets:
    """Features of the three sets."""

    extractor: Extractor
    generated: Float[Tensor, "n d"]
    train: Float[Tensor, "N d"]
    test: Float[Tensor, "m d"] | None
    seed: int

    @cached_property
    def reference(self) -> Float[Tensor, "R d"]:
        """Real examples in random order, with which samples are compared."""
        return self._parts[0]

    @cached_property
    def null(self) -> Float[Tensor, "M d"]:
        """Real examples in random order that take the place of samples."""
        return self._parts[1]

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        train = self.train[torch.randperm(len(self.train), generator=generator)]
        if self.test is not None:
            return train, self.test[torch.randperm(len(self.test), generator=generator)]
        null = min(len(self.generated), len(train) // 2)
        return train[null:], train[:null]

    @cached_property
    def pool(self) -> Float[Tensor, "n+m d"]:
        """Samples followed by the null, at most `EXCHANGED` of each: what exchanges labels."""
        return torch.cat([self.generated[:EXCHANGED], self.null[:EXCHANGED]])

    @cached_property
    def exchange(self) -> Exchange:
        """Relabellings of the pool, the same for all metrics."""
        n, m = len(self.generated), len(self.null)
        return exchange(min(n, EXCHANGED), min(m, EXCHANGED), self.seed)

    @property
    def null_kind(self) -> str:
        """Where the null comes from, in words."""
        return "held-out data" if self.test is not None else "a part of the training data, left out of the reference"


def extract_data(data: ArrayData, extractor: Extractor, progress: Progress | None = None) -> Float[Tensor, "n d"]:
    """Return the features of all examples of a data set, in its order."""
    rows = torch.arange(len(data))
    return extract(
        (data.batch(index, "cpu").x for index in rows.split(BATCH)), extractor, len(data), progress, data.name
    )


@torch.no_grad()
def extract(
    examples: Iterator[Tensor], extractor: Extractor, n: int, progress: Progress | None = None, what: str = "samples"
) -> Float[Tensor, "n d"]:
    """Return (n, dim) float32 features on the CPU.

    Args:
        examples: batches of n examples in all.
        extractor: computes the features.
        n: number of examples.
        progress: called now and then with the number of examples done.
        what: what they are, for progress and messages.

    Raises:
        ValueError: the extractor returned another shape, or values that are not finite.
    """
    features = torch.empty(n, extractor.dim)
    done, reported = 0, time.monotonic()
    for x in examples:
        rows = extractor(x)
        if rows.shape != (len(x), extractor.dim):
            raise ValueError(
                f"{extractor.name} returned {tuple(rows.shape)} for {tuple(x.shape)}; "
                f"expected ({len(x)}, {extractor.dim}), according to its dim."
            )
        features[done : done + len(x)] = rows.cpu()
        done += len(x)
        if progress is not None and time.monotonic() - reported > SECONDS_BETWEEN_LINES:
            reported = time.monotonic()
            progress(f"{extractor.name} features of {what}: {done:,} of {n:,}")
    if not torch.isfinite(features).all():
        raise ValueError(f"{extractor.name} returned values that are not finite for {what}; are the images finite?")
    return features
