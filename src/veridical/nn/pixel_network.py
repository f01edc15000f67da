"""Networks from an image to the parameters of every pixel, as a whole and pixel by pixel, and the layers they share.

Images have a last channel of ones, which tells pixels from the padding around the image. The outputs for a colour of a
pixel see the pixels before, and the colours before in its own.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole
from veridical.nn.causal_conv import PixelConv, colour_groups, sees
from veridical.nn.triangular import Chain


class PixelSteps(ABC):
    """A network of pixels, run one pixel at a time for n images."""

    @abstractmethod
    def start_row(self, above: Tensor) -> None:
        """Move to the next row, given the last one (n, C + 1, W); zeros above the first."""

    @abstractmethod
    def pixel(self, column: int, x: Tensor) -> Tensor:
        """Return (n, outputs) at a column, given its own pixel (n, C + 1) as far as it is known."""

    @abstractmethod
    def finish(self, column: int, x: Tensor) -> None:
        """Take the finished pixel (n, C + 1) of a column."""


class PixelNetwork(nn.Module, ABC):
    """A network from images to the parameters of every pixel."""

    @abstractmethod
    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Map images (B, C + 1, H, W), the last channel ones, and labels (B,) to (B, outputs, H, W)."""

    @abstractmethod
    def steps(self, n: int, width: int, c: Tensor | None = None) -> PixelSteps:
        """Return the network for n images of a width, with the weights as they are now, pixel by pixel."""


def with_ones(x: Tensor) -> Tensor:
    """Return (B, C + 1, H, W): a channel of ones tells pixels from the padding around the image."""
    return torch.cat([x, torch.ones_like(x[:, :1])], 1)


def image_groups(colours: int) -> Tensor:
    """Return (colours + 1,) the groups of the channels of an image with its ones, which all may see."""
    return torch.cat([torch.arange(colours), torch.tensor([-1])])


class Bias(nn.Module):
    """A bias of every channel that depends on the label; nothing where there are no labels.

    Args:
        classes: of the labels; None: no labels.
        channels: of the bias.
    """

    def __init__(self, classes: int | None, channels: int) -> None:
        super().__init__()
        self.table = None if classes is None else nn.Parameter(torch.zeros(classes, channels))

    def forward(self, c: Tensor | None) -> Tensor | None:
        """Return (B, channels), or None."""
        return None if self.table is None or c is None else self.table[c]


def plus(h: Tensor, bias: Tensor | None) -> Tensor:
    """Add a bias (B, C) to maps (B, C, ...) if there is one."""
    return h if bias is None else h + bias.reshape(*bias.shape, *[1] * (h.dim() - 2))


class Point:
    """A convolution of one pixel, as a matrix product.

    Args:
        conv: of kernel 1.
    """

    def __init__(self, conv: PixelConv | nn.Conv2d) -> None:
        kernel, bias = conv.kernel if isinstance(conv, PixelConv) else conv.weight, conv.bias
        assert isinstance(bias, Tensor)
        self.weight, self.bias = kernel[:, :, 0, 0].T.contiguous(), bias

    def __call__(self, h: Tensor) -> Tensor:
        """Map (n, C) to (n, C')."""
        return torch.addmm(self.bias, h, self.weight)

    def row(self, h: Tensor) -> Tensor:
        """Map (n, C, W) to (n, C', W)."""
        return F.conv1d(h, self.weight.T[:, :, None], self.bias)


class LastLayers(nn.Module):
    """The last layers, of the present pixel alone: ReLU, 1 x 1, ReLU, 1 x 1.

    Args:
        width: channels of the input.
        hidden: channels in between.
        outputs: parameters of a pixel, in equal shares for its colours.
        colours: of a pixel.
    """

    def __init__(self, width: int, hidden: int, outputs: int, colours: int) -> None:
        super().__init__()
        groups = [colour_groups(channels, colours) for channels in (width, hidden, outputs)]
        first, last = (sees(a, b, itself=True) for a, b in itertools.pairwise(groups))
        self.first, self.last = PixelConv(width, hidden, centre=first), PixelConv(hidden, outputs, centre=last)

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, width, H, W) to (B, outputs, H, W)."""
        return self.last(self.first(h.relu()).relu())

    def of_pixels(self) -> Callable[[Tensor], Tensor]:
        """Return the layers, with the weights as they are now, for single pixels: (n, width) → (n, outputs)."""
        first, last = Point(self.first), Point(self.last)
        return lambda h: last(first(h.relu()).relu())


class Pixels(nn.Module):
    """A network of pixels as the conditionals of sites, in one of several directions.

    A direction is one of the eight symmetries of a square: the image is turned or mirrored, then read in raster order.
    Sites are in their places in the example: along the flattened example if the colours of a pixel are sites of their
    own, otherwise along the pixels. With several directions the network sees the direction as it sees a label.

    Args:
        network: one group of outputs for the sites of a pixel, one after the other; its classes are those of
            `classes_of`.
        shape: (C, H, W) of an example.
        interval: of values that the network sees as [-1, 1].
        size: components of a site: 1, or all colours of a pixel.
        directions: from which the network is used: 1, 2, 4 or 8.
    """

    buffer_roles = {"orders": BufferRole.LIVE}
    orders: Tensor

    def __init__(
        self,
        network: PixelNetwork,
        shape: tuple[int, ...],
        interval: tuple[float, float],
        *,
        size: int = 1,
        directions: int = 1,
    ) -> None:
        super().__init__()
        self.network, self.shape, self.size, self.directions = network, shape, size, directions
        self.groups = shape[0] // size
        self.register_buffer("orders", torch.stack([self.order(d) for d in range(directions)]), persistent=False)
        self.middle, self.scale = sum(interval) / 2, (interval[1] - interval[0]) / 2

    def chains(self) -> list[Chain]:
        """Return one factorisation for each direction."""
        return [
            Chain(order, partial(self, direction=d), partial(self.steps, direction=d))
            for d, order in enumerate(self.orders)
        ]

    def mixed_chain(self) -> Chain:
        """Return what a step of training sees: the directions in turn, from row to row of the batch."""
        return replace(self.chains()[0], conditionals=self.mixed, steps=None)

    def order(self, direction: int) -> Tensor:
        """Return (S,) the sites in the order in which a direction reads them."""
        colours = torch.arange(self.groups)[:, None, None]
        places = torch.arange(math.prod(self.shape[1:])).reshape(self.shape[1:]) + colours * math.prod(self.shape[1:])
        return turned(places[None], direction)[0].flatten(1).T.flatten()

    def forward(self, x: Tensor, c: Tensor | None, direction: int = 0) -> Tensor:
        """Return (B, S, P) numbers for the sites of examples (B, *event), in their places."""
        return self.of_sites(turned(self.outputs(turned(x, direction), c, direction), direction, back=True))

    def mixed(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return the same, every row in another direction in turn; square images in one pass of the network."""
        if self.directions == 1:
            return self(x, c)
        every, square = range(self.directions), self.shape[1] == self.shape[2]
        passes = [every] if square else [every[:4], every[4:]]
        parts = [part for together in passes if together for part in self._shares(x, c, together)]
        mixed = parts[0].new_empty(len(x), *parts[0].shape[1:])
        for d, part in enumerate(parts):
            mixed[d :: self.directions] = part
        return mixed

    def _shares(self, x: Tensor, c: Tensor | None, together: range) -> list[Tensor]:
        """Return the numbers of some directions, each for its share of the rows, in one pass of the network."""
        rows = [slice(d, None, self.directions) for d in together]
        images = torch.cat([turned(x[row], d) for row, d in zip(rows, together, strict=True)])
        labels = [self._label(None if c is None else c[row], d, x[row]) for row, d in zip(rows, together, strict=True)]
        h = self.network(with_ones(self.scaled(images)), torch.cat([label for label in labels if label is not None]))
        parts = h.split([len(x[row]) for row in rows])
        return [self.of_sites(turned(part, d, back=True)) for part, d in zip(parts, together, strict=True)]

    def outputs(self, x: Tensor, c: Tensor | None, direction: int) -> Tensor:
        """Return the numbers (B, G * P, H, W) of turned examples."""
        return self.network(with_ones(self.scaled(x)), self._label(c, direction, x))

    def of_sites(self, h: Tensor) -> Tensor:
        """Return (B, S, P) for outputs (B, G * P, H, W)."""
        return h.flatten(2).unflatten(1, (self.groups, -1)).transpose(2, 3).flatten(1, 2)

    def _label(self, c: Tensor | None, direction: int, x: Tensor) -> Tensor | None:
        """Return labels of the network for the rows of x: those of the data, with the direction if there are some."""
        if self.directions == 1:
            return c
        return torch.full((len(x),), direction, device=x.device) if c is None else c * self.directions + direction

    def scaled(self, x: Tensor) -> Tensor:
        """Return values as the network sees them: the interval becomes [-1, 1]."""
        return (x - self.middle) / self.scale

    def steps(self, n: int, c: Tensor | None, direction: int = 0) -> Generator[Tensor, Tensor, None]:
        """Yield the numbers (n, P) of one site after another in the order of a direction; receive their values (n, k).

        Args:
            n: images.
            c: (n,) labels.
            direction: in which they are read.
        """
        weight = next(self.network.parameters())
        height, width = turned(torch.empty(1, *self.shape), direction).shape[2:]
        row = weight.new_zeros(n, self.shape[0] + 1, width)
        steps = self.network.steps(n, width, self._label(c, direction, row))
        steps.start_row(row)
        for i in range(height * width):
            column = i % width
            if i and column == 0:
                steps.start_row(row)
                row.zero_()
            x, x[:, -1] = row[:, :, column], 1.0
            for group in range(self.groups):
                h = steps.pixel(column, x).unflatten(1, (self.groups, -1))[:, group]
                x[:, group * self.size : (group + 1) * self.size] = self.scaled((yield h))
            steps.finish(column, x)


def turned(x: Tensor, direction: int, *, back: bool = False) -> Tensor:
    """Return images (B, C, H, W) as a direction reads them, or turned back.

    Args:
        x: images.
        direction: 0 to 7; bits 0 and 1 mirror columns and rows, bit 2 then exchanges rows and columns.
        back: the inverse.

    Examples:
        >>> turned(torch.arange(4).reshape(1, 1, 2, 2), 5).flatten().tolist()
        [1, 3, 0, 2]
    """
    mirrored = [axis for bit, axis in ((1, 3), (2, 2)) if direction & bit]
    if not back:
        x = x.flip(mirrored) if mirrored else x
        return x.transpose(2, 3) if direction & 4 else x
    x = x.transpose(2, 3) if direction & 4 else x
    return x.flip(mirrored) if mirrored else x


def classes_of(classes: int, directions: int) -> int | None:
    """Return how many labels a network of `Pixels` has: one for each class and direction; None: none."""
    return max(classes, 1) * directions if classes or directions > 1 else None
