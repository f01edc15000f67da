"""Runs that go on elsewhere or for longer: on another device, in another folder, with more processes or steps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from tests.workflows.runs import QUICK, VAE, digest, lines, silent
from veridical.config import DataConfig, OptimizerConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.config.files import read
from veridical.data.errors import NoSuchDataError
from veridical.data.sources import load_splits
from veridical.data.space import Space
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.arithmetic import Arithmetic
from veridical.training.engine import DeviceError, Engine
from veridical.workflows.continuation import continued_arithmetic, step_size_jumps
from veridical.workflows.load import build_model, read_facts
from veridical.workflows.location import locate
from veridical.workflows.resume import resume
from veridical.workflows.start import train

ROOT = Path(__file__).parents[2]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# Another device


def as_if_on_cuda(run: Run) -> None:
    """Let a run look as if it had been trained on CUDA, in bf16."""
    edit(run.config_file, "device: auto", "device: cuda")
    for folder in run.checkpoints.iterdir():
        meta = checkpoint.read(folder).meta
        checkpoint.write_meta(folder, {**meta, "topology": {**meta["topology"], "device": "cuda"}})
    about = run.read_json("environment.json") | {"arithmetic": {"precision": "bf16", "channels_last": True}}
    run.write_json("environment.json", about)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_run_of_cuda_goes_on_without_one_and_says_what_differs(tmp_path: Path) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    as_if_on_cuda(run)
    with pytest.raises(DeviceError, match=r"'cuda', which is not available here.*veridical resume .* --device auto"):
        resume(run.path, steps=20, say=silent)
    said: list[str] = []
    resume(run.path, steps=20, device="auto", say=said.append)
    text = "\n".join(said)
    assert "device was cuda, is cpu" in text and "random numbers follow from seed 0, rank and step 12" in text
    assert "A run with the same seed repeats to the bit on this processor" in text
    assert run.status["state"] == "finished" and run.status["step"] == 20
    (resumed,) = run.read_json("environment.json")["resumed"]
    assert resumed["device"] == "cpu" and resumed["arithmetic"]["precision"] == "fp32" and resumed["deterministic"]


def test_the_arithmetic_stays_that_of_the_newest_resume_unless_the_kind_of_device_changes(tmp_path: Path) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    bf16, fp32 = ({"precision": precision, "channels_last": False} for precision in ("bf16", "fp32"))
    model, shape = build_model(VAE, read_facts(run)), (16, *read_facts(run).space.shape)

    def go_on(device: str, about: dict[str, object], asked: str | None = None) -> tuple[Arithmetic, list[str]]:
        meta = {"topology": {"device": device}}
        training = TrainingConfig(precision="auto")
        return continued_arithmetic(about, meta, Engine.plain(), model, shape, training, asked)

    assert go_on("cpu", {"arithmetic": bf16}) == (Arithmetic("bf16"), [])
    assert go_on("cpu", {"arithmetic": fp32, "resumed": [{"arithmetic": bf16}]}) == (Arithmetic("bf16"), [])
    assert go_on("cuda", {"arithmetic": bf16}) == (Arithmetic("fp32"), ["arithmetic was bf16, is fp32"])
    assert go_on("cuda", {"arithmetic": fp32}) == (Arithmetic("fp32"), [])
    assert go_on("cpu", {"arithmetic": fp32}, "bf16") == (Arithmetic("bf16"), [])


# Another folder


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run on data that were named relative to a folder in which nobody is any more."""
    for name in ("project", "elsewhere"):
        (tmp_path / name).mkdir()
    np.savez(tmp_path / "project" / "points.npz", x=np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32))
    monkeypatch.chdir(tmp_path / "project")
    config = RunConfig(VAE.model, DataConfig(source="points.npz"), QUICK)
    run = train(config, out=tmp_path / "run", say=silent)
    monkeypatch.chdir(tmp_path / "elsewhere")
    return run


def test_a_run_finds_its_data_from_any_folder(moved: Run) -> None:
    assert moved.read_json("environment.json")["data"]["path"] == str(moved.path.parent / "project" / "points.npz")
    resume(moved.path, steps=15, say=silent)
    assert moved.status["step"] == 15
    assert len(load_splits(locate(read(moved.config_file)[0].data, moved))[0]) > 0
    assert read(moved.config_file)[0].data.source == "points.npz"


@pytest.mark.parametrize("place", ["elsewhere", "run", "."])
def test_data_that_moved_are_found_beside_the_run_or_here(moved: Run, place: str) -> None:
    root = moved.path.parent
    shutil.move(root / "project" / "points.npz", root / place / "points.npz")
    resume(moved.path, steps=15, say=silent)
    assert moved.status["step"] == 15


def test_data_in_any_other_place_are_said_and_remembered(moved: Run, tmp_path: Path) -> None:
    (tmp_path / "far" / "off").mkdir(parents=True)
    shutil.move(tmp_path / "project" / "points.npz", tmp_path / "far" / "off" / "numbers.npz")
    with pytest.raises(NoSuchDataError, match=r"not found at: .*project/points\.npz.* --data DATA"):
        resume(moved.path, steps=15, say=silent)
    with pytest.raises(NoSuchDataError):
        locate(read(moved.config_file)[0].data, moved)
    resume(moved.path, steps=15, data="../far/off/numbers.npz", say=silent)
    assert len(load_splits(locate(read(moved.config_file)[0].data, moved))[0]) > 0
    config, origins = read(moved.config_file)
    assert config.data.source == str(tmp_path / "far" / "off" / "numbers.npz") and origins["data.source"] == "resume"


def test_other_data_in_their_place_are_refused(moved: Run) -> None:
    np.savez(moved.path.parent / "project" / "points.npz", x=np.eye(2, dtype=np.float32).repeat(100, 0))
    with pytest.raises(checkpoint.CheckpointError, match=r"differ from the training data of the run.*--data DATA"):
        resume(moved.path, steps=15, say=silent)


def test_a_folder_with_the_name_of_the_set_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    resume(run.path, steps=15, say=silent)
    assert run.status["step"] == 15


# More steps


def annealed(steps: int, schedule: str) -> RunConfig:
    optimizer = OptimizerConfig(lr=1e-3, schedule=schedule)  # type: ignore[arg-type]
    training = TrainingConfig(steps=steps, batch_size=16, log_every=5, precision="fp32")
    model = VAEConfig(network="mlp", width=16, latent_dim=2, optimizer=optimizer)
    return RunConfig(model, DataConfig(source="digits"), training)


def test_a_longer_run_with_a_schedule_says_that_its_step_size_jumps(tmp_path: Path) -> None:
    run = train(annealed(20, "cosine"), out=tmp_path / "run", say=silent)
    said: list[str] = []
    resume(run.path, steps=40, say=said.append)
    (line,) = (line for line in said if line.startswith("The result will differ from a new run of 40 steps"))
    assert (
        "the learning rate of model changes from 6.16e-06 to 0.0005, because its cosine schedule now ends at step 40"
        in line
    )
    sizes = {row["step"]: row["model/lr"] for row in run.metrics()}
    assert sizes[20] == pytest.approx(6.16e-6, rel=1e-3) and sizes[25] > 50 * sizes[20]


def test_a_longer_run_without_a_schedule_equals_one_of_that_length(tmp_path: Path) -> None:
    short = train(annealed(20, "constant"), out=tmp_path / "short", say=silent)
    said: list[str] = []
    resume(short.path, steps=40, say=said.append)
    assert not any("Not equal" in line for line in said)
    whole = train(annealed(40, "constant"), out=tmp_path / "whole", say=silent)
    assert lines(short) == lines(whole)
    assert all(torch.equal(tensor, digest(short)[name]) for name, tensor in digest(whole).items())


def test_the_jump_is_that_of_the_schedule() -> None:
    model = build_model(annealed(20, "linear"), Space((2,), kind="vector", support=None, levels=None))
    assert step_size_jumps(model, TrainingConfig(steps=20), 10, 20) == []
    assert step_size_jumps(model, TrainingConfig(steps=40), 0, 20) == []
    (line,) = step_size_jumps(model, TrainingConfig(steps=40, lr_scale=2.0), 20, 20)
    assert line.startswith("the learning rate of model changes from 0.0001 to 0.001,")


# More processes


@pytest.mark.slow
def test_with_more_processes_each_draws_noise_of_its_own(tmp_path: Path) -> None:
    one = train(VAE, out=tmp_path / "run", say=silent)
    command = [sys.executable, "-m", "veridical", "resume", str(one.path), "--steps", "20", "--processes", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "process 1 starts from the buffers of process 0, with random numbers that follow from seed 0" in done.stdout
    state = torch.load(checkpoint.newest(one.checkpoints, silent) / checkpoint.REST, weights_only=True)
    first, second = (process["random"]["torch"] for process in state["processes"])
    assert not torch.equal(first, second)
    told: list[str] = []
    resume(one.path, steps=22, processes=1, say=told.append)
    assert any("processes was 2, is 1" in line for line in told), told
    config, origins = read(one.config_file)
    assert config.training.processes == 1 and origins["training.processes"] == "resume"


# The same command beside other load


def test_the_same_command_gives_the_same_numbers_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = TrainingConfig(steps=2, batch_size=8, sample_every=50, spectrum_every=0, seed=7)
    config = RunConfig(VAEConfig(network="conv", width=8, latent_dim=2), DataConfig(source="digits"), training)
    late, clock = Random(0), time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + late.random())
    runs = [train(config, out=tmp_path / str(i), say=silent) for i in range(3)]
    arithmetics = {json.dumps(run.read_json("environment.json")["arithmetic"]) for run in runs}
    assert len(arithmetics) == 1
    for run in runs[1:]:
        assert all(torch.equal(tensor, digest(run)[name]) for name, tensor in digest(runs[0]).items())
