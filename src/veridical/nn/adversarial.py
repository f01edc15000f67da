"""The networks that a configuration of a game names: a generator into data space, a discriminator of examples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from veridical.config import AdversarialConfig
from veridical.nn.biggan import BigGANGenerator, BigGANTrunk
from veridical.nn.conv import ConvDecoder, ConvTrunk, fits_convolutions, start
from veridical.nn.dcgan import DCGANGenerator, DCGANTrunk, Form, start_small
from veridical.nn.discriminator import Discriminator, FullPrecision, LabelledGenerator
from veridical.nn.fourier import FourierFeatures
from veridical.nn.minibatch import MinibatchDiscrimination, MinibatchStdDev
from veridical.nn.mlp import MLP, ResidualMLP, Trunk
from veridical.nn.normalization import ReferenceBatch, replace_batch_norm
from veridical.nn.orthogonal import start_orthogonal
from veridical.nn.precision import at_least_single
from veridical.nn.resnet_gan import ResidualTrunk, SNGANGenerator, start_xavier
from veridical.nn.spectral import normalize_spectrum


class Domain(Protocol):
    """What the networks must know of a space: `veridical.data.Space` is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        ...

    @property
    def kind(self) -> str:
        """Boundaries are periodic if this is "lattice"."""
        ...

    @property
    def dim(self) -> int:
        """Number of components of one example."""
        ...

    @property
    def support(self) -> tuple[float, float] | None:
        """Bounds of data space."""
        ...

    @property
    def mean(self) -> float:
        """Mean of the data."""
        ...

    @property
    def std(self) -> float:
        """Standard deviation of the data."""
        ...


DCGAN_WIDTHS: dict[str, int] = {"common": 64, "paper": 128}
"""Channels of the finest hidden layer of DCGAN's two forms."""


@dataclass(frozen=True)
class Widened:
    """The space of a few examples seen at once, or of an example with further channels."""

    shape: tuple[int, ...]
    kind: str


class ToDataSpace(nn.Module):
    """Last layer of a generator: tanh into a bounded support, an affine map otherwise."""

    def __init__(self, space: Domain) -> None:
        super().__init__()
        self.bounded, (self.centre, self.unit) = space.support is not None, standard_units(space)

    def forward(self, h: Tensor) -> Tensor:
        """Map any numbers to data space, in full precision."""
        h = at_least_single(h)
        return self.centre + self.unit * (h.tanh() if self.bounded else h)


class Generator(nn.Module):
    """A network, and the map of what it makes to data space.

    Args:
        body: (B, latent_dim), and labels (B,) if it knows classes, → (B, *event).
        space: what one example is.
    """

    def __init__(self, body: nn.Module, space: Domain) -> None:
        super().__init__()
        self.body, self.to_data_space = body, ToDataSpace(space)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Map codes (B, latent_dim), and labels (B,), to (B, *event) in data space."""
        return self.to_data_space(self.body(z) if c is None else self.body(z, c))


class ToStandardUnits(nn.Module):
    """First layer of a discriminator: data space to numbers of order one."""

    def __init__(self, space: Domain) -> None:
        super().__init__()
        self.centre, self.unit = standard_units(space)

    def forward(self, x: Tensor) -> Tensor:
        """Map data space to standard units."""
        return (x - self.centre) / self.unit


def standard_units(space: Domain) -> tuple[float, float]:
    """Return (centre, unit): middle and half-width of a bounded support, mean and standard deviation otherwise."""
    if space.support is None:
        return space.mean, space.std
    low, high = space.support
    return (low + high) / 2, (high - low) / 2


def network_of(config: AdversarialConfig, space: Domain) -> str:
    """Return the name of the networks: conv for images of side 8 and more, mlp otherwise, unless the config says."""
    if config.network != "auto":
        return config.network
    return "conv" if fits_convolutions(space.shape) else "mlp"


def latent_dim_of(config: AdversarialConfig, space: Domain) -> int:
    """Return the dimension of z."""
    return config.latent_dim or min(64, space.dim)


def build_generator(config: AdversarialConfig, space: Domain, latent_dim: int, classes: int | None = None) -> nn.Module:
    """Build the generator that the configuration names.

    Args:
        config: which networks.
        space: what one example is.
        latent_dim: components of z.
        classes: number of labels; None: none.

    Returns:
        A network (B, latent_dim) → (B, *space.shape) in data space; with classes it takes (B,) labels beside.

    Raises:
        ValueError: the network does not fit the space.
    """
    own_classes = classes if network_of(config, space) in ("sngan", "biggan") else None
    inputs = latent_dim if own_classes is not None else latent_dim + (classes or 0)
    body = renormalise(generator_body(config, space, inputs, own_classes), config.normalization)
    if config.normalization in ("reference", "virtual"):
        body = ReferenceBatch(body, reference_codes(config, latent_dim, classes))
    generator = Generator(body, space)
    return generator if own_classes == classes else LabelledGenerator(generator, classes or 0)


def generator_body(config: AdversarialConfig, space: Domain, inputs: int, classes: int | None) -> nn.Module:
    """Return the network (B, inputs), and labels if it knows classes, → (B, *space.shape) before data space."""
    network, width = network_of(config, space), config.width
    if network in ("dcgan", "dcgan-paper"):
        form: Form = "common" if network == "dcgan" else "paper"
        return DCGANGenerator(space, inputs, width or DCGAN_WIDTHS[form], form)
    if network == "sngan":
        return SNGANGenerator(space, inputs, width or 256, classes)
    if network == "biggan":
        return BigGANGenerator(space, inputs, width or 256, classes)
    if network == "conv":
        return ConvDecoder(space, inputs, width or 32)
    if network == "tanh-mlp":
        mlp: nn.Module = MLP(inputs, space.dim, width or 128, 2, nn.Tanh)
    else:
        mlp = ResidualMLP(inputs, space.dim, width or 64, config.depth, lambda: nn.LeakyReLU(0.2))
    return nn.Sequential(FullPrecision(mlp), nn.Unflatten(1, space.shape))


def reference_codes(config: AdversarialConfig, latent_dim: int, classes: int | None, n: int = 64) -> Tensor:
    """Draw the codes, and the labels if there are any, that reference and virtual batch normalisation go by."""
    z = torch.randn(n, latent_dim) if config.latent == "normal" else 2 * torch.rand(n, latent_dim) - 1
    return z if classes is None else torch.cat([z, torch.eye(classes)[torch.randint(classes, (n,))]], dim=1)


def has_batch_norm(network: nn.Module) -> bool:
    """Tell whether there is a layer of batch normalisation."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def renormalise(network: nn.Module, normalization: str) -> nn.Module:
    """Replace a network's batch normalisation.

    Raises:
        ValueError: it has none.
    """
    if normalization == "own":
        return network
    if not has_batch_norm(network):
        raise ValueError(
            f"normalization is {normalization!r}, but the network has no batch normalisation to replace. Choose "
            'network = "dcgan", or normalization = "own".'
        )
    return replace_batch_norm(network, normalization)


def build_discriminator(
    config: AdversarialConfig, space: Domain, outputs: int = 1, classes: int | None = None
) -> Discriminator:
    """Build the discriminator that the configuration names.

    Args:
        config: which networks; of `config.pack` examples at once.
        space: what one example is.
        outputs: numbers per judgement.
        classes: number of labels shown beside the example; None: none.

    Returns:
        A network (B, *packed shape) in data space → (B, outputs); with classes it takes (B,) labels beside.

    Raises:
        ValueError: the network does not fit the space.
    """
    seen = Widened((config.pack * space.shape[0] + (classes or 0), *space.shape[1:]), space.kind)
    trunk, features = discriminator_trunk(config, space, seen)
    if config.normalization != "own" and has_batch_norm(trunk):  # DCGAN's for pictures of side 8 to 14 has none
        trunk = replace_batch_norm(trunk, config.normalization)
        trunk = ReferenceBatch(trunk, shape=seen.shape) if config.normalization in ("reference", "virtual") else trunk
    if config.minibatch != "none":
        layer = MinibatchStdDev() if config.minibatch == "stddev" else MinibatchDiscrimination(features)
        features = int(layer(torch.zeros(2, features)).shape[1])
        trunk = nn.Sequential(trunk, layer)
    head = discriminator_head(config, space, features, outputs)
    discriminator = Discriminator(ToStandardUnits(space), trunk, features, head, classes)
    if config.spectral_norm:
        normalize_spectrum(discriminator)
    return discriminator


def discriminator_trunk(config: AdversarialConfig, space: Domain, seen: Any) -> tuple[nn.Module, int]:
    """Return the trunk for what is seen of examples, and the number of its features."""
    network, width = network_of(config, space), config.discriminator_width or config.width
    if network in ("dcgan", "dcgan-paper"):
        form: Form = "common" if network == "dcgan" else "paper"
        trunk: Any = DCGANTrunk(seen, width or DCGAN_WIDTHS[form], form)
        return trunk, trunk.feature_dim
    if network in ("sngan", "biggan"):
        trunk = ResidualTrunk(seen, width or 128) if network == "sngan" else BigGANTrunk(seen, width or 256)
        return trunk, trunk.feature_dim
    if network == "conv":
        trunk = ConvTrunk(seen, width or 32)
        return trunk, trunk.feature_dim
    activation = nn.Tanh if network == "tanh-mlp" else lambda: nn.LeakyReLU(0.2)
    fourier = FourierFeatures(math.prod(seen.shape), 0 if network == "tanh-mlp" else config.fourier_octaves)
    hidden = Trunk(fourier.out_dim, width or 64, config.discriminator_depth, activation)
    return nn.Sequential(nn.Flatten(), FullPrecision(fourier, hidden)), hidden.feature_dim


def discriminator_head(config: AdversarialConfig, space: Domain, features: int, outputs: int) -> nn.Module:
    """Return the last layer, with the initial weights of its network."""
    network = network_of(config, space)
    head = nn.Linear(features, outputs, bias=network not in ("dcgan", "dcgan-paper"))
    if network in ("dcgan", "dcgan-paper"):
        start_small(head)
    elif network == "sngan":
        start_xavier(head)
    elif network == "biggan":
        start_orthogonal(head)
    elif network == "conv":
        start(head)
    else:
        nn.init.kaiming_normal_(head.weight, nonlinearity="relu")
        nn.init.zeros_(head.bias)
        return FullPrecision(head)
    return head
