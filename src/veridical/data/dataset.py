"""Data in memory (or memory-mapped) in their original type, converted to batches on the device.

Images stay 8-bit until a batch is requested: indexing copies bytes, and scaling happens on the device.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from veridical.data.axes import Wish
from veridical.data.batch import Batch
from veridical.data.classes import as_labels, with_classes
from veridical.data.errors import DataError
from veridical.data.infer import Wishes, infer
from veridical.data.preprocess import to_data_space
from veridical.data.space import Space
from veridical.targets.law import Law

_CHUNK_BYTES = 1 << 24


@final
class ArrayData:
    """A data set: raw storage, labels, and the `Space` of its batches.

    Without a space, it is inferred, and its mean and standard deviation are computed: uint8 images get [-1, 1] with
    256 (or `levels`) levels; float images within [-1, 1] are unchanged, those within [0, 1] are mapped to [-1, 1]
    (see `notes`); booleans, and arrays with only 0 and 1 or only -1 and 1, get two levels at -1 and 1; other vectors
    (N, d) keep their units, unbounded and continuous. A given space is used unchanged, including mean and std (only
    `classes` is set from integer labels if it is None); then uint8 values are its levels 0..L-1, and all other values
    are already in data space.

    Arrays are not copied when they need no conversion: do not change them afterwards.

    Args:
        x: (N, C, H, W), (N, H, W, C) or (N, H, W) images, (N, d) vectors, or (N, *space.shape); numpy (also
            memory-mapped) or torch.
        labels: (N,) integers from 0 or text, or (N, *context) floats for other conditioning.
        space: space of the data; None: inferred.
        levels: number of values of inferred integers: 256 for 8-bit images, 17 for values 0..16.
        kind: meaning of the axes; "auto": two axes are vectors, three or four are images.
        value_range: the values that are mapped to -1 and 1; None: see above.
        sample_rate: steps per second of a sequence.
        class_names: names of the classes, in the order of the labels; None: the labels themselves if they are text.
        name: name of the data in messages and reports.
        target: the exact distribution of the data, if it is known.

    Raises:
        DataError: there are no examples, values are not finite, the range is unclear, or labels do not match.
    """

    target: Law | None
    """The exact distribution of the data (`veridical.targets`), or None."""

    class_names: tuple[str, ...] | None
    """Name of every class, in the order of the labels; None if they have no names."""

    notes: tuple[str, ...]
    """Notes on changes of the raw values; empty if there are none."""

    files: tuple[str, ...] | None
    """The path of the file of every example; None if they are not of files of their own."""

    def __init__(
        self,
        x: np.ndarray | Tensor,
        labels: np.ndarray | Tensor | None = None,
        *,
        space: Space | None = None,
        levels: int | None = None,
        kind: Wish = "auto",
        value_range: tuple[float, float] | None = None,
        sample_rate: float | None = None,
        class_names: Sequence[str] | None = None,
        name: str = "array",
        target: Law | None = None,
    ) -> None:
        self.name, self.target = name, target
        inferred = infer(x, space, name, Wishes(kind, levels, value_range, sample_rate))
        self._raw, self._scale, self._shift, self.notes = inferred.raw, inferred.scale, inferred.shift, inferred.notes
        self._rows: Tensor | None = None
        self.files = None
        self._labels, found = as_labels(labels, len(self._raw), name)
        names = found if class_names is None else tuple(class_names)
        self.class_names = None if labels is None else names
        self.space = with_classes(inferred.space, self._labels, name, self.class_names)
        if space is None:
            mean, std = self._moments()
            self.space = dataclasses.replace(self.space, mean=mean, std=std)

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._raw) if self._rows is None else len(self._rows)

    @property
    def labels(self) -> Tensor | None:
        """(N,) int64 labels or (N, *context) conditioning; None when there are none."""
        return self._labels

    @property
    def device(self) -> torch.device:
        """Device of the raw storage."""
        return self._raw.device if isinstance(self._raw, Tensor) else torch.device("cpu")

    @property
    def nbytes(self) -> int:
        """Size of the raw storage in bytes."""
        return self._raw.nbytes

    def batch(self, index: Tensor, device: torch.device | str | None = None) -> Batch:
        """Return the examples of some rows, float32 in data space.

        Args:
            index: (B,) int64 rows.
            device: device of the batch; None: the device of the data.
        """
        device = self.device if device is None else torch.device(device)
        raw = self._gather(index).to(device)
        if raw.dtype is torch.uint8 and self.space.levels is not None:
            x = to_data_space(raw, self.space)
        elif self._scale == 1.0 and self._shift == 0.0:
            x = raw.to(torch.float32)
        else:
            x = raw * self._scale + self._shift
        c = None if self._labels is None else self._labels.index_select(0, index.to(self._labels.device)).to(device)
        return Batch(x, index.to(device), c)

    def to(self, device: torch.device | str) -> ArrayData:
        """Return the data with raw storage on the device, or unchanged if they need more than half of its memory.

        Memory-mapped data are not moved: they are mapped because they are large.
        """
        device = torch.device(device)
        if not isinstance(self._raw, Tensor) or device == self.device:
            return self
        if device.type == "cuda" and self.nbytes > torch.cuda.mem_get_info(device)[0] // 2:
            return self
        moved = copy.copy(self)
        moved._raw = self._raw.to(device)
        moved._labels = None if self._labels is None else self._labels.to(device)
        return moved

    def subset(self, rows: Tensor, *, name: str | None = None) -> ArrayData:
        """Return some rows as a new data set in the same space (including mean and std)."""
        part = copy.copy(self)
        part.__dict__.pop("digest", None)
        part.name = self.name if name is None else name
        part.files = None if self.files is None else tuple(self.files[row] for row in rows.tolist())
        part._labels = None if self._labels is None else self._labels[rows.to(self._labels.device)]
        if isinstance(self._raw, Tensor) and self._rows is None:
            part._raw = self._raw[rows.to(self._raw.device)]
        else:
            part._rows = rows.clone() if self._rows is None else self._rows[rows]
        return part

    def stack(self, rows: Tensor, labels: Tensor | None, *, name: str) -> ArrayData:
        """Return data whose examples are stacks of k of these images, made when a batch is requested.

        Args:
            rows: (N, k) rows; k images (C, H, W) become one image of k C channels.
            labels: (N,) labels of the stacks.
            name: name of the new data.

        Raises:
            DataError: the examples are not images, or already stacks.
        """
        if len(self.space.shape) != 3 or self._rows is not None or rows.ndim != 2:
            raise DataError(f"{self.name} {self.space.shape} cannot be stacked by rows {tuple(rows.shape)}.")
        stacks = copy.copy(self)
        stacks.__dict__.pop("digest", None)
        stacks.name, stacks._rows, stacks.class_names, stacks.files = name, rows, None, None
        stacks._labels, _ = as_labels(labels, len(rows), name)
        channels, *sides = self.space.shape
        space = dataclasses.replace(self.space, shape=(channels * rows.shape[1], *sides), classes=None)
        stacks.space = with_classes(space, stacks._labels, name)
        return stacks

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the raw array: its element type, its shape, its bytes in C order."""
        dtype = np.dtype(str(self._raw.dtype).removeprefix("torch."))
        return _digest(dtype, (len(self), *self.space.shape), self._chunks())

    def _gather(self, index: Tensor) -> Tensor:
        rows = index if self._rows is None else self._rows[index.cpu()]
        if isinstance(self._raw, Tensor):
            raw = self._raw.index_select(0, rows.flatten().to(self._raw.device))
        else:
            raw = torch.from_numpy(self._raw[rows.flatten().cpu().numpy()])
        return raw.reshape(len(rows), *self.space.shape) if rows.ndim > 1 else raw

    def _chunks(self) -> Iterator[np.ndarray]:
        """Yield the raw rows in order, a few megabytes at a time."""
        n = len(self)
        step = max(1, _CHUNK_BYTES * n // max(1, self._raw.nbytes))
        for start in range(0, n, step):
            yield self._gather(torch.arange(start, min(n, start + step))).cpu().numpy()

    def _pieces(self) -> Iterator[np.ndarray]:
        """Yield all raw values in order, flat and a few megabytes at a time, however large an example is."""
        for chunk in self._chunks():
            flat = chunk.reshape(-1)
            step = max(1, _CHUNK_BYTES // flat.itemsize)
            yield from (flat[start : start + step] for start in range(0, len(flat), step))

    def _moments(self) -> tuple[float, float]:
        """Mean and standard deviation of all components in data space, accumulated in float64."""
        if self._raw.dtype in (torch.uint8, np.dtype(np.uint8)):
            counts = sum((np.bincount(piece, minlength=256) for piece in self._pieces()), np.zeros(256, int))
            values = torch.arange(256) if self.space.levels is None else to_data_space(torch.arange(256), self.space)
            mean = float(np.average(values.double(), weights=counts))
            variance = float(np.average((values.double() - mean) ** 2, weights=counts))
        else:
            total = sum(piece.size for piece in self._pieces())
            mean = sum(float(piece.sum(dtype=np.float64)) for piece in self._pieces()) / total
            variance = sum(float(np.square(piece.astype(np.float64) - mean).sum()) for piece in self._pieces()) / total
            mean, variance = self._scale * mean + self._shift, self._scale**2 * variance
        if variance == 0.0:
            raise DataError(
                f"every value of {self.name} is the same ({mean:g} in data space); a model cannot learn from them. "
                "Check the file, or pass a Space with the mean and std to use."
            )
        return mean, variance**0.5


def digest_of(array: np.ndarray) -> str:
    """Return the SHA-256 of a decoded array: its element type, its shape, its bytes in C order.

    Examples:
        >>> digest_of(np.zeros((2, 3), np.uint8))[:8] == digest_of(np.zeros((3, 2), np.uint8))[:8]
        False
    """
    return _digest(array.dtype, array.shape, iter([array]))


def _digest(dtype: np.dtype, shape: tuple[int, ...], chunks: Iterator[np.ndarray]) -> str:
    digest = hashlib.sha256(f"{dtype.name} {'x'.join(map(str, shape))}\n".encode())
    for chunk in chunks:
        digest.update(np.ascontiguousarray(chunk).data)
    return digest.hexdigest()
