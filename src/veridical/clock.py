"""The number of a step, as a number and as a tensor.

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
        >>> clock = Clock(3, torch.tensor(3.0))
        >>> clock % 2, clock.elapsed / 2
        (1, tensor(1.5000))
    """

    elapsed: Tensor
    """() on the device of the model; changed in place."""

    def __new__(cls, step: int, elapsed: Tensor) -> Clock:
        """Create a clock from a number and its tensor."""
        clock = super().__new__(cls, step)
        clock.elapsed = elapsed
        return clock


def elapsed(step: int, device: torch.device) -> Tensor:
    """Return () the number of a step on a device: the tensor of a clock, or a new tensor from a plain number.

    Examples:
        >>> elapsed(3, torch.device("cpu"))
        tensor(3.)
    """
    return step.elapsed if isinstance(step, Clock) else torch.full((), float(step), device=device)
