r"""The network of PixelCNN++: residual blocks of two stacks at several resolutions, with shortcuts across.

On the way down blocks alternate with convolutions of stride 2, on the way up with transposed ones; a block on the way
up also sees the block of the same size on the way down (Salimans et al. 2017, Fig. 2). A block of a stack is

$$ x \mapsto x + \mathrm{glu}\big(K_2\, \mathrm{dropout}(\rho(K_1\,\rho(x) + \textstyle\sum_j A_j\,\rho(a_j)))
   + b_c\big), \qquad \rho(x) = \mathrm{elu}([x, -x]), $$

with kernels $K$ of 2 x 3 pixels in the vertical stack and 2 x 2 in the horizontal one, matrices $A_j$ for the inputs
from the vertical stack and from the way down, and a bias of the label. All channels of a pixel are drawn together, so
that nothing is masked but the pixel itself in the first layer. There is no batch normalisation, which would mix the
images of a batch. Weight normalisation and the initialisation from data of the paper are left out.

A position of a coarse grid is computed when its first fine pixel is reached, and serves the other three from there.

References:
    Salimans, Karpathy, Chen & Kingma, PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood
        and Other Modifications (2017). https://arxiv.org/abs/1701.05517
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.causal_conv import PixelCache, PixelConv, RowCache, RowConv, sees, shift_down
from veridical.nn.pixel_network import Bias, PixelNetwork, PixelSteps, Point, plus


def concat_elu(h: Tensor) -> Tensor:
    """Return elu of h and of -h, twice as many channels (axis 1)."""
    return F.elu(torch.cat([h, -h], 1))


class Residual(nn.Module):
    """A residual block of one stack.

    Args:
        width: channels.
        horizontal: of the horizontal stack, which sees the vertical one; otherwise of the vertical stack.
        shortcut: whether it sees a block on the way down.
        classes: of the labels; None: no labels.
        dropout: share of the inner values that are dropped.
    """

    def __init__(self, width: int, *, horizontal: bool, shortcut: bool, classes: int | None, dropout: float) -> None:
        super().__init__()
        if horizontal:
            self.first, self.second = PixelConv(2 * width, width, 1, 1), PixelConv(2 * width, 2 * width, 1, 1)
        else:
            self.first, self.second = RowConv(2 * width, width, 1, 1), RowConv(2 * width, 2 * width, 1, 1)
        self.across = nn.Conv2d(2 * width, width, 1) if horizontal else None
        self.shortcut = nn.Conv2d(2 * width, width, 1) if shortcut else None
        self.bias, self.dropout = Bias(classes, 2 * width), nn.Dropout(dropout)
        with torch.no_grad():
            self.second.weight.mul_(0.1)  # as in the paper's code: at first a block changes little

    def forward(self, x: Tensor, across: Tensor | None, shortcut: Tensor | None, c: Tensor | None) -> Tensor:
        """Map one stack (B, width, H, W) to the same shape.

        Args:
            x: the input.
            across: the vertical stack, for a block of the horizontal one.
            shortcut: the output of a block on the way down, for one on the way up.
            c: (B,) labels.
        """
        h = self.first(concat_elu(x))
        for layer, other in ((self.across, across), (self.shortcut, shortcut)):
            if layer is not None and other is not None:
                h = h + layer(concat_elu(other))
        h = self.second(self.dropout(concat_elu(h)))
        return x + F.glu(plus(h, self.bias(c)), 1)


class _RowBlock:
    """A block of the vertical stack, row by row."""

    def __init__(self, block: Residual, n: int, width: int, c: Tensor | None) -> None:
        self.first, self.second = (RowCache(cast(RowConv, conv), n, width) for conv in (block.first, block.second))
        self.shortcut = None if block.shortcut is None else Point(block.shortcut)
        self.bias = block.bias(c)

    def __call__(self, x: Tensor, shortcut: Tensor | None) -> Tensor:
        """Map a row (n, width, W)."""
        h = self.first(concat_elu(x))
        if self.shortcut is not None and shortcut is not None:
            h = h + self.shortcut.row(concat_elu(shortcut))
        return x + F.glu(plus(self.second(concat_elu(h)), self.bias), 1)


class _PixelBlock:
    """A block of the horizontal stack, pixel by pixel."""

    def __init__(self, block: Residual, n: int, width: int, c: Tensor | None) -> None:
        self.first, self.second = (PixelCache(cast(PixelConv, conv), n, width) for conv in (block.first, block.second))
        assert block.across is not None
        self.across, self.shortcut = Point(block.across), None if block.shortcut is None else Point(block.shortcut)
        self.bias = None if (bias := block.bias(c)) is None else bias[:, :, None]

    def start_row(self, v: Tensor) -> None:
        """Move to the next row, given the vertical stack (n, width, W) there."""
        self.first.start_row()
        self.second.start_row()
        self.first.start_outputs(self.across.row(concat_elu(v)))
        self.second.start_outputs(self.bias)

    def __call__(self, column: int, x: Tensor, shortcut: Tensor | None) -> Tensor:
        """Map a pixel (n, width)."""
        h = self.first(column, concat_elu(x))
        if self.shortcut is not None and shortcut is not None:
            h = h + self.shortcut(concat_elu(shortcut))
        return x + F.glu(self.second(column, concat_elu(h)), 1)


class Stage(nn.Module):
    """The blocks of one resolution, on the way down or up, for both stacks.

    Args:
        blocks: of each stack.
        width: channels.
        shortcut: on the way up, the blocks see those on the way down.
        classes: of the labels; None: no labels.
        dropout: share of the inner values of a block that are dropped.
    """

    def __init__(self, blocks: int, width: int, *, shortcut: bool, classes: int | None, dropout: float) -> None:
        super().__init__()

        def stack(horizontal: bool) -> nn.ModuleList:
            return nn.ModuleList(
                Residual(width, horizontal=horizontal, shortcut=shortcut, classes=classes, dropout=dropout)
                for _ in range(blocks)
            )

        self.vertical, self.horizontal = stack(False), stack(True)

    @property
    def pairs(self) -> list[tuple[Residual, Residual]]:
        """Blocks of the vertical and of the horizontal stack."""
        pairs: Iterable[tuple[nn.Module, nn.Module]] = zip(self.vertical, self.horizontal, strict=True)
        return [(cast(Residual, v), cast(Residual, h)) for v, h in pairs]


class Halve(nn.Module):
    """Both stacks at half the resolution; odd sides are rounded up.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vertical = RowConv(width, width, 1, 1, stride=2)
        self.horizontal = PixelConv(width, width, 1, 1, stride=2)


class Double(nn.Module):
    """Both stacks at twice the resolution; a position serves its square, in the vertical stack also the columns around.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vertical = nn.ConvTranspose2d(width, width, (2, 3), stride=2)
        self.horizontal = nn.ConvTranspose2d(width, width, 2, stride=2)

    def of_vertical(self, v: Tensor, width: int) -> Tensor:
        """Map (B, C, H, W) to (B, C, 2 H, width)."""
        return self.vertical(v)[..., 1 : 1 + width]


class PixelCNNPlus(PixelNetwork):
    """The network of PixelCNN++ (module docstring).

    Args:
        colours: channels of a pixel, which are drawn together.
        outputs: parameters of a pixel.
        width: channels of a stack.
        blocks: of each resolution on the way down, and one more on the way up.
        scales: resolutions.
        classes: of the labels; None: no labels.
        dropout: share of the inner values of a block that are dropped.
    """

    def __init__(
        self,
        colours: int,
        outputs: int,
        *,
        width: int,
        blocks: int,
        scales: int,
        classes: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.scales = scales
        unseen = sees(torch.tensor([0] * colours + [-1]), torch.zeros(width), itself=False)
        self.vertical = RowConv(colours + 1, width, 1, 1)
        self.horizontal = PixelConv(colours + 1, width, 1, 1, 1, centre=unseen)
        self.down = nn.ModuleList(
            Stage(blocks, width, shortcut=False, classes=classes, dropout=dropout) for _ in range(scales)
        )
        self.up = nn.ModuleList(
            Stage(blocks + (s < scales - 1), width, shortcut=True, classes=classes, dropout=dropout)
            for s in range(scales)
        )
        self.halvings = nn.ModuleList(Halve(width) for _ in range(scales - 1))
        self.doublings = nn.ModuleList(Double(width) for _ in range(scales - 1))
        self.out = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Map images (B, C + 1, H, W), the last channel ones, to (B, outputs, H, W)."""
        v, h = self.vertical(shift_down(x)), self.horizontal(x)
        kept: list[list[tuple[Tensor, Tensor]]] = []
        for s in range(self.scales):
            if s:
                v, h = self.halvings[s - 1].vertical(v), self.halvings[s - 1].horizontal(h)  # type: ignore[operator]
            kept.append([(v, h)])
            for row_block, pixel_block in cast(Stage, self.down[s]).pairs:
                v = row_block(v, None, None, c)
                h = pixel_block(h, v, None, c)
                kept[s].append((v, h))
        v, h = kept[-1].pop()
        for s in reversed(range(self.scales)):
            if s < self.scales - 1:
                height, width = kept[s][0][0].shape[2:]
                double = cast(Double, self.doublings[s])
                v, h = double.of_vertical(v, width)[:, :, :height], double.horizontal(h)[..., :height, :width]
            for row_block, pixel_block in cast(Stage, self.up[s]).pairs:
                of_v, of_h = kept[s].pop()
                v = row_block(v, None, of_v, c)
                h = pixel_block(h, v, of_h, c)
        return self.out(F.elu(h))

    def steps(self, n: int, width: int, c: Tensor | None = None) -> PixelSteps:
        """Return the network for n images of a width, pixel by pixel."""
        return _PlusSteps(self, n, width, c)


class _Scale:
    """Both stacks at one resolution, with what they have kept."""

    def __init__(self, network: PixelCNNPlus, s: int, n: int, width: int, c: Tensor | None) -> None:
        self.width = width
        down, up = (cast(Stage, stages[s]).pairs for stages in (network.down, network.up))
        self.down = [(_RowBlock(v, n, width, c), _PixelBlock(h, n, width, c)) for v, h in down]
        self.up = [(_RowBlock(v, n, width, c), _PixelBlock(h, n, width, c)) for v, h in up]
        self.last = s == network.scales - 1
        if not self.last:
            halve, double = cast(Halve, network.halvings[s]), cast(Double, network.doublings[s])
            self.halve_v, self.halve_h = RowCache(halve.vertical, n, width), PixelCache(halve.horizontal, n, width)
            self.double = double
            self.fourfold = double.horizontal.weight.permute(2, 3, 0, 1)  # (2, 2, C, C')
            self.fourfold_bias = cast(Tensor, double.horizontal.bias)
        self.v = torch.empty(0)
        """(n, C, rows, W) the vertical stack after the way up, at one row, or (doubled for the next finer) two."""
        self.h: list[Tensor] = [torch.empty(0)] * width
        """(n, C) the horizontal stack after the way up, at every column of the present row."""


class _PlusSteps(PixelSteps):
    def __init__(self, network: PixelCNNPlus, n: int, width: int, c: Tensor | None) -> None:
        self.vertical, self.horizontal = (
            RowCache(network.vertical, n, width),
            PixelCache(network.horizontal, n, width),
        )
        self.scales = [_Scale(network, s, n, -(-width // 2**s), c) for s in range(network.scales)]
        self.out, self.row = Point(network.out), -1

    def start_row(self, above: Tensor) -> None:
        self.row += 1
        self.horizontal.start_row()
        self.horizontal.start_outputs()
        v, kept, active = self.vertical(above), [], self.active(self.row)
        for scale, following in zip(active, [*active[1:], None], strict=True):
            kept.append([v])
            for row_block, pixel_block in scale.down:
                v = row_block(v, None)
                pixel_block.start_row(v)
                kept[-1].append(v)
            if not scale.last:
                scale.halve_v.write(v)
                scale.halve_h.start_row()
                if following is not None:
                    scale.halve_h.start_outputs()
                    v = scale.halve_v.read()
        self.rise(active, kept)

    def rise(self, active: list[_Scale], kept: list[list[Tensor]]) -> None:
        """Take the vertical stack up again from the coarsest resolution that has a new row."""
        for s, scale in reversed(list(enumerate(active))):
            if scale.last:
                v = kept[s].pop()
            else:
                v = self.scales[s + 1].v[:, :, (self.row >> s) % 2, : scale.width]
            for row_block, pixel_block in scale.up:
                v = row_block(v, kept[s].pop())
                pixel_block.start_row(v)
            if s:
                scale.v = self.scales[s - 1].double.of_vertical(v[:, :, None], self.scales[s - 1].width)

    def active(self, place: int) -> list[_Scale]:
        """Return the resolutions, from the finest, that have a new position at this row or column."""
        return [scale for s, scale in enumerate(self.scales) if place % 2**s == 0]

    def pixel(self, column: int, x: Tensor) -> Tensor:
        h, kept, active = self.horizontal(column, x), [], self.active(self.row | column)
        for s, scale in enumerate(active):
            place = column >> s
            kept.append([h])
            for _, block in scale.down:
                h = block(place, h, None)
                kept[-1].append(h)
            if not scale.last:
                scale.halve_h.write(place, h)
                if s + 1 < len(active):
                    h = scale.halve_h.read(place)
        for s, scale in reversed(list(enumerate(active))):
            place = column >> s
            if scale.last:
                h = kept[s].pop()
            else:
                weight = scale.fourfold[(self.row >> s) % 2, place % 2]
                h = torch.addmm(scale.fourfold_bias, self.scales[s + 1].h[place // 2], weight)
            for _, block in scale.up:
                h = block(place, h, kept[s].pop())
            scale.h[place] = h
        return self.out(F.elu(h))

    def finish(self, column: int, x: Tensor) -> None:
        self.horizontal.write(column, x)
