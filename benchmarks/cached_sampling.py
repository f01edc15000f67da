"""How much faster cached sampling is than the naive loop, with the same images from the same uniform numbers.

    OMP_NUM_THREADS=1 python benchmarks/cached_sampling.py [--side 28] [--batch 16] [--only pixelcnn++]
    OMP_NUM_THREADS=1 python benchmarks/cached_sampling.py --peer build/pytorch-generative

Networks have random weights, of twice the usual size so that pixels depend on each other. First whole images are drawn
both ways in double precision (`--check` images), and must be equal; then a batch is timed in single precision, where
the naive loop is counted as one pass of the network for every pixel (the least time of several passes). `--peer` is a
folder with pytorch_generative/models/base.py of https://github.com/EugenHotaj/pytorch-generative: its sampler then
draws the first row of the images from the same network with the same weights and uniforms.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from veridical.config.families.autoregressive import AutoregressiveSampling, Method
from veridical.config.presets import find_preset
from veridical.data.space import Space
from veridical.families import FAMILIES
from veridical.families.autoregressive import Autoregressive
from veridical.noise import SampleNoise

PRESETS = ("pixelcnn++", "gated-pixelcnn", "pixelcnn", "causal-transformer")


def build(preset: str, side: int, dtype: torch.dtype) -> Autoregressive:
    """Return an untrained model of grey images with larger weights than at the start of a training."""
    torch.manual_seed(0)
    config = find_preset(preset)
    model = FAMILIES[config.family](config.model, Space((1, side, side)))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    return model.to(dtype).eval()


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return processor seconds of a call, and what it returned."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def draw(model: Autoregressive, n: int, method: Method) -> Tensor:
    """Draw images 0 to n - 1 of seed 0."""
    return model.sample(n, noise=SampleNoise(0, 0, n), options=AutoregressiveSampling(method))


@torch.no_grad()
def pass_seconds(model: Autoregressive, n: int, passes: int = 5) -> float:
    """Return processor seconds of one pass of the whole network, the least of several."""
    x = torch.zeros(n, *model.space.shape, dtype=model.dtype)
    return min(seconds(lambda: model.conditionals(x, None))[0] for _ in range(passes))


def compare(preset: str, side: int, n: int, check: int) -> str:
    """Return a row of the table."""
    exact, single = build(preset, side, torch.float64), build(preset, side, torch.float32)
    slow, expected = seconds(lambda: draw(exact, check, "naive"))
    fast, images = seconds(lambda: draw(exact, check, "cached"))
    if not torch.equal(images, expected):
        raise SystemExit(f"{preset}: {(images != expected).sum()} components of the images differ.")
    quick = min(seconds(lambda: draw(single, n, "cached"))[0] for _ in range(2))
    naive = side * side * pass_seconds(single, n)
    parameters = sum(p.numel() for p in single.parameters())
    return (
        f"| {preset} | {parameters:,} | {slow:.1f} | {fast:.2f} | {slow / fast:.0f} | {naive:.0f} | {quick:.2f} "
        f"| {naive / quick:.0f} |"
    )


def peer(preset: str, side: int, n: int, folder: Path) -> str:
    """Return the seconds of pytorch-generative's sampler on our network, by the time of a first row, and of ours."""
    spec = importlib.util.spec_from_file_location("peer", folder / "base.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = build(preset, side, torch.float64)
    u = SampleNoise(0, 0, n).uniform(model.sites, model.head.uniforms, dtype=torch.float64)
    pixels = iter(range(side * side))

    class Same(module.AutoregressiveModel):
        """Our network, of values from 0 to 1, under their sampler, which is stopped after a row."""

        def __init__(self) -> None:
            def sampled(h: Tensor) -> Tensor:
                return (model.head.draw(h, u[:, next(pixels)]) + 1) / 2

            super().__init__(sample_fn=sampled)
            self.network: nn.Module = model

        def forward(self, x: Tensor) -> Tensor:
            h = model.conditionals(2 * x - 1, None)
            return h.transpose(1, 2).unflatten(2, (side, side))

    known = torch.full((n, 1, side, side), -1.0, dtype=torch.float64)
    ours, images = seconds(lambda: draw(model, n, "cached"))
    theirs, found = seconds(lambda: first_row(Same(), known))
    if not torch.allclose(2 * found - 1, images[:, :, :1], atol=1e-9):
        raise SystemExit(f"{preset}: the images differ from those of pytorch-generative.")
    return f"{preset}: {side * theirs:.0f} s with pytorch-generative's sampler (by the time of a row), {ours:.2f} s"


def first_row(model: Any, known: Tensor) -> Tensor:
    """Let their sampler draw the first row (n, 1, 1, W) of images: their loop, which stops when the row is done."""

    class Done(Exception):
        """The row is done."""

    drawn, sample_fn = list[Tensor](), model._sample_fn

    def counted(h: Tensor) -> Tensor:
        drawn.append(sample_fn(h))
        if len(drawn) == known.shape[-1]:
            raise Done  # before the pass for the next pixel
        return drawn[-1]

    model._sample_fn = counted
    try:
        model.sample(conditioned_on=known)
    except Done:
        pass
    return torch.stack(drawn, dim=-1)[:, :, None]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--check", type=int, default=2, help="images that are drawn both ways and compared")
    parser.add_argument("--only", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--peer", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.batch} images of {options.side} x {options.side}, 256 levels, one thread, processor seconds\n")
    if options.peer:
        for preset in options.only:
            print(peer(preset, options.side, options.batch, options.peer), flush=True)
        return
    print(f"| preset | parameters | naive, {options.check} images | cached | ratio | naive, batch | cached | ratio |")
    print("|" + "---|" * 8)
    for preset in options.only:
        print(compare(preset, options.side, options.batch, options.check), flush=True)


if __name__ == "__main__":
    main()
