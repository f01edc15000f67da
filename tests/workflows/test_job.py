"""Jobs that are interrupted, diverge, meet a full disk, or run in a thread."""

from __future__ import annotations

import errno
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.workflows.runs import VAE, Press, digest, lines, silent
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.fit import Callback, State
from veridical.training.terms import NonFiniteError
from veridical.workflows.job import CannotSaveError, Interrupted
from veridical.workflows.resume import resume
from veridical.workflows.start import train


class PressTwice(Press):
    """Sends the signal again before the step at which it was asked to stop is over."""

    def on_step(self, state: State) -> None:
        super().on_step(state)
        super().on_step(state)


def test_asked_twice_it_stops_at_once_with_the_last_checkpoint_intact(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(Interrupted, match=r"Stopped immediately\. Continue with: veridical resume"):
        train(VAE, out=tmp_path / "run", say=said.append, callbacks=[PressTwice(8)])
    run = Run.open(tmp_path / "run")
    assert any("A second SIGINT stops at once" in line for line in said)
    assert run.status["state"] == "interrupted"
    assert checkpoint.newest(run.checkpoints, said.append).name == "step-00000006"  # not step 8: nothing was saved
    resume(run.path, say=silent)
    assert run.status["state"] == "finished"


class Poison(Callback):
    """Ruins a weight at a step, as a diverging training would."""

    def on_step(self, state: State) -> None:
        if state.step == 8:
            with torch.no_grad():
                next(state.module.parameters()).fill_(float("nan"))


def test_divergence_is_named_and_the_last_finite_checkpoint_kept(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"of player model is nan at step 8"):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Poison()])
    run = Run.open(tmp_path / "run")
    assert run.status["state"] == "failed"
    assert "at step 8" in run.status["message"]
    assert checkpoint.newest(run.checkpoints, silent).name == "step-00000006"
    assert all(torch.isfinite(v).all() for v in digest(run).values())
    (finding,) = run.health()
    assert finding["step"] == 8
    assert finding["remedy"]


def full(monkeypatch: pytest.MonkeyPatch, after: int, number: int = errno.ENOSPC) -> None:
    """Let the disk be full, or another limit be reached, after some files of checkpoints."""
    real, calls = checkpoint._write_file, []

    def write(path: Path, content: bytes | memoryview) -> str:
        calls.append(1)
        if len(calls) > after:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(number, os.strerror(number), str(path))
        return real(path, content)

    monkeypatch.setattr(checkpoint, "_write_file", write)


def test_a_full_disk_leaves_the_last_checkpoint_intact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, after=4)
    said = r"disk is full\. Free.* at step 6\. The checkpoint of step 0 is undamaged\. .*veridical resume"
    with pytest.raises(CannotSaveError, match=said):
        train(VAE, out=tmp_path / "run", say=silent)
    run = Run.open(tmp_path / "run")
    assert run.status["state"] == "failed"
    assert checkpoint.newest(run.checkpoints, silent).name == "step-00000000"
    monkeypatch.undo()
    resume(run.path, say=silent)
    assert json.loads((run.path / "status.json").read_text())["state"] == "finished"


def test_training_in_a_thread_hears_no_signals(tmp_path: Path) -> None:
    """Signals exist in the main thread only; elsewhere a run trains to its end like any other."""
    whole = train(VAE, out=tmp_path / "whole", say=silent)
    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(train, VAE, out=tmp_path / "run", say=silent).result(timeout=120)
    assert run.status["state"] == "finished"
    assert lines(run) == lines(whole)
    assert signal.getsignal(signal.SIGINT) is before
