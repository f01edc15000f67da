from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training import toys
from veridical.run import Run
from veridical.training.arithmetic import Arithmetic
from veridical.training.engine import DeviceError, Engine, choose_device
from veridical.training.fit import State, fit

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["own", "torchrun"])
def test_two_processes_agree_average_and_resume_to_the_bit(tmp_path: Path, launcher: str) -> None:
    Run.create(tmp_path / "whole")
    Run.create(tmp_path / "parts")
    Run.create(tmp_path / "chains-whole")
    Run.create(tmp_path / "chains")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, "-m", "tests.training.two_processes"]
    if launcher == "torchrun":
        command = [sys.executable, *torchrun, "--module", "tests.training.two_processes"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"rank-{r}.pt", weights_only=True) for r in (0, 1))
    for rank in (first, second):
        toys.assert_equal(rank["uninterrupted"], rank["resumed"])
        toys.assert_equal(*rank["chains"])
        assert rank["gradient"].tolist() == [1.5, 1.5]
        assert rank["mean"] == [0.5, 4.0]
    own = {k: v for k, v in first["resumed"].items() if k != "random"}
    toys.assert_equal(own, {k: second["resumed"][k] for k in own})
    assert not torch.equal(first["resumed"]["random"], second["resumed"]["random"])
    # Every process kept chains and statistics of its own; the weights are common.
    (one, _), (two, _) = first["chains"], second["chains"]
    for name in ("chains", "network.1.running_mean"):
        assert not torch.equal(one[f"model.{name}"], two[f"model.{name}"]), name
    assert torch.equal(one["model.network.0.weight"], two["model.network.0.weight"])
    assert torch.equal(torch.cat([first["index"], second["index"]]), toys.loader().batch(3).index)
    whole, parts = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in Run(tmp_path / name).metrics()]
        for name in ("whole", "parts")
    )
    assert whole == parts
    assert [row["step"] for row in whole] == [7, 14, 20]


def test_devices_are_found_or_refused() -> None:
    assert choose_device("auto")[0] in ("cpu", "cuda", "mps")
    assert choose_device("cpu") == ("cpu", "as requested")
    with pytest.raises(DeviceError, match=r"'tpu', which is not available here; expected auto or one of"):
        choose_device("tpu")


@pytest.mark.parametrize("name", ["cpu:3", "cpu:0", "cpu:", "cpux"])
def test_the_processor_has_no_numbers(name: str) -> None:
    with pytest.raises(DeviceError, match=r"not available|expected auto, cpu, .* write cpu"):
        choose_device(name)


def test_bf16_trains_in_fp32_weights() -> None:
    state = toys.state(steps=3)
    engine = Engine("cpu", arithmetic=Arithmetic("bf16"))
    fit(state, toys.loader(), engine)
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in state.module.parameters())


def test_the_first_process_is_the_only_one_by_default() -> None:
    engine = Engine.plain()
    assert (engine.rank, engine.world_size, engine.gather("x"), engine.mean([2.0])) == (0, 1, ["x"], [2.0])
    assert isinstance(State(toys.model(), steps=1), State)
