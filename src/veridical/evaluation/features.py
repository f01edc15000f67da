"""The features of one evaluation: of samples, training data and held-out data, by one extractor.

The score of a perfect model is measured on `null`, real examples in the place of samples: held-out data where there are
enough. Otherwise a part of the training data joins them, or takes their place, and the rest is the reference. Such a
null describes the data distribution, but not how unseen data compare with the training data.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.evaluation.exchange import Exchange, exchange
from veridical.evaluation.extractors import Extractor
from veridical.evaluation.neighbours import Neighbours, neighbours
from veridical.evaluation.relabelled import listed

BATCH = 256
EXCHANGED = 10_000
"""Samples, and real examples in their place, that exchange labels at most: costs grow with the square."""

FEW_HELD_OUT = 500
"""Where there are fewer held-out examples than this, a part of the training data joins them."""

K_PRECISION, K_COVERAGE = 3, 5
"""Neighbours of precision and recall, and of density and coverage."""

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
        if self.test is None:
            return train[self.left_out :], train[: self.left_out]
        null = torch.cat([self.test, train[: self.left_out]])
        return train[self.left_out :], null[torch.randperm(len(null), generator=generator)]

    @property
    def left_out(self) -> int:
        """Training examples that take the place of samples, and so are left out of the reference."""
        return left_out(len(self.generated), len(self.train), 0 if self.test is None else len(self.test))

    @cached_property
    def neighbours(self) -> Neighbours:
        """The nearest other rows of every row of the pool, enough for labels to be exchanged."""
        e = self.exchange
        return neighbours(self.pool, listed(e.n, e.m, K_PRECISION))

    @cached_property
    def pool(self) -> Float[Tensor, "n+m d"]:
        """Samples followed by the null, whose labels are exchanged: `EXCHANGED` of each at most."""
        n = min(len(self.generated), EXCHANGED)
        return torch.cat([self.generated[:n], self.null[: min(2 * n, EXCHANGED)]])

    @cached_property
    def exchange(self) -> Exchange:
        """Relabellings of the pool, the same for all metrics."""
        n = min(len(self.generated), EXCHANGED)
        return exchange(n, len(self.pool) - n, self.seed)

    @property
    def null_kind(self) -> str:
        """Where the null comes from, in words."""
        if self.test is None:
            return "a part of the training data, left out of the reference"
        if not self.left_out:
            return "held-out data"
        return f"{len(self.test):,} held-out and {self.left_out:,} training examples, left out of the reference"


def left_out(n: int, train: int, held_out: int) -> int:
    """Training examples that take the place of samples, because there are no or few held-out ones.

    Samples of a perfect model are independent of the training data too, so training examples that are left out of the
    reference are as good as held-out ones. They hide only the copies that a model makes of them.

    Args:
        n: samples.
        train: training examples.
        held_out: held-out examples.

    Examples:
        >>> left_out(1000, 90, 10), left_out(1000, 6000, 1000), left_out(1000, 100, 0)
        (23, 0, 50)
    """
    if held_out == 0:
        return min(n, train // 2)
    return max(0, min(n, FEW_HELD_OUT, (train + held_out) // 3) - held_out)


def extract_data(data: ArrayData, extractor: Extractor, progress: Progress | None = None) -> Float[Tensor, "n d"]:
    """Return the features of all examples of a data set, in its order."""
    rows = torch.arange(len(data))
    return extract(
        (data.batch(index, "cpu").x for index in rows.split(BATCH)), extractor, len(data), progress, data.name
    )


def counted(blocks: Iterable[Tensor], n: int, what: str, progress: Progress | None) -> Iterator[Tensor]:
    """Pass on the blocks of n rows, and report now and then how many are done.

    Args:
        blocks: of rows, each done when the next is taken.
        n: rows in all.
        what: is being done.
        progress: called with a line; None: no reports.
    """
    done, reported = 0, time.monotonic()
    for block in blocks:
        yield block
        done += len(block)
        if progress is not None and time.monotonic() - reported > SECONDS_BETWEEN_LINES:
            reported = time.monotonic()
            progress(f"{what}: {done:,} of {n:,}")


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
    features, done = torch.empty(n, extractor.dim), 0
    for x in counted(examples, n, f"{extractor.name} features of {what}", progress):
        rows = extractor(x)
        if rows.shape != (len(x), extractor.dim):
            raise ValueError(
                f"{extractor.name} returned {tuple(rows.shape)} for {tuple(x.shape)}; "
                f"expected ({len(x)}, {extractor.dim}), according to its dim."
            )
        features[done : done + len(x)] = rows.cpu()
        done += len(x)
    if not torch.isfinite(features).all():
        raise ValueError(f"{extractor.name} returned values that are not finite for {what}; are the images finite?")
    return features
