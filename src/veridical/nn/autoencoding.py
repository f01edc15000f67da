"""Encoders and decoders of codes, by the kind of data: convolutions for images and lattices, perceptrons otherwise."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from veridical.nn.adversarial import ToDataSpace
from veridical.nn.architectures import Domain
from veridical.nn.conv import ConvDecoder, ConvEncoder, fits_convolutions
from veridical.nn.mlp import MLP
from veridical.nn.precision import at_least_single

Network = Literal["auto", "mlp", "conv"]

CHANNELS, UNITS = 32, 256
"""Width of a convolutional network (channels of the finest convolution) and of a perceptron, where none is chosen."""


class Standardise(nn.Module):
    """First layer of an encoder: data in units of their standard deviation, about their mean."""

    def __init__(self, space: Domain) -> None:
        super().__init__()
        self.mean, self.std = space.mean, space.std

    def forward(self, x: Tensor) -> Tensor:
        """Map data space to numbers of order one."""
        return (x - self.mean) / self.std


class Restandardise(nn.Module):
    """Last layer of a decoder without bounds: numbers of order one to data space, the inverse of `Standardise`.

    A hyperbolic tangent that is saturated at the wrong end has no gradient and keeps a pixel wrong; this layer has one
    everywhere. Values beyond the support are for the caller to clamp.
    """

    def __init__(self, space: Domain) -> None:
        super().__init__()
        self.mean, self.std = space.mean, space.std

    def forward(self, h: Tensor) -> Tensor:
        """Map numbers of order one to data space, in full precision."""
        return self.mean + self.std * at_least_single(h)


def is_convolutional(network: Network, shape: tuple[int, ...]) -> bool:
    """Return whether a network is convolutional: as chosen, or where examples are large enough.

    Examples:
        >>> is_convolutional("auto", (1, 28, 28)), is_convolutional("auto", (3,)), is_convolutional("mlp", (1, 28, 28))
        (True, False, False)
    """
    return network == "conv" or (network == "auto" and fits_convolutions(shape))


def encoder_network(space: Domain, out_dim: int, network: Network, width: int | None, depth: int) -> nn.Module:
    """Build the network (B, *shape) → (B, out_dim).

    Args:
        space: of the examples.
        out_dim: components of the output.
        network: its kind.
        width: channels of the finest convolution, or units of the perceptron's layers; None: 32 channels, 256 units.
        depth: hidden layers of a perceptron.

    Raises:
        ValueError: the space holds no images, or too small ones, for convolutions.
    """
    if is_convolutional(network, space.shape):
        return nn.Sequential(Standardise(space), ConvEncoder(space, out_dim, width or CHANNELS))
    return nn.Sequential(Standardise(space), nn.Flatten(), MLP(space.dim, out_dim, width or UNITS, depth))


def decoder_network(
    space: Domain, in_dim: int, network: Network, width: int | None, depth: int, *, logits: bool = False
) -> nn.Module:
    """Build the network (B, in_dim) → (B, *shape), in data space or as logits.

    Args:
        space: of the examples.
        in_dim: components of the code.
        network: its kind.
        width: channels of the finest convolution, or units of the perceptron's layers; None: 32 channels, 256 units.
        depth: hidden layers of a perceptron.
        logits: return numbers without bounds; else values in data space.

    Raises:
        ValueError: the space holds no images, or too small ones, for convolutions.
    """
    if is_convolutional(network, space.shape):
        body: list[nn.Module] = [ConvDecoder(space, in_dim, width or CHANNELS)]
    else:
        body = [MLP(in_dim, space.dim, width or UNITS, depth), nn.Unflatten(1, space.shape)]
    return nn.Sequential(*body) if logits else nn.Sequential(*body, ToDataSpace(space))
