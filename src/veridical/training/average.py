"""The moving average of a model's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole, buffer_roles


class EMA:
    r"""Exponential moving average of a model's weights, the ones samples are drawn with.

    $\bar\theta \leftarrow d_t\bar\theta + (1-d_t)\theta$ with $d_t = \min(d, (1+t)/(10+t))$, so that the start is
    forgotten. Averaged are the floating-point parameters and the buffers whose role is `BufferRole.AVERAGED` (running
    statistics); every other buffer stays the model's own, since the mean of chains, codes or flags is none of them.

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
        self.average: list[Tensor] = [tensor.clone() for tensor in self.live]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.average, self.live, 1.0 - decay)
        self.updates += 1

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
