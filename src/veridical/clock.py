"""The number of a step, as a number and as a tensor, and the share of the training that is done.

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
        >>> clock = Clock(3, torch.tensor(3.0), torch.tensor(0.75))
        >>> clock % 2, clock.elapsed / 2, clock.progress
        (1, tensor(1.5000), tensor(0.7500))
    """

    elapsed: Tensor
    """() on the device of the model; changed in place."""

    progress: Tensor
    """() in [0, 1), the share of the training's steps that are done; changed in place."""

    def __new__(cls, step: int, elapsed: Tensor, progress: Tensor | None = None) -> Clock:
        """Create a clock from a number, its tensor, and the share that is done; None: none."""
        clock = super().__new__(cls, step)
        clock.elapsed = elapsed
        clock.progress = torch.zeros_like(elapsed) if progress is None else progress
        return clock


def elapsed(step: int, device: torch.device) -> Tensor:
    """Return () the number of a step on a device: the tensor of a clock, or a new tensor from a plain number.

    Examples:
        >>> elapsed(3, torch.device("cpu"))
        tensor(3.)
    """
    return step.elapsed if isinstance(step, Clock) else torch.full((), float(step), device=device)


def progress(step: int, device: torch.device) -> Tensor:
    """Return () the share of the training that is done: that of a clock, or 0 for a plain number, whose end is unknown.

    Examples:
        >>> progress(3, torch.device("cpu"))
        tensor(0.)
    """
    return step.progress if isinstance(step, Clock) else torch.zeros((), device=device)
