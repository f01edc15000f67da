"""The run directory: the only format that training, evaluation and report share.

    config.yaml        every choice, with the origin of each value
    environment.json   versions, hardware, code and data hashes
    status.json        running | finished | interrupted | failed, the step, and a message
    metrics.jsonl      one line per `log_every` steps: step, seconds, "<player>/<term>" means
    health.jsonl       findings of the monitors: step, name, severity, message, cause, remedy
    samples/           reals.png, step-00000000.png, ...: grids of samples, always of the same latent codes
    checkpoints/       step-00000500/: weights.safetensors, ema.safetensors, state.pt, meta.json
    best/              the best checkpoint, if the run is evaluated during training
    metrics.csv, tensorboard/   the numbers of metrics.jsonl for other programs, if the configuration requests them
    evaluation.json    the last evaluation
    evaluations.jsonl  all evaluations, one per line, including the last
    report.html, report.json

Everything here is read and written without torch: a report of a crashed run needs only this folder. A file is replaced
by writing a temporary file and renaming it. Lines are appended whole; the reader ignores an incomplete last line, which
a killed process can leave.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from veridical.atomic import require_free, write_atomically
from veridical.errors import RequestError
from veridical.status import Status, state_of


class NotARunError(FileNotFoundError, RequestError):
    """The path is not a run directory."""


class Run:
    """One run directory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Store the path; `create` and `open` also check it."""
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Run:
        """Create an empty run directory.

        Raises:
            OutputExistsError: the path exists and is not an empty folder.
        """
        cls.require_free(path)
        run = cls(path)
        for folder in (run.samples, run.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
        return run

    @classmethod
    def require_free(cls, path: str | os.PathLike[str]) -> None:
        """Check that no file would be overwritten.

        Raises:
            OutputExistsError: the path exists and is not an empty folder.
        """
        require_free(Path(path), f"Choose another --out, or continue this run: veridical resume {path}")

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Open an existing run directory.

        Raises:
            NotARunError: the path contains no config.yaml.
        """
        run = cls(path)
        if not run.config_file.is_file():
            what = "does not exist" if not run.path.exists() else "contains no config.yaml"
            raise NotARunError(f"{run.path} {what}; expected a directory written by `veridical train`.")
        return run

    @classmethod
    def next_free(cls, parent: str | Path, name: str) -> Path:
        """Return parent/NNNN-name with the next free number."""
        parent = Path(parent)
        taken = [int(p.name[:4]) for p in parent.glob("[0-9][0-9][0-9][0-9]-*")] if parent.is_dir() else []
        return parent / f"{max(taken, default=-1) + 1:04d}-{name}"

    @property
    def config_file(self) -> Path:
        """The complete configuration of the run."""
        return self.path / "config.yaml"

    @property
    def metrics_file(self) -> Path:
        """One line per logging interval."""
        return self.path / "metrics.jsonl"

    @property
    def health_file(self) -> Path:
        """One line per finding."""
        return self.path / "health.jsonl"

    @property
    def samples(self) -> Path:
        """Folder of image grids."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Folder of the best checkpoint; it exists if the run was evaluated during training."""
        return self.path / "best"

    @property
    def evaluation_file(self) -> Path:
        """The last evaluation."""
        return self.path / "evaluation.json"

    @property
    def evaluations_file(self) -> Path:
        """All evaluations, oldest first."""
        return self.path / "evaluations.jsonl"

    def write_evaluation(self, value: dict[str, Any]) -> None:
        """Write an evaluation as the last one, and append it to the list of all."""
        last = self.read_json(self.evaluation_file.name)
        if last and not self.evaluations_file.is_file():  # written by a version without evaluations.jsonl
            append_lines(self.evaluations_file, [last])
        append_lines(self.evaluations_file, [value])
        self.write_json(self.evaluation_file.name, value)

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write one of the JSON files of the run, atomically."""
        write_atomically(self.path / name, json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of the JSON files of the run; empty if it was never written."""
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def set_status(self, state: str, step: int, message: str = "") -> None:
        """Write the state of the run (running, finished, interrupted or failed) and its last step."""
        process = {"process": os.getpid(), "host": platform.node()} if state == "running" else {}
        self.write_json("status.json", {"state": state, "step": step, "message": message, **process})

    @property
    def status(self) -> dict[str, Any]:
        """Content of status.json; a killed run leaves the state "running" there (`outcome` detects this)."""
        return self.read_json("status.json")

    def outcome(self) -> Status:
        """Return the state of the run, from its files and its process."""
        try:
            raw = self.status
        except (OSError, json.JSONDecodeError):
            raw = {}
        raw, rows = raw if isinstance(raw, dict) else {}, self.metrics()
        written = [path.stat().st_mtime for path in (self.metrics_file, self.path / "status.json") if path.is_file()]
        quiet_for = max(0.0, time.time() - max(written)) if written else None
        step = max([_step(raw.get("step")), *(_step(row.get("step")) for row in rows[-1:])])
        message = str(raw.get("message") or "")
        return Status(state_of(raw, quiet_for, rows), step, message, quiet_for, str(self.path))

    def __fspath__(self) -> str:
        """Return the path, so that a run can be passed wherever a path can."""
        return str(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: the state, the last losses and the newest grid of samples."""
        status, rows = self.outcome(), self.metrics()
        losses = {term: value for term, value in (rows[-1] if rows else {}).items() if term.endswith("/loss")}
        lines = [f"<b>{escape(str(self.path))}</b>: {status.state}, step {status.step:,}", escape(status.message)]
        lines += [escape(", ".join(f"{term} {value:.4g}" for term, value in losses.items()))]
        grids = sorted(self.samples.glob("step-*.png"))
        if grids:
            image = base64.b64encode(grids[-1].read_bytes()).decode()
            lines.append(f'<img src="data:image/png;base64,{image}" alt="samples, {grids[-1].stem}">')
        return "<br>".join(line for line in lines if line)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl."""
        return list(read_lines(self.metrics_file))

    def health(self) -> list[dict[str, Any]]:
        """Return the lines of health.jsonl."""
        return list(read_lines(self.health_file))


def _step(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def append_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows to a jsonl file; every line is written whole."""
    text = "".join(json.dumps(row, allow_nan=True, default=str) + "\n" for row in rows)
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a jsonl file without an incomplete last line."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def keep_lines_until(path: Path, step: int) -> None:
    """Remove the rows after a step, and an incomplete last line: resuming then leaves no gap and no duplicate."""
    rows = [row for row in read_lines(path) if row["step"] <= step]
    if path.is_file():
        write_atomically(path, "".join(json.dumps(row, allow_nan=True) + "\n" for row in rows))
