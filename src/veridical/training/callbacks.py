"""Callbacks of the training loop: metrics, sample grids, checkpoints, interruptions. `fit` does not depend on them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from veridical.config import TrainingConfig
from veridical.lock import Lock
from veridical.model import Trainable
from veridical.run import DIGESTS, LINES, Run, append_lines, keep_lines_until
from veridical.seal import RunningDigest
from veridical.training import checkpoint
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State
from veridical.training.generators import random_state, set_random_state
from veridical.training.terms import Row


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators inside the block and leave them as they were afterwards."""
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)  # 100 times faster than torch.manual_seed, which seeds all devices
        for one in cuda:
            with torch.cuda.device(one):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def generators_kept() -> Iterator[None]:
    """Leave the global generators (torch, numpy, Python) after the block, or the decorated function, as before it."""
    kept = random_state()
    try:
        yield
    finally:
        set_random_state(kept)


@contextmanager
def live(state: State) -> Iterator[None]:
    """Evaluate with the live weights inside the block, train after it."""
    training = state.module.training
    state.module.eval()
    try:
        yield
    finally:
        state.module.train(training)


@contextmanager
def averaged(state: State) -> Iterator[None]:
    """Evaluate with the averaged weights, if there are any, inside the block, train with the live ones after it."""
    if state.ema is not None:
        state.ema.swap()
    try:
        with live(state):
            yield
    finally:
        if state.ema is not None:
            state.ema.swap()


class LockRenewal(Callback):
    """Renews the lock of the run; training stops if another process has taken it over. Must come first."""

    def __init__(self, lock: Lock) -> None:
        self.lock = lock

    def on_start(self, state: State) -> None:
        """Renew before anything is written."""
        self.lock.renew(now=True)

    def on_log(self, state: State, row: Row) -> None:
        """Renew when due, before the line is written."""
        self.lock.renew()

    def on_step(self, state: State) -> None:
        """Renew when due."""
        self.lock.renew()


class MetricsFile(Callback):
    """Writes metrics.jsonl; on resume, lines after the checkpoint are dropped and written anew."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_start(self, state: State) -> None:
        """Drop the lines of steps that will be done again."""
        keep_lines_until(self.run.metrics_file, state.step)

    def on_log(self, state: State, row: Row) -> None:
        """Append a line."""
        append_lines(self.run.metrics_file, [row])


class SampleGrids(Callback):
    """Draws the same samples of the averaged weights every time, so that grids of different steps can be compared."""

    def __init__(self, every: int, draw: Callable[[Trainable, int], None]) -> None:
        """Call `draw(model, step)` every so many steps, at the start and at the end."""
        self.every, self.draw = every, draw

    def on_start(self, state: State) -> None:
        """Draw the untrained model."""
        if state.step == 0:
            self._draw(state)

    def on_step(self, state: State) -> None:
        """Draw when due."""
        if state.step % self.every == 0 or state.step == state.steps:
            self._draw(state)

    def _draw(self, state: State) -> None:
        with averaged(state):
            self.draw(state.model, state.step)


class Checkpointer(Callback):
    """Writes checkpoints when due, at the end, and when the run is interrupted; digests of the lines with every line.

    Must come after the callbacks that write lines.
    """

    def __init__(self, run: Run, engine: Engine, config: TrainingConfig, kept: dict[str, Callback]) -> None:
        """Save the named callbacks' state too."""
        self.run, self.engine, self.config, self.kept = run, engine, config, kept
        self.saved = -1
        self.lines = {name: RunningDigest(run.path / name) for name in LINES}

    def on_start(self, state: State) -> None:
        """Save the start, so that a run can always be resumed."""
        if state.step == 0:
            self.save(state)

    def on_log(self, state: State, row: Row) -> None:
        """Record the digests of the lines, which no checkpoint contains yet."""
        self.record_lines(state.step)

    def on_step(self, state: State) -> None:
        """Save when due."""
        if state.step % self.config.checkpoint_every == 0:
            self.save(state)

    def on_end(self, state: State) -> None:
        """Save the end."""
        self.save(state)

    def save(self, state: State) -> Path | None:
        """Save now; every process takes part, the first writes."""
        if self.saved == state.step:
            return None
        path = self._write(state, self.run.checkpoints, self.config.keep)
        self.saved = state.step
        return path

    def save_best(self, state: State) -> Path | None:
        """Save the best checkpoint so far, in place of the one before."""
        return self._write(state, self.run.best, 1)

    def record_lines(self, step: int) -> None:
        """Write the digests of the lines until a step; not flushed to the disk, like the lines."""
        if self.engine.rank == 0:
            self.run.write_json(DIGESTS, {"step": step, "lines": self._digests()}, flush=False)

    def _digests(self) -> dict[str, Any]:
        return {name: running.update() for name, running in self.lines.items() if running.path.is_file()}

    def _write(self, state: State, folder: Path, keep: int) -> Path | None:
        processes = self.engine.gather(checkpoint.of_this_process(state, self.engine.rank))
        path = None
        if self.engine.rank == 0:
            folder.mkdir(exist_ok=True)
            path = checkpoint.save(folder, state, self.kept, processes, keep, self._digests())
            self.record_lines(state.step)
            self.run.set_status("running", state.step)
        self.engine.barrier()
        return path


class Interruption(Callback):
    """Ctrl-C (or SIGTERM) once finishes the step and saves; twice stops at once, with the last checkpoint intact."""

    def __init__(self, engine: Engine, say: Callable[[str], None]) -> None:
        """Signals are caught only inside `listen`."""
        self.engine, self.say, self.signal_name = engine, say, ""

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Catch the signals inside the block; only the main thread receives signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._catch) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self.signal_name:
            raise KeyboardInterrupt
        self.signal_name = signal.Signals(number).name
        self.say(f"{self.signal_name}: finishing this step and saving. A second {self.signal_name} stops at once.")

    def on_step(self, state: State) -> None:
        """End the loop on every process if one of them was interrupted."""
        if self.engine.world_size > 1 and state.step % 10 == 0:
            self.signal_name = next(
                (signal_name for signal_name in self.engine.gather(self.signal_name) if signal_name), ""
            )
        elif self.engine.world_size > 1:
            return
        if self.signal_name:
            state.stop = self.signal_name
