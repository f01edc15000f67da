"""Progress of a training: a live bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from veridical.training.fit import Callback, State
from veridical.training.terms import Row

Say = Callable[[str], None]
"""Prints one line."""


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


def is_first() -> bool:
    """Return whether this is the first process of a training, also before the processes know of each other."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def quiet_unless_first(say: Say) -> Say:
    """Return a function that prints in the first process only."""
    return say if is_first() else (lambda line: None)


def losses(row: Row) -> str:
    """Return the losses and the evaluation in a row of metrics as text."""
    shown = {name.removesuffix("/loss"): value for name, value in row.items() if name.endswith("/loss")}
    shown |= {name.removeprefix("evaluation/"): row[name] for name in row if name.startswith("evaluation/")}
    return "  ".join(f"{name} {value:.4g}" for name, value in shown.items())


def memory() -> str:
    """Peak memory of this process, or of the GPU, as text."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB GPU"
    unit = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB"


class Rate:
    """Steps per second over the last half minute, so that a slow start does not spoil the estimate.

    Args:
        step: first step of this process.
        now: time in seconds.
    """

    def __init__(self, step: int, now: float) -> None:
        self.marks: deque[tuple[float, int]] = deque([(now, step)], maxlen=31)

    def update(self, step: int, now: float) -> float:
        """Add the current step and time; return the rate."""
        began, first = self.marks[0]
        if now - self.marks[-1][0] >= 1.0:
            self.marks.append((now, step))
        return (step - first) / max(now - began, 1e-9)


class Progress(Callback):
    """Shows step, time left, examples per second, losses and memory."""

    def __init__(self, say: Say, batch_size: int, every: float = 10.0) -> None:
        """Print a line at intervals of `every` seconds; for terminals see `LiveProgress`."""
        self.say, self.batch_size, self.every = say, batch_size, every
        self.last = time.monotonic()
        self.steps_per_second = Rate(0, self.last)
        self.losses = ""

    def on_start(self, state: State) -> None:
        """Store the first step of this process."""
        self.last = time.monotonic()
        self.steps_per_second = Rate(state.step, self.last)

    def on_log(self, state: State, row: Row) -> None:
        """Store the newest losses."""
        self.losses = losses(row)

    def on_step(self, state: State) -> None:
        """Print a line if one is due."""
        now = time.monotonic()
        rate = self.steps_per_second.update(state.step, now)
        if now - self.last < self.every and state.step < state.steps:
            return
        self.last = now
        speed = f"{rate:.1f} steps/s  {rate * self.batch_size:,.0f} examples/s"
        left = left_of(state, rate)
        self.say("  ".join(filter(None, [f"step {state.step}/{state.steps}", left, speed, memory(), self.losses])))

    def close(self) -> None:
        """Stop the display; may be called twice."""


def left_of(state: State, rate: float) -> str:
    """Return the remaining time as text; empty if it is not known yet."""
    return f"left {duration((state.steps - state.step) / rate)}" if rate > 0 else ""


class LiveProgress(Progress):
    """Progress as a live bar for terminals; step and remaining time are visible at any width."""

    def __init__(self, console: Any, batch_size: int) -> None:
        """Draw on a rich console."""
        super().__init__(console.print, batch_size)
        self.console, self.bar, self.task = console, None, None

    def on_start(self, state: State) -> None:
        """Start the bar at the right step."""
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        super().on_start(state)
        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self.bar = Progress(
            TextColumn("{task.fields[done]}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[text]}", table_column=rest),
            console=self.console,
            refresh_per_second=4,
            expand=True,
        )
        self.task = self.bar.add_task("", total=state.steps, completed=state.step, done=_done(state, 0.0), text="")
        self.bar.start()

    def on_step(self, state: State) -> None:
        """Move the bar, at most four times a second."""
        now = time.monotonic()
        rate = self.steps_per_second.update(state.step, now)
        if now - self.last > 0.25:
            self.last = now
            self._show(state, rate)

    def on_end(self, state: State) -> None:
        """Show the finished bar."""
        self._show(state, self.steps_per_second.update(state.step, time.monotonic()))
        self.close()

    def close(self) -> None:
        """Stop drawing; may be called twice."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _show(self, state: State, rate: float) -> None:
        if self.bar is not None and self.task is not None:
            text = f"{self.losses}  {rate * self.batch_size:,.0f} examples/s  {memory()}".strip()
            self.bar.update(self.task, completed=state.step, done=_done(state, rate), text=text)


def _done(state: State, rate: float) -> str:
    return f"step {state.step}/{state.steps}  {left_of(state, rate)}".rstrip()


class Stopwatch(Callback):
    """Measures the time of a few steps for an estimate of the total time, then ends the loop.

    Args:
        warm_up: number of first steps that are not timed, since they allocate and compile.
        seconds: total time of the timed steps.
        synchronise: waits for the device, so that only finished steps are counted.
    """

    def __init__(self, warm_up: int = 2, seconds: float = 2.0, synchronise: Callable[[], None] | None = None) -> None:
        self.warm_up, self.seconds, self.synchronise = warm_up, seconds, synchronise or (lambda: None)
        self.began = self.ended = 0.0
        self.timed = 0

    def on_step(self, state: State) -> None:
        """Read the clock."""
        self.synchronise()
        self.ended = time.monotonic()
        self.timed = state.step - self.warm_up
        if self.timed <= 0:
            self.began = self.ended
        elif self.ended - self.began > self.seconds:
            state.stop = "timed"

    def estimate(self, steps: int) -> str:
        """Return the estimated time of a run as a sentence; empty if no step was timed."""
        if self.timed <= 0:
            return ""
        each = (self.ended - self.began) / self.timed
        took = f"{each:.3g} s" if each >= 1 else f"{1e3 * each:.3g} ms"
        return (
            f"{steps:,} steps would take about {duration(each * steps)} on this machine: {self.timed} steps took "
            f"{took} each, without sample grids and checkpoints."
        )
