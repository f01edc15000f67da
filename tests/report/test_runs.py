"""The list of runs: every state, damage, and what the report says of the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.report.conftest import write_run

from veridical.cli import run as command
from veridical.report.runs import NoFolderError, find_runs, list_runs, table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_run(tmp_path / "0000-gan", grids=0)
    write_run(tmp_path / "0001-gan", grids=0, state="failed", done=500, message="js is nan", measured=False)
    (tmp_path / "0002-damaged").mkdir()
    (tmp_path / "0002-damaged" / "config.yaml").write_text("{")
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_every_run_is_listed_with_its_state_and_verdict(folder: Path) -> None:
    good, failed, damaged = list_runs(folder)
    assert (good.state, good.family, good.data) == ("finished", "gan", "fashion-mnist-10k")
    assert good.verdict != "not judged" and good.step == good.steps
    assert (failed.state, failed.step, failed.verdict) == ("failed", 500, "do not trust")
    assert (damaged.state, damaged.step, damaged.verdict) == ("unknown", 0, "not judged")
    lines = table([good, failed, damaged]).splitlines()
    assert len(lines) == 4 and all(line[lines[0].index("state") - 1] == " " for line in lines)
    assert "500/" in lines[2] and "never" in lines[3]


def test_a_run_itself_is_a_list_of_one(folder: Path) -> None:
    assert find_runs(folder / "0000-gan") == [folder / "0000-gan"]


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoFolderError, match="expected the folder that contains the runs"):
        list_runs(tmp_path / "nowhere")


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["runs", "--json", str(folder)]) == 0
    assert [row["state"] for row in json.loads(capsys.readouterr().out)] == ["finished", "failed", "unknown"]
    assert command(["runs", str(folder)]) == 0
    assert "0001-gan" in capsys.readouterr().out
    assert command(["runs", str(folder / "notes")]) == 0
    assert "contains no runs" in capsys.readouterr().out
