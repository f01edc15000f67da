"""Resumed runs: equal to uninterrupted ones, or said not to be; what may be changed on the way."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training import toys
from tests.workflows.runs import QUICK, VAE, Press, digest, lines, silent
from tests.workflows.test_job import Poison
from veridical.config import DataConfig
from veridical.config.files import read
from veridical.data.dataset import ArrayData
from veridical.data.errors import NoSuchDataError
from veridical.process import Process
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.fit import Callback, State
from veridical.training.terms import NonFiniteError
from veridical.workflows.job import Interrupted
from veridical.workflows.resume import resume
from veridical.workflows.start import train


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path, number: int) -> None:
    whole = train(VAE, out=tmp_path / "whole", say=silent)
    with pytest.raises(Interrupted, match="veridical resume"):
        train(VAE, out=tmp_path / "parts", say=silent, callbacks=[Press(8, number)])
    parts = Run.open(tmp_path / "parts")
    assert parts.status["state"] == "interrupted"
    assert checkpoint.complete(parts.checkpoints)[0].name in ("step-00000008", "step-00000009")
    said: list[str] = []
    resume(parts.path, say=said.append)
    assert not any("The result will not be bit-equal" in line for line in said)
    assert parts.status["state"] == "finished"
    assert lines(whole) == lines(parts)
    a, b = digest(whole), digest(parts)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    images = [{p.name: p.read_bytes() for p in run.samples.iterdir()} for run in (whole, parts)]
    assert images[0] == images[1]


def test_what_keeps_a_resumed_run_from_being_equal_to_the_bit_is_said(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Press(8)])
    newest = checkpoint.complete(tmp_path / "run" / "checkpoints")[0]
    meta = json.loads((newest / checkpoint.META).read_text())
    meta["topology"]["threads"] += 1
    checkpoint.write_meta(newest, meta)
    said: list[str] = []
    resume(tmp_path / "run", say=said.append)
    (line,) = (line for line in said if "The result will not be bit-equal" in line)
    assert "threads was" in line


def test_resuming_a_finished_run_does_nothing_unless_told_to_go_further(tmp_path: Path) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    before = run.metrics_file.read_bytes()
    said: list[str] = []
    resume(run.path, say=said.append)
    assert run.metrics_file.read_bytes() == before
    assert "--steps" in said[-1]
    resume(run.path, steps=15, say=silent)
    assert run.status["step"] == 15
    assert [row["step"] for row in run.metrics()] == [5, 10, 12, 15]
    assert read(run.config_file)[1]["training.steps"] == "resume"


def test_a_damaged_newest_checkpoint_costs_only_the_steps_since_the_one_before(tmp_path: Path) -> None:
    whole = train(VAE, out=tmp_path / "whole", say=silent)
    with pytest.raises(Interrupted):
        train(VAE, out=tmp_path / "parts", say=silent, callbacks=[Press(8)])
    parts = Run.open(tmp_path / "parts")
    (checkpoint.complete(parts.checkpoints)[0] / checkpoint.WEIGHTS).write_bytes(b"nonsense")
    said: list[str] = []
    resume(parts.path, say=said.append)
    assert any("damaged" in line and "Falling back" in line for line in said)
    assert lines(whole) == lines(parts)
    assert all(torch.equal(v, digest(parts)[k]) for k, v in digest(whole).items())


def test_resuming_on_other_data_is_refused(tmp_path: Path) -> None:
    data = toys.data()
    run = train(model=toys.model(), data=data, training=QUICK, out=tmp_path / "run", say=silent)
    other = ArrayData(torch.randn(100, 2))
    with pytest.raises(checkpoint.CheckpointError, match="differ from the training data of the run"):
        resume(run.path, steps=20, model=toys.model(), data=other, say=silent)


def test_data_that_have_moved_are_found_from_any_folder_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("mine.npy", np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    run = train(dataclasses.replace(VAE, data=DataConfig(source="mine.npy")), out="run", say=silent)
    (tmp_path / "moved").mkdir()
    Path("mine.npy").rename("moved/mine.npy")
    with pytest.raises(NoSuchDataError, match="--data DATA"):
        resume("run", steps=13, say=silent)
    resume("run", steps=13, data="moved/mine.npy", say=silent)
    monkeypatch.chdir("moved")
    assert read(tmp_path / run.config_file)[0].data.source == str(tmp_path / "moved" / "mine.npy")
    resume(tmp_path / "run", steps=14, say=silent)


def test_settings_may_change_on_the_way_and_are_said_and_recorded(tmp_path: Path) -> None:
    whole = train(VAE, out=tmp_path / "whole", say=silent)
    with pytest.raises(Interrupted):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Press(8)])
    said: list[str] = []
    run = resume(tmp_path / "run", lr_scale=0.5, clip_norm=1.0, device="cpu", say=said.append)
    told = [line for line in said if "The result will not be bit-equal" in line]
    assert [line.split(": ")[1] for line in told] == ["lr_scale was 1.0, is 0.5.", "clip_norm was None, is 1.0."]
    config, origins = read(run.config_file)
    assert (config.training.lr_scale, config.training.clip_norm, config.training.device) == (0.5, 1.0, "cpu")
    assert origins["training.lr_scale"] == origins["training.device"] == "resume"
    assert origins["training.ema"] == "default"
    rates, plain = ([row["model/lr"] for row in of.metrics()] for of in (run, whole))
    assert rates == pytest.approx([plain[0], *(rate / 2 for rate in plain[1:])])


def test_a_diverged_run_goes_on_with_the_smaller_steps_that_its_message_names(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"veridical resume"):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Poison()])
    run = resume(tmp_path / "run", lr_scale=0.3, clip_norm=1.0, precision="fp32", say=silent)
    assert run.status["state"] == "finished"


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_a_run_that_was_stopped_after_its_last_checkpoint_is_finished(tmp_path: Path, state: str) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    run.set_status(state, 12)
    said: list[str] = []
    resume(run.path, steps=6, say=said.append)  # more than asked for, and no more than configured
    assert run.status["state"] == "finished" and any("had ended when" in line for line in said)


def test_a_run_with_steps_left_is_not_finished_by_asking_for_fewer(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Press(8)])
    run = resume(tmp_path / "run", steps=6, say=silent)
    assert run.status["state"] == "interrupted"


class Die(Callback):
    """Ends the training as a kill would: nothing more is recorded."""

    def on_step(self, state: State) -> None:
        raise SystemExit


def test_a_finished_run_that_goes_on_is_not_finished(tmp_path: Path) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    with pytest.raises(SystemExit):
        resume(run.path, steps=20, say=silent, callbacks=[Die()])
    assert run.status["state"] == "running"


def test_edits_are_said_recorded_and_not_refused(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Press(8)])
    run = Run.open(tmp_path / "run")
    edited = run.config_file.read_text().replace("log_every: 5", "log_every: 4")
    run.config_file.write_text(edited)
    text = run.metrics_file.read_text()
    run.metrics_file.write_text(text.replace('"step": 5', '"step": 4'))
    said: list[str] = []
    resume(run.path, say=said.append)
    edits = [line for line in said if "was edited or damaged" in line]
    assert [line.split()[0] for line in edits] == ["config.yaml", "metrics.jsonl"]
    assert run.status["state"] == "finished" and run.environment()["resumed"][0]["edits"] == edits
    assert not [line for line in run.changes() if line.startswith("config")]  # what training wrote last


class DieAt(Callback):
    """Ends the training as a kill would, after a step, or before the first where it is None."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def on_start(self, state: State) -> None:
        if self.step is None:
            raise SystemExit

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            raise SystemExit


def killed_with_a_line_after_its_checkpoint(folder: Path) -> Run:
    """A run with a checkpoint of step 6 and a line of step 10."""
    with pytest.raises(SystemExit):
        train(VAE, out=folder, say=silent, callbacks=[DieAt(11)])
    run = Run.open(folder)
    assert [row["step"] for row in run.metrics()] == [5, 10] and not run.changes()
    return run


@pytest.mark.parametrize("edit", ["edited", "removed", "repeated"])
def test_damaged_lines_after_the_newest_checkpoint_are_said(tmp_path: Path, edit: str) -> None:
    """Mutants: without digests between checkpoints the first two are believed, without their order the last."""
    run = killed_with_a_line_after_its_checkpoint(tmp_path / "run")
    first, last = run.metrics_file.read_text().splitlines(keepends=True)
    after = {"edited": last.replace('"step": 10', '"step": 11'), "removed": "", "repeated": last + last}
    run.metrics_file.write_text(first + after[edit])
    assert [line.split()[0] for line in run.changes()] == ["metrics.jsonl"]


def test_lines_that_a_resumption_removed_are_no_edit(tmp_path: Path) -> None:
    """Mutant: where the digests of the killed process stay, the lines that are done again count as damaged."""
    run = killed_with_a_line_after_its_checkpoint(tmp_path / "run")
    for step in (None, 7):
        with pytest.raises(SystemExit):
            resume(run.path, say=silent, callbacks=[DieAt(step)])
        assert [row["step"] for row in run.metrics()] == [5] and not run.changes()
    resume(run.path, say=silent)
    assert not run.changes()


def test_damaged_digests_are_said_and_those_of_the_checkpoint_count(tmp_path: Path) -> None:
    run = killed_with_a_line_after_its_checkpoint(tmp_path / "run")
    text = (run.path / "lines.json").read_text()
    (run.path / "lines.json").write_text(text.replace('"bytes": ', '"bytes": 1'))
    run.metrics_file.write_text(run.metrics_file.read_text().replace('"step": 5', '"step": 4'))
    assert [line.split()[0] for line in run.changes()] == ["lines.json", "metrics.jsonl"]


def test_a_finding_that_ends_a_training_is_covered(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Poison()])
    run = Run.open(tmp_path / "run")
    run.health_file.write_text(run.health_file.read_text().replace("error", "warning"))
    assert [line.split()[0] for line in run.changes()] == ["health.jsonl"]


def test_what_a_process_killed_at_its_very_end_left_is_removed(tmp_path: Path) -> None:
    run = train(dataclasses.replace(VAE, training=dataclasses.replace(VAE.training, keep=1)), out=tmp_path / "run")
    newest = checkpoint.newest(run.checkpoints, silent)
    shutil.copytree(newest, run.checkpoints / "step-00000001")
    left = run.path / f".status.{dataclasses.replace(Process.this(), number=2**22 + 1).token}.json"
    left.write_text("half")
    resume(run.path, say=silent)
    assert not left.exists() and list(run.checkpoints.iterdir()) == [newest]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Press(8)])
    left = tmp_path / "run" / f".status.{dataclasses.replace(Process.this(), number=2**22 + 1).token}.json"
    left.write_text("half")
    resume(tmp_path / "run", say=silent)
    assert not left.exists()
