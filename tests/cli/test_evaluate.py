"""Measuring on the command line: numbers with four digits, wrong requests, an image file against data."""

import json
from pathlib import Path

import numpy as np
import pytest

from veridical.cli import run
from veridical.cli.evaluate import number


def test_numbers_have_four_digits() -> None:
    assert [number(x) for x in (0.123456, 12345.6, 1e-9)] == ["0.1235", "1.235e+04", "1e-09"]


def test_wrong_requests(tmp_path: Path) -> None:
    assert run(["evaluate", str(tmp_path / "none")]) == 2
    assert run(["evaluate", str(tmp_path)]) == 2  # no run, and nothing to compare with
    assert run(["evaluate", str(tmp_path), "-n", "1", "--against", "digits"]) == 2


def test_the_training_data_are_found_to_be_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    np.save(tmp_path / "data.npy", x)
    np.save(tmp_path / "copies.npy", x[:200])
    copies, data = str(tmp_path / "copies.npy"), str(tmp_path / "data.npy")
    assert run(["evaluate", copies, "--against", data, "--json"]) == 0
    found = {m["name"]: m["value"] for m in json.loads(capsys.readouterr().out)["measurements"]}
    assert next(value for name, value in found.items() if name.startswith("memor")) > 0.5


def test_an_evaluation_that_measures_nothing_does_not_succeed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutant: exit code 0, which scripts take for a measurement."""
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    assert run(["evaluate", str(tmp_path / "x.npy"), "--against", str(tmp_path / "x.npy"), "--extractor", "TYPO"]) == 2
    assert run(["evaluate", str(tmp_path / "x.npy"), "--against", str(tmp_path / "x.npy")]) == 1
    assert "nothing could be measured" in capsys.readouterr().err
