"""Networks from an image to the parameters of every pixel, as a whole and pixel by pixel, and the layers they share.

Images have a last channel of ones, which tells pixels from the padding around the image. The outputs for a colour of a
pixel see the pixels before, and the colours before in its own.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.causal_conv import PixelConv, colour_groups, sees


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
