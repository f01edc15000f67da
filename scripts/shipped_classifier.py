"""What the trainings of the two shipped classifiers share: the epoch, folding, and the file."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from veridical.evaluation.extractors.classifier import Classifier

BATCH = 128

Augment = Callable[[Tensor, torch.Generator], Tensor]


def descend(network: Classifier, steps: int, max_lr: float) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """Return AdamW and its one-cycle rate."""
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    return optimizer, OneCycleLR(optimizer, max_lr=max_lr, total_steps=steps, pct_start=0.2)


def train_epoch(
    network: Classifier,
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler,
    x: Tensor,
    y: Tensor,
    augment: Augment,
    generator: torch.Generator,
) -> float:
    """Show every image once, in batches and an order of the generator's; return the mean loss in nats."""
    order, total, batches = torch.randperm(len(x), generator=generator), 0.0, len(x) // BATCH
    for rows in order.split(BATCH)[:batches]:
        batch = augment(x[rows], generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(network(batch).float(), y[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
    return total / batches


def shift(x: Tensor, generator: torch.Generator, most: int) -> Tensor:
    """Shift the batch by up to so many pixels in each direction."""
    top, left = torch.randint(0, 2 * most + 1, (2,), generator=generator).tolist()
    return F.pad(x, (most,) * 4, value=-1.0)[:, :, top : top + 28, left : left + 28]


def fold(trained: Classifier, folded: Classifier) -> Classifier:
    """Fold each batch normalisation into its convolution, and round to half precision."""
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
    """Share of images classified rightly."""
    return float(torch.cat([network(b).argmax(1) for b in x.split(500)]).eq(y).double().mean())


def store(
    network: Classifier, out: Path, *, name: str, version: str, trained_on: str, on_test: float, on_train: float
) -> None:
    """Write the weights in half precision with what is known of them, and say so."""
    metadata = {
        "name": name,
        "version": version,
        "trained_on": trained_on,
        "test_accuracy": f"{on_test:.4f}",
        "train_accuracy": f"{on_train:.4f}",
        "torch": torch.__version__,
    }
    save_file({k: v.half().contiguous() for k, v in network.state_dict().items()}, out, metadata=metadata)
    print(f"test accuracy {on_test:.4f}, train {on_train:.4f}; {out}, {out.stat().st_size:,} bytes")
