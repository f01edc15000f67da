"""Sampling against pytorch-generative on its packaged networks, with the same weights and the same uniform numbers.

    git clone https://github.com/EugenHotaj/pytorch-generative build/pytorch-generative
    OMP_NUM_THREADS=1 python benchmarks/pixel_peers.py build/pytorch-generative

| their network (settings of their `reproduce`) | on our side |
|---|---|
| `PixelCNN` | our plain `pixelcnn`; its blocks double what they add to, which powers of two in the weights undo |
| `NADE` | our `nade` |
| `MADE` | our `made` with their order and degrees, its direct connections at 0 |
| `GatedPixelCNN` | their own network, whose stacks differ from ours, fed row by row and pixel by pixel by our caches |

Weights are larger than at the start of a training, so that pixels depend on each other. Logits of random images are
compared before anything is timed, and the images that both samplers draw from the same uniforms must be equal.
Processor seconds of one thread; samplers take turns, and ratios are those of a round. Whole images are drawn but for
`GatedPixelCNN`, of which `--rows` rows are timed on both sides.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.families.made import MADEConfig
from veridical.config.families.nade import NADEConfig
from veridical.config.families.pixelcnn import PixelCNNConfig
from veridical.data.space import Space
from veridical.families.autoregressive import Autoregressive
from veridical.families.made import MADE
from veridical.families.nade import NADE
from veridical.families.pixelcnn import PixelCNN
from veridical.nn.causal_conv import PixelCache, PixelConv
from veridical.nn.heads import Features
from veridical.nn.pixel_network import LastLayers, PixelNetwork, Pixels, PixelSteps, Point
from veridical.nn.pixelcnn import PlainBlock, PlainPixelCNN
from veridical.noise import SampleNoise

BITS = Space((1, 28, 28), levels=2)
SIDE, LARGER = 28, 3.0
ZERO_ONE = Features(mean=-1.0, std=2.0)
"""Bits of ±1 as 0 and 1."""


class Pair:
    """A network of theirs with our model of the same weights."""

    def __init__(self, theirs: Any, ours: Autoregressive, order: Tensor) -> None:
        self.theirs, self.ours, self.order = theirs.eval(), ours.eval(), order

    def check(self, n: int = 4) -> float:
        """Return the largest difference of logits, for random images of bits.

        Raises:
            AssertionError: it is more than rounding.
        """
        x = (torch.rand(n, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) < 0.5).float()
        with torch.no_grad():
            mine, other = self.ours.conditionals(2 * x - 1, None)[..., 0], self.theirs(x).flatten(1)
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-3)
        return float((mine - other).abs().max())

    def our_images(self, n: int) -> Tensor:
        """Draw n images of 0 and 1 with our sampler."""
        x = self.ours.sample(n, noise=SampleNoise(0, 0, n), options=AutoregressiveSampling("cached"))
        return (x + 1) / 2

    def their_images(self, n: int) -> Tensor:
        """Draw n images with their sampler from the same uniforms."""
        places = iter(self.order.tolist())
        u = self.uniforms(n)
        self.theirs._sample_fn = lambda h: (u[:, next(places)] < h.reshape(n, -1)[:, 0].sigmoid()).float()
        return self.theirs.sample(n, torch.full((n, 1, SIDE, SIDE), -1.0))

    def uniforms(self, n: int) -> Tensor:
        """Return (n, sites) the uniforms of our sampler, by site."""
        return SampleNoise(0, 0, n).uniform(self.ours.sites, 1)[..., 0]


class ProbabilityPair(Pair):
    """Their NADE gives probabilities, and draws from them in its own way."""

    def check(self, n: int = 4) -> float:
        """Return the largest difference of probabilities: logits of probabilities next to 1 have no digits."""
        x = (torch.rand(n, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) < 0.5).float()
        with torch.no_grad():
            mine, other = self.ours.conditionals(2 * x - 1, None)[..., 0].sigmoid(), self.theirs(x).flatten(1)
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)
        return float((mine - other).abs().max())

    def their_images(self, n: int) -> Tensor:
        """Draw n images with their sampler from the same uniforms, in the place of torch's Bernoulli draws."""
        module: Any = sys.modules[type(self.theirs).__module__]
        places, u, kept = iter(self.order.tolist()), self.uniforms(n), module.distributions

        class Same:
            def __init__(self, probs: Tensor) -> None:
                self.probs = probs

            def sample(self) -> Tensor:
                return (u[:, next(places), None] < self.probs).float()

        module.distributions = SimpleNamespace(Bernoulli=Same)
        try:
            return self.theirs.sample(n, torch.full((n, 1, SIDE, SIDE), -1.0))
        finally:
            module.distributions = kept


class RowsPair(Pair):
    """A pair of which some rows are drawn, since their sampler would take minutes for an image."""

    def __init__(self, theirs: Any, ours: Autoregressive, order: Tensor, rows: int) -> None:
        super().__init__(theirs, ours, order)
        self.rows = rows

    def our_images(self, n: int) -> Tensor:
        """Draw the first rows with our steps."""
        u, drawn = self.uniforms(n), list[Tensor]()
        with torch.no_grad():
            ours: Any = self.ours
            steps = ours.steps(n, None)
            h = next(steps)
            for place in range(self.rows * SIDE):
                drawn.append((u[:, place, None] < h.sigmoid()).float())
                if place + 1 < self.rows * SIDE:
                    h = steps.send(2 * drawn[-1] - 1)
        return torch.cat(drawn, 1)

    def their_images(self, n: int) -> Tensor:
        """Draw the first rows with their loop, which stops when they are done."""

        class Done(Exception):
            """The rows are done."""

        u, drawn = self.uniforms(n), list[Tensor]()

        def sample_fn(h: Tensor) -> Tensor:
            drawn.append((u[:, len(drawn), None] < h.sigmoid()).float())
            if len(drawn) == self.rows * SIDE:
                raise Done
            return drawn[-1]

        self.theirs._sample_fn = sample_fn
        try:
            self.theirs.sample(n, torch.full((n, 1, SIDE, SIDE), -1.0))
        except Done:
            pass
        return torch.cat(drawn, 1)


def enlarge(network: nn.Module) -> None:
    """Make weights larger, and biases of zero random, so that pixels depend on each other."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(LARGER)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))


@torch.no_grad()
def pixelcnn(peer: Any) -> Pair:
    """Copy their PixelCNN: x + (x + f(x)) in every block is 2^l times x + 2^-l f(2^l x)."""
    theirs = peer.models.PixelCNN(n_residual=15, residual_channels=16, head_channels=32)
    for bias in (parameter for parameter in theirs.parameters() if parameter.ndim == 1):
        bias.normal_(std=0.1)
    theirs._head[3].weight.mul_(1e-3)  # every block doubles its input, and logits would be thousands
    theirs(torch.zeros(1, 1, SIDE, SIDE))  # weights under the masks become 0
    ours = PixelCNN(PixelCNNConfig(network="plain", width=16, layers=15), BITS)
    network = ours.pixels.network
    assert isinstance(network, PlainPixelCNN)
    network.head = LastLayers(32, 32, 1, 1)
    copy_first(network.first, theirs._input)
    scale = 1.0
    for block, other in zip(network.blocks, theirs._causal_layers, strict=True):
        assert isinstance(block, PlainBlock)
        narrow, conv, widen = other._net[1], other._net[3], other._net[5]
        copy(block.narrow, narrow, scale)
        copy(block.conv, conv)
        scale *= 2
        copy(block.widen, widen, 1 / scale, 1 / scale)
    copy(network.head.first, theirs._head[1], scale)
    copy(network.head.last, theirs._head[3])
    return Pair(theirs, ours, torch.arange(SIDE**2))


def copy(ours: PixelConv, theirs: nn.Conv2d, weight: float = 1.0, bias: float = 1.0) -> None:
    """Copy a convolution, of which ours has no rows below, times some factors."""
    ours.weight.copy_(weight * theirs.weight[:, :, : ours.above + 1])
    assert theirs.bias is not None
    ours.bias.copy_(bias * theirs.bias)


def copy_first(ours: PixelConv, theirs: nn.Conv2d) -> None:
    """Copy the first convolution: w x = w/2 (2x - 1) + w/2 · 1, with our channel of ones, which the padding lacks."""
    half = theirs.weight[:, :, : ours.above + 1] / 2
    ours.weight.copy_(torch.cat([half, half], 1) * ours.get_buffer("mask"))
    ours.weight[:, 1, ours.above, ours.left] = 0
    assert theirs.bias is not None
    ours.bias.copy_(theirs.bias)


@torch.no_grad()
def nade(peer: Any) -> Pair:
    """Copy their NADE of 500 units, which sees bits as 0 and 1."""
    theirs = peer.models.NADE(input_dim=SIDE**2, hidden_dim=500)
    theirs._h_b.normal_()
    ours = NADE(NADEConfig(width=500, activation="relu"), BITS)
    network = ours.network
    network.features = ZERO_ONE
    network.weight.copy_(theirs._in_W.T[:, None])
    network.bias.copy_(theirs._in_b)
    network.out.copy_(theirs._h_W[:, None])
    network.out_bias.copy_(theirs._h_b[:, None])
    return ProbabilityPair(theirs, ours, ours.order)


@torch.no_grad()
def made(peer: Any, width: int) -> Pair:
    """Copy their MADE of one hidden layer, with its order and degrees."""
    theirs = peer.models.MADE(input_dim=SIDE**2, hidden_dims=[width], n_masks=1)
    first, last = theirs._net[0], theirs._net[2]
    for layer in (first, last):
        layer.weight.mul_(LARGER)
    masks, ranks = theirs._sample_masks()
    order = torch.from_numpy(ranks).argsort()
    ours = MADE(MADEConfig(width=width, depth=1), BITS)
    ours.orders.copy_(order[None])
    ours.order.copy_(order)
    ours.degrees.copy_((masks[0].sum(1) - 1)[None, None])  # a unit of degree k sees the first k + 1 sites
    network = ours.network
    network.features = ZERO_ONE
    for mine, other in ((network.layers[0], first), (network.last, last)):
        mine.weight.copy_(other.weight)
        mine.bias.copy_(other.bias)
    assert network.direct is not None
    network.direct.weight.zero_()
    return Pair(theirs, ours, order)


class Theirs(PixelNetwork):
    """Their gated network, as a network of pixels."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Map images of ±1 with a channel of ones to logits (B, 1, H, W)."""
        return self.network((x[:, :1] + 1) / 2)

    def steps(self, n: int, width: int, c: Tensor | None = None) -> PixelSteps:
        """Return the network pixel by pixel."""
        return TheirSteps(self.network, n, width)


class TheirSteps(PixelSteps):
    """Their vertical stack row by row, their horizontal one pixel by pixel, from our caches."""

    def __init__(self, network: Any, n: int, width: int) -> None:
        self.layers = [network._input, *network._gated_layers]
        self.horizontal = [PixelCache(pixel_conv(layer), n, width) for layer in self.layers]
        self.points = [(Point(layer._hstack_residual), Point(layer._hstack_skip)) for layer in self.layers]
        self.across = [self.zeros(layer._vstack_Nx1, n, width) for layer in self.layers]
        self.last = [self.of_column(i) for i in range(len(self.layers))]
        self.head = (Point(network._head[1]), Point(network._head[3]))
        self.begun = False

    @staticmethod
    def zeros(conv: nn.Conv2d, n: int, width: int) -> Tensor:
        """Return the rows above, before the first: padding."""
        return conv.weight.new_zeros(n, conv.in_channels, conv.kernel_size[0], width)

    def of_column(self, i: int) -> Tensor:
        """Return the vertical convolution (n, C, W) of a layer over the rows that it keeps."""
        conv = self.layers[i]._vstack_Nx1
        return F.conv2d(self.across[i], conv.weight, conv.bias)[:, :, 0]

    def start_row(self, above: Tensor) -> None:
        """Take the row that was finished, and prepare the present one."""
        v = (above[:, :1] + 1) / 2
        for i, layer in enumerate(self.layers):
            if self.begun:
                row = F.conv2d(
                    v[:, :, None], layer._vstack_1xN.weight, layer._vstack_1xN.bias, padding=(0, layer._padding)
                )
                kept = self.last[i]  # of the row above, in its own vertical stack
                self.across[i] = torch.cat([self.across[i][:, :, 1:], row], 2)
                v = self.gate(kept + F.conv1d(v, layer._vstack_1x1.weight[:, :, 0], layer._vstack_1x1.bias))
                self.last[i] = self.of_column(i)
            self.horizontal[i].start_row()
            link = layer._link
            self.horizontal[i].start_outputs(F.conv1d(self.last[i], link.weight[:, :, 0], link.bias))
        self.begun = True

    @staticmethod
    def gate(h: Tensor) -> Tensor:
        """Return their gated activation."""
        value, opening = h.chunk(2, 1)
        return value.tanh() * opening.sigmoid()

    def pixel(self, column: int, x: Tensor) -> Tensor:
        """Return logits (n, 1)."""
        h, total = (x[:, :1] + 1) / 2, None
        for i, (cache, (residual, skip)) in enumerate(zip(self.horizontal, self.points, strict=True)):
            seen = self.gate(cache(column, h))
            total = skip(seen) if total is None else total + skip(seen)
            h = residual(seen) if i == 0 else h + residual(seen)
        assert total is not None
        first, last = self.head
        return last(first(total.relu()).relu())

    def finish(self, column: int, x: Tensor) -> None:
        """Take the finished pixel."""
        self.horizontal[0].write(column, (x[:, :1] + 1) / 2)


def pixel_conv(layer: Any) -> PixelConv:
    """Return the horizontal convolution of a layer: the pixels to the left, and its own in all but the first layer."""
    conv, reach = layer._hstack_1xN, layer._padding
    ours = PixelConv(conv.in_channels, conv.out_channels, left=reach + int(layer._mask_center))
    with torch.no_grad():
        ours.weight.zero_()
        ours.weight[:, :, :, : reach + 1] = conv.weight
        ours.bias.copy_(conv.bias)
    return ours


@torch.no_grad()
def gated(peer: Any, rows: int) -> Pair:
    """Return their gated network under both samplers."""
    theirs = peer.models.GatedPixelCNN(n_gated=10, gated_channels=128, head_channels=32)
    enlarge(theirs)
    ours = PixelCNN(PixelCNNConfig(width=4, layers=1), BITS)
    ours.pixels = Pixels(Theirs(theirs), BITS.shape, (-1.0, 1.0))
    return RowsPair(theirs, ours, torch.arange(SIDE**2), rows)


def compare(name: str, pair: Pair, n: int, rounds: int) -> None:
    """Check logits and images, time both samplers in turn, print a row."""
    worst, times, images = pair.check(), [[], []], list[Tensor]()
    for i in range(rounds):
        for draw, found in zip((pair.our_images, pair.their_images), times, strict=True):
            began = time.process_time()
            x = draw(n)
            found.append(time.process_time() - began)
            if i == 0:
                images.append(x.flatten(1))
    different = int((images[0] != images[1]).sum())
    assert different == 0, f"{name}: {different} pixels differ"
    ratios = [theirs / ours for ours, theirs in zip(*times, strict=True)]
    print(
        f"| {name} | {worst:.0e} | {statistics.median(times[0]):.2f} | {statistics.median(times[1]):.2f} "
        f"| {statistics.median(ratios):.2g} ({min(ratios):.2g} to {max(ratios):.2g}) |",
        flush=True,
    )


def imported(folder: Path) -> Any:
    """Import their models alone: the rest of the package loads data sets and boards of graphs."""
    for name, place in (("pytorch_generative", ""), ("pytorch_generative.models", "models")):
        module = ModuleType(name)
        module.__path__ = [str(folder / "pytorch_generative" / place)]
        sys.modules[name] = module
    from importlib import import_module

    sys.modules["pytorch_generative"].nn = import_module("pytorch_generative.nn")  # pyright: ignore
    models = sys.modules["pytorch_generative.models"]
    models.base = import_module("pytorch_generative.models.base")  # pyright: ignore[reportAttributeAccessIssue]
    for file, name in (
        ("pixel_cnn", "PixelCNN"),
        ("nade", "NADE"),
        ("made", "MADE"),
        ("gated_pixel_cnn", "GatedPixelCNN"),
    ):
        setattr(models, name, getattr(import_module(f"pytorch_generative.models.autoregressive.{file}"), name))
    return SimpleNamespace(models=models)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2, help="of images of the gated network")
    parser.add_argument("--units", type=int, default=8000, help="of MADE")
    parser.add_argument("--only", nargs="+", default=["PixelCNN", "NADE", "MADE", "GatedPixelCNN"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    peer = imported(options.folder)
    builders: dict[str, Callable[[], Pair]] = {
        "PixelCNN": lambda: pixelcnn(peer),
        "NADE": lambda: nade(peer),
        "MADE": lambda: made(peer, options.units),
        "GatedPixelCNN": lambda: gated(peer, options.rows),
    }
    about = f"one thread, torch {torch.__version__}, {options.rounds} rounds"
    print(f"{options.batch} images of {SIDE} x {SIDE} bits, {about}\n")
    print("| network | difference of logits | ours, s | theirs, s | ratio by rounds |\n|---|---|---|---|---|")
    for name in options.only:
        compare(name, builders[name](), options.batch, options.rounds)


if __name__ == "__main__":
    main()
