"""Checking a file on the command line: the exit code says whether the configurations follow the law."""

import json
from pathlib import Path

import numpy as np
import pytest

from veridical.cli import run
from veridical.ising import sample


def test_coins_follow_the_law_of_coins_and_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", sample(4, 2000, 0.0, seed=1))
    assert run(["ising", "check", str(tmp_path / "x.npy"), "--coupling", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "consistent"
    assert run(["ising", "check", str(tmp_path / "x.npy"), "--coupling", "0.3"]) == 1


def test_wrong_usage(tmp_path: Path) -> None:
    for arguments in (["--level", "0"], ["--size", "1"]):
        assert run(["ising", "check", str(tmp_path / "x.npy"), *arguments]) == 2
