"""The check of an installation: what is found, and the problems that decide its exit code."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflows.runs import VAE, silent
from veridical import __version__
from veridical.cli import doctor, run
from veridical.workflows.start import train


def test_versions_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor"])
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if len(line.split()) > 1)
    assert shown["veridical"] == __version__ and "torch" in shown and "device" in shown
    assert code in (0, 1)


def test_a_full_disk_and_a_locked_folder_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert doctor.find_problems(50.0) == []
    (full,) = doctor.find_problems(0.3)
    assert "0.30 GB" in full
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert len(doctor.find_problems(0.3)) == 2


def test_a_problem_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for problems, code in (([], 0), (["the moon is full."], 1)):
        monkeypatch.setattr(doctor, "find_problems", lambda free, found=problems: found)
        assert run(["doctor"]) == code


def test_a_run_is_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training = replace(VAE.training, steps=150, log_every=10, lr_scale=1e-9)
    run_dir = train(replace(VAE, training=training), out=tmp_path / "run", say=silent).path
    (run_dir / "health.jsonl").unlink(missing_ok=True)
    assert run(["doctor", str(run_dir)]) == 1
    said = capsys.readouterr().out
    assert "finished at step 150" in said and "no-movement" in said and "remedy: Increase the learning rate" in said
    assert "Looked for: values that are not finite, weights that do not move" in said
    assert "Not looked for: a wrong inverse (needs a flow" in said
