"""Train the classifier of digits that counts the modes of Stacked MNIST, and store it in half precision.

    VERIDICAL_DATA=FOLDER python scripts/train_digit_classifier.py [--epochs 10] [--seed 0] [--out FILE]

Reads the named set `mnist`, which is looked for in FOLDER (`veridical data get mnist --to FOLDER`). AdamW with a
one-cycle rate, shifts by up to two pixels, forward passes in bfloat16; batch normalisation is folded into the
convolutions at the end. Prints the accuracy on the 10,000 test images of exactly what is stored, which is also in the
metadata of the file. A few minutes on one core.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import torch
from shipped_classifier import BATCH, accuracy, descend, fold, shift, store, train_epoch
from torch import Tensor

from veridical.data.named import read_named
from veridical.evaluation.extractors.classifier import Classifier
from veridical.evaluation.extractors.digits import WEIGHTS, digits_network

VERSION = "1"


def read(split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 28, 28) in [-1, 1] and labels (N,)."""
    x, y = read_named("mnist", split)  # type: ignore[arg-type]
    return torch.from_numpy(x.copy()).float() / 127.5 - 1, torch.from_numpy(y.copy()).long()


def train(x: Tensor, y: Tensor, epochs: int, seed: int) -> Classifier:
    """Train with batch normalisation."""
    torch.manual_seed(seed)
    network = digits_network(normalised=True)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer, schedule = descend(network, epochs * (len(x) // BATCH), max_lr=1e-2)
    began, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        mean = train_epoch(network, optimizer, schedule, x, y, partial(shift, most=2), generator)
        print(f"epoch {epoch + 1}/{epochs}  loss {mean:.4f}  {time.perf_counter() - began:.0f} s", flush=True)
    return network.eval()


def main() -> None:
    """Train, fold, measure, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    x, y = read("train")
    network = fold(train(x, y, arguments.epochs, arguments.seed), digits_network())
    store(
        network,
        arguments.out,
        name="digits-28",
        version=VERSION,
        trained_on=f"MNIST train, {len(x):,} images, {arguments.epochs} epochs, seed {arguments.seed}",
        on_test=accuracy(network, *read("test")),
        on_train=accuracy(network, x, y),
    )


if __name__ == "__main__":
    main()
