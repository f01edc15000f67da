"""Networks of an example, a noise level and a label: a residual perceptron for vectors, a U-Net for images.

Both map (B, *event), (B,) levels and (B,) labels to (B, *event). The output is zero at the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.conv import Grid, Padding
from veridical.nn.fourier import FourierFeatures
from veridical.nn.mlp import Trunk

LEVEL_OCTAVES = 5
"""Octaves of the Fourier features of a level, a number of order one."""

SMALLEST_SIDE = 4
"""A side is halved while it is even and at least twice this."""


class LevelEmbedding(nn.Module):
    """A vector for a noise level and a label, (B,), (B,) → (B, dim).

    Args:
        dim: components.
        classes: number of labels; 0: there are none.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.fourier = FourierFeatures(1, LEVEL_OCTAVES)
        self.trunk = Trunk(self.fourier.out_dim, dim, 2)
        self.labels = nn.Embedding(classes, dim) if classes else None

    def forward(self, level: Tensor, c: Tensor | None) -> Tensor:
        """Map levels (B,) and labels (B,)."""
        h = self.trunk(self.fourier(level[:, None]))
        return h if self.labels is None else h + self.labels(c)


class LevelMLP(nn.Module):
    r"""A residual perceptron, $h \mapsto h + W_2\,a(W_1\,a(h) + W_e\,e)$ with the embedding $e$ of level and label.

    Args:
        dim: components of an example, which is flattened.
        width: units of every layer.
        depth: blocks.
        octaves: of the Fourier features of the example.
        classes: number of labels; 0: there are none.
        dropout: share of the units that are left out of every block during training.
    """

    def __init__(
        self, dim: int, width: int, depth: int, *, octaves: int = 4, classes: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embedding = LevelEmbedding(width, classes)
        self.features = FourierFeatures(dim, octaves)
        self.first = nn.Linear(self.features.out_dim + width, width)
        self.blocks = nn.ModuleList(_MLPBlock(width, dropout) for _ in range(depth))
        self.last = nn.Linear(width, dim)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="linear")
        for parameter in (self.first.bias, self.last.weight, self.last.bias):
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, level: Tensor, c: Tensor | None = None) -> Tensor:
        """Map examples (B, *event) with levels (B,) and labels (B,)."""
        with torch.autocast(x.device.type, enabled=False):  # half precision would round away what the features resolve
            e = self.embedding(level, c)
            h = self.first(torch.cat([self.features(x.flatten(1)), e], dim=1))
            for block in self.blocks:
                h = block(h, e)
            return self.last(F.silu(h)).reshape(x.shape)


class _MLPBlock(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.level, self.last = (nn.Linear(width, width) for _ in range(3))
        self.dropout = dropout
        for layer in (self.first, self.level):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        inner = F.silu(self.first(F.silu(h)) + self.level(e))
        return h + self.last(F.dropout(inner, self.dropout, self.training))


class UNet(nn.Module):
    r"""A U-Net with residual blocks and self-attention on the coarsest grid.

    A side is halved only where it is even, so that no image is padded or cropped: 28 → 14 → 7, 64 → 32 → 16 → 8.
    Channels double once and then stay. Group normalisation depends on no other example of the batch. Lattices have
    periodic boundaries.

    Args:
        space: shape (C, H, W) and kind of the images.
        width: channels of the finest grid.
        blocks: residual blocks on every grid, down and up.
        scales: grids; None: as many as the sides can be halved, at most 4.
        classes: number of labels; 0: there are none.
        dropout: share of the channels' values that are left out of every block during training.
        inputs: channels of the input; None: those of the images.
        outputs: channels of the output; None: those of the images.

    Raises:
        ValueError: the sides cannot be halved so often.

    Examples:
        >>> from veridical.data.space import Space
        >>> network = UNet(Space((3, 28, 28)), width=8)
        >>> network.sides, network(torch.zeros(2, 3, 28, 28), torch.zeros(2)).shape
        ([(28, 28), (14, 14), (7, 7)], torch.Size([2, 3, 28, 28]))
    """

    def __init__(
        self,
        space: Grid,
        width: int = 32,
        blocks: int = 1,
        *,
        scales: int | None = None,
        classes: int = 0,
        dropout: float = 0.0,
        inputs: int | None = None,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        self.sides = halved(space.shape[1:], scales)
        channels = [width * min(2**k, 2) for k in range(len(self.sides))]
        embedding = 2 * width
        self.embedding = LevelEmbedding(embedding, classes)
        mode: Padding = "circular" if space.kind == "lattice" else "zeros"

        def block(c_in: int, c_out: int) -> ResidualBlock:
            return ResidualBlock(c_in, c_out, embedding, mode, dropout)

        self.first = conv3(inputs or space.shape[0], width, mode)
        self.down, self.shrink, skips, now = nn.ModuleList(), nn.ModuleList(), [width], width
        for k, c in enumerate(channels):
            for _ in range(blocks):
                self.down.append(block(now, c))
                skips.append(now := c)
            if k + 1 < len(channels):
                self.shrink.append(nn.Conv2d(c, c, 3, stride=2, padding=1, padding_mode=mode))
                skips.append(c)
        self.middle = nn.ModuleList([block(now, now), block(now, now)])
        self.attention = Attention(now)
        self.up = nn.ModuleList()
        for c in reversed(channels):
            for _ in range(blocks + 1):
                self.up.append(block(now + skips.pop(), c))
                now = c
        self.grow = nn.ModuleList(conv3(c, c, mode) for c in channels[:0:-1])
        self.norm, self.last = group_norm(now), conv3(now, outputs or space.shape[0], mode)
        self.blocks = blocks
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, level: Tensor, c: Tensor | None = None) -> Tensor:
        """Map images (B, C, H, W) with levels (B,) and labels (B,)."""
        e = F.silu(self.embedding(level, c))
        h = self.first(x)
        skips = [h]
        for k in range(len(self.sides)):
            for block in self.down[k * self.blocks : (k + 1) * self.blocks]:
                h = block(h, e)
                skips.append(h)
            if k + 1 < len(self.sides):
                h = self.shrink[k](h)
                skips.append(h)
        h = self.middle[1](self.attention(self.middle[0](h, e)), e)
        for k in range(len(self.sides)):
            for block in self.up[k * (self.blocks + 1) : (k + 1) * (self.blocks + 1)]:
                h = block(torch.cat([h, skips.pop()], dim=1), e)
            if k + 1 < len(self.sides):
                h = self.grow[k](F.interpolate(h, scale_factor=2.0, mode="nearest"))
        return self.last(F.silu(self.norm(h)))


class ResidualBlock(nn.Module):
    r"""$h \mapsto W_0 h + W_2\,a((1 + g_e)\,n(W_1\,a(n(h))) + b_e)$ with convolutions W and group normalisation n.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        embedding: components of the vector that gives gain and bias.
        mode: boundaries.
        dropout: share of the values before the last convolution that are left out during training.
    """

    def __init__(self, c_in: int, c_out: int, embedding: int, mode: Padding, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([group_norm(c_in), group_norm(c_out)])
        self.first, self.last = conv3(c_in, c_out, mode), conv3(c_out, c_out, mode)
        self.gain_and_bias = nn.Linear(embedding, 2 * c_out)
        self.skip = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)
        self.dropout = dropout
        for parameter in (*self.gain_and_bias.parameters(), *self.last.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        """Map (B, C, H, W) with vectors (B, embedding)."""
        gain, bias = self.gain_and_bias(e)[..., None, None].chunk(2, dim=1)
        inner = self.norms[1](self.first(F.silu(self.norms[0](h))))
        inner = F.dropout(F.silu((1 + gain) * inner + bias), self.dropout, self.training)
        return self.skip(h) + self.last(inner)


class Attention(nn.Module):
    """Self-attention between all positions, added to the input; it adds nothing at the start.

    Args:
        channels: C, divided among heads of 16 to 32 channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = math.gcd(channels, max(1, channels // 32))
        self.norm, self.into = group_norm(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        parts = self.into(self.norm(h)).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(-1, -2)
        seen = F.scaled_dot_product_attention(parts[:, 0], parts[:, 1], parts[:, 2])
        return h + self.out(seen.transpose(-1, -2).reshape(h.shape))


def halved(sides: Sequence[int], scales: int | None) -> list[tuple[int, int]]:
    """Return the grids from the finest to the coarsest, each half of the one before.

    Args:
        sides: (H, W) of the finest.
        scales: number of grids; None: as many as possible, at most 4.

    Raises:
        ValueError: there are not so many.

    Examples:
        >>> halved((28, 28), None), halved((9, 12), None)
        ([(28, 28), (14, 14), (7, 7)], [(9, 12)])
    """
    found = [(sides[0], sides[1])]
    while all(side % 2 == 0 and side >= 2 * SMALLEST_SIDE for side in found[-1]) and len(found) < (scales or 4):
        found.append((found[-1][0] // 2, found[-1][1] // 2))
    if scales is not None and len(found) < scales:
        raise ValueError(
            f"scales is {scales}; sides of {sides[0]} x {sides[1]} are halved while they are even and at least "
            f"{2 * SMALLEST_SIDE}, which gives {len(found)}. Choose at most that, or resize the images."
        )
    return found


def group_norm(channels: int) -> nn.GroupNorm:
    """Return group normalisation of at most 8 groups of equal size."""
    return nn.GroupNorm(math.gcd(8, channels), channels)


def conv3(c_in: int, c_out: int, mode: Padding) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the sides, started as He et al. (2015) for rectified units."""
    layer = nn.Conv2d(c_in, c_out, 3, padding=1, padding_mode=mode)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
