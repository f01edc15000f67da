"""The list of runs: one line or one object each, and a folder without runs."""

import json
from pathlib import Path

import pytest

from veridical.cli import run


def test_runs_are_listed_as_text_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("0000-a", "0001-b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("family: vae\ndata:\n  source: digits\n")
    assert run(["runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "0000-a" in said and "0001-b" in said
    assert run(["runs", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 2 and all("vae" in row.values() and "digits" in row.values() for row in found)


def test_a_folder_without_runs_is_no_mistake_and_no_folder_is_one(tmp_path: Path) -> None:
    assert run(["runs", str(tmp_path)]) == 0
    assert run(["runs", str(tmp_path / "none")]) == 2
