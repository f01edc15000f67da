"""Restored training images: how many of them, in what time, and how much detail they keep by the width of the decoder.

    python benchmarks/codes.py glo --data fashion-mnist-10k -n 100 --steps 1000
    python benchmarks/codes.py glo --data digits -n 1000 --steps 4000 --width 256
    python benchmarks/codes.py blur --steps 500
    python benchmarks/codes.py dimensions --steps 600

`glo` learns a code for each of n images and writes a sheet: images, restored images, ways between codes, samples of the
fitted Gaussian. `blur` trains autoencoders of several widths on 2,000 images of Fashion-MNIST and measures 500 others;
`dimensions` those with codes of several dimensions, and a rank-minimising one whose codes find their dimension.
Every result is a line of docs/logs/codes.jsonl, with seconds of one processor core (`cpu_seconds`).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from veridical.config import DataConfig, OptimizerConfig
from veridical.config.families.autoencoder import AutoencoderConfig
from veridical.config.families.glo import GLOConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load, load_splits
from veridical.evaluation.restoration import restored
from veridical.families.autoencoder import Autoencoder
from veridical.families.fitted_codes import FittedCodes
from veridical.families.glo import GLO
from veridical.model import Facts
from veridical.noise import SampleNoise
from veridical.training.fit import State, fit
from veridical.workflows import images

DOCS = Path(__file__).parents[1] / "docs"
CPU = torch.device("cpu")
COLUMNS = 10
WIDTHS = (8, 32, 128, 512)
DIMENSIONS = (2, 8, 32, 128)
"""Of the layers, and of the codes."""


def train(model: FittedCodes, data: ArrayData, steps: int, batch_size: int, seed: int) -> float:
    """Train and return the seconds of processor time."""
    began = time.process_time()
    fit(State(model, steps=steps), Loader(data, batch_size, seed=seed), log_every=steps)
    model.eval()
    return time.process_time() - began


def note(line: dict[str, Any]) -> None:
    """Print a result and add it to the log."""
    text = json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in line.items()})
    print(text, flush=True)
    with (DOCS / "logs" / "codes.jsonl").open("a") as file:
        file.write(text + "\n")


def measures(model: FittedCodes, data: ArrayData) -> dict[str, float]:
    """Return what is left of images: their ratios in dB, the error in data variances, the detail that is kept."""
    ratios, detail = restored(model, data, torch.arange(len(data)), CPU)
    assert detail is not None and data.space.support is not None
    low, high = data.space.support
    mse = (high - low) ** 2 * 10 ** (-ratios / 10)
    return {
        "share_35_dB": float((ratios >= 35).double().mean()),
        "worst_dB": float(ratios.min()),
        "median_dB": float(ratios.median()),
        "error": float(mse.mean()) / data.space.std**2,
        "detail": float(detail.mean()),
    }


def sheet(model: GLO, data: ArrayData) -> Tensor:
    """Return images, what is restored of them, three ways between codes, and samples, ten to a row."""
    rows = torch.arange(COLUMNS) * len(data) // COLUMNS
    batch = data.batch(rows)
    z = model.known_codes().detach()[rows]
    ways = model.interpolate(z[:6:2], z[1:6:2], COLUMNS).transpose(0, 1).flatten(0, 1)
    samples = model.sample(COLUMNS, noise=SampleNoise(0, 0, COLUMNS))
    return torch.cat([batch.x, model.restore(batch).detach(), ways, samples])


def glo(options: argparse.Namespace) -> None:
    """Learn codes of n images and say how they are restored."""
    data = load(DataConfig(source=options.data), "train").subset(torch.arange(options.n))
    torch.manual_seed(options.seed)
    config = GLOConfig(
        latent_dim=options.dim,
        width=options.width,
        network="mlp",
        depth=options.depth,
        start=options.start,
        reconstruction=options.reconstruction,
        code_lr=options.code_lr,
        optimizer=OptimizerConfig(lr=options.lr, schedule="cosine"),
    )
    model = GLO(config, Facts(data.space, len(data)))
    model.start_from(data)
    seconds = train(model, data, options.steps, options.batch_size, options.seed)
    about = {"what": "glo", "data": options.data, "n": options.n, "dim": options.dim, "width": options.width}
    about |= {"depth": options.depth, "loss": options.reconstruction, "lr": options.lr, "code_lr": options.code_lr}
    about |= {"start": options.start, "steps": options.steps, "batch": options.batch_size, "seed": options.seed}
    note({**about, "cpu_seconds": seconds, **measures(model, data)})
    if options.picture:
        pixels = images.pixels(sheet(model, data), data.space)
        images.write(images.grid(pixels, COLUMNS), DOCS / "assets" / "codes" / f"glo-{options.data}-{options.n}.png")


def blur(options: argparse.Namespace) -> None:
    """Train autoencoders of several widths and measure blur."""
    train_data, test = load_splits(DataConfig(source="fashion-mnist-10k"))
    assert test is not None
    some, others = train_data.subset(torch.arange(2000)), test.subset(torch.arange(500))
    shown = [others.batch(torch.arange(COLUMNS)).x]
    for width in WIDTHS:
        torch.manual_seed(options.seed)
        config = AutoencoderConfig(network="mlp", width=width, latent_dim=32, reconstruction="squared")
        model = Autoencoder(config, Facts(some.space, len(some)))
        seconds = train(model, some, options.steps, 100, options.seed)
        for part, data in (("train", some), ("held out", others)):
            about = {"what": "blur", "width": width, "part": part, "steps": options.steps, "seed": options.seed}
            note({**about, "cpu_seconds": seconds, **measures(model, data)})
        shown.append(model.reconstruct(shown[0]).detach())
    pixels = images.pixels(torch.cat(shown), others.space)
    images.write(images.grid(pixels, COLUMNS), DOCS / "assets" / "codes" / "blur.png")


def dimensions(options: argparse.Namespace) -> None:
    """Train autoencoders with codes of several dimensions, and one with linear layers, whose codes find theirs."""
    train_data, test = load_splits(DataConfig(source="fashion-mnist-10k"))
    assert test is not None
    some, others = train_data.subset(torch.arange(2000)), test.subset(torch.arange(500))
    shown = [others.batch(torch.arange(COLUMNS)).x]
    for dim, layers in (*((dim, 0) for dim in DIMENSIONS), (128, 4)):
        torch.manual_seed(options.seed)
        config = AutoencoderConfig(
            network="mlp", width=512, latent_dim=dim, linear_layers=layers, reconstruction="squared"
        )
        model = Autoencoder(config, Facts(some.space, len(some)))
        seconds = train(model, some, options.steps, 100, options.seed)
        spectrum = model.spectrum()
        used = int((spectrum > 0.01 * spectrum[0]).sum())
        for part, data in (("train", some), ("held out", others)):
            about = {"what": "dimensions", "dim": dim, "linear_layers": layers, "part": part, "steps": options.steps}
            about |= {"seed": options.seed, "above_a_hundredth": used}
            note({**about, "cpu_seconds": seconds, **measures(model, data)})
        shown.append(model.reconstruct(shown[0]).detach())
    pixels = images.pixels(torch.cat(shown), others.space)
    images.write(images.grid(pixels, COLUMNS), DOCS / "assets" / "codes" / "dimensions.png")


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["glo", "blur", "dimensions"])
    parser.add_argument("--data", default="fashion-mnist-10k")
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--reconstruction", default="laplacian", choices=["laplacian", "squared"])
    parser.add_argument("--start", default="pca", choices=["pca", "random"])
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--code-lr", type=float, default=0.01)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", action="store_true")
    options = parser.parse_args()
    {"glo": glo, "blur": blur, "dimensions": dimensions}[options.what](options)


if __name__ == "__main__":
    main()
