"""The number of a step, as a number and as a tensor.

What a step does may depend on its number in two ways. Whose turn it is, or whether a costly term is due, is decided in
Python, by the number. What changes smoothly, a noise that is annealed or a weight that decays, is a function of the
tensor: the loop changes it in place, so that a step that was recorded once (`training/replay.py`) can be replayed at
another time.
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
        """Join a number and its tensor."""
        clock = super().__new__(cls, step)
        clock.elapsed = elapsed
        return clock


def elapsed(step: int, device: torch.device) -> Tensor:
    """Return () the number of a step on a device: the tensor of a clock, or one made of a plain number.

    Examples:
        >>> elapsed(3, torch.device("cpu"))
        tensor(3.)
    """
    return step.elapsed if isinstance(step, Clock) else torch.full((), float(step), device=device)
