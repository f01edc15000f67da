"""Jobs that are interrupted, diverge, meet a full disk, or run in a thread."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.training import toys
from tests.workflows.runs import VAE, Press, digest, lines, silent
from veridical import lock
from veridical.cli import explain, unexpected
from veridical.lock import LOCK, LockLostError, RunLockedError
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.engine import Engine, LostProcessError
from veridical.training.fit import Callback, State
from veridical.training.terms import NonFiniteError
from veridical.workflows.job import CannotSaveError, Interrupted, Job
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


def test_a_full_disk_before_the_first_checkpoint_promises_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, after=1, number=errno.EFBIG)
    with pytest.raises(
        CannotSaveError, match=r"size of a file.*ulimit.*There is no undamaged.*train --config"
    ) as error:
        train(VAE, out=tmp_path / "run", say=silent)
    assert explain(error.value) == str(error.value) and not unexpected(error.value)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())  # the disk gets its space back
    assert Run.open(tmp_path / "run").status["state"] == "failed"


class Remove(Callback):
    """Removes a folder at a step."""

    def __init__(self, folder: Path, step: int) -> None:
        self.folder, self.step = folder, step

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            shutil.rmtree(self.folder)


@pytest.mark.parametrize("name", ["checkpoints", "samples"])
def test_a_removed_folder_is_made_again(tmp_path: Path, name: str) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent, callbacks=[Remove(tmp_path / "run" / name, 3)])
    assert run.status["state"] == "finished"
    assert checkpoint.newest(run.checkpoints, silent).name == "step-00000012"


def test_a_removed_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotSaveError, match=r"run was removed while it was trained, at step 5. Start again"):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Remove(tmp_path / "run", 3)])


class Resume(Callback):
    """Tries to resume the run that is being trained, as another process would; or takes its lock away."""

    def __init__(self, folder: Path, steal: bool = False) -> None:
        self.folder, self.steal, self.errors = folder, steal, []

    def on_step(self, state: State) -> None:
        if state.step == 3 and self.steal:
            (self.folder / LOCK).write_text("{}")
        elif state.step == 3:
            try:
                resume(self.folder, say=silent)
            except RunLockedError as error:
                self.errors.append(str(error))


def test_a_run_that_is_being_trained_cannot_be_resumed_and_is_free_afterwards(tmp_path: Path) -> None:
    attempt = Resume(tmp_path / "run")
    run = train(VAE, out=tmp_path / "run", say=silent, callbacks=[attempt])
    assert [f"process {os.getpid()} on " in error for error in attempt.errors] == [True]
    assert run.status["state"] == "finished" and not (run.path / LOCK).exists()


def test_a_training_whose_lock_is_taken_stops_and_writes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEWAL_SECONDS", 0.0)
    with pytest.raises(LockLostError, match="no longer belongs to this process"):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Resume(tmp_path / "run", steal=True)])
    run = Run.open(tmp_path / "run")
    assert (run.status["state"], run.metrics()) == ("running", [])
    assert checkpoint.newest(run.checkpoints, silent).name == "step-00000000"


class Lose(Callback):
    """Raises what torch.distributed raises when another process has ended."""

    def on_step(self, state: State) -> None:
        if state.step == 8:
            raise RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [::1]:9")


def test_a_lost_process_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "ended", lambda self: ["Process 7 ended with signal 9."])
    with pytest.raises(RuntimeError, match="gloo"):
        train(VAE, out=tmp_path / "alone", say=silent, callbacks=[Lose()])
    run = Run(tmp_path / "alone")
    job = Job(run, VAE, toys.data(), Engine.plain(), toys.model(), silent, Callback())
    monkeypatch.setattr(Engine, "world_size", 2)
    known = job._known(RuntimeError("... Connection closed by peer"), 8)
    said = "Process 7 ended with signal 9. Training stopped at step 8. The checkpoint of step 6 is undamaged."
    assert isinstance(known, LostProcessError) and str(known).startswith(said) and "gloo" not in str(known)


class Stop(Callback):
    """Asks the training to stop at a step."""

    def on_step(self, state: State) -> None:
        if state.step == 12:
            state.stop = "SIGINT"


def test_stopped_at_the_last_step_it_is_finished(tmp_path: Path) -> None:
    assert train(VAE, out=tmp_path / "run", say=silent, callbacks=[Stop()]).status["state"] == "finished"


def test_files_are_readable_by_others_and_nothing_temporary_stays(tmp_path: Path) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666 & ~umask()}
    assert not [path for path in files if path.name.startswith(".")]
    assert run.changes() == []


def umask() -> int:
    """The permissions that new files lack."""
    os.umask(mask := os.umask(0))
    return mask
