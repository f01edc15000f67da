r"""The networks of BigGAN (Brock, Donahue & Simonyan, Large Scale GAN Training, 2019, App. B).

The residual generator of SNGAN, with three changes. The code $z$ is cut into one part for the start and one for every
block (skip-z); gains and biases of a block's normalisation are linear in its part and in an embedding of the class that
all blocks share. All weights start orthogonal. All but the embedding are divided by their largest singular value. The
discriminator is SNGAN's trunk, likewise started orthogonal; the class enters by projection, in its head.

Optionally there is a block of self-attention (Zhang et al., Self-Attention GANs, 2019) at the grid of a given side; at
32x32 later work leaves it out, and so does the default here.

Adaptations to 32x32 and 28x28 as for SNGAN (`nn/resnet_gan.py`): four grids (three) of equal channels, which at 32x32
are the networks of the authors' PyTorch code: with 96 of its channels (`width` 384), 80 latents and 10 classes
9,231,875 parameters against 9,456,769. The paper's runs have batches of 2,048, too large for a CPU.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.attention import attention_after
from veridical.nn.conditional import VectorBatchNorm2d
from veridical.nn.conv import Grid
from veridical.nn.orthogonal import start_orthogonal
from veridical.nn.resnet_gan import GeneratorBlock, ResidualTrunk, coarsest, generator_channels, require_labels
from veridical.nn.spectral import normalize_spectrum


class BigGANGenerator(nn.Module):
    """Generator (B, latent_dim) → (B, C, S, S), before the tanh.

    Args:
        space: square images; see `resnet_gan.coarsest`.
        latent_dim: dimension of z, cut into equal parts for the start and for every block; the start takes the rest.
        width: channels of the finest block (below 64x64: of every block).
        classes: number of labels; None: none; the blocks then depend on their part of z alone.
        shared_dim: components of the classes' embedding.
        attention: side of the grid after whose block self-attention stands; None: nowhere.

    Raises:
        ValueError: the images have no such side, the code has too few components, or no grid has that side.

    Examples:
        >>> from veridical.data.space import Space
        >>> network = BigGANGenerator(Space((1, 28, 28)), latent_dim=9, width=4, classes=10)
        >>> network(torch.randn(5, 9), torch.arange(5)).shape
        torch.Size([5, 1, 28, 28])
    """

    def __init__(
        self,
        space: Grid,
        latent_dim: int = 80,
        width: int = 256,
        classes: int | None = None,
        shared_dim: int = 128,
        attention: int | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        (side, doublings), channels = coarsest(space), biggan_channels(space, width)
        self.parts = split(latent_dim, doublings)
        condition_dim = self.parts[-1] + (0 if classes is None else shared_dim)
        self.linear = nn.Linear(self.parts[0], channels[0] * side * side)
        self.unflatten = nn.Unflatten(1, (channels[0], side, side))
        self.blocks = nn.ModuleList(
            GeneratorBlock(i, o, (VectorBatchNorm2d(i, condition_dim), VectorBatchNorm2d(o, condition_dim)))
            for i, o in pairwise(channels)
        )
        sides = [side * 2**k for k in range(1, doublings + 1)]
        self.attention = nn.ModuleList(attention_after(attention, sides, channels[1:]))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.last = nn.Conv2d(channels[-1], space.shape[0], 3, padding=1)
        normalize_spectrum(start_orthogonal(self))
        self.shared = None if classes is None else start_orthogonal(nn.Embedding(classes, shared_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Map codes (B, latent_dim) and labels (B,) to (B, C, S, S), before the tanh.

        Raises:
            ValueError: labels are missing, or given to a network without.
        """
        require_labels(c, self.classes)
        parts = z.split(self.parts, dim=1)
        embedded = [] if self.shared is None else [self.shared(c)]
        h = self.unflatten(self.linear(parts[0]))
        for part, block, attention in zip(parts[1:], self.blocks, self.attention, strict=True):
            h = attention(block(h, torch.cat([*embedded, part], dim=1)))
        return self.last(F.relu(self.norm(h)))


class BigGANTrunk(ResidualTrunk):
    """Features (B, C, S, S) → (B, feature_dim): SNGAN's trunk with weights that start orthogonal.

    Args:
        space: square images; see `resnet_gan.coarsest`.
        width: channels of the finest block (below 64x64: of every block).
        attention: side of the grid after whose block self-attention stands; None: nowhere.

    Raises:
        ValueError: the images have no such side, or no grid has the side of `attention`.
    """

    def __init__(self, space: Grid, width: int = 256, attention: int | None = None) -> None:
        super().__init__(space, width, attention)
        start_orthogonal(self)


def biggan_channels(space: Grid, width: int) -> list[int]:
    """Channels from the coarsest grid to the finest; from 64x64 on as SNGAN's, but equal on the two coarsest grids.

    Examples:
        >>> from veridical.data.space import Space
        >>> biggan_channels(Space((3, 32, 32)), 256), biggan_channels(Space((3, 64, 64)), 64)
        ([256, 256, 256, 256], [512, 512, 256, 128, 64])
    """
    return generator_channels(space, width, limit=min(16, 2 ** (coarsest(space)[1] - 1)))


def split(latent_dim: int, doublings: int) -> list[int]:
    """Cut a code into one part for the start and one per block; the start takes what is left over.

    Raises:
        ValueError: there is less than one component each.

    Examples:
        >>> split(80, 3), split(10, 2)
        ([20, 20, 20, 20], [4, 3, 3])
    """
    part = latent_dim // (doublings + 1)
    if part < 1:
        raise ValueError(f"latent_dim is {latent_dim}; expected at least {doublings + 1}: one for every grid.")
    return [latent_dim - doublings * part, *[part] * doublings]
