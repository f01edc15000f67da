"""The numbers of a training for other programs: a CSV file, or TensorBoard. metrics.jsonl is always written."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path
from typing import Any

from veridical.atomic import write_atomically
from veridical.errors import RequestError
from veridical.run import Run
from veridical.training.fit import Callback, State
from veridical.training.terms import Row

CSV, TENSORBOARD = "metrics.csv", "tensorboard"
"""Names in a run directory."""


class MissingPackageError(ImportError, RequestError):
    """A requested feature needs a package that is not installed."""


class CsvLog(Callback):
    """Writes metrics.csv: a line per row of metrics.jsonl, a column per term; an empty cell where a term is missing.

    A term that appears later gets a column at the end; the file is then written again.

    Args:
        run: the run directory, or any folder.
    """

    def __init__(self, run: Run | str | Path) -> None:
        self.file = Path(run) / CSV
        self.columns: list[str] = []

    def on_start(self, state: State) -> None:
        """Drop the lines of steps that will be done again."""
        kept = [row for row in read_csv(self.file) if int(row["step"]) <= state.step]
        self.columns = list(kept[0]) if kept else []
        self._write(kept)

    def on_log(self, state: State, row: Row) -> None:
        """Append a line."""
        new = [name for name in row if name not in self.columns]
        if new:
            self.columns += new
            self._write([*read_csv(self.file), row])
            return
        with open(self.file, "a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(row)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, restval="")
        if self.columns:
            writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.file, text.getvalue())


def read_csv(file: Path) -> list[dict[str, str]]:
    """Return the lines of a CSV file, none if it does not exist."""
    if not file.is_file():
        return []
    with open(file, encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


class TensorBoardLog(Callback):
    """Writes every term for TensorBoard: `tensorboard --logdir runs`.

    Args:
        run: the run directory, or any folder.

    Raises:
        MissingPackageError: TensorBoard is not installed.
    """

    def __init__(self, run: Run | str | Path) -> None:
        require_tensorboard()
        self.folder = Path(run) / TENSORBOARD
        self.writer: Any = None

    def on_start(self, state: State) -> None:
        """Open the log; a resumed run replaces the steps that it repeats."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(self.folder), purge_step=state.step + 1 if state.step else None)

    def on_log(self, state: State, row: Row) -> None:
        """Write a point per term."""
        for name, value in row.items():
            if "/" in name:
                self.writer.add_scalar(name, value, state.step)

    def on_end(self, state: State) -> None:
        """Close the log."""
        self.writer.close()


def require_tensorboard() -> None:
    """Make sure that TensorBoard can be written.

    Raises:
        MissingPackageError: it is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingPackageError(
            "TensorBoard is not installed; expected its package for --log tensorboard. "
            "Install it (pip install tensorboard), or write a table instead: --log csv."
        )


def logs(kind: str, run: Run) -> list[Callback]:
    """Return the callbacks of a choice of `TrainingConfig.log`.

    Raises:
        MissingPackageError: TensorBoard was chosen and is not installed.
    """
    made: list[Callback] = [CsvLog(run)] if kind in ("csv", "both") else []
    return [*made, TensorBoardLog(run)] if kind in ("tensorboard", "both") else made
