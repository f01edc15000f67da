"""Glow's training step and sampling against normflows, with the same weights and equal log-probabilities.

    python -m venv /tmp/flow-peers && /tmp/flow-peers/bin/pip install . normflows
    OMP_NUM_THREADS=1 /tmp/flow-peers/bin/python benchmarks/flow_peers.py

Both networks have the same squeezes, 1x1 convolutions and convolutional networks, and fixed normal priors: ours keeps
its learned priors between the scales, at zero, and pays for them. normflows has scales exp(s), ours exp(2 tanh(h/2));
an adapter translates between them **inside our networks**, so its cost is ours too. Log-probabilities and samples of
the same codes are compared before anything is timed. Times are processor seconds, medians of interleaved repeats with
their quartiles.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from veridical.config.families.flow import FlowConfig
from veridical.data.space import Space
from veridical.families.flow import Flow
from veridical.nn import coupling as couplings
from veridical.nn.coupling import ConvConditioner
from veridical.nn.invertible import LOG_SCALE, ActNorm, ChannelMixing, bounded
from veridical.nn.multiscale import MultiScale


class Adapter(nn.Module):
    """The network of normflows' coupling, z = (x - t) exp(-s), in the terms of ours."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.network = ConvConditioner(inputs, outputs, width)

    def forward(self, kept: Tensor) -> Tensor:
        """Return shifts and free log-scales (B, C, H, W)."""
        h = self.network(kept)
        shift, s = h[:, 0::2], h[:, 1::2]
        return torch.cat([-shift * (-s).exp(), -couplings.LOG_SCALE * torch.atanh(s / couplings.LOG_SCALE)], dim=1)


def build(steps: int, width: int) -> tuple[Flow, Any]:
    """Return our model and that of normflows, with the same weights."""
    import normflows as nf  # pyright: ignore[reportMissingImports]

    config = FlowConfig(layers="glow", couplings=steps, width=width)
    space = Space((1, 28, 28), levels=None)
    ours = Flow(config, space, conditioner=lambda n, m: Adapter(n, m, width))
    channels = [2 ** (len(ours.flow.scales) - 1 - i) * 4 for i in range(len(ours.flow.scales))]  # coarse to fine
    shapes = ours.flow.code_shapes
    levels = [
        [*(nf.flows.GlowBlock(c, width, scale_map="exp") for _ in range(steps)), nf.flows.Squeeze()] for c in channels
    ]
    bases = [nf.distributions.DiagGaussian(shape, trainable=False) for shape in shapes]
    merges = [nf.flows.Merge() for _ in bases[1:]]
    theirs = nf.MultiscaleFlow(bases, levels, merges, class_cond=False)
    with torch.no_grad():
        for parameter in ours.flow.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
        for split in ours.flow.splits:
            for parameter in split.parameters():
                parameter.zero_()
        copy_weights(ours.flow, theirs, steps)
    return ours, theirs


def copy_weights(ours: MultiScale, theirs: Any, steps: int) -> None:
    """Copy our weights to normflows, whose levels and flows run from code to image."""
    for scale, level in zip(ours.scales, reversed(theirs.flows), strict=True):
        layers = list(scale.layers)[1:]  # type: ignore[arg-type, union-attr]
        for i in range(steps):
            norm, mixing, coupling = layers[3 * i : 3 * i + 3]
            copy_step(norm, mixing, coupling, level[steps - 1 - i])


def copy_step(norm: ActNorm, mixing: ChannelMixing, coupling: Any, block: Any) -> None:
    """Copy the weights of one step."""
    affine, matrix, act = block.flows
    log_scale = bounded(norm.log_scale, LOG_SCALE)
    act.s.copy_(-log_scale.reshape(act.s.shape))
    act.t.copy_((-norm.shift * (-log_scale).exp()).reshape(act.t.shape))
    act.data_dep_init_done = torch.tensor(1.0)
    matrix.P.copy_(torch.eye(len(mixing.permutation))[mixing.permutation])
    matrix.L.copy_(mixing.lower)
    matrix.U.copy_(mixing.upper)
    matrix.sign_S.copy_(mixing.sign)
    matrix.log_S.copy_(bounded(mixing.log_scale, LOG_SCALE))
    network, net = coupling.conditioner.network, affine.flows[1].param_map.net
    for mine, other in ((network.first, net[0]), (network.middle, net[2]), (network.last, net[4])):
        other.weight.copy_(mine.weight)
        other.bias.copy_(mine.bias)


@torch.no_grad()
def check(ours: Flow, theirs: Any, x: Tensor) -> None:
    """Compare log-probabilities, and the images of the same codes.

    Raises:
        AssertionError: they differ by more than rounding.
    """
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x, None), rtol=1e-5, atol=1e-2)
    z = torch.randn(8, 784)
    parts = [p.reshape(-1, *s) for p, s in zip(z.split(ours.flow.sizes, 1), ours.flow.code_shapes, strict=True)]
    torch.testing.assert_close(ours.decode(z), theirs.forward_and_log_det(parts)[0], rtol=1e-3, atol=1e-3)


def step(parameters: list[nn.Parameter], loss: Callable[[], Tensor]) -> Callable[[], None]:
    """Return a training step with Adam."""
    optimizer = torch.optim.Adam(parameters, lr=1e-5)

    def work() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return work


def compare(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> None:
    """Time both in turn, and print medians, quartiles and the ratio."""
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(repeats + 3):
        for work, found in zip((ours, theirs), times, strict=True):
            began = time.process_time()
            work()
            if i >= 3:
                found.append(time.process_time() - began)
    cells = []
    for found in times:
        low, middle, high = statistics.quantiles(found, n=4)
        cells.append(f"{1000 * middle:.1f} ({1000 * low:.1f} to {1000 * high:.1f}) ms")
    ratio = statistics.median(times[1]) / statistics.median(times[0])
    print(f"| {name} | {cells[0]} | {cells[1]} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="Glow steps of a scale")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours, theirs = build(options.steps, options.width)
    x = 2 * torch.rand(options.batch, 1, 28, 28) - 1
    check(ours, theirs, x)
    print(f"equal log-probabilities and samples; torch {torch.__version__}, batch {options.batch}")
    print("| Glow, 28x28 | ours | normflows | ratio |\n|---|---|---|---|")
    compare(
        "training step",
        step(list(ours.parameters()), lambda: -ours.log_prob(x).mean()),
        step(list(theirs.parameters()), lambda: theirs.forward_kld(x)),
        options.repeats,
    )
    with torch.no_grad():
        for n in (1, options.batch):
            compare(f"{n} samples", lambda n=n: ours.sample(n), lambda n=n: theirs.sample(n), options.repeats)
        compare("log-probability", lambda: ours.log_prob(x), lambda: theirs.log_prob(x, None), options.repeats)


if __name__ == "__main__":
    main()
