r"""Convolutional networks for images and lattices of any size.

An image is halved until its shorter side is at most 4, rounding odd sides up (28 → 14 → 7 → 4), while the channels
double, up to four times the finest. At every resolution below the finest there is one residual block

$$ h \mapsto h + W_2 * a(W_1 * a(h)), $$

with $W_2$ zero at the start (Zhang et al., Fixup Initialization, 2019), so that no normalisation is needed and no
example depends on the others of its batch. The decoder is the encoder read backwards. Lattices have periodic
boundaries (in the decoder, an odd side breaks the period by the row that is cropped).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Protocol

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
Padding = Literal["zeros", "circular"]


class Grid(Protocol):
    """The properties of a space that the networks need: `veridical.data.Space` has them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        ...

    @property
    def kind(self) -> str:
        """Boundaries are periodic if this is "lattice"."""
        ...


def resolutions(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes from the finest to the coarsest, halved (rounding up) until the shorter side is at most 4.

    Examples:
        >>> resolutions(28, 28)
        [(28, 28), (14, 14), (7, 7), (4, 4)]
    """
    sizes = [(height, width)]
    while min(sizes[-1]) > 4:
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))  # type: ignore[arg-type]
    return sizes


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to the identity; the block is the identity at the start."""

    def __init__(self, channels: int, padding_mode: Padding = "zeros") -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode)
        self.last = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode)
        start(self.first)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return h + self.last(F.leaky_relu(self.first(F.leaky_relu(h, SLOPE)), SLOPE))


class Upsample(nn.Module):
    """Transposed 4x4 convolution of stride 2, cropped to the given size."""

    def __init__(self, in_channels: int, out_channels: int, size: tuple[int, int], periodic: bool) -> None:
        super().__init__()
        # The grid has a margin of one, of zeros or of the other side; a margin of zeros is implicit.
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=3 if periodic else 1)
        self.size, self.periodic = size, periodic
        start(self.conv, taps=4)  # of the 16 weights 4 meet at every output

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', *size)."""
        h = self.conv(F.pad(h, (1, 1, 1, 1), mode="circular") if self.periodic else h)
        return h[..., : self.size[0], : self.size[1]]


class ConvTrunk(nn.Module):
    """The convolutions of the encoder: (B, C, H, W) → (B, feature_dim).

    Args:
        space: shape (C, H, W) with H, W ≥ 8, and kind of the images.
        width: channels of the finest convolution.
        blocks: residual blocks at every resolution.

    Raises:
        ValueError: the space holds no images, or too small ones.
    """

    def __init__(self, space: Grid, width: int = 64, blocks: int = 1) -> None:
        super().__init__()
        sizes, channels = plan(space, width)
        padding_mode: Padding = "circular" if space.kind == "lattice" else "zeros"
        layers: list[nn.Module] = []
        for c_in, c_out in zip([space.shape[0], *channels], channels, strict=False):
            # A 3x3 kernel of stride 2 and padding 1 leaves ceil(side / 2), odd sides included.
            down = nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, padding_mode=padding_mode)
            start(down)
            layers += [nn.LeakyReLU(SLOPE)] if layers else []
            layers += [down, *(ResidualBlock(c_out, padding_mode) for _ in range(blocks))]
        height, side = sizes[-1]
        self.feature_dim = channels[-1] * height * side
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(SLOPE), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, feature_dim)."""
        return self.layers(x)


class ConvEncoder(nn.Module):
    """Downsampling network (B, C, H, W) → (B, out_dim): the trunk and an affine map.

    Args:
        space: shape (C, H, W) with H, W ≥ 8, and kind of the images.
        out_dim: components of the output.
        width: channels of the finest convolution.
        blocks: residual blocks at every resolution.

    Raises:
        ValueError: the space holds no images, or too small ones.

    Examples:
        >>> import torch
        >>> from veridical.data.space import Space
        >>> ConvEncoder(Space((3, 28, 28)), out_dim=10, width=8)(torch.zeros(5, 3, 28, 28)).shape
        torch.Size([5, 10])
    """

    def __init__(self, space: Grid, out_dim: int, width: int = 64, blocks: int = 1) -> None:
        super().__init__()
        self.trunk = ConvTrunk(space, width, blocks)
        self.head = nn.Linear(self.trunk.feature_dim, out_dim)
        start(self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, out_dim)."""
        return self.head(self.trunk(x))


class ConvDecoder(nn.Module):
    """Upsampling network (B, in_dim) → (B, C, H, W), unbounded.

    Args:
        space: shape (C, H, W) with H, W ≥ 8, and kind of the images.
        in_dim: components of the input.
        width: channels of the finest convolution.
        blocks: residual blocks at every resolution.

    Raises:
        ValueError: the space holds no images, or too small ones.

    Examples:
        >>> import torch
        >>> from veridical.data.space import Space
        >>> ConvDecoder(Space((3, 28, 28)), in_dim=10, width=8)(torch.zeros(5, 10)).shape
        torch.Size([5, 3, 28, 28])
    """

    def __init__(self, space: Grid, in_dim: int, width: int = 64, blocks: int = 1) -> None:
        super().__init__()
        sizes, channels = plan(space, width)
        sizes, channels = sizes[::-1], [*channels[::-1], space.shape[0]]
        periodic = space.kind == "lattice"
        linear = nn.Linear(in_dim, channels[0] * sizes[0][0] * sizes[0][1])
        start(linear)
        layers: list[nn.Module] = [linear, nn.Unflatten(1, (channels[0], *sizes[0]))]
        for (c_in, c_out), size in zip(pairwise(channels), sizes[1:], strict=True):
            layers += [ResidualBlock(c_in, "circular" if periodic else "zeros") for _ in range(blocks)]
            layers += [nn.LeakyReLU(SLOPE), Upsample(c_in, c_out, size, periodic)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, in_dim) to (B, C, H, W)."""
        return self.layers(z)


def fits_convolutions(shape: tuple[int, ...]) -> bool:
    """Return whether examples are images or lattices large enough for convolutional networks: sides of 8 or more."""
    return len(shape) == 3 and min(shape[1:]) >= 8


def plan(space: Grid, width: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the sizes from fine to coarse and the channels of every size but the finest.

    Raises:
        ValueError: the space holds no images, or too small ones.
    """
    if not fits_convolutions(space.shape):
        raise ValueError(
            f"space has shape {space.shape}; a convolutional network expects (C, H, W) with H and W at least 8. "
            'Choose network="mlp".'
        )
    sizes = resolutions(*space.shape[1:])
    return sizes, [width * min(2**i, 4) for i in range(len(sizes) - 1)]


def start(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, taps: int | None = None) -> None:
    """Draw weights that keep the variance through a leaky rectifier (He et al., 2015, Eq. 15); biases at 0."""
    if isinstance(layer, nn.Linear):
        fan_in = layer.in_features
    else:
        kernel = layer.kernel_size[0] * layer.kernel_size[1]
        fan_in = layer.in_channels * (kernel if taps is None else taps)
    nn.init.normal_(layer.weight, std=(2 / ((1 + SLOPE**2) * fan_in)) ** 0.5)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
