"""The networks of every name that a configuration of a game may choose: one table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from torch import nn

from veridical.config import AdversarialConfig
from veridical.nn.biggan import BigGANGenerator, BigGANTrunk
from veridical.nn.conv import ConvDecoder, ConvTrunk, start
from veridical.nn.dcgan import DCGANGenerator, DCGANTrunk, Form, start_small
from veridical.nn.discriminator import FullPrecision
from veridical.nn.fourier import FourierFeatures
from veridical.nn.mlp import MLP, ResidualMLP, Trunk, start_rectified
from veridical.nn.noisy_mlp import NoisyTrunk, SoftplusGenerator, noisy_head
from veridical.nn.orthogonal import start_orthogonal
from veridical.nn.resnet_gan import ResidualTrunk, SNGANGenerator, start_xavier


class Domain(Protocol):
    """The properties of a space that the networks need: `veridical.data.Space` has them."""

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
    """The space of several examples in one input, or of an example with further channels."""

    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class Architecture:
    """A generator and a discriminator that belong together."""

    generator: Callable[[AdversarialConfig, Domain, int, int | None], nn.Module]
    """(config, space, inputs, classes) → network (B, inputs), and labels if it has classes, → (B, *event)."""

    trunk: Callable[[AdversarialConfig, Widened], tuple[nn.Module, int]]
    """(config, what is seen) → network (B, *event) → (B, features) of the discriminator, and the number of features."""

    head: Callable[[nn.Linear], nn.Module]
    """Initialises the discriminator's last layer, in place, and returns it."""

    bias: bool = True
    """Whether that layer has offsets."""

    knows_classes: bool = False
    """Whether the generator takes labels itself."""


def mlp_generator(config: AdversarialConfig, space: Domain, inputs: int, classes: int | None) -> nn.Module:
    """Return a residual perceptron, on Fourier features of its input if there are octaves of them.

    Its outputs have the shape of the space.

    Args:
        config: width, depth, octaves.
        space: of the examples.
        inputs: dimension of the code, and of the label that is concatenated with it.
        classes: number of classes; not used: the label is part of the input.
    """
    features = [FourierFeatures(inputs, config.latent_octaves)] if config.latent_octaves else []
    inputs = features[0].out_dim if features else inputs
    mlp = ResidualMLP(inputs, space.dim, config.width or 64, config.depth, lambda: nn.LeakyReLU(0.2))
    return nn.Sequential(FullPrecision(*features, mlp), nn.Unflatten(1, space.shape))


def flat_generator(
    config: AdversarialConfig,
    space: Domain,
    inputs: int,
    classes: int | None,
    *,
    build: Callable[[int, int, int], nn.Module],
    width: int,
) -> nn.Module:
    """Return a network of vectors whose outputs have the shape of the space.

    Args:
        config: width.
        space: of the examples.
        inputs: dimension of the code, and of the label that is concatenated with it.
        classes: number of classes; not used: the label is part of the input.
        build: (inputs, outputs, width) → the network.
        width: its width, where the configuration states none.
    """
    return nn.Sequential(build(inputs, space.dim, config.width or width), nn.Unflatten(1, space.shape))


def tanh_perceptron(inputs: int, outputs: int, width: int) -> nn.Module:
    """Return a perceptron of two layers with tanh (Metz et al., 2017, App. A)."""
    return FullPrecision(MLP(inputs, outputs, width, 2, nn.Tanh))


def mlp_trunk(
    config: AdversarialConfig, seen: Widened, *, activation: Callable[[], nn.Module], octaves: int | None = None
) -> tuple[nn.Module, int]:
    """Return a perceptron on Fourier features; `octaves` of them, or the number of the configuration.

    Args:
        config: width and depth of the discriminator.
        seen: shape of the discriminator's input.
        activation: builds the activation after every layer.
        octaves: number of octaves of the Fourier features; None: that of the configuration.
    """
    octaves = config.fourier_octaves if octaves is None else octaves
    fourier = FourierFeatures(math.prod(seen.shape), octaves, examples=config.pack)
    width = config.discriminator_width or config.width or 64
    hidden = Trunk(fourier.out_dim, width, config.discriminator_depth, activation)
    return nn.Sequential(nn.Flatten(), FullPrecision(fourier, hidden)), hidden.feature_dim


def noisy_trunk(seen: Widened, width: int) -> NoisyTrunk:
    """Return the hidden layers of the classifier of Salimans et al. (2016) on MNIST, of this width."""
    return NoisyTrunk(math.prod(seen.shape), width)


def conv_generator(config: AdversarialConfig, space: Domain, inputs: int, classes: int | None) -> nn.Module:
    """Return a residual convolutional decoder.

    Args:
        config: width.
        space: of the examples.
        inputs: dimension of the code, and of the label that is concatenated with it.
        classes: number of classes; not used: the label is part of the input.
    """
    return ConvDecoder(space, inputs, config.width or 32)


def dcgan_generator(
    config: AdversarialConfig, space: Domain, inputs: int, classes: int | None, *, form: Form, width: int
) -> nn.Module:
    """Return the generator of DCGAN, of this width unless the configuration has another.

    Args:
        config: width.
        space: of the examples.
        inputs: dimension of the code, and of the label that is concatenated with it.
        classes: number of classes; not used: the label is part of the input.
        form: of its first layers; see `DCGANGenerator`.
        width: channels of its finest grid, where the configuration states none.
    """
    return DCGANGenerator(space, inputs, config.width or width, form)


def sngan_generator(config: AdversarialConfig, space: Domain, inputs: int, classes: int | None) -> nn.Module:
    """Return the generator of SNGAN.

    Args:
        config: width.
        space: of the examples.
        inputs: dimension of the code.
        classes: number of classes; None: it takes no labels.
    """
    return SNGANGenerator(space, inputs, config.width or 256, classes)


def biggan_generator(config: AdversarialConfig, space: Domain, inputs: int, classes: int | None) -> nn.Module:
    """Return the generator of BigGAN.

    Args:
        config: width.
        space: of the examples.
        inputs: dimension of the code.
        classes: number of classes; None: it takes no labels.
    """
    return BigGANGenerator(space, inputs, config.width or 256, classes)


class FeatureNetwork(Protocol):
    """A network with a known number of features."""

    feature_dim: int


def trunk_of(
    build: Callable[[Widened, int], FeatureNetwork], width: int
) -> Callable[[AdversarialConfig, Widened], tuple[nn.Module, int]]:
    """Return a function that builds a trunk, of this width unless the configuration has another."""

    def trunk(config: AdversarialConfig, seen: Widened) -> tuple[nn.Module, int]:
        network = build(seen, config.discriminator_width or config.width or width)
        assert isinstance(network, nn.Module)
        return network, network.feature_dim

    return trunk


def started(initialise: Callable[[nn.Linear], object]) -> Callable[[nn.Linear], nn.Module]:
    """Return a function that initialises a last layer."""

    def head(layer: nn.Linear) -> nn.Module:
        initialise(layer)
        return layer

    return head


def rectified_head(layer: nn.Linear) -> nn.Module:
    """Initialise weights by He et al. (2015), and keep the layer in full precision."""
    return FullPrecision(start_rectified(layer))


def dcgan(form: Form, width: int) -> Architecture:
    """Return a form of DCGAN, with so many channels in the finest hidden layer."""
    generator = partial(dcgan_generator, form=form, width=width)
    return Architecture(generator, trunk_of(partial(DCGANTrunk, form=form), width), started(start_small), bias=False)


ARCHITECTURES: dict[str, Architecture] = {
    "mlp": Architecture(mlp_generator, partial(mlp_trunk, activation=lambda: nn.LeakyReLU(0.2)), rectified_head),
    "tanh-mlp": Architecture(
        partial(flat_generator, build=tanh_perceptron, width=128),
        partial(mlp_trunk, activation=nn.Tanh, octaves=0),
        rectified_head,
    ),
    "noisy-mlp": Architecture(
        partial(flat_generator, build=SoftplusGenerator, width=500), trunk_of(noisy_trunk, 500), noisy_head
    ),
    "conv": Architecture(conv_generator, trunk_of(ConvTrunk, 32), started(start)),
    "dcgan": dcgan("common", 64),
    "dcgan-paper": dcgan("paper", 128),
    "sngan": Architecture(sngan_generator, trunk_of(ResidualTrunk, 128), started(start_xavier), knows_classes=True),
    "biggan": Architecture(biggan_generator, trunk_of(BigGANTrunk, 256), started(start_orthogonal), knows_classes=True),
}
"""Name, as in the configuration, to networks."""
