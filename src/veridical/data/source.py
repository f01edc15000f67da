"""What training learns from: a data set, of which batches are made, or anything that gives batches itself.

A source is a pure function of the step, like everything that must survive a resume: `batch(step)` is the same whenever
and for every call. Data sets that fit in memory are an `ArrayData`, and `Loader` makes their batches.
"""

from __future__ import annotations

import hashlib
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor

from veridical.config import DataConfig, TrainingConfig
from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.loader import Loader
from veridical.data.space import Space
from veridical.targets.law import Law

FEW = 1000
"""Smallest number of examples without a warning."""


@runtime_checkable
class BatchSource(Protocol):
    """Batches by step number, and the space in which they live: all that training needs of data."""

    @property
    def space(self) -> Space:
        """The space of the examples."""
        ...

    @property
    def n(self) -> int | None:
        """Number of different examples; None where there is no end of them, or none at all."""
        ...

    @property
    def name(self) -> str:
        """What messages and reports call the data."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256, or any other text, that is equal for equal data only; compared when a run is resumed."""
        ...

    def batch(self, step: int) -> Batch:
        """Return the batch of a step over all processes, the same at every call."""
        ...


@final
class EnergySource:
    """Batches of no data, for models that learn from an energy or a density alone (reverse KL).

    `x` is NaN everywhere, so that a loss that reads it by mistake fails at the first step; its shape says how many
    samples are wanted, and `index` numbers them.

    Args:
        space: where the samples live.
        batch_size: samples per step.
        name: what messages and reports call the target.
        target: the distribution that is learned, for runs with `training.from_energy`; own models know theirs.
    """

    n: None = None

    def __init__(self, space: Space, batch_size: int = 256, *, name: str = "energy", target: Law | None = None) -> None:
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}; expected at least 1.")
        self.space, self.batch_size, self.name, self.target = space, batch_size, name, target

    @property
    def digest(self) -> str:
        """SHA-256 of the space and the name; there are no values."""
        return hashlib.sha256(f"{self.name} {self.space!r}".encode()).hexdigest()

    def batch(self, step: int) -> Batch:
        """Return a batch whose shape and numbers alone have a meaning."""
        x = torch.full((), float("nan")).expand(self.batch_size, *self.space.shape)
        return Batch(x, torch.arange(self.batch_size))


def batches(
    data: ArrayData | BatchSource,
    config: DataConfig,
    training: TrainingConfig,
    *,
    rank: int = 0,
    world_size: int = 1,
    device: torch.device | str = "cpu",
) -> BatchSource:
    """Return the batches of one process.

    Args:
        data: a data set, or a source of batches, to which batch size, order, flips and seed do not apply.
        config: order, repeats and flips.
        training: batch size over all processes, and seed.
        rank: this process.
        world_size: number of processes.
        device: where batches are wanted.

    Raises:
        DataError: choices that do not fit the data.
    """
    if not isinstance(data, ArrayData):
        return _Part(data, rank, world_size, torch.device(device))
    return Loader(
        data,
        training.batch_size,
        order=config.order,
        repeats=config.repeats,
        seed=training.seed,
        flip=config.flip,
        rank=rank,
        world_size=world_size,
        device=device,
    )


def batch_size(data: ArrayData | BatchSource, config: DataConfig, wanted: int, world_size: int = 1) -> int:
    """Return the number of examples per step: what is wanted where there are as many, otherwise fewer.

    A single example fills any batch; draws with replacement may be more than there are; a source decides itself.

    Args:
        data: what is learned from.
        config: the order.
        wanted: examples per step over all processes.
        world_size: number of processes, which share a batch evenly.
    """
    if not isinstance(data, ArrayData):
        return len(data.batch(0).x)
    n = len(data)
    if n == 1 or wanted <= n or config.order != "epoch":
        return wanted
    return max(n // world_size, 1) * world_size


def examples(data: ArrayData | BatchSource, n: int) -> Tensor | None:
    """Return at most n examples for an image of the data, always the same; None where there are no data."""
    if isinstance(data, ArrayData):
        rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:n]
        return data.batch(rows, "cpu").x
    x = data.batch(0).x[:n].cpu()
    return None if x.isnan().any() else x


def spread(data: ArrayData, most: int) -> Batch:
    """Return at most so many examples, evenly spaced over the data."""
    n = min(most, len(data))
    return data.batch(torch.arange(n) * len(data) // n)


def count(data: ArrayData | BatchSource) -> int | None:
    """Return the number of examples, or None where there is no end of them, or none."""
    return len(data) if isinstance(data, ArrayData) else data.n


def notes(data: ArrayData | BatchSource) -> tuple[str, ...]:
    """Return what a reader should know of the data, in sentences."""
    if isinstance(data, ArrayData):
        few = few_examples(len(data), data.space.kind)
        return (*data.notes, few) if few else data.notes
    return ("the source gives its batches itself: batch size, order and flips of the configuration do not apply",)


def few_examples(n: int, kind: str) -> str:
    """Return a warning where a model may memorise the examples, or an empty text; one example alone is intended."""
    if n >= FEW or n == 1:
        return ""
    remedy = ", and try augmentation (--flip horizontal)" if kind == "image" else ""
    return f"{n:,} examples are few; a model can memorise them: look at memorisation in the report{remedy}"


@final
class _Part:
    """One process's part of the batches of a source, on its device."""

    def __init__(self, source: BatchSource, rank: int, world_size: int, device: torch.device) -> None:
        if not 0 <= rank < world_size:
            raise DataError(f"rank is {rank} of {world_size} processes; expected 0 <= rank < world_size.")
        self.source, self.rank, self.world_size, self.device = source, rank, world_size, device
        self.space, self.n, self.name = source.space, source.n, source.name

    @property
    def digest(self) -> str:
        """That of the source."""
        return self.source.digest

    def batch(self, step: int) -> Batch:
        """Return this process's contiguous slice of the batch of a step."""
        whole = self.source.batch(step)
        if tuple(whole.x.shape[1:]) != self.space.shape:
            raise DataError(
                f"batch {step} of {self.name} has shape {tuple(whole.x.shape)}; its space says "
                f"(B, {', '.join(map(str, self.space.shape))}). Return examples of the space, or state another space."
            )
        n = len(whole.x)
        if n % self.world_size:
            raise DataError(
                f"batch {step} of {self.name} has {n} examples for {self.world_size} processes; expected a multiple."
            )
        part = slice(self.rank * n // self.world_size, (self.rank + 1) * n // self.world_size)
        c = None if whole.c is None else whole.c[part].to(self.device)
        return Batch(whole.x[part].to(self.device), whole.index[part].to(self.device), c)
