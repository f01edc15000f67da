r"""The residual networks of SNGAN (Miyato et al., Spectral Normalization for GANs, 2018, Tables 3 to 6).

A block of the generator doubles the side, one of the discriminator halves it by averaging 2 x 2 positions or keeps it:

$$ h \mapsto \mathrm{up}(h) * W_0 + W_2 * a(N(W_1 * \mathrm{up}(a(N(h))))), \qquad
   h \mapsto \mathrm{down}\big(h * W_0 + W_2 * a(W_1 * a(h))\big), $$

with $a$ the rectifier, $N$ batch normalisation (with gains of every class where there are classes, Miyato & Koyama
2018) and the shortcut $W_0$ a 1x1 convolution where side or channels change. The discriminator has no normalisation
except, as an option, spectral normalisation; its features are the sums over all positions.

At 32x32 these are the networks of Table 4, 256 channels in every block of the generator and 128 in the
discriminator's: 4,276,739 and 1,053,825 parameters with 128 latents and a linear head.

Adaptations: 28x28 starts from 7x7 and doubles twice (7 → 14 → 28); any side 2^k · {4, 5, 6, 7} likewise. From 64 on the
channels halve with every doubling (16 w, 8 w, ..., w; none exceeds 16 w) and the discriminator mirrors that.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.attention import attention_after
from veridical.nn.conditional import ClassBatchNorm2d, normalized
from veridical.nn.conv import Grid

GROWING = 64
"""From this side on, channels grow towards the coarse grids."""


def coarsest(space: Grid) -> tuple[int, int]:
    """Return the side of the coarsest grid, 4 to 7, and how often it doubles.

    Raises:
        ValueError: the images are not square, or their side is not 2^k · {4, 5, 6, 7} with k at least 1.

    Examples:
        >>> from veridical.data.space import Space
        >>> coarsest(Space((1, 28, 28))), coarsest(Space((3, 32, 32))), coarsest(Space((3, 64, 64)))
        ((7, 2), (4, 3), (4, 4))
    """
    shape = space.shape
    side, doublings = (shape[1] if len(shape) == 3 and shape[1] == shape[2] else 0), 0
    while side > 7 and side % 2 == 0:
        side, doublings = side // 2, doublings + 1
    if not 4 <= side <= 7 or doublings == 0 or space.kind == "lattice":
        raise ValueError(
            f"space has shape {shape} and kind {space.kind!r}; the residual networks of sngan and biggan draw square "
            'images of side 8, 10, 12, 14, 16, 20, 24, 28, 32, ..., 64. Resize the data, or choose network "conv".'
        )
    return side, doublings


def generator_channels(space: Grid, width: int, limit: int = 16) -> list[int]:
    """Channels from the coarsest grid to the finest, at most `limit` times those of the finest.

    Examples:
        >>> from veridical.data.space import Space
        >>> generator_channels(Space((3, 32, 32)), 256), generator_channels(Space((3, 64, 64)), 64)
        ([256, 256, 256, 256], [1024, 512, 256, 128, 64])
    """
    doublings = coarsest(space)[1]
    growth = 2 if space.shape[1] >= GROWING else 1
    return [width * min(growth**i, limit) for i in reversed(range(doublings + 1))]


class GeneratorBlock(nn.Module):
    """Residual block that doubles the side.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        norms: two layers of normalisation, of the input's and of the output's channels.
    """

    def __init__(self, in_channels: int, out_channels: int, norms: tuple[nn.Module, nn.Module]) -> None:
        super().__init__()
        self.first_norm, self.last_norm = norms
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.last = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, h: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (B, C, H, W) to (B, C', 2H, 2W)."""
        a = double(F.relu(normalized(self.first_norm, h, condition)))
        a = self.last(F.relu(normalized(self.last_norm, self.first(a), condition)))
        # The 1x1 shortcut acts on every position alone: doubling first would give the same for four times the work.
        return a + double(self.shortcut(h))


class DiscriminatorBlock(nn.Module):
    """Residual block that halves the side or keeps it.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        down: halve the side (rounding down).
        first: the input is an image, which is not rectified.
    """

    def __init__(self, in_channels: int, out_channels: int, *, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.rectified = down, not first
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.last = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        changes = down or in_channels != out_channels
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if changes else nn.Identity()

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H/2, W/2) or (B, C', H, W)."""
        a = self.last(F.relu(self.first(F.relu(h) if self.rectified else h)))
        if not self.down:
            return a + self.shortcut(h)
        # A 1x1 convolution and the mean over positions commute: the shortcut works on a quarter of the positions.
        return F.avg_pool2d(a, 2) + self.shortcut(F.avg_pool2d(h, 2))


def double(h: Tensor) -> Tensor:
    """Double the side of (B, C, H, W) by repeating every place."""
    return F.interpolate(h, scale_factor=2.0, mode="nearest")


class SNGANGenerator(nn.Module):
    """Generator (B, latent_dim) → (B, C, S, S), before the tanh.

    Args:
        space: square images; see `coarsest`.
        latent_dim: dimension of z.
        width: channels of the finest block (below 64x64: of every block).
        classes: number of labels, each with its own gains of the normalisation; None: no labels.

    Raises:
        ValueError: the images have no such side.

    Examples:
        >>> import torch
        >>> from veridical.data.space import Space
        >>> SNGANGenerator(Space((1, 28, 28)), latent_dim=8, width=4)(torch.randn(5, 8)).shape
        torch.Size([5, 1, 28, 28])
    """

    def __init__(self, space: Grid, latent_dim: int = 128, width: int = 256, classes: int | None = None) -> None:
        super().__init__()
        self.classes = classes
        side, channels = coarsest(space)[0], generator_channels(space, width)

        def norm(c: int) -> nn.Module:
            return nn.BatchNorm2d(c) if classes is None else ClassBatchNorm2d(c, classes)

        self.linear = nn.Linear(latent_dim, channels[0] * side * side)
        self.unflatten = nn.Unflatten(1, (channels[0], side, side))
        self.blocks = nn.ModuleList(GeneratorBlock(i, o, (norm(i), norm(o))) for i, o in pairwise(channels))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.last = nn.Conv2d(channels[-1], space.shape[0], 3, padding=1)
        start_xavier(self)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Map codes (B, latent_dim) and labels (B,) to (B, C, S, S), before the tanh.

        Raises:
            ValueError: labels are missing, or given to a network without.
        """
        require_labels(c, self.classes)
        h = self.unflatten(self.linear(z))
        for block in self.blocks:
            h = block(h, c)
        return self.last(F.relu(self.norm(h)))


class ResidualTrunk(nn.Module):
    """Features (B, C, S, S) → (B, feature_dim) of the discriminators of SNGAN and BigGAN, summed over places.

    Args:
        space: square images; see `coarsest`.
        width: channels of the finest block (below 64x64: of every block).
        attention: side of the grid after whose first block self-attention stands; None: nowhere.

    Raises:
        ValueError: the images have no such side, or no grid has the side of `attention`.

    Examples:
        >>> import torch
        >>> from veridical.data.space import Space
        >>> ResidualTrunk(Space((1, 28, 28)), width=4)(torch.randn(5, 1, 28, 28)).shape
        torch.Size([5, 4])
    """

    def __init__(self, space: Grid, width: int = 128, attention: int | None = None) -> None:
        super().__init__()
        doublings = coarsest(space)[1]
        if space.shape[1] >= GROWING:
            channels = [space.shape[0], *(width * min(2**i, 16) for i in range(doublings + 1))]
            downs = [True] * doublings + [False]
        else:
            channels = [space.shape[0], *[width] * 4]
            downs = [i < min(2, doublings) for i in range(4)]
        sides = [space.shape[1] >> sum(downs[: i + 1]) for i in range(len(downs))]
        layers: list[nn.Module] = []
        for k, looking in enumerate(attention_after(attention, sides, channels[1:])):
            layers += [DiscriminatorBlock(channels[k], channels[k + 1], down=downs[k], first=k == 0), looking]
        self.blocks = nn.Sequential(*layers)
        self.feature_dim = channels[-1]
        start_xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, S, S) to (B, feature_dim)."""
        return F.relu(self.blocks(x)).sum((2, 3))


def require_labels(c: Tensor | None, classes: int | None) -> None:
    """Refuse missing labels, and labels for a network without.

    Raises:
        ValueError: labels are missing, or given to a network without.
    """
    if c is None and classes is not None:
        raise ValueError(f"c is missing; this generator was built for {classes} classes: pass (B,) integer labels.")
    if c is not None and classes is None:
        raise ValueError("c is given, but this generator was built without classes; call it without c.")


def start_xavier(network: nn.Module) -> None:
    """Initialise weights by Glorot & Bengio (2010, Eq. 16), with a gain of √2 in 3x3 convolutions; biases at 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            in_block = isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
            nn.init.xavier_uniform_(module.weight, gain=2**0.5 if in_block else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
