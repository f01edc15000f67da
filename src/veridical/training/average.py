"""The moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole, buffer_roles
from veridical.training.packing import covers


class EMA:
    r"""Exponential moving average of a model's weights; samples are drawn with it.

    $\bar\theta \leftarrow d_t\bar\theta + (1-d_t)\theta$ with $d_t = \min(d, (1+t)/(10+t))$, so that the initial
    weights lose their influence. Averaged are the floating-point parameters and the buffers whose role is
    `BufferRole.AVERAGED` (running statistics); every other buffer keeps the model's own value, since a mean of chains,
    codes or flags has no meaning.

    Args:
        model: whose weights are averaged.
        decay: largest $d$, in [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        roles = buffer_roles(model)
        named: dict[str, Tensor] = model.state_dict(keep_vars=True)  # what a checkpoint holds
        self.names = [
            name
            for name, tensor in named.items()
            if tensor.is_floating_point() and roles.get(name, BufferRole.AVERAGED) is BufferRole.AVERAGED
        ]
        self.live: list[Tensor] = [named[name].detach() for name in self.names]
        self.pairs: list[tuple[Tensor, Tensor]] = []
        """(average, live), each the vector of all neighbours in memory."""
        pieces: dict[int, Tensor] = {}
        for cover in covers(self.live):
            self.pairs.append((average := cover.vector.clone(), cover.vector))
            pieces |= {id(live): piece for live, piece in zip(cover.tensors, cover.views(average), strict=True)}
        self.average: list[Tensor] = [pieces[id(live)] for live in self.live]
        kinds = {(live.device, live.dtype) for live in self.live}
        self.shares = {kind: torch.zeros((), device=kind[0], dtype=kind[1]) for kind in kinds}
        """() of each device and type: the share $1 - d_t$ of the present weights."""

    def advance(self) -> None:
        """Count one more update, and set the share that the present weights have in it."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for share in self.shares.values():
            share.fill_(1.0 - decay)
        self.updates += 1

    @torch.no_grad()
    def apply(self) -> None:
        """Move the average towards the present weights by the share that was set; a function of tensors alone."""
        for average, live in self.pairs:
            average.lerp_(live, self.shares[live.device, live.dtype])

    def update(self) -> None:
        """Move the average towards the present weights."""
        self.advance()
        self.apply()

    @torch.no_grad()
    def take_over(self, parameters: Sequence[Tensor]) -> None:
        """Set parameters to their average, and let the average begin anew: its memory is a tenth of the time since."""
        places = {p.data_ptr() for p in parameters}
        for average, live in zip(self.average, self.live, strict=True):
            if live.data_ptr() in places:
                live.copy_(average)
        self.updates = 0

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the average with the model's weights; a second call exchanges them back."""
        for average, live in zip(self.average, self.live, strict=True):
            kept = live.clone()
            live.copy_(average)
            average.copy_(kept)

    def tensors(self) -> dict[str, Tensor]:
        """Return the averaged tensors by name."""
        return dict(zip(self.names, self.average, strict=True))

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Restore what `tensors` returned."""
        for name, average in zip(self.names, self.average, strict=True):
            average.copy_(tensors[name])
        self.updates = updates
