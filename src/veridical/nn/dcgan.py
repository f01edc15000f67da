"""The networks of DCGAN (Radford, Metz & Chintala, Unsupervised Representation Learning with DCGANs, 2016).

In the form that became common: 4x4 kernels of stride 2, no biases where batch normalisation follows, 64 channels at
the finest resolution, z standard normal; the discriminator ends in logits and the generator before its tanh, which
the family adds. At 64x64 with three channels, 64 finest channels and 100 latents the generator has 3,576,704
parameters, the discriminator 2,765,568.

Adaptations: 32x32 leaves out the coarsest doubling (4 → 8 → 16 → 32); 28x28 starts from 7x7 (7 → 14 → 28).
"""

from __future__ import annotations

from torch import Tensor, nn

from veridical.nn.conv import Grid

GRIDS = {64: (4, 4), 32: (4, 3), 28: (7, 2)}
"""Side of the picture → side of the coarsest grid, and how often it doubles."""


class DCGANGenerator(nn.Module):
    """Transposed convolutions with batch normalisation: (B, latent_dim) → (B, C, H, W), before the tanh.

    Args:
        space: (C, 64, 64), (C, 32, 32) or (C, 28, 28).
        latent_dim: dimension of z.
        width: channels of the finest hidden layer.

    Raises:
        ValueError: the pictures have another size.
    """

    def __init__(self, space: Grid, latent_dim: int = 100, width: int = 64) -> None:
        super().__init__()
        coarsest, doublings = grid_of(space)
        channels = [width * 2**i for i in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, channels[0], coarsest, bias=False),
        ]
        for c_in, c_out in zip(channels, [*channels[1:], space.shape[0]], strict=True):
            layers += [nn.BatchNorm2d(c_in), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1, bias=False)]
        self.layers = nn.Sequential(*layers)
        start_small(self)

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, latent_dim) to (B, C, H, W), before the tanh."""
        return self.layers(z)


class DCGANDiscriminator(nn.Module):
    """Strided convolutions with batch normalisation: (B, C, H, W) → (B,) logits.

    Args:
        space: (C, 64, 64), (C, 32, 32) or (C, 28, 28).
        width: channels of the finest hidden layer.

    Raises:
        ValueError: the pictures have another size.
    """

    def __init__(self, space: Grid, width: int = 64) -> None:
        super().__init__()
        coarsest, doublings = grid_of(space)
        channels = [space.shape[0], *(width * 2**i for i in range(doublings))]
        layers: list[nn.Module] = []
        for i in range(doublings):
            layers += [nn.Conv2d(channels[i], channels[i + 1], 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(channels[i + 1])] if i else []
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, coarsest, bias=False), nn.Flatten(0))
        start_small(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B,) logits."""
        return self.layers(x)


def grid_of(space: Grid) -> tuple[int, int]:
    """Return the side of the coarsest grid and the number of doublings.

    Raises:
        ValueError: the pictures are not square, or of a size the paper's networks are not adapted to.
    """
    if len(space.shape) != 3 or space.shape[1] != space.shape[2] or space.shape[1] not in GRIDS:
        raise ValueError(
            f"space has shape {space.shape}; DCGAN expects (C, S, S) with S one of {sorted(GRIDS)}. "
            'Resize the data (size = 64) or choose network = "conv", which takes any size from 8.'
        )
    return GRIDS[space.shape[1]]


def start_small(network: nn.Module) -> None:
    """Draw all weights from N(0, 0.02²) and the gains of normalisation from N(1, 0.02²), as in the paper's §3."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
