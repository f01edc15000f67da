r"""Coupling layers: one part of an example is moved by an amount that a network computes from the other part.

With the kept part $a$ and the changed part $b$,

$$ b \mapsto b\, e^{s(a)} + t(a), \qquad \log|\det| = \textstyle\sum s(a), \qquad s = c \tanh(h/c), $$

is inverted without inverting the network. Additive couplings have $s = 0$. The network's last layer is zero at the
start, so that the layer begins as the identity. All networks take a context besides, if there is one.

References:
    Dinh, Krueger & Bengio, NICE (2015), Sec. 3. https://arxiv.org/abs/1410.8516
    Dinh, Sohl-Dickstein & Bengio, Density Estimation Using Real NVP (2017), Eq. 7-9, masks in Fig. 3.
        https://arxiv.org/abs/1605.08803
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.conv import Padding
from veridical.nn.invertible import Invertible, bounded
from veridical.nn.mlp import MLP
from veridical.nn.precision import as_weights, at_least_single

Kind = Literal["additive", "affine"]

LOG_SCALE = 2.0
"""Largest logarithm of a coupling's scale."""


def move(x: Tensor, h: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """Return x moved as the network's output says, and the (B, *event) logarithms of the scales.

    Args:
        x: (B, C, *sites).
        h: (B, C, *sites) shifts; for affine couplings (B, 2C, *sites), shifts and then free log-scales.
        kind: of coupling.
    """
    shift, log_scale = _parts(h, kind)
    return x * log_scale.exp() + shift, log_scale


def move_back(z: Tensor, h: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """Return the x with `move(x, h, kind)` = z, and the logarithms of the scales of the inverse.

    Args:
        z: (B, C, *sites).
        h: the network's output, as of `move`.
        kind: of coupling.
    """
    shift, log_scale = _parts(h, kind)
    return (z - shift) * (-log_scale).exp(), -log_scale


def _parts(h: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    h = at_least_single(h)
    if kind == "additive":
        return h, torch.zeros_like(h)
    shift, log_scale = h.chunk(2, dim=1)
    return shift, bounded(log_scale, LOG_SCALE)


class SplitCoupling(Invertible):
    """Coupling of the two halves of the channels.

    Args:
        channels: size of the second axis, at least 2.
        conditioner: (B, kept + context channels, *sites) → (B, changed or twice as many, *sites).
        kind: of coupling.
        flip: keep the second half; else the first.
    """

    def __init__(self, channels: int, conditioner: nn.Module, kind: Kind, flip: bool = False) -> None:
        super().__init__()
        self.sizes, self.conditioner, self.flip = halves(channels), conditioner, flip
        self.kind: Kind = kind

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move the changed half."""
        return self._moved(x, context, back=False)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move the changed half back."""
        return self._moved(z, context, back=True)

    def _moved(self, x: Tensor, context: Tensor | None, back: bool) -> tuple[Tensor, Tensor]:
        first, second = x.split(self.sizes, dim=1)
        kept, changed = (second, first) if self.flip else (first, second)
        h = self.conditioner(as_weights(with_context(kept, context), self.conditioner))
        changed, log_scale = (move_back if back else move)(changed, h, self.kind)
        parts = (changed, kept) if self.flip else (kept, changed)
        return torch.cat(parts, dim=1), log_scale.flatten(1).sum(1)


class MaskedCoupling(Invertible):
    """Coupling of the components where a mask is 0, given those where it is 1.

    Args:
        mask: ones and zeros, broadcast over (C, *sites).
        conditioner: (B, C + context channels, *sites) → (B, C or 2C, *sites).
        kind: of coupling.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, conditioner: nn.Module, kind: Kind) -> None:
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)
        self.conditioner = conditioner
        self.kind: Kind = kind

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move the components outside the mask."""
        return self._moved(x, context, back=False)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move the components outside the mask back."""
        return self._moved(z, context, back=True)

    def _moved(self, x: Tensor, context: Tensor | None, back: bool) -> tuple[Tensor, Tensor]:
        h = self.conditioner(as_weights(with_context(self.mask * x, context), self.conditioner))
        moved, log_scale = (move_back if back else move)(x, h, self.kind)
        changed = 1 - self.mask
        return self.mask * x + changed * moved, (changed * log_scale).flatten(1).sum(1)


class ConvConditioner(nn.Module):
    """Glow's network of a coupling: 3x3, 1x1 and 3x3 convolutions, the last zero at the start.

    Args:
        in_channels: of the kept part and the context.
        out_channels: of the output.
        width: channels between.
        periodic: whether the sites are on a torus.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, periodic: bool = False) -> None:
        super().__init__()
        padding_mode: Padding = "circular" if periodic else "zeros"
        self.first = nn.Conv2d(in_channels, width, 3, padding=1, padding_mode=padding_mode)
        self.middle = nn.Conv2d(width, width, 1)
        self.last = nn.Conv2d(width, out_channels, 3, padding=1, padding_mode=padding_mode)
        for layer in (self.first, self.middle):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        start_at_zero(self.last)

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        h = h.contiguous(memory_format=torch.channels_last)  # twice as fast on a processor
        h = F.relu(self.first(h), inplace=True)
        return self.last(F.relu(self.middle(h), inplace=True))


def vector_conditioner(in_dim: int, out_dim: int, width: int, depth: int) -> MLP:
    """Return a perceptron that is zero at the start.

    Args:
        in_dim: components of the kept part and the context.
        out_dim: components of the output.
        width: units of a layer.
        depth: hidden layers.
    """
    network = MLP(in_dim, out_dim, width, depth)
    start_at_zero(network.last)
    return network


def start_at_zero(layer: nn.Linear | nn.Conv2d) -> None:
    """Set weights and biases of a layer to 0."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def halves(channels: int) -> tuple[int, int]:
    """Return the sizes of two halves, the first no larger.

    Raises:
        ValueError: there is one channel only.

    Examples:
        >>> halves(4), halves(3)
        ((2, 2), (1, 2))
    """
    if channels < 2:
        raise ValueError(f"a coupling of channels needs at least 2 of them, got {channels}. Use a mask of sites.")
    return channels // 2, channels - channels // 2


def checkerboard(height: int, width: int, odd: bool) -> Tensor:
    """Return the (H, W) mask of the fields of one colour.

    Examples:
        >>> checkerboard(2, 3, odd=False)
        tensor([[1., 0., 1.],
                [0., 1., 0.]])
    """
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    return ((rows + columns + odd) % 2 == 0).to(torch.get_default_dtype())


def alternating(components: int, odd: bool) -> Tensor:
    """Return the (D,) mask of every second component.

    Examples:
        >>> alternating(5, odd=True)
        tensor([0., 1., 0., 1., 0.])
    """
    return ((torch.arange(components) + odd) % 2 == 0).to(torch.get_default_dtype())


def with_context(h: Tensor, context: Tensor | None) -> Tensor:
    """Return channels and context in one tensor."""
    return h if context is None else torch.cat([h, context], dim=1)
