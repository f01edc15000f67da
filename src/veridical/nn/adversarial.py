"""The networks that a configuration of a game names: a generator into data space, a discriminator of examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from veridical.config import AdversarialConfig
from veridical.nn.conv import ConvDecoder, ConvTrunk, start
from veridical.nn.dcgan import DCGANDiscriminator, DCGANGenerator, start_small
from veridical.nn.discriminator import Discriminator, FullPrecision, LabelledGenerator
from veridical.nn.fourier import FourierFeatures
from veridical.nn.mlp import MLP, ResidualMLP, Trunk


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
        """Map any numbers to data space."""
        return self.centre + self.unit * (h.tanh() if self.bounded else h)


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
    """Return the name of the networks: conv for pictures of side 8 and more, mlp otherwise, unless the config says."""
    if config.network != "auto":
        return config.network
    return "conv" if len(space.shape) == 3 and min(space.shape[1:]) >= 8 else "mlp"


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
    network, inputs = network_of(config, space), latent_dim + (classes or 0)
    if network == "dcgan":
        body: list[nn.Module] = [DCGANGenerator(space, inputs, config.width or 64)]
    elif network == "conv":
        body = [ConvDecoder(space, inputs, config.width or 32)]
    elif network == "tanh-mlp":
        body = [FullPrecision(MLP(inputs, space.dim, config.width or 128, 2, nn.Tanh)), nn.Unflatten(1, space.shape)]
    else:
        mlp = ResidualMLP(inputs, space.dim, config.width or 64, config.depth, lambda: nn.LeakyReLU(0.2))
        body = [FullPrecision(mlp), nn.Unflatten(1, space.shape)]
    generator = nn.Sequential(*body, ToDataSpace(space))
    return generator if classes is None else LabelledGenerator(generator, classes)


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
    trunk, features, head = build_trunk(config, space, outputs, classes)
    return Discriminator(ToStandardUnits(space), trunk, features, head, classes)


def build_trunk(
    config: AdversarialConfig, space: Domain, outputs: int, classes: int | None
) -> tuple[nn.Module, int, nn.Module]:
    """Return trunk, number of features, and head."""
    network, width = network_of(config, space), config.discriminator_width or config.width
    seen: Any = Widened((config.pack * space.shape[0] + (classes or 0), *space.shape[1:]), space.kind)
    if network == "dcgan":
        layers = DCGANDiscriminator(seen, width or 64).layers
        features = layers[-2].weight[0].numel()  # type: ignore[union-attr, operator]
        head = nn.Linear(features, outputs, bias=False)
        start_small(head)
        return nn.Sequential(*list(layers)[:-2], nn.Flatten()), features, head
    if network == "conv":
        trunk = ConvTrunk(seen, width or 32)
        head = nn.Linear(trunk.feature_dim, outputs)
        start(head)
        return trunk, trunk.feature_dim, head
    inputs = seen.shape[0]
    for side in seen.shape[1:]:
        inputs *= side
    activation = nn.Tanh if network == "tanh-mlp" else lambda: nn.LeakyReLU(0.2)
    fourier = FourierFeatures(inputs, 0 if network == "tanh-mlp" else config.fourier_octaves)
    hidden = Trunk(fourier.out_dim, width or 64, config.discriminator_depth, activation)
    head = nn.Linear(hidden.feature_dim, outputs)
    nn.init.kaiming_normal_(head.weight, nonlinearity="relu")
    nn.init.zeros_(head.bias)
    return nn.Sequential(nn.Flatten(), FullPrecision(fourier, hidden)), hidden.feature_dim, FullPrecision(head)
