r"""Gated PixelCNN: two stacks of causal convolutions, without a blind spot.

A vertical stack $v$ of all rows above feeds a horizontal stack $h$ of the present row, both with gates
$\tanh(a + V_f^\top c) \odot \sigma(b + V_g^\top c)$, where $c$ is the one-hot label. The horizontal stack has
residual connections, and every layer adds to what the last layers see.

References:
    van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016), Eq. 2-4 and Fig. 2.
        https://arxiv.org/abs/1606.05328
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from veridical.nn.causal_conv import PixelCache, PixelConv, RowCache, RowConv, colour_groups, sees, shift_down
from veridical.nn.pixel_network import Bias, LastLayers, PixelNetwork, PixelSteps, Point, image_groups, plus


def gate(h: Tensor) -> Tensor:
    """Return tanh of the first half of the channels (axis 1) times the sigmoid of the second."""
    if h.dtype == torch.bfloat16 and h.device.type == "cpu":
        return HalfGate.apply(h)  # type: ignore[return-value]
    value, opening = h.chunk(2, 1)
    return value.tanh() * opening.sigmoid()


class HalfGate(torch.autograd.Function):
    """The gate in bf16 on a processor, where tanh is faster in fp32 and the sigmoid on dense halves."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        """Map (B, 2 C, ...) to (B, C, ...)."""
        value, opening = h.chunk(2, 1)
        value, opening = dense(value, torch.float32).tanh_().to(h.dtype), dense(opening, h.dtype).sigmoid_()
        ctx.save_for_backward(value, opening)
        return value * opening

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the gradient by h."""
        value, opening = ctx.saved_tensors
        by_value = torch.ops.aten.tanh_backward(slopes[0] * opening, value)
        by_opening = torch.ops.aten.sigmoid_backward(slopes[0] * value, opening)
        return torch.cat([by_value, by_opening], 1)


def dense(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a copy without gaps, in the layout that x has."""
    return torch.empty_like(x, dtype=dtype).copy_(x)


class GatedLayer(nn.Module):
    """One layer of both stacks.

    Args:
        width: channels of the outputs.
        reach: pixels seen to either side, and rows above.
        first: the inputs are images with their channel of ones, whose own pixel is not seen.
        colours: of a pixel.
        classes: of the labels; None: no labels.
        dropout: share of the gated values of the horizontal stack that are dropped.
    """

    def __init__(
        self, width: int, reach: int, *, first: bool, colours: int, classes: int | None, dropout: float
    ) -> None:
        super().__init__()
        self.first, groups = first, colour_groups(width, colours)
        twice, before = torch.cat([groups, groups]), image_groups(colours) if first else groups
        centre, channels = sees(before, twice, itself=not first), len(before)
        self.vertical = RowConv(channels, 2 * width, reach, reach)
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.horizontal = PixelConv(channels, 2 * width, left=reach, centre=centre)
        self.out = PixelConv(width, 2 * width, centre=sees(groups, twice, itself=True))
        self.bias_v, self.bias_h = Bias(classes, 2 * width), Bias(classes, 2 * width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, v: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Map both stacks; the third output goes to the head."""
        v = self.vertical(v)
        seen = self.dropout(gate(plus(self.horizontal(h) + self.link(v), self.bias_h(c))))
        more, skip = self.out(seen).chunk(2, 1)
        return gate(plus(v, self.bias_v(c))), more if self.first else h + more, skip


class GatedLayerSteps:
    """A `GatedLayer`, pixel by pixel.

    Args:
        layer: whose weights are used.
        n: images.
        width: columns.
        c: (n,) labels.
    """

    def __init__(self, layer: GatedLayer, n: int, width: int, c: Tensor | None) -> None:
        self.first = layer.first
        self.vertical, self.horizontal = RowCache(layer.vertical, n, width), PixelCache(layer.horizontal, n, width)
        self.link, self.out = Point(layer.link), Point(layer.out)
        self.bias_v, self.bias_h = layer.bias_v(c), layer.bias_h(c)

    def start_row(self, v: Tensor) -> Tensor:
        """Map the vertical stack (n, C, W) of the new row."""
        v = self.vertical(v)
        self.horizontal.start_row()
        self.horizontal.start_outputs(plus(self.link.row(v), self.bias_h))
        return gate(plus(v, self.bias_v))

    def pixel(self, column: int, h: Tensor) -> tuple[Tensor, Tensor]:
        """Map the horizontal stack (n, C) at a column; the second output goes to the head."""
        more, skip = self.out(gate(self.horizontal(column, h))).chunk(2, 1)
        return more if self.first else h + more, skip


class GatedPixelCNN(PixelNetwork):
    """Gated PixelCNN without a blind spot (module docstring).

    Args:
        colours: of a pixel.
        outputs: parameters of a pixel, in equal shares for its colours.
        width: channels of a stack, at least one for each colour.
        layers: of both stacks.
        kernel: side of the first kernel, and of all others; odd.
        classes: of the labels; None: no labels.
        dropout: share of values that are dropped while training.
    """

    def __init__(
        self,
        colours: int,
        outputs: int,
        *,
        width: int,
        layers: int,
        kernel: tuple[int, int] = (7, 3),
        classes: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            GatedLayer(
                width,
                kernel[0 if i == 0 else 1] // 2,
                first=i == 0,
                colours=colours,
                classes=classes,
                dropout=dropout,
            )
            for i in range(layers)
        )
        self.head = LastLayers(width, width, outputs, colours)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Map images (B, C + 1, H, W), the last channel ones, to (B, outputs, H, W)."""
        v, h, total = shift_down(x), x, torch.zeros((), device=x.device, dtype=x.dtype)
        for layer in self.layers:
            v, h, skip = layer(v, h, c)
            total = total + skip
        return self.head(total)

    def steps(self, n: int, width: int, c: Tensor | None = None) -> PixelSteps:
        """Return the network for n images of a width, pixel by pixel."""
        return _GatedSteps(self, n, width, c)


class _GatedSteps(PixelSteps):
    def __init__(self, network: GatedPixelCNN, n: int, width: int, c: Tensor | None) -> None:
        layers = [layer for layer in network.layers if isinstance(layer, GatedLayer)]
        self.layers = [GatedLayerSteps(layer, n, width, c) for layer in layers]
        self.head = network.head.of_pixels()

    def start_row(self, above: Tensor) -> None:
        for layer in self.layers:
            above = layer.start_row(above)

    def pixel(self, column: int, x: Tensor) -> Tensor:
        h, total = self.layers[0].pixel(column, x)
        for layer in self.layers[1:]:
            h, skip = layer.pixel(column, h)
            total = total + skip
        return self.head(total)

    def finish(self, column: int, x: Tensor) -> None:
        self.layers[0].horizontal.write(column, x)
