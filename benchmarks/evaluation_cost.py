"""What an evaluation costs, what it says of a file of real images, and how far bounds of a decoder lie apart.

OMP_NUM_THREADS=1 python benchmarks/evaluation_cost.py cost       # seconds of the default, and of each metric
OMP_NUM_THREADS=1 python benchmarks/evaluation_cost.py files      # how often real images are said to be of another file
OMP_NUM_THREADS=1 python benchmarks/evaluation_cost.py decoder    # bounds of log p(x) of a VAE on digits
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from veridical import train
from veridical.config import DataConfig
from veridical.config.presets import find_preset
from veridical.data.sources import load
from veridical.evaluation import evaluate_samples
from veridical.evaluation.annealed import measure_annealed
from veridical.evaluation.metrics import METRICS, REQUESTED
from veridical.evaluation.provenance import explanations
from veridical.families.variational import Variational
from veridical.statistics import wilson_interval
from veridical.workflows.load import load as load_model

IMAGES = "fashion-mnist-10k"


def cost() -> None:
    """10,000 images in the place of samples, against the 10,000 training and 2,000 held-out images."""
    data, held_out = (load(DataConfig(source=IMAGES), part) for part in ("train", "test"))
    samples = data.batch(torch.arange(len(data)), "cpu").x
    requested = [name for name, metric in METRICS.items() if metric.on_request == REQUESTED]
    choices: dict[str, list[str] | None] = {"default": None} | {name: [name] for name in requested}
    for name, metrics in choices.items():
        began = time.process_time()
        evaluate_samples(samples, data, held_out, metrics=metrics)
        print(f"{name}: {time.process_time() - began:.1f} processor seconds, features included", flush=True)


def files(tables: int = 200, n: int = 1_000) -> None:
    """Random thousands of the training images in the place of samples, a thousand held-out ones beside them."""
    data, held_out = (load(DataConfig(source=IMAGES), part) for part in ("train", "test"))
    causes, accused = Counter[str](), 0
    for seed in range(tables):
        rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n]
        found = explanations(data.batch(rows, "cpu").x, data, held_out, seed)
        causes.update(one.cause for one in found)
        accused += bool(found)
    low, high = wilson_interval(accused, tables)
    print(f"{accused} of {tables} files of {n} real images explained ({low:.3f} to {high:.3f}): {dict(causes)}")


def decoder(steps: int = 1_500, n: int = 16) -> None:
    """Bounds of log p(x) of the same held-out digits, nats in data space."""
    config = replace(find_preset("vae"), data=DataConfig(source="digits"))
    with TemporaryDirectory() as folder:
        run = train(replace(config, training=replace(config.training, steps=steps)), out=Path(folder) / "run")
        model = load_model(run.path).eval()
    assert isinstance(model, Variational)
    data, held_out = (load(DataConfig(source="digits"), part) for part in ("train", "test"))
    x = held_out.batch(torch.arange(n), "cpu").x
    torch.manual_seed(0)
    with torch.no_grad():
        print(f"elbo {float(model.elbo(x).mean()):.1f}")
        for codes in (64, 8_192):
            print(f"{codes} codes {float(model.iwae(x, codes, decodes=8_192).mean()):.1f}")
    seen = data.batch(torch.arange(len(data)), "cpu").x
    for m in measure_annealed(model, seen, x, data.space, 0):
        print(f"{m.name} {m.value:.1f}, {m.seconds:.0f} s", flush=True)


COMMANDS = {"cost": cost, "files": files, "decoder": decoder}


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(COMMANDS))
    torch.set_num_threads(1)
    COMMANDS[parser.parse_args().what]()


if __name__ == "__main__":
    main()
