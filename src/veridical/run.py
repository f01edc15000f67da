"""The run directory: the only format that training, evaluation and report share.

    config.yaml        every choice, with the origin of each value
    environment.json   versions, hardware, code and data hashes
    status.json        running | finished | interrupted | failed, the step, and a sentence
    metrics.jsonl      one line per `log_every` steps: step, seconds, "<player>/<term>" means
    health.jsonl       findings of the monitors: step, name, severity, message, cause, remedy
    samples/           reals.png, step-00000000.png, ...: grids from fixed codes
    checkpoints/       step-00000500/: weights.safetensors, ema.safetensors, state.pt, meta.json
    best/              the best checkpoint, of runs that are evaluated while they train
    metrics.csv, tensorboard/   the numbers of metrics.jsonl for other programs, where asked for
    evaluation.json    what `evaluate` measured last
    evaluations.jsonl  every evaluation, one a line, the last one too
    report.html, report.json

Everything here is read and written without torch, so that a report of a crashed run needs nothing but this folder.
Files are replaced by writing beside them and renaming, lines are appended whole; a half-written last line (a killed
process) is ignored when read.
"""

from __future__ import annotations

import base64
import json
import os
import platform
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from veridical.atomic import require_free, write_atomically
from veridical.errors import RequestError
from veridical.status import read_status


class NotARunError(FileNotFoundError, RequestError):
    """The path is no run directory."""


class Run:
    """One run directory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Refer to a directory; see `create` and `open`."""
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Run:
        """Create an empty run directory.

        Raises:
            OutputExistsError: something is there already.
        """
        cls.require_free(path)
        run = cls(path)
        for folder in (run.samples, run.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
        return run

    @classmethod
    def require_free(cls, path: str | os.PathLike[str]) -> None:
        """Make sure that nothing would be written over.

        Raises:
            OutputExistsError: something is there already.
        """
        require_free(Path(path), f"Choose another --out, or continue it with: veridical resume {path}")

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Open an existing run directory.

        Raises:
            NotARunError: the path holds no config.yaml.
        """
        run = cls(path)
        if not run.config_file.is_file():
            what = "does not exist" if not run.path.exists() else "holds no config.yaml"
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
        """Every choice of the run."""
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
        """Folder of the best checkpoint, where the run was evaluated while it trained."""
        return self.path / "best"

    @property
    def evaluation_file(self) -> Path:
        """What `evaluate` measured last."""
        return self.path / "evaluation.json"

    @property
    def evaluations_file(self) -> Path:
        """Every evaluation, in order."""
        return self.path / "evaluations.jsonl"

    def write_evaluation(self, value: dict[str, Any]) -> None:
        """Keep an evaluation beside the earlier ones, and as the last one."""
        last = self.read_json(self.evaluation_file.name)
        if last and not self.evaluations_file.is_file():  # written before there was a history
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
        """Record how far the run came: running, finished, interrupted or failed."""
        process = {"process": os.getpid(), "host": platform.node()} if state == "running" else {}
        self.write_json("status.json", {"state": state, "step": step, "message": message, **process})

    @property
    def status(self) -> dict[str, Any]:
        """What the run wrote of itself; one killed outright still says running (see `veridical.status`)."""
        return self.read_json("status.json")

    def __fspath__(self) -> str:
        """Return the path, so that a run can be passed wherever a path can."""
        return str(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the state, the last losses and the newest grid of samples."""
        status, rows = read_status(self), self.metrics()
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


def append_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows to a jsonl file, whole lines at once."""
    text = "".join(json.dumps(row, allow_nan=True, default=str) + "\n" for row in rows)
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a jsonl file; a half-written last line is left out."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def keep_lines_until(path: Path, step: int) -> None:
    """Drop the rows after a step (and a half-written last line), so that resuming leaves no gap and no double."""
    rows = [row for row in read_lines(path) if row["step"] <= step]
    if path.is_file():
        write_atomically(path, "".join(json.dumps(row, allow_nan=True) + "\n" for row in rows))
