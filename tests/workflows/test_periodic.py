"""Evaluation while training: it changes no number of the training, keeps the best checkpoint, and survives a resume."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.training import toys
from tests.workflows.runs import QUICK, VAE, Press, digest, lines, silent
from veridical.cli import run as command
from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.run import Run
from veridical.training import checkpoint
from veridical.workflows.job import Interrupted
from veridical.workflows.load import load
from veridical.workflows.periodic import CannotEvaluateError
from veridical.workflows.resume import resume
from veridical.workflows.start import train

OFTEN = dataclasses.replace(QUICK, log_every=2, evaluate_every=4, evaluate_n=64)
WATCHED = dataclasses.replace(VAE, training=OFTEN)


def test_evaluation_changes_no_other_number(tmp_path: Path) -> None:
    plain = train(
        dataclasses.replace(VAE, training=dataclasses.replace(OFTEN, evaluate_every=0)), out=tmp_path / "a", say=silent
    )
    watched = train(WATCHED, out=tmp_path / "b", say=silent)
    rows = lines(watched)
    assert [row["step"] for row in rows if "evaluation/fid" in row] == [4, 8, 12]
    assert [{k: v for k, v in row.items() if not k.startswith("evaluation/")} for row in rows] == lines(plain)
    a, b = digest(plain), digest(watched)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_best_checkpoint_is_that_of_the_best_row(tmp_path: Path) -> None:
    run = train(WATCHED, out=tmp_path / "run", say=silent)
    measured = {row["step"]: row["evaluation/fid"] for row in run.metrics() if "evaluation/fid" in row}
    best = min(measured, key=measured.__getitem__)
    assert [path.name for path in checkpoint.complete(run.best)] == [f"step-{best:08d}"]
    weights = load(run, which="best", say=silent).state_dict()
    newest = load(run, say=silent).state_dict()
    assert best == 12 or any(not torch.equal(weights[name], newest[name]) for name in newest)


def test_resumed_evaluation_equals_uninterrupted(tmp_path: Path) -> None:
    whole = train(WATCHED, out=tmp_path / "whole", say=silent)
    with pytest.raises(Interrupted):
        train(WATCHED, out=tmp_path / "parts", say=silent, callbacks=[Press(7)])
    parts = resume(tmp_path / "parts", say=silent)
    assert lines(parts) == lines(whole)
    assert [p.name for p in checkpoint.complete(parts.best)] == [p.name for p in checkpoint.complete(whole.best)]


def test_known_modes_are_counted_instead(tmp_path: Path) -> None:
    config = dataclasses.replace(WATCHED, data=DataConfig(source="ring"))
    run = train(config, out=tmp_path / "run", say=silent)
    terms = {term for row in run.metrics() for term in row if term.startswith("evaluation/")}
    assert terms and "evaluation/fid" not in terms


def test_no_best_checkpoint_is_said(tmp_path: Path) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    with pytest.raises(checkpoint.CheckpointError, match=r"no best checkpoint.*--evaluate-every"):
        load(run, which="best", say=silent)


def test_what_cannot_be_evaluated_is_refused_before_the_first_step(tmp_path: Path) -> None:
    few = ArrayData(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
    training = dataclasses.replace(OFTEN, batch_size=8)
    with pytest.raises(CannotEvaluateError, match=r"no metric applies to GAN.*fid: .*--evaluate-every"):
        train(model=toys.model(), data=few, training=training, out=tmp_path / "run", say=silent)
    assert Run.open(tmp_path / "run").metrics() == []


def test_the_commands_take_the_best_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(WATCHED, out=tmp_path / "run", say=silent)
    best = int(checkpoint.complete(run.best)[0].name.removeprefix("step-"))
    assert command(["evaluate", "--which", "best", "-n", "64", str(run.path)]) == 0
    told = run.read_json("evaluation.json")
    assert (told["step"], told["checkpoint"]) == (best, "best")
    assert command(["sample", str(run.path), "--which", "best", "-n", "2", "--out", str(tmp_path / "x.npz")]) == 0
    plain = train(VAE, out=tmp_path / "plain", say=silent)
    assert command(["sample", "--which", "best", str(plain.path)]) == 1
    assert "no best checkpoint" in capsys.readouterr().err
