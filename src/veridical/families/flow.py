r"""Normalizing flow of coupling layers: NICE, RealNVP and Glow.

**Model.** A code $z$ of a simple distribution is mapped to an example by an invertible network, $x = f^{-1}(z)$, with
as many components. Its density is known exactly,

$$ \log p(x) = \log p_z(f(x)) + \log\Big|\det\frac{\partial f}{\partial x}\Big| . $$

The layers are such that inverse and determinant cost no more than the map (`nn/invertible.py`, `nn/coupling.py`):

- *nice*: additive couplings of every second component of a flat example, then one learned scale for each; the codes are
  logistic.
- *realnvp*: affine couplings of the fields of a chessboard, then of halves of the channels.
- *glow*: affine couplings of halves of the channels, which an invertible matrix mixes before.

Channels are standardised by the first batch (ActNorm, also in *realnvp*, where the paper has batch normalisation).
Images and lattices have several scales (`nn/multiscale.py`): blocks of 2x2 sites become channels, of which half leave
as codes, standard normal relative to a learned distribution given the coarser part. Sides are halved where they are
even and never padded: 28x28 becomes 14x14 and 7x7. Setting the codes of the finest scales to 0 is a
renormalisation: what remains is the mean of the details given the coarse picture.

**Objective.** The mean of $-\log p(x)$ in nats. Data with levels are made continuous by noise within the cell of their
level, uniform or learned (`nn/dequantisation.py`); then one draw gives a lower bound, and $k$ draws a tighter one
(`dequantised_bound`). It is a bound of the probability of the levels, and is never called exact.

**What to expect.** Training is stable and the likelihood comparable between models; samples of images need many layers
to look sharp. A density on all of space cannot vanish outside a curved support: thin bridges join separate modes. The
error of the inverse is measured during training and in every evaluation.

References:
    Dinh, Krueger & Bengio, NICE (2015). https://arxiv.org/abs/1410.8516
    Dinh, Sohl-Dickstein & Bengio, Density Estimation Using Real NVP (2017). https://arxiv.org/abs/1605.08803
    Kingma & Dhariwal, Glow (2018). https://arxiv.org/abs/1807.03039
    Ho et al., Flow++ (2019), for the noise. https://arxiv.org/abs/1902.00275
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from veridical.config.families.flow import FlowConfig, FlowSampling
from veridical.config.families.normalizing import NormalizingSampling
from veridical.families.normalizing import NormalizingFlow
from veridical.model import Facts, Space
from veridical.nn.coupling import (
    ConvConditioner,
    MaskedCoupling,
    SplitCoupling,
    alternating,
    checkerboard,
    halves,
    vector_conditioner,
)
from veridical.nn.invertible import ActNorm, Chain, ChannelMixing, Invertible, Reshape, Scale, Squeeze
from veridical.nn.multiscale import FactorOut, MultiScale

Conditioner = Callable[[int, int], nn.Module]
"""Builds the network of a coupling from its input and output channels: (B, in, *sites) → (B, out, *sites)."""

MOST_SCALES = 3


class Flow(NormalizingFlow[FlowConfig]):
    """Coupling layers over several scales (module docstring: model, objective, units).

    Args:
        config: layers, scales, networks, noise.
        facts: of the data.
        conditioner: builds your own networks for the couplings, (in channels, out channels) → module; its last layer
            should be zero at the start. None: those of the configuration.

    Examples:
        >>> import torch
        >>> model = Flow(FlowConfig(width=8), Space((2,), kind="vector", support=None, levels=None))
        >>> model.log_prob(torch.zeros(5, 2)).shape, model.sample(3).shape
        (torch.Size([5]), torch.Size([3, 2]))
    """

    flow: MultiScale
    sampling_options = FlowSampling
    papers = (
        "Dinh, Krueger & Bengio, NICE: Non-linear Independent Components Estimation, ICLR workshop 2015. "
        "https://arxiv.org/abs/1410.8516",
        "Dinh, Sohl-Dickstein & Bengio, Density Estimation Using Real NVP, ICLR 2017. https://arxiv.org/abs/1605.08803",
        "Kingma & Dhariwal, Glow: Generative Flow with Invertible 1x1 Convolutions, NeurIPS 2018. "
        "https://arxiv.org/abs/1807.03039",
        "Ho, Chen, Srinivas, Duan & Abbeel, Flow++, ICML 2019. https://arxiv.org/abs/1902.00275",
    )

    def __init__(self, config: FlowConfig, facts: Facts | Space, *, conditioner: Conditioner | None = None) -> None:
        space = Facts.of(facts).space
        codes = "logistic" if config.layers == "nice" else "normal"
        super().__init__(config, facts, build_flow(config, space, conditioner), codes)

    def decode_with(self, z: Tensor, options: NormalizingSampling) -> Tensor:
        """Decode codes, those of the finest `hide_scales` scales moved to their mean.

        Raises:
            ValueError: there are no more scales than are to be hidden.
        """
        assert isinstance(options, FlowSampling)
        return self.decode(self.hide(z, options.hide_scales))

    def hide(self, z: Tensor, k: int) -> Tensor:
        """Return codes (B, D) whose parts of the k finest scales are 0, their mean given the coarser ones.

        Raises:
            ValueError: there are no more than k scales.
        """
        sizes = self.flow.sizes
        if k >= len(sizes):
            have = "one scale, which must" if len(sizes) == 1 else f"{len(sizes)} scales, of which the coarsest must"
            raise ValueError(f"hide_scales is {k}; this flow has {have} stay. Choose at most {len(sizes) - 1}.")
        z = z.clone()
        z[:, sum(sizes[: len(sizes) - k]) :] = 0.0
        return z


def build_flow(config: FlowConfig, space: Space, conditioner: Conditioner | None = None) -> MultiScale:
    """Build the network (B, *event) → (B, D).

    Args:
        config: layers, scales, networks.
        space: of the examples.
        conditioner: builds the networks of the couplings; None: those of the configuration.
    """
    if config.layers == "nice" or len(space.shape) != 3:
        conditioner = conditioner or vector_networks(config)
        layers = nice_layers if config.layers == "nice" else _vector_layers
        return MultiScale(
            [Chain([Reshape(space.shape, (space.dim,)), *layers(config, space.dim, conditioner)])], [], [(space.dim,)]
        )
    conditioner = conditioner or image_networks(config, space)
    return image_flow(config, space, conditioner)


def vector_networks(config: FlowConfig) -> Conditioner:
    """Return the builder of perceptrons."""
    width = config.width or (512 if config.layers == "nice" else 128)
    return lambda n, m: vector_conditioner(n, m, width, config.depth)


def image_networks(config: FlowConfig, space: Space) -> Conditioner:
    """Return the builder of convolutional networks."""
    return lambda n, m: ConvConditioner(n, m, config.width or 64, periodic=space.kind == "lattice")


def nice_layers(config: FlowConfig, dim: int, conditioner: Conditioner) -> list[Invertible]:
    """Return additive couplings of alternating components, and scales."""
    masks = [alternating(dim, odd=bool(i % 2)) for i in range(config.couplings)]
    return [*(MaskedCoupling(mask, conditioner(dim, dim), "additive") for mask in masks), Scale(dim)]


def _vector_layers(config: FlowConfig, dim: int, conditioner: Conditioner) -> list[Invertible]:
    layers: list[Invertible] = []
    for i in range(config.couplings):
        if config.layers == "glow" and dim > 1:
            layers += [ActNorm(dim), ChannelMixing(dim), channel_coupling(dim, conditioner)]
        else:
            mask = alternating(dim, odd=bool(i % 2))
            layers += [ActNorm(dim), MaskedCoupling(mask, conditioner(dim, 2 * dim), "affine")]
    return layers


def image_flow(config: FlowConfig, space: Space, conditioner: Conditioner) -> MultiScale:
    """Return the scales of an image or lattice, from fine to coarse."""
    shape = space.shape
    count = max(1, min(config.scales or MOST_SCALES, halvings(*shape[1:])))
    scales, splits, shapes = [], [], []
    for i in range(count):
        squeeze = Squeeze(shape)  # type: ignore[arg-type]
        layers = site_layers(config, shape, conditioner) if config.layers == "realnvp" else []
        layers += [squeeze, *channel_layers(config, squeeze.shape, conditioner)]
        scales.append(Chain(layers))
        shapes.append(squeeze.shape)
        shape = squeeze.shape
        if i < count - 1:
            splits.append(FactorOut(shape[0], periodic=space.kind == "lattice"))
            shape = (splits[-1].sizes[0], *shape[1:])
    return MultiScale(scales, splits, shapes)


def halvings(height: int, width: int) -> int:
    """Return how often at least one side can be halved.

    Examples:
        >>> halvings(28, 28), halvings(9, 12), halvings(5, 5)
        (2, 2, 0)
    """
    count = 0
    while height % 2 == 0 or width % 2 == 0:
        height, width = (side // 2 if side % 2 == 0 else side for side in (height, width))
        count += 1
    return count


def site_layers(config: FlowConfig, shape: tuple[int, ...], conditioner: Conditioner) -> list[Invertible]:
    """Return affine couplings of the fields of a chessboard, in turn."""
    layers: list[Invertible] = []
    for i in range(config.couplings):
        mask = checkerboard(shape[1], shape[2], odd=bool(i % 2))
        layers += [ActNorm(shape[0]), MaskedCoupling(mask, conditioner(shape[0], 2 * shape[0]), "affine")]
    return layers


def channel_layers(config: FlowConfig, shape: tuple[int, ...], conditioner: Conditioner) -> list[Invertible]:
    """Return affine couplings of channels; of a single channel, those of the fields of a chessboard."""
    channels, layers = shape[0], list[Invertible]()
    if channels == 1:
        return [] if config.layers == "realnvp" else site_layers(config, shape, conditioner)
    for i in range(config.couplings):
        mixing = [ChannelMixing(channels)] if config.layers == "glow" else []
        flip = config.layers == "realnvp" and bool(i % 2)
        layers += [ActNorm(channels), *mixing, channel_coupling(channels, conditioner, flip)]
    return layers


def channel_coupling(channels: int, conditioner: Conditioner, flip: bool = False) -> SplitCoupling:
    """Return an affine coupling of the halves of the channels.

    Args:
        channels: at least 2.
        conditioner: builds its network.
        flip: keep the second half.
    """
    kept, changed = halves(channels)[::-1] if flip else halves(channels)
    return SplitCoupling(channels, conditioner(kept, 2 * changed), "affine", flip)
