"""Data on the command line: a list of every name, checks whose exit code is their answer."""

from pathlib import Path

import numpy as np
import pytest

from veridical.cli import run
from veridical.data.sources import names


def test_every_named_set_is_listed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(names())


def test_the_exit_code_is_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (500, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "good.npy", x)
    np.save(tmp_path / "bad.npy", np.full((500, 1, 8, 8), np.nan, np.float32))
    assert run(["data", "check", str(tmp_path / "good.npy")]) == 0
    assert run(["data", "check", str(tmp_path / "bad.npy")]) == 1
    assert "error:" in capsys.readouterr().out
    assert run(["data", "check", str(tmp_path / "none.npy")]) == 2


def test_one_source_is_named(tmp_path: Path) -> None:
    assert run(["data", "check"]) == 2
    assert run(["data", "check", "digits", "--data", "digits"]) == 2


def test_a_set_that_is_here_is_not_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "get", "digits"]) == 0
    assert "digits" in capsys.readouterr().out
    assert run(["data", "get", "digitz"]) == 2
