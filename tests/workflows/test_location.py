"""Where the data of a run are looked for, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from veridical.config import DataConfig
from veridical.data.errors import NoSuchDataError
from veridical.run import Run
from veridical.workflows.location import absolute_source, locate


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run in `runs/mine` on the data `pics` of the folder `start`; the working directory is another."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    made = Run.create(tmp_path / "runs" / "mine")
    made.write_json("environment.json", {"data": {"source": "pics", "path": str(tmp_path / "start" / "pics")}})
    return made


PICS = DataConfig(source="pics")


def test_places_are_tried_in_order(run: Run, tmp_path: Path) -> None:
    for place in ("runs/pics", "runs/mine/pics", "work/pics", "start/pics"):  # from the last to the first
        (tmp_path / place).mkdir(parents=True)
        assert locate(PICS, run).source == str(tmp_path / place)


def test_where_nothing_is_found_every_place_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(NoSuchDataError) as raised:
        locate(PICS, run)
    for place in ("start/pics", "work/pics", "runs/mine/pics", "runs/pics"):
        assert str(tmp_path / place) in str(raised.value)
    assert f"veridical resume {run.path} --data DATA" in str(raised.value)


def test_a_source_that_is_absolute_now_comes_before_the_recorded_path(run: Run, tmp_path: Path) -> None:
    for place in ("start/pics", "new/pics"):
        (tmp_path / place).mkdir(parents=True)
    config = DataConfig(source=str(tmp_path / "new" / "pics"))
    assert locate(config, run).source == config.source


def test_a_named_set_stays_one_beside_a_folder_of_its_name(run: Run, tmp_path: Path) -> None:
    run.write_json("environment.json", {"data": {"source": "digits", "path": None}})
    (tmp_path / "work" / "digits").mkdir()
    assert locate(DataConfig(source="digits"), run).source == "set:digits"


@pytest.mark.parametrize("about", [{}, {"data": {"source": "digits"}}])
def test_runs_of_earlier_versions_recorded_no_path(run: Run, tmp_path: Path, about: dict[str, object]) -> None:
    run.write_json("environment.json", about)
    assert locate(DataConfig(source="digits"), run).source == "digits"
    (tmp_path / "work" / "pics").mkdir()
    assert locate(PICS, run).source == str(tmp_path / "work" / "pics")


def test_the_path_to_remember_is_absolute_and_that_of_a_named_set_is_none(run: Run, tmp_path: Path) -> None:
    assert absolute_source(DataConfig(source="digits")) is None
    assert absolute_source(PICS) == str(tmp_path / "work" / "pics")
