"""Progress of a training: a live bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from veridical.training.fit import Callback, State
from veridical.training.terms import Row

Say = Callable[[str], None]
"""Prints one line for a person."""


def duration(seconds: float) -> str:
    """Format seconds.

    Examples:
        >>> duration(3.2), duration(75), duration(7265)
        ('3s', '1m15s', '2h01m')
    """
    if seconds < 60:
        return f"{seconds:.0f}s"
    if seconds < 3600:
        return f"{int(seconds) // 60}m{int(seconds) % 60:02d}s"
    return f"{int(seconds) // 3600}h{int(seconds) % 3600 // 60:02d}m"


def quiet_unless_first(say: Say) -> Say:
    """Let only the first process speak."""
    ranks = (os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return say if all(rank == "0" for rank in ranks) else (lambda line: None)


def losses(row: Row) -> str:
    """Return the losses of a line of metrics as text."""
    return "  ".join(f"{name.removesuffix('/loss')} {v:.4g}" for name, v in row.items() if name.endswith("/loss"))


def memory() -> str:
    """Largest resident memory of this process so far, or the GPU's."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB GPU"
    unit = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB"


class Progress(Callback):
    """Shows step, ETA, examples per second, losses and memory."""

    def __init__(self, say: Say, batch_size: int, every: float = 10.0) -> None:
        """Print a line every so many seconds; for terminals see `LiveProgress`."""
        self.say, self.batch_size, self.every = say, batch_size, every
        self.started = self.last = time.monotonic()
        self.first = 0

    def on_start(self, state: State) -> None:
        """Remember where this process began, so that rates are its own."""
        self.started = self.last = time.monotonic()
        self.first = state.step

    def rate(self, state: State) -> float:
        """Steps per second of this process."""
        return (state.step - self.first) / max(time.monotonic() - self.started, 1e-9)

    def on_log(self, state: State, row: Row) -> None:
        """Print a line if one is due."""
        if time.monotonic() - self.last < self.every and state.step < state.steps:
            return
        self.last = time.monotonic()
        self.say(f"step {state.step}/{state.steps}  {self.figures(state)}  {losses(row)}")

    def close(self) -> None:
        """Stop showing; safe to call twice."""

    def figures(self, state: State) -> str:
        """Return rate, time left and memory as text."""
        rate = self.rate(state)
        left = duration((state.steps - state.step) / max(rate, 1e-9))
        return f"{rate:.1f} steps/s  {rate * self.batch_size:,.0f} examples/s  left {left}  {memory()}"


class LiveProgress(Progress):
    """The same as a bar that redraws itself, for terminals."""

    def __init__(self, console: Any, batch_size: int) -> None:
        """Draw on a rich console."""
        super().__init__(console.print, batch_size)
        self.console, self.bar, self.task, self.text = console, None, None, ""

    def on_start(self, state: State) -> None:
        """Start the bar at the right step."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().on_start(state)
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=self.console,
            refresh_per_second=4,
        )
        self.task = self.bar.add_task("training", total=state.steps, completed=state.step, text="")
        self.bar.start()

    def on_log(self, state: State, row: Row) -> None:
        """Show new losses."""
        rate = self.rate(state)
        self.text = f"{rate * self.batch_size:,.0f} examples/s  {losses(row)}  {memory()}"

    def on_step(self, state: State) -> None:
        """Move the bar, at most four times a second."""
        if time.monotonic() - self.last > 0.25 and self.bar is not None and self.task is not None:
            self.last = time.monotonic()
            self.bar.update(self.task, completed=state.step, text=self.text)

    def on_end(self, state: State) -> None:
        """Leave the finished bar on the screen."""
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=state.step, text=self.text)
        self.close()

    def close(self) -> None:
        """Stop drawing; safe to call twice."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
