r"""Networks that grow with the resolution of the images (Karras et al., 2018).

An image is halved, odd sides rounded up, while its shorter side is at least 8: 28 → 14 → 7, 64 → 32 → 16 → 8 → 4. The
sizes from coarse to fine are the *stages*. The generator has a block and a layer "to image" for every stage, the
discriminator their mirror image; stage $s$ uses the blocks $0 \dots s$ alone. A new block is faded in,

$$ G_s = (1 - \alpha)\,{\uparrow}G_{s-1} + \alpha\,P_s(h_s), \qquad
D_s:\quad h_{s-1} = (1 - \alpha)\,F_{s-1}({\downarrow}x) + \alpha\,{\downarrow}B_s(F_s(x)), $$

with $\alpha$ rising from 0 to 1: nothing jumps at $\alpha = 0$, and at $\alpha = 1$ the old path is gone.
${\downarrow}$ is the mean of 2x2 pixels, so that a coarse image is the image itself at lower resolution.

*Codes at every scale* (ProInfoGAN): the block of stage $s$ may receive a code $c_s$ of its own, spread by a linear map
over the features and pixels that enter it; the discriminator's block of the same stage predicts it. A code of stage $s$
has no effect on the image of a stage below $s$.

*Equalised learning rate*: weights are stored with unit variance and scaled by $\sqrt{2 / \mathrm{fan\ in}}$ when used,
so that one step size suits every layer.

References:
    Karras, Aila, Laine & Lehtinen, Progressive Growing of GANs for Improved Quality, Stability, and Variation (2018).
        https://arxiv.org/abs/1710.10196
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.conv import SLOPE, Grid
from veridical.nn.minibatch import MinibatchStdDev

Upsampling = Literal["nearest", "bilinear"]


@dataclass(frozen=True)
class Pyramid:
    """The stages of an image, from coarse to fine."""

    sizes: tuple[tuple[int, int], ...]
    """(H, W) of every stage; the last is the image's own."""

    channels: tuple[int, ...]
    """Channels of the features at every stage."""

    colours: int
    """Channels of the image."""

    periodic: bool = False
    """Whether the boundaries are periodic (lattices)."""

    upsampling: Upsampling = "nearest"
    """How a coarse image, or its features, are enlarged."""

    @property
    def last(self) -> int:
        """Number of the finest stage."""
        return len(self.sizes) - 1

    def up(self, h: Tensor, stage: int) -> Tensor:
        """Enlarge (B, C, H, W) of stage - 1 to the size of `stage`; what exceeds an odd side is cropped."""
        if self.upsampling == "bilinear":
            h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
        else:
            h = F.interpolate(h, scale_factor=2, mode="nearest")
        return h[..., : self.sizes[stage][0], : self.sizes[stage][1]]

    def enlarge(self, x: Tensor, stage: int) -> Tensor:
        """Enlarge an image of `stage` to the full size."""
        for finer in range(stage + 1, self.last + 1):
            x = self.up(x, finer)
        return x

    def reduce(self, x: Tensor, stage: int) -> Tensor:
        """Reduce an image of full size to the size of `stage`."""
        for _ in range(stage, self.last):
            x = down(x)
        return x

    def fade(self, x: Tensor, growth: Growth) -> Tensor:
        """Blur an image of the newest stage as a generator does whose newest block is being faded in."""
        return growth.mix(self.up(down(x), growth.stage), x) if growth.stage > 0 and growth.fading else x


def down(x: Tensor) -> Tensor:
    """Average 2x2 pixels; at an odd side the last row or column is averaged alone.

    Examples:
        >>> down(torch.arange(6.0).reshape(1, 1, 2, 3))
        tensor([[[[2.0000, 3.5000]]]])
    """
    return F.avg_pool2d(x, 2, ceil_mode=True)


def build_pyramid(space: Grid, width: int, upsampling: Upsampling = "nearest") -> Pyramid:
    """Plan the stages: `width` channels at the finest, doubled with every halving up to four times as many.

    Raises:
        ValueError: the space holds no images.

    Examples:
        >>> from veridical.data.space import Space
        >>> build_pyramid(Space((1, 28, 28)), 16).sizes
        ((7, 7), (14, 14), (28, 28))
    """
    if len(space.shape) != 3:
        raise ValueError(
            f"space has shape {space.shape}; progressive growing needs images (C, H, W): vectors have no coarser "
            "version of themselves. For vectors choose another family, such as gan."
        )
    sizes = [(space.shape[1], space.shape[2])]
    while min(sizes[-1]) >= 8:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    channels = [width * min(2**i, 4) for i in range(len(sizes))]
    return Pyramid(tuple(sizes[::-1]), tuple(channels[::-1]), space.shape[0], space.kind == "lattice", upsampling)


@dataclass(frozen=True)
class Growth:
    """The state of growth of the networks."""

    stage: int
    """The newest stage."""

    alpha: float | Tensor
    """Share of the newest block, in (0, 1]; 1: all of it. A tensor, which may change in place, stands for less."""

    @property
    def fading(self) -> bool:
        """Whether the stage before still has a share."""
        return isinstance(self.alpha, Tensor) or self.alpha < 1

    def mix(self, older: Tensor, newer: Tensor) -> Tensor:
        """Return the mean of the outputs of the previous stage and of the newest block, by their shares."""
        alpha = self.alpha
        return older.lerp(newer, alpha.to(newer.dtype) if isinstance(alpha, Tensor) else alpha)


def growth(step: int, last: int, stage_steps: int | None) -> Growth:
    """Return the stage of a step: `stage_steps` each, of which the first half fades in; None: grown from the start.

    Examples:
        >>> [growth(step, 2, 4) for step in (3, 4, 5, 99)]
        [Growth(stage=0, alpha=1.0), Growth(stage=1, alpha=0.5), Growth(stage=1, alpha=1.0), Growth(stage=2, alpha=1.0)]
    """
    if stage_steps is None:
        return Growth(last, 1.0)
    stage = min(step // stage_steps, last)
    faded = (step - stage * stage_steps + 1) / max(stage_steps // 2, 1)
    return Growth(stage, 1.0 if stage == 0 else min(1.0, faded))


class EqualizedConv2d(nn.Module):
    """A convolution that keeps the size, its weights of unit variance scaled by gain / sqrt(fan in) when used."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, *, gain: float = 2**0.5, periodic: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.scale, self.margin, self.periodic = gain / (c_in * kernel**2) ** 0.5, kernel // 2, periodic

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, c_in, H, W) to (B, c_out, H, W)."""
        if self.periodic and self.margin:
            h = F.pad(h, (self.margin,) * 4, mode="circular")
        return F.conv2d(h, self.weight * self.scale, self.bias, padding=0 if self.periodic else self.margin)


class EqualizedLinear(nn.Module):
    """An affine map, its weights of unit variance scaled by gain / sqrt(fan in) when used."""

    def __init__(self, n_in: int, n_out: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.scale = gain / n_in**0.5

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, n_in) to (B, n_out)."""
        return F.linear(h, self.weight * self.scale, self.bias)


def pixel_norm(h: Tensor) -> Tensor:
    r"""Scale the features of every pixel to unit mean square, $h / \sqrt{\overline{h^2} + 10^{-8}}$ (Karras, §4.2).

    Examples:
        >>> pixel_norm(torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)).square().mean().round(decimals=4)
        tensor(1.)
    """
    return h * (h.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class GeneratorBlock(nn.Module):
    """Features of a stage from those of the stage before and the stage's own code."""

    def __init__(self, pyramid: Pyramid, stage: int, codes: int) -> None:
        super().__init__()
        self.pyramid, self.stage = pyramid, stage
        c_in, c_out = pyramid.channels[stage - 1], pyramid.channels[stage]
        self.convs = nn.ModuleList(EqualizedConv2d(c, c_out, periodic=pyramid.periodic) for c in (c_in, c_out))
        self.shape = (c_in, *pyramid.sizes[stage])
        self.spread = EqualizedLinear(codes, c_in * self.shape[1] * self.shape[2]) if codes else None

    def forward(self, h: Tensor, code: Tensor) -> Tensor:
        """Map (B, c_in, *coarser size) and (B, codes) to (B, c_out, *size)."""
        h = self.pyramid.up(h, self.stage)
        if self.spread is not None:
            h = h + self.spread(code).unflatten(1, self.shape)
        for conv in self.convs:
            h = pixel_norm(F.leaky_relu(conv(h), SLOPE))
        return h


class CoarsestBlock(nn.Module):
    """Features of the coarsest stage from the noise and the stage's own code."""

    def __init__(self, pyramid: Pyramid, inputs: int) -> None:
        super().__init__()
        self.shape = (pyramid.channels[0], *pyramid.sizes[0])
        self.dense = EqualizedLinear(inputs, pyramid.channels[0] * pyramid.sizes[0][0] * pyramid.sizes[0][1])
        self.conv = EqualizedConv2d(self.shape[0], self.shape[0], periodic=pyramid.periodic)

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, inputs) to (B, channels, *coarsest size)."""
        h = pixel_norm(F.leaky_relu(self.dense(z).unflatten(1, self.shape), SLOPE))
        return pixel_norm(F.leaky_relu(self.conv(h), SLOPE))


class ProgressiveGenerator(nn.Module):
    """Latents (B, noise + stages * codes) to images of any stage.

    Args:
        pyramid: the stages.
        noise: dimension of the noise, which enters at the coarsest stage.
        codes: dimension of every stage's own code; 0: none.
        to_data: the last layer of every stage, from any numbers to data space.
        lowest: the coarsest stage in use.
    """

    def __init__(self, pyramid: Pyramid, noise: int, codes: int, to_data: nn.Module, lowest: int = 0) -> None:
        super().__init__()
        self.pyramid, self.noise, self.codes = pyramid, noise, codes
        blocks = [GeneratorBlock(pyramid, stage, codes) for stage in range(1, pyramid.last + 1)]
        self.blocks = nn.ModuleList([CoarsestBlock(pyramid, noise + codes), *blocks])
        self.to_image = nn.ModuleDict(
            {
                str(stage): EqualizedConv2d(pyramid.channels[stage], pyramid.colours, 1, gain=1.0)
                for stage in range(lowest, pyramid.last + 1)
            }
        )
        self.to_data = to_data

    def features(self, z: Tensor, stage: int) -> list[Tensor]:
        """Return the features (B, C, H, W) of the stages 0 ... stage."""
        h, features = z[:, : self.noise + self.codes], []
        for number, block in enumerate(self.blocks[: stage + 1]):
            h = block(h, self.code(z, number)) if number else block(h)
            features.append(h)
        return features

    def code(self, z: Tensor, stage: int) -> Tensor:
        """Return the part (B, codes) of the latents that belongs to a stage."""
        first = self.noise + stage * self.codes
        return z[:, first : first + self.codes]

    def image(self, features: list[Tensor], stage: int) -> Tensor:
        """Return the image (B, colours, *size) of one stage, not faded, in data space."""
        return self.to_data(self.to_image[str(stage)](features[stage]))

    def faded(self, features: list[Tensor], growth: Growth) -> Tensor:
        """Return the image of the newest stage, faded in over the one before."""
        x = self.image(features, growth.stage)
        if growth.stage == 0 or not growth.fading:
            return x
        return growth.mix(self.pyramid.up(self.image(features, growth.stage - 1), growth.stage), x)

    def forward(self, z: Tensor, growth: Growth) -> Tensor:
        """Map latents to images of the newest stage, in data space."""
        return self.faded(self.features(z, growth.stage), growth)


class DiscriminatorBlock(nn.Module):
    """Features of a stage to those of the stage before."""

    def __init__(self, pyramid: Pyramid, stage: int) -> None:
        super().__init__()
        c_in, c_out = pyramid.channels[stage], pyramid.channels[stage - 1]
        self.convs = nn.ModuleList(EqualizedConv2d(c_in, c, periodic=pyramid.periodic) for c in (c_in, c_out))

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, c_in, *size) to (B, c_out, *coarser size)."""
        for conv in self.convs:
            h = F.leaky_relu(conv(h), SLOPE)
        return down(h)


class ProgressiveDiscriminator(nn.Module):
    """Images of any stage to logits, and to the predicted codes of every stage.

    Args:
        pyramid: the stages.
        codes: dimension of every stage's own code; 0: none.
        units: the first layer, from data space to standard units.
        lowest: the coarsest stage in use.
        deviation: append the minibatch standard deviation to the input of the last block; then examples depend
            on each other and no gradient penalty is per example.
    """

    def __init__(
        self, pyramid: Pyramid, codes: int, units: nn.Module, *, lowest: int = 0, deviation: bool = False
    ) -> None:
        super().__init__()
        self.pyramid, self.units = pyramid, units
        self.deviation = MinibatchStdDev() if deviation else nn.Identity()
        channels, (height, width) = pyramid.channels, pyramid.sizes[0]
        self.from_image = nn.ModuleDict(
            {str(s): EqualizedConv2d(pyramid.colours, channels[s], 1) for s in range(lowest, pyramid.last + 1)}
        )
        self.conv = EqualizedConv2d(channels[0] + deviation, channels[0], periodic=pyramid.periodic)
        self.blocks = nn.ModuleList(DiscriminatorBlock(pyramid, s) for s in range(1, pyramid.last + 1))
        self.dense = EqualizedLinear(channels[0] * height * width, channels[0], gain=2**0.5)
        self.head = EqualizedLinear(channels[0], 1)
        seen = [max(s - 1, 0) for s in range(pyramid.last + 1)]  # a block ends at the size of the stage before
        sides = [channels[s] * pyramid.sizes[s][0] * pyramid.sizes[s][1] for s in seen]
        self.readers = nn.ModuleList(EqualizedLinear(side, 2 * codes) for side in sides) if codes else None

    def features(self, x: Tensor, growth: Growth) -> list[Tensor]:
        """Return the output of each block 0 ... stage for images (B, colours, *size of the stage)."""
        x = self.units(x)
        h, features = self._enter(x, growth.stage), []
        for stage in range(growth.stage, 0, -1):
            h = self.blocks[stage - 1](h)
            features.append(h)
            if stage == growth.stage and growth.fading:
                h = growth.mix(self._enter(down(x), stage - 1), h)
        features.append(F.leaky_relu(self.conv(self.deviation(h)), SLOPE))
        return features[::-1]

    def _enter(self, x: Tensor, stage: int) -> Tensor:
        return F.leaky_relu(self.from_image[str(stage)](x), SLOPE)

    def forward(self, x: Tensor, growth: Growth) -> Tensor:
        """Map images (B, colours, *size of the stage) in data space to (B, 1) logits."""
        h = self.features(x, growth)[0].flatten(1)
        return self.head(F.leaky_relu(self.dense(h), SLOPE))

    def read(self, x: Tensor, growth: Growth) -> tuple[Tensor, Tensor]:
        """Return mean and log variance (B, stages so far, codes) of the codes of images."""
        if self.readers is None:
            raise ValueError("This discriminator was built without codes; build it with codes > 0.")
        readers = self.readers[: growth.stage + 1]
        features = self.features(x, growth)
        believed = [reader(h.flatten(1)) for reader, h in zip(readers, features, strict=True)]  # type: ignore[call-overload]
        mu, log_var = torch.stack(believed, 1).chunk(2, dim=-1)
        return mu, log_var
