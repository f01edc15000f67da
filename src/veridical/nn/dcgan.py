"""The networks of DCGAN (Radford, Metz & Chintala, Unsupervised Representation Learning with DCGANs, 2016).

Strided convolutions and transposed ones, batch normalisation everywhere but at the generator's output and the
discriminator's input, rectifiers in the generator and leaky ones (slope 0.2) in the discriminator, no offsets where
batch normalisation follows, all weights from N(0, 0.02²). The discriminator ends in logits and the generator before its
tanh, which the family adds. Two forms, at 64x64 with three channels and 100 latents:

| form | kernels | first layer of the generator | width | parameters of the generator and the discriminator |
|---|---|---|---|---|
| paper | 5x5 | projection, every unit of 4x4x1024 normalised for itself | 128 | 18,885,760 and 17,232,768 |
| common | 4x4 | transposed convolution to 4x4x512, normalised by channel | 64 | 3,576,704 and 2,765,568 |

"paper" is Figure 1 and the authors' code (github.com/Newmu/dcgan_code, faces/train_uncond_dcgan.py), where z is uniform
on [-1, 1]^100 and the batch 128; the discriminator's width is that of the code, the paper gives none. "common" is the
form that became usual with the PyTorch example, where z is standard normal.

Adaptations: 32x32 leaves out the coarsest doubling (4 → 8 → 16 → 32, half as many channels at the coarsest grid); 28x28
starts from 7x7 with a quarter of the channels (7 → 14 → 28), the grids of the authors' conditional networks for MNIST;
other sides 2^k · {4, 5, 6, 7} likewise, 8x8 with one doubling.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from veridical.nn.conv import Grid


class Kernel(NamedTuple):
    """A convolution of stride 2 that halves an even side; transposed, it doubles the side."""

    size: int
    padding: int
    output_padding: int


KERNELS = {"paper": Kernel(5, 2, 1), "common": Kernel(4, 1, 0)}

Form = Literal["paper", "common"]


class DCGANGenerator(nn.Module):
    """Transposed convolutions with batch normalisation: (B, latent_dim) → (B, C, H, W), before the tanh.

    Args:
        space: square images; see `grid_of`.
        latent_dim: dimension of z.
        width: channels of the finest hidden layer.
        form: of the paper, or the common one.

    Raises:
        ValueError: the images have another size.
    """

    def __init__(self, space: Grid, latent_dim: int = 100, width: int = 64, form: Form = "common") -> None:
        super().__init__()
        coarsest, doublings = grid_of(space)
        channels = [width * 2**i for i in reversed(range(doublings))]
        layers = first_layers(latent_dim, channels[0], coarsest, form)
        kernel = KERNELS[form]
        for i, (c_in, c_out) in enumerate(zip(channels, [*channels[1:], space.shape[0]], strict=True)):
            layers += [nn.BatchNorm2d(c_in), nn.ReLU(inplace=True)] if i else [nn.ReLU(inplace=True)]
            layers += [
                nn.ConvTranspose2d(
                    c_in, c_out, kernel.size, 2, kernel.padding, output_padding=kernel.output_padding, bias=False
                )
            ]
        self.layers = nn.Sequential(*layers)
        start_small(self)

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, latent_dim) to (B, C, H, W), before the tanh."""
        return self.layers(z)


def first_layers(latent_dim: int, channels: int, side: int, form: Form) -> list[nn.Module]:
    """Make the layers that project z to the coarsest grid and normalise it: (B, latent_dim) → (B, C, side, side).

    Args:
        latent_dim: dimension of z.
        channels: C of the coarsest grid.
        side: of the coarsest grid, in pixels.
        form: "common", one transposed convolution, or "paper", a linear layer.
    """
    if form == "common":
        return [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, channels, side, bias=False),
            nn.BatchNorm2d(channels),
        ]
    units = channels * side**2
    return [
        nn.Linear(latent_dim, units, bias=False),
        nn.BatchNorm1d(units),
        nn.Unflatten(1, (channels, side, side)),
    ]


class DCGANTrunk(nn.Module):
    """Strided convolutions with batch normalisation: (B, C, H, W) → (B, feature_dim).

    Args:
        space: square images; see `grid_of`.
        width: channels of the finest hidden layer.
        form: of the paper, or the common one.

    Raises:
        ValueError: the images have another size.
    """

    def __init__(self, space: Grid, width: int = 64, form: Form = "common") -> None:
        super().__init__()
        coarsest, doublings = grid_of(space)
        channels, kernel = [space.shape[0], *(width * 2**i for i in range(doublings))], KERNELS[form]
        self.stages = nn.ModuleList()
        for i in range(doublings):
            stage = nn.Sequential(nn.Conv2d(channels[i], channels[i + 1], kernel.size, 2, kernel.padding, bias=False))
            if i:
                stage.append(nn.BatchNorm2d(channels[i + 1]))
            self.stages.append(stage.append(nn.LeakyReLU(0.2, inplace=True)))
        self.feature_dim = channels[-1] * coarsest**2
        start_small(self)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the activations (B, C', H', W') after every convolution, from the finest to the coarsest."""
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, feature_dim)."""
        return self.maps(x)[-1].flatten(1)


def grid_of(space: Grid) -> tuple[int, int]:
    """Return the side of the coarsest grid, 4 to 7, and the number of doublings.

    Examples:
        >>> from veridical.data.space import Space
        >>> [grid_of(Space((3, side, side))) for side in (64, 32, 28, 8)]
        [(4, 4), (4, 3), (7, 2), (4, 1)]

    Raises:
        ValueError: the images are not square, or of a size the paper's networks are not adapted to.
    """
    shape = space.shape
    side, doublings = (shape[1] if len(shape) == 3 and shape[1] == shape[2] else 0), 0
    while side > 7 and side % 2 == 0:
        side, doublings = side // 2, doublings + 1
    if not 4 <= side <= 7 or doublings == 0:
        raise ValueError(
            f"space has shape {shape}; DCGAN draws square images of side 8, 10, 12, 14, 16, 20, 24, 28, 32, ... "
            'Resize the data (size = 64) or choose network = "conv", which takes any size from 8, or "mlp" for vectors.'
        )
    return side, doublings


def start_small(network: nn.Module) -> None:
    """Draw weights from N(0, 0.02²), as in the paper's §3, and gains from N(1, 0.02²), as in its code; offsets 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
