r"""Which rows a step learns from: a pure function of (seed, order, step), so that resuming is exact.

*epoch*: the permutations $\pi_0, \pi_1, \dots$ of all rows are laid end to end and cut into batches; a batch may span
two epochs, every row occurs exactly once per epoch, nothing is dropped; a single example is repeated. *iid*: every
step draws its rows independently and uniformly, with replacement. *repeated*: such a draw is kept for a number of
steps in a row. The randomness is counter-based: epoch $e$ (or block $e$ of 64 steps) reads the Philox stream of key
(seed, e), which needs no history.

Reference: J. Salmon, M. Moraes, R. Dror, D. Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.flips import Flip, mirrored, require_images

_BLOCK = 64  # steps of independent draws that are drawn at once


@final
class Loader:
    """Batches of fixed shape by step number; keeps nothing but a cache of rows.

    Args:
        data: what to learn from.
        batch_size: examples per step over all ranks.
        order: "epoch", "iid" or "repeated".
        repeats: steps in a row that see the same batch (order "repeated").
        seed: of the order; any integer in [0, 2^64).
        flip: mirror images at random, see `flips`.
        rank: this process, in 0..world_size-1; it takes its contiguous slice of the global batch.
        world_size: number of processes.
        device: where batches are wanted. Data that fit are moved there once.

    Raises:
        DataError: a batch larger than the data (for order "epoch"), or one that the processes cannot share evenly.
    """

    def __init__(
        self,
        data: ArrayData,
        batch_size: int,
        *,
        order: Literal["epoch", "iid", "repeated"] = "epoch",
        repeats: int = 1,
        seed: int = 0,
        flip: Flip = "none",
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        _check(len(data), batch_size, order, seed, rank, world_size)
        _check_repeats(order, repeats)
        require_images(data.space, flip)
        self.device = torch.device(device)
        self.data = data.to(self.device)
        self.batch_size, self.order, self.repeats, self.seed = batch_size, order, repeats, seed
        self.flip: Flip = flip
        self.rank, self.world_size = rank, world_size
        self.space, self.n, self.name = data.space, len(data), data.name
        self._block_shape = (_BLOCK, batch_size)
        self._cache: dict[int, Tensor] = {}

    @property
    def digest(self) -> str:
        """SHA-256 of the data."""
        return self.data.digest

    def batch(self, step: int) -> Batch:
        """Return this rank's part of the batch of a step: (batch_size / world_size) examples on the device."""
        batch = self.data.batch(self.index(step), self.device)
        if self.flip == "none":
            return batch
        return batch._replace(x=mirrored(batch.x, batch.index, step // self.repeats, self.seed, self.flip))

    def index(self, step: int) -> Tensor:
        """Return this rank's rows of a step: (batch_size / world_size,) int64."""
        local = self.batch_size // self.world_size
        start = self.rank * local
        if self.n == 1:
            return torch.zeros(local, dtype=torch.int64, device=self.data.device)
        if self.order != "epoch":
            block, row = divmod(step // self.repeats, _BLOCK)
            return self._rows(block)[row, start : start + local]
        epoch, first = divmod(step * self.batch_size + start, len(self.data))
        if first + local <= len(self.data):
            return self._rows(epoch)[first : first + local]
        head = self._rows(epoch)[first:]
        return torch.cat([head, self._rows(epoch + 1)[: local - len(head)]])

    def _rows(self, counter: int) -> Tensor:
        """The permutation of an epoch, or the draws of a block of steps: a function of (seed, counter), cached."""
        rows = self._cache.get(counter)
        if rows is None:
            while len(self._cache) > 1:  # a batch spans at most two epochs
                self._cache.pop(next(iter(self._cache)))
            generator = np.random.Generator(np.random.Philox(key=np.array([self.seed, counter], np.uint64)))
            n = len(self.data)
            drawn = generator.permutation(n) if self.order == "epoch" else generator.integers(n, size=self._block_shape)
            rows = self._cache[counter] = torch.from_numpy(drawn).to(self.data.device)
        return rows


def _check(n: int, batch_size: int, order: str, seed: int, rank: int, world_size: int) -> None:
    if order not in ("epoch", "iid", "repeated"):
        raise DataError(f"order is {order!r}; expected 'epoch', 'iid' or 'repeated'.")
    if batch_size < 1:
        raise DataError(f"batch_size is {batch_size}; expected at least 1.")
    if not 0 <= rank < world_size:
        raise DataError(f"rank is {rank} of {world_size} processes; expected 0 <= rank < world_size.")
    if not 0 <= seed < 1 << 64:
        raise DataError(f"seed is {seed}; expected an integer in [0, 2**64).")
    if batch_size % world_size:
        raise DataError(
            f"batch_size is {batch_size} over {world_size} processes; expected a multiple of {world_size}, for example "
            f"{(batch_size // world_size + 1) * world_size}."
        )
    if order == "epoch" and batch_size > n > 1:
        raise DataError(
            f"batch_size is {batch_size} and the data have {n:,} examples; expected a batch of at most {n}. "
            "Lower --batch-size, add data, or draw with replacement (--order iid)."
        )


def _check_repeats(order: str, repeats: int) -> None:
    if repeats < 1 or (repeats > 1) != (order == "repeated"):
        raise DataError(
            f"order is {order!r} with repeats = {repeats}; expected 2 or more repeats for order 'repeated', 1 for the "
            "others."
        )
