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
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from veridical.data.idx import read_idx
from veridical.evaluation.extractors.classifier import Classifier
from veridical.evaluation.extractors.fashion import WEIGHTS, fashion_network

VERSION = "1"
BATCH = 128


def read(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 28, 28) in [-1, 1] and labels (N,)."""
    images = torch.from_numpy(read_idx(folder / f"{part}-images-idx3-ubyte.gz").copy())
    labels = torch.from_numpy(read_idx(folder / f"{part}-labels-idx1-ubyte.gz").copy())
    return images[:, None].float() / 127.5 - 1, labels.long()


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each picture with probability one half; shift the batch by up to one pixel."""
    flip = torch.rand(len(x), generator=generator) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    top, left = torch.randint(0, 3, (2,), generator=generator).tolist()
    return F.pad(x, (1, 1, 1, 1), value=-1.0)[:, :, top : top + 28, left : left + 28]


def train(x: Tensor, y: Tensor, epochs: int, seed: int, checkpoint: Path | None = None) -> Classifier:
    """Train with batch normalisation; continue from the checkpoint where there is one."""
    torch.manual_seed(seed)
    network = fashion_network(normalised=True)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    steps = epochs * (len(x) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=steps, pct_start=0.2)
    parts, done = {"network": network, "optimizer": optimizer, "schedule": schedule}, 0
    if checkpoint is not None and checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        done = saved["epoch"]
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    began = time.perf_counter()
    for epoch in range(done, epochs):
        generator = torch.Generator().manual_seed(seed * 1000 + epoch)  # of the epoch: continuing needs no more
        order, total = torch.randperm(len(x), generator=generator), 0.0
        for rows in order.split(BATCH)[: len(x) // BATCH]:
            batch = augment(x[rows], generator).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(network(batch).float(), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        mean = total / (len(x) // BATCH)
        print(f"epoch {epoch + 1}/{epochs}  loss {mean:.4f}  {time.perf_counter() - began:.0f} s", flush=True)
        if checkpoint is not None:
            torch.save({"epoch": epoch + 1} | {name: part.state_dict() for name, part in parts.items()}, checkpoint)
    return network.eval()


def fold(trained: Classifier) -> Classifier:
    """Fold each batch normalisation into its convolution, and round to half precision."""
    folded = fashion_network()
    for source, norm, target in zip(trained.convolutions, trained.norms, folded.convolutions, strict=True):
        assert isinstance(source, nn.Conv2d) and isinstance(target, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        assert norm.running_var is not None and norm.running_mean is not None and target.bias is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        target.weight.data = (source.weight * scale[:, None, None, None]).detach()
        target.bias.data = (norm.bias - norm.running_mean * scale).detach()
    folded.head.load_state_dict(trained.head.state_dict())
    return folded.half().float().eval()


@torch.no_grad()
def accuracy(network: Classifier, x: Tensor, y: Tensor) -> float:
    """Share of pictures classified rightly."""
    return float(torch.cat([network(b).argmax(1) for b in x.split(500)]).eq(y).double().mean())


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
    network = fold(train(x, y, arguments.epochs, arguments.seed, arguments.checkpoint))
    x_test, y_test = read(arguments.folder, "t10k")
    on_test, on_train = accuracy(network, x_test, y_test), accuracy(network, x[:10_000], y[:10_000])
    metadata = {
        "name": "fashion-28",
        "version": VERSION,
        "trained_on": f"Fashion-MNIST train, {len(x):,} images, {arguments.epochs} epochs, seed {arguments.seed}",
        "test_accuracy": f"{on_test:.4f}",
        "train_accuracy": f"{on_train:.4f}",
        "torch": torch.__version__,
    }
    tensors = {key: value.half().contiguous() for key, value in network.state_dict().items()}
    save_file(tensors, arguments.out, metadata=metadata)
    print(f"test accuracy {on_test:.4f}, train {on_train:.4f}; {arguments.out}, {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
