"""Parameters in contiguous memory, so that one operation updates all of them.

A step of a small network is hundreds of tiny operations, one for every parameter, and each takes longer to start than
to run. Here a player's parameters become views of one vector; update rules, averages and norms work on vectors.

A parameter that took no part in a loss has no gradient, and its update rule must not count the step. Parameters that
move together form a *stretch*: neighbours that have had gradients at the same steps. At first all parameters of a group
are one stretch; it is split where the presence of gradients differs, and never joined again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

BLOCK = 64
"""Every parameter starts at a multiple of this number of elements; the gaps are zero and stay zero."""


class Stretch:
    """Neighbouring parameters in one vector.

    Args:
        parameters: of one type and device, each a view of the storage at `starts`.
        starts: first element of each in the vector, a multiple of BLOCK.
        vector: (n,) of which the parameters are views; n is a multiple of BLOCK.
    """

    def __init__(self, parameters: list[nn.Parameter], starts: list[int], vector: Tensor) -> None:
        self.parameters, self.starts = parameters, starts
        self.vector = vector
        self._orders = [memory_order(p) for p in parameters]
        self._gaps = [b - a - p.numel() for p, a, b in zip(parameters, starts, self._ends(), strict=True)]
        blocks = torch.tensor([(b - a) // BLOCK for a, b in zip(starts, self._ends(), strict=True)])
        self.blocks = blocks.to(vector.device)
        """(parameters,) number of blocks of each."""
        self.owner = torch.arange(len(blocks)).repeat_interleave(blocks).to(vector.device)
        """(blocks,) number of the parameter that a block belongs to."""
        self._zeros = vector.new_zeros(BLOCK)

    def _ends(self) -> list[int]:
        return [*self.starts[1:], len(self.vector)]

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return one vector (n,) of tensors that are shaped like the parameters."""
        pieces: list[Tensor] = []
        for tensor, order, gap in zip(tensors, self._orders, self._gaps, strict=True):
            piece = tensor if order is None else tensor.permute(order)
            pieces.append(piece.view(-1) if piece.is_contiguous() else piece.reshape(-1))
            if gap:
                pieces.append(self._zeros[:gap])
        return torch.cat(pieces)

    def views(self, vector: Tensor) -> list[Tensor]:
        """Return the pieces of a vector (n,), shaped like the parameters."""
        pairs = zip(self.parameters, self.starts, strict=True)
        return [vector[a : a + p.numel()].as_strided(p.shape, p.stride()) for p, a in pairs]

    @property
    def shapes(self) -> list[torch.Size]:
        """The parameters' shapes."""
        return [p.shape for p in self.parameters]

    def rows(self, vector: Tensor) -> Tensor:
        """Return a vector (n,) as (blocks, BLOCK), each row of one parameter alone."""
        return vector.view(-1, BLOCK)

    def norms(self, vector: Tensor) -> Tensor:
        """Return (parameters,) Euclidean norms of the pieces of a vector (n,)."""
        rows = self.rows(vector)
        return torch.segment_reduce((rows * rows).sum(1), "sum", lengths=self.blocks, unsafe=True).sqrt()

    def spread(self, values: Tensor) -> Tensor:
        """Return (blocks, 1) of values (parameters,): what applies to each row of a vector seen as (blocks, BLOCK)."""
        return values.index_select(0, self.owner)[:, None]

    def split(self, kinds: Sequence[object]) -> list[tuple[Stretch, slice]]:
        """Return stretches of neighbours of one kind, with the part of the vector that each takes."""
        found = []
        for _, group in groupby(range(len(self.parameters)), key=lambda i: kinds[i]):
            members = list(group)
            part = slice(self.starts[members[0]], self._ends()[members[-1]])
            starts = [self.starts[i] - part.start for i in members]
            found.append((Stretch([self.parameters[i] for i in members], starts, self.vector[part]), part))
        return found


def pack(parameters: Sequence[nn.Parameter]) -> list[Stretch]:
    """Move parameters into common memory, in place; return a stretch for all neighbours of one type and device.

    Raises:
        ValueError: a parameter is there twice.
    """
    if len({id(p) for p in parameters}) < len(parameters):
        raise ValueError("a parameter was given twice to one optimiser; it would be moved twice. Give each once.")
    return [_packed(list(group)) for _, group in groupby(parameters, key=lambda p: (p.dtype, p.device))]


@torch.no_grad()
def _packed(parameters: list[nn.Parameter]) -> Stretch:
    starts, end = [], 0
    for parameter in parameters:
        starts.append(end)
        end += -(-parameter.numel() // BLOCK) * BLOCK
    vector = torch.zeros(end, dtype=parameters[0].dtype, device=parameters[0].device)
    for parameter, start in zip(parameters, starts, strict=True):
        dense = torch.empty_like(parameter)  # its strides leave no holes and do not overlap
        place = vector[start : start + parameter.numel()].as_strided(dense.shape, dense.stride())
        parameter.data = place.copy_(parameter)
    return Stretch(parameters, starts, vector)


def memory_order(tensor: Tensor) -> tuple[int, ...] | None:
    """Return the dimensions as they follow each other in memory; None: as in the shape."""
    order = tuple(sorted(range(tensor.dim()), key=lambda d: (-tensor.stride(d), d)))
    return None if tensor.is_contiguous() or order == tuple(range(tensor.dim())) else order


class Cover:
    """Tensors that lie one behind the other in one storage, as one vector.

    Args:
        tensors: neighbours, in the order of memory; or a single tensor.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors
        self.start = tensors[0].storage_offset()
        last = tensors[-1]
        length = last.storage_offset() + last.numel() - self.start
        self.vector = tensors[0] if len(tensors) == 1 else tensors[0].as_strided((length,), (1,))
        """All of them."""

    def views(self, vector: Tensor) -> list[Tensor]:
        """Return the pieces of a vector that is shaped like `vector`, shaped like the tensors."""
        if len(self.tensors) == 1:
            return [vector]
        offsets = [t.storage_offset() - self.start for t in self.tensors]
        return [vector.as_strided(t.shape, t.stride(), a) for t, a in zip(self.tensors, offsets, strict=True)]


def covers(tensors: Sequence[Tensor]) -> list[Cover]:
    """Cover tensors by as few vectors as there are stretches of common memory, less than BLOCK between neighbours."""
    groups: list[list[Tensor]] = []
    for tensor in sorted(tensors, key=lambda t: (t.untyped_storage().data_ptr(), t.storage_offset())):
        if groups and _adjoins(groups[-1][-1], tensor):
            groups[-1].append(tensor)
        else:
            groups.append([tensor])
    return [Cover(group) for group in groups]


def _adjoins(a: Tensor, b: Tensor) -> bool:
    if a.untyped_storage().data_ptr() != b.untyped_storage().data_ptr() or a.dtype != b.dtype:
        return False
    return 0 <= b.storage_offset() - a.storage_offset() - a.numel() < BLOCK
