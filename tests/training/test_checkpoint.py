"""Resuming equals never having stopped, and a killed process leaves a checkpoint that loads."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import toys
from veridical.config import TrainingConfig
from veridical.process import Process
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.callbacks import Checkpointer, MetricsFile
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State, fit
from veridical.training.terms import NonFiniteError


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            state.stop = "asked to"


def train(run: Run, steps: int, *, every: int = 1000, stop: int = -1) -> State:
    """Start, or continue from the newest checkpoint."""
    state = toys.state(steps)
    engine = Engine.plain()
    saver = Checkpointer(run, engine, TrainingConfig(checkpoint_every=every, keep=3), {})
    if checkpoint.complete(run.checkpoints):
        checkpoint.load(checkpoint.newest(run.checkpoints, print), state, {}, 0)
        saver.saved = state.step
    return fit(state, toys.loader(), engine, log_every=7, callbacks=[MetricsFile(run), saver, StopAt(stop)])


def lines(run: Run) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()]


@pytest.mark.parametrize("stop", [1, 10, 14, 29])
def test_resuming_equals_never_having_stopped_to_the_bit(tmp_path: Path, stop: int) -> None:
    whole, parts = Run.create(tmp_path / "whole"), Run.create(tmp_path / "parts")
    uninterrupted = toys.everything(train(whole, 30))
    train(parts, 30, stop=stop)
    torch.manual_seed(999)
    random.seed(999)
    resumed = toys.everything(train(parts, 30))
    toys.assert_equal(uninterrupted, resumed)
    assert lines(whole) == lines(parts)
    assert [row["step"] for row in lines(parts)] == [7, 14, 21, 28, 30]


@pytest.mark.parametrize("stop", [22, 23, 24])
def test_a_player_that_settles_resumes_to_the_bit(tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    settling = dataclasses.replace(toys.OPTIMIZER, schedule="settle")  # at step 23 of 30
    monkeypatch.setattr(toys, "CONFIG", dataclasses.replace(toys.CONFIG, generator_optimizer=settling))
    whole, parts = Run.create(tmp_path / "whole"), Run.create(tmp_path / "parts")
    uninterrupted = toys.everything(train(whole, 30))
    train(parts, 30, stop=stop)
    toys.assert_equal(uninterrupted, toys.everything(train(parts, 30)))


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    train(run, 30, every=5)
    assert [path.name for path in checkpoint.complete(run.checkpoints)] == [checkpoint.named(s) for s in (30, 25, 20)]


@pytest.mark.parametrize("name", [checkpoint.WEIGHTS, checkpoint.AVERAGE, checkpoint.REST, checkpoint.META])
@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_a_damaged_checkpoint_is_passed_over_and_said(tmp_path: Path, name: str, how: str) -> None:
    run = Run.create(tmp_path / "run")
    train(run, 10, every=5)
    file = run.checkpoints / checkpoint.named(10) / name
    content = bytearray(file.read_bytes())
    if how == "missing":
        file.unlink()
    elif how == "truncated":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    said: list[str] = []
    assert checkpoint.newest(run.checkpoints, said.append).name == checkpoint.named(5)
    # Without meta.json the folder does not even count as a checkpoint; everything else is named.
    assert said or (name == checkpoint.META and how == "missing")
    assert all(name in line for line in said)


def test_a_checkpoint_without_metadata_is_damaged_and_said(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    train(run, 20, every=10)
    (run.checkpoints / "step-00000020" / "meta.json").unlink()
    said: list[str] = []
    assert checkpoint.newest(run.checkpoints, said.append).name == "step-00000010"
    assert len(said) == 1 and "step-00000020 is damaged: meta.json is missing" in said[0]


def test_no_checkpoint_at_all_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(checkpoint.CheckpointError, match="no checkpoint was written yet"):
        checkpoint.newest(tmp_path, print)


def test_parameters_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    state = train(run, 5)
    with torch.no_grad():
        next(state.module.parameters()).fill_(float("nan"))
    state.step = 6
    with pytest.raises(NonFiniteError, match="parameters"):
        checkpoint.save(run.checkpoints, state, {}, [checkpoint.of_this_process(state)], 3)
    assert checkpoint.complete(run.checkpoints)[0].name == checkpoint.named(5)


def process(rank: int) -> State:
    """One of several, after a few steps; chains and noise are its own."""
    state = toys.chained(4)
    torch.manual_seed(rank)
    return fit(state, toys.loader())


def two_processes(folder: Path) -> tuple[Path, list[State], list[dict[str, Any]]]:
    """Write the checkpoint of two processes; return it, their states, and what each gave to it."""
    states, saved = [], []
    for rank in range(2):
        states.append(process(rank))
        saved.append(checkpoint.of_this_process(states[-1], rank))
    return checkpoint.save(folder, states[0], {}, saved, 1), states, saved


def chains_of_every_process_are_restored(folder: Path) -> None:
    path, states, saved = two_processes(folder)
    for rank, state in enumerate(states):
        resumed = toys.chained(4)
        checkpoint.load(path, resumed, {}, rank)
        for name in ("chains", "network.1.running_var"):
            assert torch.equal(resumed.module.get_buffer(name), state.module.get_buffer(name)), name
        assert resumed.ema is not None and state.ema is not None
        averaged = "network.1.running_var"
        assert torch.equal(resumed.ema.tensors()[averaged], state.ema.tensors()[averaged])
        assert torch.equal(torch.get_rng_state(), saved[rank]["random"]["torch"])


def test_every_process_finds_its_own_buffers_again(tmp_path: Path) -> None:
    chains_of_every_process_are_restored(tmp_path)


def test_keeping_the_buffers_of_the_first_process_only_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "own_buffers", lambda model: {})
    with pytest.raises(AssertionError, match="chains"):
        chains_of_every_process_are_restored(tmp_path)


def draws_of(path: Path, rank: int) -> list[float]:
    checkpoint.load(path, toys.chained(8), {}, rank, seed=3)
    return torch.rand(3).tolist()


def test_new_processes_draw_numbers_of_their_own_and_start_from_the_chains_there_are(tmp_path: Path) -> None:
    path, states, _ = two_processes(tmp_path)
    drawn = [draws_of(path, rank) for rank in range(5)]
    assert len({number for numbers in drawn for number in numbers}) == 15
    assert drawn[4] == draws_of(path, 4)
    for rank in range(5):
        state = toys.chained(8)
        checkpoint.load(path, state, {}, rank, seed=3)
        assert torch.equal(state.module.get_buffer("chains"), states[rank % 2].module.get_buffer("chains"))


def test_on_another_kind_of_device_random_numbers_start_anew(tmp_path: Path) -> None:
    state = process(0)
    path = checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1)
    here = draws_of(path, 0)
    meta = json.loads((path / checkpoint.META).read_text())
    meta["topology"]["device"] = "cuda"
    checkpoint.write_meta(path, meta)
    there = draws_of(path, 0)
    assert there == draws_of(path, 0) != here


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"processes": 2, "device": "cpu"}, {"processes": 2, "device": "cpu"}, []),
        (
            {"processes": 1, "device": "cpu"},
            {"processes": 2, "device": "cpu"},
            ["processes was 1, is 2", "process 1 starts from the buffers of process 0, with random numbers"],
        ),
        (
            {"processes": 2, "device": "cpu"},
            {"processes": 4, "device": "cpu"},
            ["processes was 2, is 4", "process 2 starts from the buffers of process 0,", "process 3 starts from the"],
        ),
        (
            {"processes": 3, "device": "cpu"},
            {"processes": 1, "device": "cpu"},
            ["processes was 3, is 1", "the buffers and random numbers of processes 1 and up are dropped"],
        ),
        (
            {"processes": 1, "device": "cuda"},
            {"processes": 1, "device": "cpu"},
            ["device was cuda, is cpu", "random numbers follow from seed 7, rank and step 40"],
        ),
    ],
)
def test_what_differs_is_said_with_what_follows(before: dict[str, Any], now: dict[str, Any], said: list[str]) -> None:
    found = checkpoint.differences(before, now, step=40, seed=7)
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True)), found


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    train(run, 2)
    with pytest.raises(checkpoint.CheckpointError, match="does not fit"):
        checkpoint.load_weights(checkpoint.newest(run.checkpoints, print), torch.nn.Linear(2, 2))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_killed_at_twenty_random_instants_the_newest_checkpoint_loads_and_the_end_is_the_same(tmp_path: Path) -> None:
    """SIGKILL while training with a checkpoint at every third step, so that most kills hit a save."""
    steps, began = 2000, time.monotonic()
    uninterrupted = toys.everything(train(Run.create(tmp_path / "whole"), steps))
    longest = max(0.25, 80 * (time.monotonic() - began) / steps)  # a busy machine gets more time to get anywhere
    run = Run.create(tmp_path / "killed")
    rng, kills, reached = random.Random(0), 0, [0]
    while kills < 20:
        child = os.fork()
        if child == 0:
            sys.stdout = open(os.devnull, "w")
            train(run, steps, every=3)
            os._exit(0)
        time.sleep(rng.uniform(0.01, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            pytest.fail("the training ended before it could be killed twenty times; let it take longer")
        kills += 1
        if checkpoint.complete(run.checkpoints):
            newest = checkpoint.complete(run.checkpoints)[0]
            assert checkpoint.damage(newest) is None
            reached.append(int(newest.name.removeprefix("step-")))
    assert reached == sorted(reached)
    assert reached[-1] > 0
    toys.assert_equal(uninterrupted, toys.everything(train(run, steps)))
    assert [row["step"] for row in lines(run)] == [*range(7, steps, 7), steps]


def damaged(checkpoint_folder: Path, name: str = checkpoint.WEIGHTS) -> None:
    """Flip a byte of a file."""
    content = bytearray((checkpoint_folder / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (checkpoint_folder / name).write_bytes(content)


def test_a_damaged_checkpoint_is_replaced_when_its_step_is_reached_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    whole = toys.everything(train(run, 10, every=5))
    last = run.checkpoints / checkpoint.named(10)
    intact = {path.name: path.read_bytes() for path in last.iterdir() if path.suffix == ".safetensors"}
    damaged(last)
    again = toys.everything(train(run, 10, every=5))
    toys.assert_equal(whole, again)
    assert checkpoint.damage(last) is None
    assert intact == {path.name: path.read_bytes() for path in last.iterdir() if path.suffix == ".safetensors"}
    assert not list(run.checkpoints.glob(".*"))


def test_an_intact_checkpoint_of_the_same_step_stays(tmp_path: Path) -> None:
    state = process(0)
    first = checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1)
    before = (first / checkpoint.META).stat()
    assert checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1) == first
    assert (first / checkpoint.META).stat().st_ino == before.st_ino


def test_a_damaged_later_checkpoint_costs_no_new_one(tmp_path: Path) -> None:
    """With keep = 1, the damaged one counted as the newest, and what was just written was removed."""
    state = process(0)
    kept = [checkpoint.of_this_process(state)]
    damaged(checkpoint.save(tmp_path, state, {}, kept, 1))
    state.step = 3
    saved = checkpoint.save(tmp_path, state, {}, kept, 1)
    assert checkpoint.damage(saved) is None and checkpoint.newest(tmp_path, lambda line: None) == saved


@pytest.mark.parametrize("sealed", [True, False])
def test_an_edited_step_is_not_believed(tmp_path: Path, sealed: bool) -> None:
    """Also where earlier versions wrote no checksum: the folder has the step in its name."""
    state = process(0)
    path = checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1)
    meta = json.loads((path / checkpoint.META).read_text())
    if not sealed:
        del meta["checksum"]
        (path / checkpoint.META).write_text(json.dumps(meta))
        assert checkpoint.damage(path) is None
    (path / checkpoint.META).write_text(json.dumps(meta | {"step": 6}))
    assert "meta.json" in str(checkpoint.damage(path))
    with pytest.raises(checkpoint.CheckpointError, match=r"is damaged: meta\.json"):
        checkpoint.load(path, toys.chained(4), {}, 0)


@pytest.mark.parametrize("change", [{"seconds": 1e6}, {"ema_updates": 0}, {"lines": {}}])
def test_other_edits_of_the_metadata_are_noticed(tmp_path: Path, change: dict[str, object]) -> None:
    state = process(0)
    path = checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1)
    meta = json.loads((path / checkpoint.META).read_text())
    (path / checkpoint.META).write_text(json.dumps(meta | change | {"comment": ""}))
    assert checkpoint.damage(path) == "meta.json does not match its checksum"


def test_what_was_read_restores_without_the_files_and_is_emptied(tmp_path: Path) -> None:
    """Mutants: the folder is read again; a second copy of the state stays in memory."""
    state = process(0)
    path = checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1)
    content = checkpoint.read_newest(tmp_path, print, checkpoint.ALL)
    shutil.rmtree(path)
    resumed = toys.chained(4)
    checkpoint.load(content, resumed, {}, 0)
    toys.assert_equal(toys.everything(state), toys.everything(resumed))
    assert not content.files and content.step == resumed.step == state.step


@pytest.mark.parametrize("key", ["step", "steps", "seconds", "ema_updates", "files", "topology"])
def test_missing_entries_are_damage(tmp_path: Path, key: str) -> None:
    state = process(0)
    path = checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1)
    meta = dict(checkpoint.read(path).meta)
    del meta[key]
    checkpoint.write_meta(path, meta)
    assert checkpoint.damage(path) == f"meta.json has no {key}"
    if key == "topology":
        checkpoint.write_meta(path, {**meta, "topology": {"processes": None, "device": "cpu"}})
        assert checkpoint.damage(path) == "meta.json has no processes"


def test_a_reader_takes_the_next_newest_when_training_removes_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = process(0)
    kept, real = [checkpoint.of_this_process(state)], checkpoint._content
    checkpoint.save(tmp_path, state, {}, kept, 1)

    def slow(folder: Path, name: str) -> bytes:
        if name == checkpoint.WEIGHTS and state.step < 7:
            state.step += 1
            checkpoint.save(tmp_path, state, {}, kept, 1)  # removes the checkpoint before it
        return real(folder, name)

    monkeypatch.setattr(checkpoint, "_content", slow)
    said: list[str] = []
    assert checkpoint.read_newest(tmp_path, said.append).step == 7
    assert not said


def test_what_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    state = process(0)
    other = tmp_path / f".step-00000009.{dataclasses.replace(Process.this(), number=1, started='').token}.tmp"
    other.mkdir()
    checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1)
    assert other.is_dir()


def test_nothing_is_claimed_without_looking(tmp_path: Path) -> None:
    assert checkpoint.describe_newest(tmp_path) == "There is no undamaged checkpoint."
    state = process(0)
    path = checkpoint.save(tmp_path, state, {}, [checkpoint.of_this_process(state)], 1)
    assert checkpoint.describe_newest(tmp_path) == "The checkpoint of step 4 is undamaged."
    damaged(path)
    assert checkpoint.describe_newest(tmp_path) == "There is no undamaged checkpoint."
    with pytest.raises(checkpoint.CheckpointError, match="the folder is missing"):
        checkpoint.newest(tmp_path / "none", print)
