r"""PixelCNN: one stack of masked convolutions with residual blocks.

A masked kernel of side $k$ sees, in the row above, only $k/2$ columns to the right. So however many layers there are,
pixels above and to the right under a slope stay unseen: the *blind spot*. Channels are split into groups, one for each
colour, and masks let red be seen by green, both by blue.

References:
    van den Oord, Kalchbrenner & Kavukcuoglu, Pixel Recurrent Neural Networks (2016), Sec. 3.3-3.5 and Table 1.
        https://arxiv.org/abs/1601.06759
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from veridical.nn.causal_conv import PixelCache, PixelConv, colour_groups, sees
from veridical.nn.pixel_network import Bias, LastLayers, PixelNetwork, PixelSteps, Point, image_groups, plus


class PlainBlock(nn.Module):
    """Residual block: ReLU, 1 x 1, ReLU, masked k x k, ReLU, 1 x 1, twice as wide outside as inside.

    Args:
        width: channels inside.
        reach: pixels seen to either side, and rows above.
        colours: of a pixel.
        classes: of the labels; None: no labels.
        dropout: share of the inner values that are dropped.
    """

    def __init__(self, width: int, reach: int, *, colours: int, classes: int | None, dropout: float) -> None:
        super().__init__()
        outer, inner = colour_groups(2 * width, colours), colour_groups(width, colours)
        self.narrow = PixelConv(2 * width, width, centre=sees(outer, inner, itself=True))
        self.conv = PixelConv(width, width, reach, reach, reach, centre=sees(inner, inner, itself=True))
        self.widen = PixelConv(width, 2 * width, centre=sees(inner, outer, itself=True))
        self.bias, self.dropout = Bias(classes, width), nn.Dropout(dropout)

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        """Map (B, 2 width, H, W) to the same shape."""
        inner = self.conv(self.narrow(h.relu()).relu())
        return h + self.widen(self.dropout(plus(inner, self.bias(c)).relu()))


class PlainPixelCNN(PixelNetwork):
    """PixelCNN of one masked stack; it has a blind spot (module docstring).

    Args:
        colours: of a pixel.
        outputs: parameters of a pixel, in equal shares for its colours.
        width: channels inside the blocks, at least one for each colour.
        layers: residual blocks.
        kernel: side of the first kernel, and of those of the blocks; odd.
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
        reach = kernel[0] // 2
        centre = sees(image_groups(colours), colour_groups(2 * width, colours), itself=False)
        self.first = PixelConv(colours + 1, 2 * width, reach, reach, reach, centre=centre)
        self.blocks = nn.ModuleList(
            PlainBlock(width, kernel[1] // 2, colours=colours, classes=classes, dropout=dropout) for _ in range(layers)
        )
        self.head = LastLayers(2 * width, width, outputs, colours)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Map images (B, C + 1, H, W), the last channel ones, to (B, outputs, H, W)."""
        h = self.first(x)
        for block in self.blocks:
            h = block(h, c)
        return self.head(h)

    def steps(self, n: int, width: int, c: Tensor | None = None) -> PixelSteps:
        """Return the network for n images of a width, pixel by pixel."""
        return _PlainSteps(self, n, width, c)


class _PlainSteps(PixelSteps):
    def __init__(self, network: PlainPixelCNN, n: int, width: int, c: Tensor | None) -> None:
        blocks: Sequence[PlainBlock] = [block for block in network.blocks if isinstance(block, PlainBlock)]
        self.first = PixelCache(network.first, n, width)
        self.convs = [PixelCache(block.conv, n, width) for block in blocks]
        self.points = [(Point(block.narrow), Point(block.widen)) for block in blocks]
        self.biases = [None if (bias := block.bias(c)) is None else bias[:, :, None] for block in blocks]
        self.head = network.head.of_pixels()

    def start_row(self, above: Tensor) -> None:
        for cache, bias in zip([self.first, *self.convs], [None, *self.biases], strict=True):
            cache.start_row()
            cache.start_outputs(bias)

    def pixel(self, column: int, x: Tensor) -> Tensor:
        h = self.first(column, x)
        for conv, (narrow, widen) in zip(self.convs, self.points, strict=True):
            h = h + widen(conv(column, narrow(h.relu()).relu()).relu())
        return self.head(h)

    def finish(self, column: int, x: Tensor) -> None:
        self.first.write(column, x)
