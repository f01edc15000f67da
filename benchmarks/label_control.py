"""Does a conditional GAN draw what it is told? Accuracy of the shipped Fashion-MNIST classifier on samples per class.

    python benchmarks/label_control.py cgan --steps 800 --width 16 --out /tmp/cgan

Trains a preset on the 10,000 shipped images of Fashion-MNIST on one thread and asks the classifier behind the
extractor fashion-28 for the class of `--per-class` samples of each label (averaged weights, seed 0 of the samples). A
run that was stopped, or is there already, is judged where it is.
The ceiling is its accuracy on the 2,000 shipped test images; the floor is 10 %.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from veridical.config import DataConfig
from veridical.config.presets import find_preset
from veridical.data.sources import load as load_data
from veridical.evaluation.extractors import Fashion28
from veridical.run import Run
from veridical.sampling import draw
from veridical.workflows.job import Interrupted
from veridical.workflows.load import load
from veridical.workflows.start import train


def accuracy(x: Tensor, c: Tensor) -> Tensor:
    """Return (n,) 1 where the classifier sees the label."""
    with torch.no_grad():
        return (Fashion28().logits(x).argmax(1) == c).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--width", type=int)
    parser.add_argument("--network")
    parser.add_argument("--lr-scale", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--latent-dim", type=int)
    parser.add_argument("--ema", type=float, default=0.99)
    parser.add_argument("--per-class", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)

    config = find_preset(options.preset)
    given = {"width": options.width, "latent_dim": options.latent_dim, "network": options.network}
    model = replace(config.model, **{name: value for name, value in given.items() if value is not None})
    training = replace(
        config.training,
        steps=options.steps,
        seed=options.seed,
        lr_scale=options.lr_scale,
        ema=options.ema,
        batch_size=options.batch_size or config.training.batch_size,
        sample_every=max(options.steps // 4, 1),
        checkpoint_every=options.steps,
        precision="fp32",
    )
    config = replace(config, model=model, training=training, data=DataConfig(source="fashion-mnist-10k"))
    if options.out.exists():
        return measure(Run.open(options.out), options)
    try:
        run = train(config, out=options.out)
    except Interrupted as stopped:  # a run that was stopped is judged where it was
        print(stopped)
        run = Run.open(options.out)
    measure(run, options)


def measure(run: Run, options: argparse.Namespace) -> None:
    """Print how many samples of each class are taken for it."""
    test = load_data(DataConfig(source="fashion-mnist-10k"), "test").batch(torch.arange(2000), "cpu")
    assert test.c is not None
    trained = load(run.path)
    right = []
    for label in range(10):
        x = draw(trained, options.per_class, label=label)
        right.append(accuracy(x, torch.full((options.per_class,), label)).mean().item())
    found = {
        "preset": options.preset,
        "step": run.status["step"],
        "steps": options.steps,
        "width": options.width,
        "seconds": run.read_json(f"checkpoints/{max(p.name for p in run.checkpoints.iterdir())}/meta.json")["seconds"],
        "accuracy": sum(right) / 10,
        "by_class": right,
        "ceiling": accuracy(test.x, test.c).mean().item(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
