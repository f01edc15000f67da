"""The number of a step, as a number and as a tensor, and the number of steps of the training.

A step depends on its number in two ways. Python code uses the number to decide which player is updated and whether a
costly term is computed. Quantities that change smoothly, such as annealed noise or a decaying weight, are functions of
the tensor: the loop changes it in place, so a recorded step (`training/replay.py`) can be replayed later.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Clock(int):
    """The number of a step, counted from 0, with the same number as a tensor.

    Examples:
        >>> clock = Clock(3, torch.tensor(3.0), steps=4)
        >>> clock % 2, clock.elapsed / 2, clock.steps
        (1, tensor(1.5000), 4)
    """

    elapsed: Tensor
    """() on the device of the model; changed in place."""

    steps: int | None
    """Of the training; None: not known."""

    def __new__(cls, step: int, elapsed: Tensor, steps: int | None = None) -> Clock:
        """Create a clock from a number, its tensor, and the number of steps of the training."""
        clock = super().__new__(cls, step)
        clock.elapsed, clock.steps = elapsed, steps
        return clock


def elapsed(step: int, device: torch.device) -> Tensor:
    """Return () the number of a step on a device: the tensor of a clock, or a new tensor from a plain number.

    Examples:
        >>> elapsed(3, torch.device("cpu"))
        tensor(3.)
    """
    return step.elapsed if isinstance(step, Clock) else torch.full((), float(step), device=device)


def progress(step: int, device: torch.device) -> Tensor:
    """Return () the share of the training that is done; 0 where the number of its steps is not known.

    Examples:
        >>> progress(Clock(3, torch.tensor(3.0), steps=4), torch.device("cpu")), progress(3, torch.device("cpu"))
        (tensor(0.7500), tensor(0.))
    """
    if isinstance(step, Clock) and step.steps is not None:
        return step.elapsed / step.steps
    return torch.zeros((), device=device)
