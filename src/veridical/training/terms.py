"""The terms of the losses between two lines of metrics.jsonl, kept on the device until a line is due.

Nothing is read back to the processor in the hot loop: scalars are collected per step and stacked once per line, which
also names the exact step, player and term at which something stopped being finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

Row = dict[str, Any]
"""One line of metrics.jsonl: step, seconds, and the mean of every "<player>/<term>" since the last line."""


class Rated(Protocol):
    """A schedule: its learning rate changes."""

    @property
    def lr(self) -> float:
        """Learning rate of the newest step."""
        ...


class Scheduled(Protocol):
    """A player with a schedule."""

    @property
    def schedule(self) -> Rated:
        """Sets the learning rate of every step."""
        ...


class Progress(Protocol):
    """The parts of the training that a line contains besides its terms."""

    step: int
    seconds: float

    @property
    def players(self) -> Mapping[str, Scheduled]:
        """The players by name."""
        ...


class NonFiniteError(ArithmeticError):
    """A loss, a term or a gradient is NaN or infinite."""

    def __init__(self, step: int, name: str, value: float) -> None:
        """Name the step, and "<player>/<term>"."""
        self.step, self.name, self.value = step, name, value
        player, _, term = name.partition("/")
        super().__init__(
            f"{term} of player {player} is {value} at step {step}. Training stopped; the last checkpoint is finite. "
            "Try a smaller step (--lr-scale 0.3), --clip-norm 1 or --precision fp32, with `veridical resume` or in a "
            "new run."
        )


_COMPACT = 1_000


def at_hand(value: Tensor) -> bool:
    """Return whether a number can be read without waiting for a device."""
    return value.device.type == "cpu"


class TermLog:
    """Collects terms per step, returns their means per line.

    A tensor of one number needs ten times the memory of the number: after every thousand steps they become numbers, and
    at once where nothing has to be waited for. On a processor a small tensor that stays may also keep freed memory next
    to it, enough for a layer, from being used again: a masked layer of 1,000 units lost 9 MB at every step.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._added = 0
        self.steps: dict[str, list[int]] = {}
        self.values: dict[str, list[Tensor | float]] = {}

    def add(self, step: int, terms: Mapping[str, Tensor]) -> None:
        """Keep the terms of a step, by "<player>/<term>"."""
        for name, value in terms.items():
            self.append(name, step, value)
        self._added += 1
        if self._added >= _COMPACT:
            self._added = 0
            self.values = {name: list(values) for name, values in self.read().items()}

    def append(self, name: str, step: int, value: Tensor) -> None:
        """Keep one number of a step, under "<player>/<term>"."""
        if name not in self.values:
            self.values[name], self.steps[name] = [], []
        value = value.detach()
        self.values[name].append(value.item() if at_hand(value) else value)
        self.steps[name].append(step)

    def read(self) -> dict[str, list[float]]:
        """Copy everything collected to the processor, at once.

        Raises:
            NonFiniteError: naming the earliest step, and there the first term, that is not finite.
        """
        fresh = [v.float() for values in self.values.values() for v in values if isinstance(v, Tensor)]
        numbers = iter(torch.stack(fresh).tolist() if fresh else [])
        read = {
            name: [float(next(numbers)) if isinstance(v, Tensor) else v for v in values]
            for name, values in self.values.items()
        }
        bad = [
            (step, order, name, number)
            for order, name in enumerate(read)
            for step, number in zip(self.steps[name], read[name], strict=True)
            if not math.isfinite(number)
        ]
        if bad:
            step, _, name, number = min(bad, key=lambda entry: entry[:2])
            raise NonFiniteError(step, name, number)
        return read

    def flush(self, state: Progress, average: Callable[[list[float]], list[float]]) -> Row:
        """Return the line that is due, averaged over processes, and start anew."""
        read = self.read()
        means = average([math.fsum(values) / len(values) for values in read.values()])
        row: Row = {"step": state.step, "seconds": round(state.seconds, 3)}
        row |= dict(zip(read, means, strict=True))
        row |= {f"{name}/lr": player.schedule.lr for name, player in state.players.items()}
        self.steps, self.values, self._added = {}, {}, 0
        return row

    def state_dict(self) -> dict[str, Any]:
        """Return what was collected since the last line, so that a resumed run writes the same next line."""
        return {"steps": self.steps, "values": self.read()}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.steps = {name: list(steps) for name, steps in saved["steps"].items()}
        self.values = {name: list(values) for name, values in saved["values"].items()}
