"""A distribution of three bits from which machines learn, known by its eight probabilities."""

import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.families.boltzmann import Boltzmann
from veridical.model import Batch, Space
from veridical.training.fit import State, fit

SPACE = Space((3,), kind="vector", levels=2)
COUNTS = torch.tensor([1, 7, 2, 10, 20, 3, 9, 12])


def states() -> Tensor:
    """Return (8, 3) all of them, in the default precision."""
    return torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)


class Fixed:
    """The same batch at every step."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def batch(self, step: int) -> Batch:
        return Batch(self.x, torch.arange(len(self.x)))


def divergence(model: Boltzmann) -> float:
    """Return KL(p || q) in nats."""
    p = COUNTS / COUNTS.sum()
    nats = -model.energy(states()).detach() - (model.log_partition() or 0.0)
    return float((p * (p.log() - nats)).sum())


def learns(model: Boltzmann, steps: int) -> bool:
    """Return whether KL(p || q) falls by three quarters, and stays a divergence."""
    x = states().repeat_interleave(COUNTS, 0)
    model.start_from(ArrayData(((x + 1) / 2).to(torch.uint8), space=SPACE))
    before = divergence(model)
    fit(State(model, steps=steps), Fixed(x), log_every=steps)
    return -1e-9 < divergence(model) < before / 4
