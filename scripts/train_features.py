"""Train the classifier whose features `fashion-28` are, and store it in half precision.

    python scripts/train_features.py FASHION_MNIST_FOLDER [--epochs 12] [--seed 0] [--out FILE] [--checkpoint FILE]

FASHION_MNIST_FOLDER holds the four gzipped idx files (Debian package dataset-fashion-mnist). AdamW with a one-cycle
rate, flips and shifts by one pixel, forward passes in bfloat16; batch normalisation is folded into the convolutions at
the end. Prints the accuracy on the 10,000 test images of exactly what is stored, which is also in the metadata of the
file. About ten minutes on one core; with a checkpoint it can be stopped and continued, to the same weights.
"""

import argparse
import time
from pathlib import Path

import torch
from shipped_classifier import BATCH, accuracy, descend, fold, shift, store, train_epoch
from torch import Tensor

from veridical.data.idx import read_idx
from veridical.evaluation.extractors.classifier import Classifier
from veridical.evaluation.extractors.fashion import WEIGHTS, fashion_network

VERSION = "1"


def read(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 28, 28) in [-1, 1] and labels (N,)."""
    images = torch.from_numpy(read_idx(folder / f"{part}-images-idx3-ubyte.gz").copy())
    labels = torch.from_numpy(read_idx(folder / f"{part}-labels-idx1-ubyte.gz").copy())
    return images[:, None].float() / 127.5 - 1, labels.long()


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image with probability one half; shift the batch by up to one pixel."""
    flip = torch.rand(len(x), generator=generator) < 0.5
    return shift(torch.where(flip[:, None, None, None], x.flip(3), x), generator, most=1)


def train(x: Tensor, y: Tensor, epochs: int, seed: int, checkpoint: Path | None = None) -> Classifier:
    """Train with batch normalisation; continue from the checkpoint where there is one."""
    torch.manual_seed(seed)
    network = fashion_network(normalised=True)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer, schedule = descend(network, epochs * (len(x) // BATCH), max_lr=6e-3)
    parts, done = {"network": network, "optimizer": optimizer, "schedule": schedule}, 0
    if checkpoint is not None and checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        done = saved["epoch"]
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    began = time.perf_counter()
    for epoch in range(done, epochs):
        generator = torch.Generator().manual_seed(seed * 1000 + epoch)  # of the epoch: continuing needs no more
        mean = train_epoch(network, optimizer, schedule, x, y, augment, generator)
        print(f"epoch {epoch + 1}/{epochs}  loss {mean:.4f}  {time.perf_counter() - began:.0f} s", flush=True)
        if checkpoint is not None:
            torch.save({"epoch": epoch + 1} | {name: part.state_dict() for name, part in parts.items()}, checkpoint)
    return network.eval()


def main() -> None:
    """Train, fold, measure, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--checkpoint", type=Path, default=None)
    arguments = parser.parse_args()
    x, y = read(arguments.folder, "train")
    network = fold(train(x, y, arguments.epochs, arguments.seed, arguments.checkpoint), fashion_network())
    store(
        network,
        arguments.out,
        name="fashion-28",
        version=VERSION,
        trained_on=f"Fashion-MNIST train, {len(x):,} images, {arguments.epochs} epochs, seed {arguments.seed}",
        on_test=accuracy(network, *read(arguments.folder, "t10k")),
        on_train=accuracy(network, x[:10_000], y[:10_000]),
    )


if __name__ == "__main__":
    main()
