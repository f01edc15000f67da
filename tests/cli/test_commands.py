"""The commands as a person types them, in one process each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from veridical.cli import run
from veridical.run import Run

QUICK = ["--steps", "20", "--batch-size", "16", "--network", "mlp", "--width", "8", "--precision", "fp32"]


def test_train_sample_evaluate_report_cite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(tmp_path / "run")
    assert run(["train", "vae", "--data", "digits", "--out", where, *QUICK]) == 0
    assert f"veridical evaluate {where}" in capsys.readouterr().out
    assert run(["sample", where, "-n", "10", "--out", str(tmp_path / "x.npz")]) == 0
    assert run(["sample", where, "-n", "10", "--out", str(tmp_path / "x.npz")]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    assert run(["evaluate", where, "-n", "200"]) == 0
    assert "a perfect model" in capsys.readouterr().out
    assert run(["report", where]) == 0
    assert run(["cite", where]) == 0
    assert "Kingma" in capsys.readouterr().out
    assert run(["resume", where]) == 0
    assert "has finished all of its 20 steps" in capsys.readouterr().out
    assert run(["resume", where, "--steps", "5"]) == 0
    assert "has finished more than 5 steps. To train longer, add --steps N with N above 20" in capsys.readouterr().out
    assert run(["train", "vae", "--data", "digits", "--out", where, *QUICK]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err


def test_data_and_config_and_doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "list"]) == 0
    assert "fashion-mnist-10k" in capsys.readouterr().out
    assert run(["data", "check", "digits"]) == 0
    assert run(["data", "check", str(tmp_path)]) == 1
    assert run(["train", "gan", "--data", "fasion-mnist-10k"]) == 2
    assert "Did you mean fashion-mnist-10k?" in capsys.readouterr().err
    assert run(["config", "show", "gan"]) == 0
    file = tmp_path / "c.yaml"
    file.write_text(capsys.readouterr().out)
    assert run(["config", "validate", str(file)]) == 0
    assert run(["train", "--config", str(file), "--data", "digits", "--dry-run", "--network", "mlp"]) == 0
    assert run(["doctor"]) == 0


def test_a_configuration_that_is_missing_has_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "validate", str(tmp_path / "no.yaml")]) == 2
    said = "".join(capsys.readouterr())
    assert "no.yaml: cannot be read" in said


def test_ctrl_c_saves_prints_how_to_go_on_and_exits_with_130(tmp_path: Path) -> None:
    where = tmp_path / "run"
    command = [sys.executable, "-m", "veridical", "train", "vae", "--data", "digits", "--out", str(where)]
    options = ["--steps", "100000", "--network", "mlp", "--width", "8", "--precision", "fp32", "--log-every", "10"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 120
    while not (where / "metrics.jsonl").is_file() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert f"veridical resume {where}" in err
    assert "Traceback" not in out + err
    assert Run.open(where).status["state"] == "interrupted"
