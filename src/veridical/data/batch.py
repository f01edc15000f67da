"""One batch of examples, the same for every family."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Examples as the training loop passes them to a model."""

    x: Tensor
    """(B, *event), float32 in data space (see `Space`), on the model's device."""

    index: Tensor  # pyright: ignore[reportIncompatibleMethodOverride]  (a field, not tuple.index)
    """(B,) int64: row in the data set, for per-example codes and diagnostics."""

    c: Tensor | None = None
    """(B,) int64 labels, or (B, *context) other conditioning; None when the data has none."""
