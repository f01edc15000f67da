"""Table of the runs in a folder: state, family, data, steps and verdict of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from veridical.errors import RequestError
from veridical.report.measured import read_all
from veridical.report.numbers import duration
from veridical.report.record import Record, read_record
from veridical.report.setup import data_name
from veridical.report.verdict import judge
from veridical.status import RunState


class NoFolderError(FileNotFoundError, RequestError):
    """The folder of runs does not exist."""


@dataclass(frozen=True)
class Summary:
    """One line of `veridical runs`."""

    run: str
    """The run directory."""

    state: RunState
    """State of the run."""

    family: str
    """Family of the model."""

    data: str
    """Name of the data."""

    step: int
    """Last step."""

    steps: int | None
    """Configured number of steps."""

    verdict: str
    """Verdict by the rule of the report; "not judged" without an evaluation."""

    age: float | None
    """Seconds since the run last wrote a file; None if it never wrote one."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def find_runs(folder: Path) -> list[Path]:
    """Return the run directories in a folder, by name; or the folder itself if it is a run directory.

    Raises:
        NoFolderError: there is no such folder.
    """
    if not folder.is_dir():
        raise NoFolderError(f"{folder} is not a folder; expected the folder that contains the runs (default: runs).")
    if (folder / "config.yaml").is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/config.yaml"))


def list_runs(folder: Path) -> list[Summary]:
    """Read all runs of a folder, in any state.

    Raises:
        NoFolderError: there is no such folder.
    """
    return [summarise(read_record(path, path.name)) for path in find_runs(folder)]


def summarise(record: Record) -> Summary:
    """Return the line of a run."""
    return Summary(
        run=str(record.path),
        state=record.state,
        family=record.family or "?",
        data=data_name(record) or "?",
        step=record.step,
        steps=record.steps,
        verdict=judge(record, read_all(record.evaluation)).word,
        age=record.quiet_for,
    )


def table(summaries: Sequence[Summary]) -> str:
    """Return the runs as an aligned table, one line each.

    Examples:
        >>> print(table([Summary("runs/0000-vae-digits", "finished", "vae", "digits", 20, 20, "no fault found", 75.0)]))
        run                   state     family  data    step   verdict         written
        runs/0000-vae-digits  finished  vae     digits  20/20  no fault found  1 min 15 s ago
    """
    rows = [("run", "state", "family", "data", "step", "verdict", "written")]
    rows += [(s.run, s.state, s.family, s.data, _progress(s), s.verdict, _ago(s.age)) for s in summaries]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _progress(summary: Summary) -> str:
    return f"{summary.step}/{summary.steps}" if summary.steps else str(summary.step)


def _ago(age: float | None) -> str:
    return "never" if age is None else f"{duration(age)} ago"
