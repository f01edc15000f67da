"""Configurations shown are configurations that can be read again, with the origin of every value."""

from pathlib import Path

import pytest

from veridical.cli import run
from veridical.config.files import read
from veridical.config.presets import find_preset


def test_what_is_shown_is_the_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show", "wgan"]) == 0
    file = tmp_path / "wgan.yaml"
    file.write_text(capsys.readouterr().out)
    config = read(file)[0]
    assert config == find_preset("wgan")
    assert run(["config", "show", str(file)]) == 0
    assert "objective: wasserstein" in capsys.readouterr().out


def test_every_file_is_checked_and_one_wrong_one_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("family: vae\n")
    bad.write_text("family: vae\ntraining:\n  stepz: 3\n")
    assert run(["config", "validate", str(good)]) == 0
    assert run(["config", "validate", str(bad), str(good)]) == 2
    said = capsys.readouterr().out
    assert "bad.yaml:3" in said and "steps" in said and f"{good}: ok, vae" in said


def test_an_unknown_preset_is_a_wrong_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show", "wgam"]) == 2
    assert "wgan" in capsys.readouterr().err
