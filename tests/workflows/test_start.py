"""Runs from beginning to end, interrupted, resumed, diverged, on data and modules of one's own."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.training import toys
from veridical.config import DataConfig, GANConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.config.files import read
from veridical.data.dataset import ArrayData
from veridical.families.gan import GAN
from veridical.run import Run, RunExistsError
from veridical.training import checkpoint
from veridical.training.fit import Callback, State
from veridical.training.terms import NonFiniteError
from veridical.workflows.job import Interrupted
from veridical.workflows.load import load
from veridical.workflows.resume import resume
from veridical.workflows.start import train

QUICK = TrainingConfig(steps=12, batch_size=16, log_every=5, sample_every=6, checkpoint_every=6, precision="fp32")
VAE = RunConfig(VAEConfig(network="mlp", width=16, latent_dim=2), DataConfig(source="digits"), QUICK)


def silent(line: str) -> None:
    pass


def digest(run: Run) -> dict[str, torch.Tensor]:
    newest = checkpoint.newest(run.checkpoints, silent)
    return load_file(newest / checkpoint.WEIGHTS) | {
        f"ema.{k}": v for k, v in load_file(newest / checkpoint.AVERAGE).items()
    }


def lines(run: Run) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()]


def test_a_run_leaves_everything_a_reader_needs(tmp_path: Path) -> None:
    said: list[str] = []
    run = train(VAE, out=tmp_path / "run", say=said.append)
    assert run.status == {"state": "finished", "step": 12, "message": ""}
    assert [row["step"] for row in run.metrics()] == [5, 10, 12]
    assert sorted(p.name for p in run.samples.iterdir()) == [
        "reals.png",
        "step-00000000.png",
        "step-00000006.png",
        "step-00000012.png",
    ]
    assert read(run.config_file)[0] == VAE
    about = run.read_json("environment.json")
    assert about["data"]["n"] > 1000
    assert about["versions"]["torch"] == torch.__version__
    assert about["arithmetic"] == {"precision": "fp32", "channels_last": False}
    assert [p.name for p in checkpoint.complete(run.checkpoints)] == ["step-00000012", "step-00000006"]
    text = "\n".join(said)
    for word in ("digits", "parameters", "device", "seed       0", str(run.path), "Finished 12 steps"):
        assert word in text
    assert load(run.path).sample(3).shape == (3, 1, 8, 8)  # type: ignore[attr-defined]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(RunExistsError, match="nothing is overwritten"):
        train(VAE, out=tmp_path / "run", say=silent)
    assert (tmp_path / "run" / "thesis.txt").read_text() == "precious"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    train(VAE, out=tmp_path / "run", say=silent, dry_run=True)
    assert list(tmp_path.iterdir()) == []


class Press(Callback):
    """Sends this process a signal at a step."""

    def __init__(self, step: int, number: int = signal.SIGINT) -> None:
        self.step, self.number = step, number

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            os.kill(os.getpid(), self.number)


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
    assert not any("Not equal to the bit" in line for line in said)
    assert parts.status["state"] == "finished"
    assert lines(whole) == lines(parts)
    a, b = digest(whole), digest(parts)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    pictures = [{p.name: p.read_bytes() for p in run.samples.iterdir()} for run in (whole, parts)]
    assert pictures[0] == pictures[1]


class PressTwice(Press):
    """Sends the signal again before the step at which it was asked to stop is over."""

    def on_step(self, state: State) -> None:
        super().on_step(state)
        super().on_step(state)


def test_asked_twice_it_stops_at_once_with_the_last_checkpoint_intact(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(Interrupted, match=r"Stopped at once\. Continue with: veridical resume"):
        train(VAE, out=tmp_path / "run", say=said.append, callbacks=[PressTwice(8)])
    run = Run.open(tmp_path / "run")
    assert any("once more stops at once" in line for line in said)
    assert run.status["state"] == "interrupted"
    assert checkpoint.newest(run.checkpoints, said.append).name == "step-00000006"  # not step 8: nothing was saved
    resume(run.path, say=silent)
    assert run.status["state"] == "finished"


def test_what_keeps_a_resumed_run_from_being_equal_to_the_bit_is_said(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(VAE, out=tmp_path / "run", say=silent, callbacks=[Press(8)])
    newest = checkpoint.complete(tmp_path / "run" / "checkpoints")[0]
    meta = json.loads((newest / checkpoint.META).read_text())
    meta["topology"]["threads"] += 1
    (newest / checkpoint.META).write_text(json.dumps(meta))
    said: list[str] = []
    resume(tmp_path / "run", say=said.append)
    (line,) = (line for line in said if "Not equal to the bit" in line)
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


def test_modules_and_data_of_ones_own(tmp_path: Path) -> None:
    data = ArrayData(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)))
    model = GAN(
        GANConfig(latent_dim=2, network="mlp"),
        data.space,
        generator=nn.Linear(2, 3),
        discriminator=nn.Linear(3, 1),
    )
    run = train(model=model, data=data, training=QUICK, out=tmp_path / "run", say=silent)
    again = GAN(
        GANConfig(latent_dim=2, network="mlp"), data.space, generator=nn.Linear(2, 3), discriminator=nn.Linear(3, 1)
    )
    loaded = load(run.path, model=again, average=False)
    assert torch.equal(loaded.generator.weight, model.generator.weight)  # type: ignore[union-attr,arg-type]
    with pytest.raises(checkpoint.CheckpointError, match="modules of your own"):
        load(run.path)
    with pytest.raises(checkpoint.CheckpointError, match="from Python"):
        resume(run.path, steps=20, say=silent)
    resume(run.path, steps=20, model=again, data=data, say=silent)
    assert run.status["step"] == 20


def test_resuming_on_other_data_is_refused(tmp_path: Path) -> None:
    data = toys.data()
    run = train(model=toys.model(), data=data, training=QUICK, out=tmp_path / "run", say=silent)
    other = ArrayData(torch.randn(100, 2))
    with pytest.raises(checkpoint.CheckpointError, match="not those of the run"):
        resume(run.path, steps=20, model=toys.model(), data=other, say=silent)


def test_a_full_disk_leaves_the_last_checkpoint_intact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = checkpoint.save_file, []

    def full(*arguments: Any, **options: Any) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        real(*arguments, **options)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        train(VAE, out=tmp_path / "run", say=silent)
    run = Run.open(tmp_path / "run")
    assert run.status["state"] == "failed"
    assert checkpoint.newest(run.checkpoints, silent).name == "step-00000000"
    monkeypatch.undo()
    resume(run.path, say=silent)
    assert json.loads((run.path / "status.json").read_text())["state"] == "finished"
