"""Measure how fast samples are drawn: python benchmarks/sampling.py [--device cuda].

The streams alone (784 normals for each example), then whole draws by untrained models of several families, against
`model.sample` on torch's global generator.
"""

import argparse
import time
from collections.abc import Callable

import torch

from veridical.config.presets import find_preset
from veridical.data.space import Space
from veridical.families import FAMILIES
from veridical.model import GenerativeModel
from veridical.noise import SampleNoise
from veridical.sampling import draw

GREY = Space((1, 28, 28))
PLANE = Space((2,), kind="vector", support=None, levels=None)
CASES = {"gan": GREY, "dcgan": GREY, "vae": GREY, "gan-2d": PLANE, "noise-level-2d": PLANE}


def per_second(work: Callable[[int], object], n: int) -> float:
    """Return examples a second, the best of three."""
    work(64)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        work(n)
        seconds.append(time.perf_counter() - began)
    return n / min(seconds)


def streams(n: int) -> None:
    """Draw 784 normals for each of n examples, in blocks."""
    for first in range(0, n, 64):
        SampleNoise(0, first, 64).normal(784)


def model_of(preset: str, space: Space, device: str) -> GenerativeModel:
    """Build an untrained model."""
    config = find_preset(preset)
    return FAMILIES[config.family](config.model, space).to(device).eval()


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    torch.set_num_threads(1)
    print(f"| streams of 784 normals | {per_second(streams, 6_400):,.0f} |  |")
    for preset, space in CASES.items():
        model = model_of(preset, space, device)
        n = 640 if preset == "noise-level-2d" else 1_280

        def together(n: int, model: GenerativeModel = model) -> object:
            with torch.no_grad():
                return model.sample(n).cpu()  # type: ignore[attr-defined, operator]

        drawn = per_second(lambda n, model=model: draw(model, n), n)
        print(f"| `{preset}` {space.shape} | {drawn:,.0f} | {per_second(together, n):,.0f} |")


if __name__ == "__main__":
    main()
