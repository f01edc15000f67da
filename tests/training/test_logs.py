"""The numbers of a training for other programs: what is written, and what a resume leaves."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training import toys
from veridical.training import logs
from veridical.training.logs import CsvLog, MissingPackageError, TensorBoardLog, read_csv


def at(step: int) -> Any:
    state = toys.state(100)
    state.step = step
    return state


def write(log: CsvLog | TensorBoardLog, rows: list[dict[str, Any]], start: int = 0) -> None:
    log.on_start(at(start))
    for row in rows:
        log.on_log(at(row["step"]), row)


ROWS: list[dict[str, Any]] = [
    {"step": 5, "seconds": 0.1, "model/loss": 1.5},
    {"step": 10, "seconds": 0.2, "model/loss": 1.25, "evaluation/fid": 30.0},
    {"step": 15, "seconds": 0.3, "model/loss": 1.0},
]


def test_a_late_term_gets_a_column_and_a_missing_one_an_empty_cell(tmp_path: Path) -> None:
    write(CsvLog(tmp_path), ROWS)
    text = (tmp_path / "metrics.csv").read_text().splitlines()
    assert text == ["step,seconds,model/loss,evaluation/fid", "5,0.1,1.5,", "10,0.2,1.25,30.0", "15,0.3,1.0,"]


def test_a_resumed_csv_is_that_of_an_uninterrupted_run(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    write(CsvLog(tmp_path / "whole"), ROWS)
    write(CsvLog(tmp_path / "parts"), ROWS)
    write(CsvLog(tmp_path / "parts"), ROWS[1:], start=5)
    assert read_csv(tmp_path / "parts" / "metrics.csv") == read_csv(tmp_path / "whole" / "metrics.csv")


def test_without_tensorboard_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(logs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install tensorboard.*--log csv"):
        TensorBoardLog(tmp_path)


class Writer:
    """Takes the calls of a SummaryWriter."""

    def __init__(self, folder: str, purge_step: int | None) -> None:
        self.folder, self.purge_step, self.points, self.closed = folder, purge_step, [], False
        Writer.last = self

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.points.append((name, value, step))

    def close(self) -> None:
        self.closed = True

    last: Any = None


def test_every_term_is_a_scalar_and_a_resume_purges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = type(sys)("torch.utils.tensorboard")
    fake.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    monkeypatch.setattr(logs, "require_tensorboard", lambda: None)
    log = TensorBoardLog(tmp_path)
    write(log, ROWS[:2], start=4)
    log.on_end(at(10))
    assert Writer.last.purge_step == 5 and Writer.last.closed
    assert Writer.last.points == [("model/loss", 1.5, 5), ("model/loss", 1.25, 10), ("evaluation/fid", 30.0, 10)]


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs the package tensorboard")
def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # pyright: ignore

    log = TensorBoardLog(tmp_path)
    write(log, ROWS)
    log.on_end(at(15))
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("model/loss")] == [(5, 1.5), (10, 1.25), (15, 1.0)]
