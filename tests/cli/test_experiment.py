"""Experiments on the command line: a list of all, and a folder with the verdict of one."""

import json
from pathlib import Path

import pytest

from veridical import experiments
from veridical.cli import run
from veridical.experiments.experiment import Experiment, Outcome


def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in experiments.NAMES)


def test_one_is_run_with_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Experiment("coin", "Heads?", 0.1, "yes", lambda folder, seed, quick, say: Outcome(f"{seed} {quick}"))
    monkeypatch.setattr(experiments, "find", lambda name: made)
    out = tmp_path / "out"
    assert run(["experiment", "coin", "--seed", "7", "--quick", "--out", str(out)]) == 0
    assert json.loads((out / "result.json").read_text())["verdict"] == "7 True"
    assert "7 True" in capsys.readouterr().out


def test_an_unknown_one_is_a_wrong_request() -> None:
    assert run(["experiment", "critical-latice"]) == 2
