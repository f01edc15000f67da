"""Resuming on the command line: every option reaches the workflow under its name."""

from pathlib import Path
from typing import Any

import pytest

from veridical.cli import run
from veridical.workflows import resume as workflow


def test_options_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text("family: vae\n")
    passed: dict[str, Any] = {}
    monkeypatch.setattr(workflow, "resume", lambda path, **options: passed.update(options, path=path))
    chosen = ["--steps", "9", "--lr-scale", "0.3", "--clip-norm", "1", "--precision", "fp32", "--processes", "2"]
    assert run(["resume", str(tmp_path), *chosen, "--data", "digits", "--device", "cpu"]) == 0
    assert passed.pop("processes") == 2
    expected = {"steps": 9, "lr_scale": 0.3, "clip_norm": 1.0, "precision": "fp32", "data": "digits", "device": "cpu"}
    assert passed["path"] == tmp_path and expected.items() <= passed.items()


def test_without_options_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text("family: vae\n")
    passed: dict[str, Any] = {}
    monkeypatch.setattr(workflow, "resume", lambda path, **options: passed.update(options))
    assert run(["resume", str(tmp_path)]) == 0
    assert {
        passed[name] for name in ("steps", "lr_scale", "clip_norm", "precision", "data", "device", "processes")
    } == {None}


def test_what_is_no_run_is_a_wrong_request(tmp_path: Path) -> None:
    assert run(["resume", str(tmp_path)]) == 2
