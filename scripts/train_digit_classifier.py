"""Train the classifier of digits that counts the modes of Stacked MNIST, and store it in half precision.

    VERIDICAL_DATA=FOLDER python scripts/train_digit_classifier.py [--epochs 10] [--seed 0] [--out FILE]

Reads the named set `mnist`, which is looked for in FOLDER (`veridical data get mnist --to FOLDER`). AdamW with a
one-cycle rate, shifts by up to two pixels, forward passes in bfloat16; batch normalisation is folded into the
convolutions at the end. Prints the accuracy on the 10,000 test images of exactly what is stored, which is also in the
metadata of the file. A few minutes on one core.
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from veridical.data.named import read_named
from veridical.evaluation.extractors.classifier import Classifier
from veridical.evaluation.extractors.digits import WEIGHTS, digits_network

VERSION = "1"
BATCH = 128


def read(split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 28, 28) in [-1, 1] and labels (N,)."""
    x, y = read_named("mnist", split)  # type: ignore[arg-type]
    return torch.from_numpy(x.copy()).float() / 127.5 - 1, torch.from_numpy(y.copy()).long()


def shift(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift the batch by up to two pixels in each direction."""
    top, left = torch.randint(0, 5, (2,), generator=generator).tolist()
    return F.pad(x, (2, 2, 2, 2), value=-1.0)[:, :, top : top + 28, left : left + 28]


def train(x: Tensor, y: Tensor, epochs: int, seed: int) -> Classifier:
    """Train with batch normalisation."""
    torch.manual_seed(seed)
    network = digits_network(normalised=True)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    steps = epochs * (len(x) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps, pct_start=0.2)
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x), generator=generator).split(BATCH)[: len(x) // BATCH]:
            batch = shift(x[rows], generator).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(network(batch).float(), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        mean = total / (len(x) // BATCH)
        print(f"epoch {epoch + 1}/{epochs}  loss {mean:.4f}  {time.perf_counter() - began:.0f} s", flush=True)
    return network.eval()


def fold(trained: Classifier) -> Classifier:
    """Fold each batch normalisation into its convolution, and round to half precision."""
    folded = digits_network()
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
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    x, y = read("train")
    network = fold(train(x, y, arguments.epochs, arguments.seed))
    on_test, on_train = accuracy(network, *read("test")), accuracy(network, x, y)
    metadata = {
        "name": "digits-28",
        "version": VERSION,
        "trained_on": f"MNIST train, {len(x):,} images, {arguments.epochs} epochs, seed {arguments.seed}",
        "test_accuracy": f"{on_test:.4f}",
        "train_accuracy": f"{on_train:.4f}",
        "torch": torch.__version__,
    }
    tensors = {key: value.half().contiguous() for key, value in network.state_dict().items()}
    save_file(tensors, arguments.out, metadata=metadata)
    print(f"test accuracy {on_test:.4f}, train {on_train:.4f}; {arguments.out}, {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
