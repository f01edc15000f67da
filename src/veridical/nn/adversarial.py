"""The networks that a configuration of a game names: a generator into data space, a discriminator of examples."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from veridical.config import AdversarialConfig
from veridical.nn.architectures import ARCHITECTURES, Architecture, Domain, Widened
from veridical.nn.conv import fits_convolutions
from veridical.nn.discriminator import Discriminator, LabelledGenerator
from veridical.nn.minibatch import MinibatchDiscrimination, MinibatchStdDev
from veridical.nn.normalization import ReferenceBatch, replace_batch_norm
from veridical.nn.precision import at_least_single
from veridical.nn.spectral import normalize_spectrum


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
    """A network, and the map of its output to data space.

    Args:
        body: (B, latent_dim), and labels (B,) if it has classes, → (B, *event).
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


def architecture_of(config: AdversarialConfig, space: Domain) -> Architecture:
    """Return the networks: conv for images of side 8 and more, mlp otherwise, unless the configuration names others."""
    name = config.network
    if name == "auto":
        name = "conv" if fits_convolutions(space.shape) else "mlp"
    return ARCHITECTURES[name]


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
        A network (B, latent_dim) → (B, *space.shape) in data space; with classes it takes (B,) labels as well.

    Raises:
        ValueError: the network does not fit the space.
    """
    architecture = architecture_of(config, space)
    own_classes = classes if architecture.knows_classes else None
    inputs = latent_dim if own_classes is not None else latent_dim + (classes or 0)
    body = renormalise(architecture.generator(config, space, inputs, own_classes), config.normalization)
    if config.normalization in ("reference", "virtual"):
        body = ReferenceBatch(body, reference_codes(config, latent_dim, classes))
    generator = Generator(body, space)
    return generator if own_classes == classes else LabelledGenerator(generator, classes or 0)


def reference_codes(config: AdversarialConfig, latent_dim: int, classes: int | None, n: int = 64) -> Tensor:
    """Draw the codes, and the labels if there are any, of the batch for reference and virtual batch normalisation.

    Args:
        config: names the distribution of codes.
        latent_dim: their dimension.
        classes: number of classes, of which labels are drawn uniformly; None: there are no labels.
        n: number of codes.
    """
    z = torch.randn(n, latent_dim) if config.latent == "normal" else 2 * torch.rand(n, latent_dim) - 1
    return z if classes is None else torch.cat([z, torch.eye(classes)[torch.randint(classes, (n,))]], dim=1)


def has_batch_norm(network: nn.Module) -> bool:
    """Return whether there is a layer of batch normalisation."""
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
        outputs: number of outputs.
        classes: number of labels given with the example; None: none.

    Returns:
        A network (B, *packed shape) in data space → (B, outputs); with classes it takes (B,) labels as well.

    Raises:
        ValueError: the network does not fit the space.
    """
    seen = Widened((config.pack * space.shape[0] + (classes or 0), *space.shape[1:]), space.kind)
    architecture = architecture_of(config, space)
    trunk, features = architecture.trunk(config, seen)
    if config.normalization != "own" and has_batch_norm(trunk):  # DCGAN's for images of side 8 to 14 has none
        trunk = replace_batch_norm(trunk, config.normalization)
        trunk = ReferenceBatch(trunk, shape=seen.shape) if config.normalization in ("reference", "virtual") else trunk
    if config.minibatch != "none":
        layer = MinibatchStdDev() if config.minibatch == "stddev" else MinibatchDiscrimination(features)
        features = int(layer(torch.zeros(2, features)).shape[1])
        trunk = nn.Sequential(trunk, layer)
    head = architecture.head(nn.Linear(features, outputs, bias=architecture.bias))
    discriminator = Discriminator(ToStandardUnits(space), trunk, features, head, classes)
    if config.spectral_norm:
        normalize_spectrum(discriminator)
    return discriminator
