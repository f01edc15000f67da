"""Tables of codes, one row for each example; a step moves only the rows that have a gradient.

An ordinary optimiser moves the whole table at every step: momentum, weight decay and the moments of Adam reach the
codes of examples that are not in the batch. In a parameter group {"params": [codes], "rows": True} every row is a
parameter of its own, with its own memory and its own number of steps: it moves as if it were trained alone, and between
its batches it stays bit-identical. A row whose gradient is zero in every component counts as absent.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from veridical.training.packing import Stretch

Memory = dict[str, Tensor]
"""The state of an update rule, by name."""


@final
class RowBatch:
    """The rows of a table that have a gradient, one vector each.

    Args:
        table: (n, d) of all rows, to which the moved ones return.
        memory: of the table: tensors (n, d) or (n,); new entries of a rule are added.
        rows: (B,) numbers of the rows.
        gradient: (n, d).
        shape: of one row, as the model sees it.
    """

    def __init__(self, table: Tensor, memory: Memory, rows: Tensor, gradient: Tensor, shape: torch.Size) -> None:
        self._table, self._memory, self._rows = table, memory, rows
        self.shapes = [shape] * len(rows)
        self.vector = table.index_select(0, rows)
        """(B, d) the rows."""
        self.gradient = gradient.index_select(0, rows)
        """(B, d) their gradients."""
        self.memory: Memory = {name: tensor.index_select(0, rows) for name, tensor in memory.items()}
        """The state of the update rule for them: tensors (B, d) or (B,)."""

    def rows(self, matrix: Tensor) -> Tensor:
        """Return (B, d) as it is: every row belongs to one vector alone."""
        return matrix

    def norms(self, matrix: Tensor) -> Tensor:
        """Return (B,) Euclidean norms of the rows of a matrix (B, d)."""
        return matrix.square().sum(1).sqrt()

    def spread(self, values: Tensor) -> Tensor:
        """Return (B, 1) of values (B,)."""
        return values[:, None]

    def scatter(self) -> None:
        """Write the rows and their state back into the table."""
        self._table.index_copy_(0, self._rows, self.vector)
        for name, tensor in self.memory.items():
            if name not in self._memory:
                self._memory[name] = tensor.new_zeros(len(self._table), *tensor.shape[1:])
            self._memory[name].index_copy_(0, self._rows, tensor)


def gather(stretch: Stretch, gradient: Tensor, memory: Memory) -> RowBatch | None:
    """Return the rows of a table that have a gradient; None: there are none.

    Args:
        stretch: the table, alone in its stretch.
        gradient: of the stretch, as one vector.
        memory: of the table.
    """
    (shape,) = stretch.shapes
    table, slope = _matrix(stretch, stretch.vector), _matrix(stretch, gradient)
    rows = slope.any(1).nonzero()[:, 0]
    return RowBatch(table, memory, rows, slope, shape[1:]) if len(rows) else None


def _matrix(stretch: Stretch, vector: Tensor) -> Tensor:
    """Return the part of a vector that belongs to the table as (n, d); rows stay whole in any layout of memory."""
    (shape,) = stretch.shapes
    return vector[: shape.numel()].view(shape[0], -1)


def shaped_like_the_table(stretch: Stretch, memory: Memory) -> Memory:
    """Return copies of what is remembered, in the shape of the table where there is a number for each of its own."""
    (table,) = stretch.parameters
    return {
        name: (tensor.as_strided(table.shape, table.stride()) if tensor.dim() > 1 else tensor).clone()
        for name, tensor in memory.items()
    }


def as_matrices(stretch: Stretch, saved: Memory) -> Memory:
    """Restore what `shaped_like_the_table` returned."""
    moved = {name: tensor.to(stretch.vector.device) for name, tensor in saved.items()}
    return {
        name: tensor.clone() if name == "step" else _matrix(stretch, stretch.join([tensor]))
        for name, tensor in moved.items()
    }
