"""The run directory: the only format that training, evaluation and report share.

    config.yaml        every choice, with the origin of each value
    environment.json   versions, hardware, hashes of the code, the data and config.yaml
    lock.json          the process that trains here, while it does
    status.json        running | finished | interrupted | failed, the step, and a message
    metrics.jsonl      one line per `log_every` steps: step, seconds, "<player>/<term>" means
    lines.json         digests of the files of lines, renewed with every line of metrics.jsonl
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
a killed process can leave. The JSON files contain a checksum of their own; the digests of the files of lines are in
lines.json and in every checkpoint. With them `Run.changes` notices what was edited or damaged afterwards.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from veridical import seal
from veridical.atomic import require_free, write_atomically
from veridical.errors import OutputExistsError, RequestError
from veridical.process import Process
from veridical.status import Status, state_of

CHECKPOINT_META = "meta.json"
"""Name of the description of a checkpoint in its folder."""

LINES = ("metrics.jsonl", "health.jsonl", "spectra.jsonl")
"""Files of lines whose digests are recorded."""

DIGESTS = "lines.json"
"""Name of the file of their newest digests; a checkpoint contains those of its step."""


class NotARunError(FileNotFoundError, RequestError):
    """The path is not a run directory."""


class RunFileError(ValueError, RequestError):
    """A file of a run directory is damaged or incomplete."""


class Run:
    """One run directory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Store the path; `create` and `open` also check it."""
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Run:
        """Create an empty run directory. Of several processes that try at once, exactly one succeeds.

        Raises:
            OutputExistsError: the path exists and is not an empty folder.
        """
        cls.require_free(path)
        run = cls(path)
        run.path.mkdir(parents=True, exist_ok=True)
        try:
            run.samples.mkdir()  # fails in all processes but the first
        except FileExistsError as error:
            raise OutputExistsError(f"{run.path} was created by another process just now. {_remedy(path)}") from error
        run.checkpoints.mkdir()
        return run

    @classmethod
    def create_next(cls, parent: str | os.PathLike[str], name: str) -> Run:
        """Create parent/NNNN-name with the next free number. Processes that do so at once get different numbers."""
        Path(parent).mkdir(parents=True, exist_ok=True)
        while True:
            path = cls.next_free(parent, name)
            claim = path.with_name(f".{path.name[:4]}")
            try:
                claim.mkdir()
            except FileExistsError:
                with contextlib.suppress(OSError):  # the other process has removed it by now
                    if time.time() - claim.stat().st_mtime > 60:  # left over by a killed process
                        claim.rmdir()
                time.sleep(0.01)
                continue
            try:
                if cls.next_free(parent, name) == path:
                    return cls.create(path)
            finally:
                claim.rmdir()

    @classmethod
    def require_free(cls, path: str | os.PathLike[str]) -> None:
        """Check that no file would be overwritten.

        Raises:
            OutputExistsError: the path exists and is not an empty folder.
        """
        require_free(Path(path), _remedy(path))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Open an existing run directory.

        Raises:
            NotARunError: the path contains no config.yaml.
        """
        run = cls(path)
        if not run.config_file.is_file():
            what = "does not exist" if not run.path.exists() else "contains no config.yaml"
            began = (
                " If a training ended before its first step there, remove it and start again." * run.samples.is_dir()
            )
            raise NotARunError(f"{run.path} {what}; expected a directory written by `veridical train`.{began}")
        return run

    @classmethod
    def next_free(cls, parent: str | os.PathLike[str], name: str) -> Path:
        """Return parent/NNNN-name with the next free number; `create_next` also creates it."""
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

    def write_json(self, name: str, value: Mapping[str, Any], *, flush: bool = True) -> None:
        """Write one of the JSON files of the run, atomically, with a checksum; see `write_atomically`."""
        text = json.dumps(seal.sealed(value), indent=2, allow_nan=False, default=str)
        write_atomically(self.path / name, text + "\n", flush=flush)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of the JSON files of the run, without its checksum; empty if it was never written.

        Raises:
            RunFileError: the file does not contain a JSON object.
        """
        value = self._read(name)
        value.pop(seal.CHECKSUM, None)
        return value

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            raise RunFileError(f"{path} is damaged: it is not JSON ({error}). Restore it from a copy.") from error
        if not isinstance(value, dict):
            raise RunFileError(f"{path} is damaged: it contains {type(value).__name__}, expected an object.")
        return value

    def environment(self) -> dict[str, Any]:
        """Return environment.json, complete enough to build the model and to find the data.

        Raises:
            RunFileError: the file is missing, damaged, or lacks an entry.
        """
        value = self.read_json("environment.json")
        missing = [f"{key} of {section}" for (section, key) in NEEDED if key not in _section(value, section)]
        wrong = [
            f"{key} of {section} ({_section(value, section)[key]!r})"
            for (section, key), kinds in (NEEDED | OPTIONAL).items()
            if key in _section(value, section) and not isinstance(_section(value, section)[key], kinds)
        ]
        if missing or wrong:
            what = f"lacks {', '.join(missing)}" if missing else f"is damaged: {', '.join(wrong)}"
            what = what if value else "is missing"
            raise RunFileError(
                f"{self.path / 'environment.json'} {what}. Restore it from a copy, or train again: "
                f"veridical train --config {self.config_file}"
            )
        return value

    def set_status(self, state: str, step: int, message: str = "") -> None:
        """Write the state of the run (running, finished, interrupted or failed) and its last step."""
        process = Process.this().to_json() if state == "running" else {}
        self.write_json("status.json", {"state": state, "step": step, "message": message, **process})

    @property
    def status(self) -> dict[str, Any]:
        """Content of status.json; a killed run leaves the state "running" there (`outcome` detects this)."""
        return self.read_json("status.json")

    def changes(self) -> list[str]:
        """Return a sentence about every file that was edited or damaged after it was written.

        Files without a checksum, of earlier versions, are believed.
        """
        found, about = [], {}
        for name in ("environment.json", "status.json", DIGESTS, "evaluation.json"):
            try:
                value = self._read(name)
            except RunFileError as error:
                found.append(str(error))
                continue
            about = value if name == "environment.json" else about
            sealed = "config_sha256" in about  # is written by the versions that write checksums
            removed = bool(value) and sealed and seal.CHECKSUM not in value
            if removed or seal.is_intact(value) is False:
                found.append(f"{name} does not match its checksum: it was edited or damaged after it was written.")
        if any(self.checkpoints.glob("step-*")) and not (self.path / "status.json").exists():
            found.append("status.json is missing: it was removed after training wrote it.")
        digests = about.get("config_sha256")
        if isinstance(digests, list) and self.config_file.is_file():
            if seal.digest(self.config_file.read_bytes()) not in digests:
                found.append("config.yaml was edited or damaged after training wrote it.")
        return found + (self._changed_lines() or self._repeated_lines())

    def _changed_lines(self) -> list[str]:
        """Return a sentence about every file of lines that differs from its newest recorded digest."""
        checkpoints = sorted(self.checkpoints.glob("step-*"), reverse=True)
        for place in (self.path / DIGESTS, *(checkpoint / CHECKPOINT_META for checkpoint in checkpoints)):
            try:
                meta = json.loads(place.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(meta, dict) and seal.is_intact(meta) is not False:
                records, at = _section(meta, "lines"), f"until step {meta.get('step')}"
                changed = [
                    name for name in LINES if name in records and not seal.begins(self.path / name, records[name])
                ]
                return [f"{name} was edited or damaged after training wrote it ({at})." for name in changed]
        return []

    def _repeated_lines(self) -> list[str]:
        """Return a sentence about every file whose lines follow each other as training never writes them.

        Lines may follow those of the newest digest: a process can be killed before it records them.
        """
        found = []
        for name in ("metrics.jsonl", "spectra.jsonl"):  # there may be several findings at one step
            steps = [_step(row.get("step")) for row in read_lines(self.path / name)]
            if not all(before < after for before, after in pairwise(steps)):
                found.append(f"{name} was edited or damaged after training wrote it: its steps do not increase.")
        return found

    def outcome(self) -> Status:
        """Return the state of the run, from its files and its process."""
        try:
            raw = self.status
        except (OSError, RunFileError):
            raw = {}
        rows = self.metrics()
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


NEEDED = {
    ("space", "shape"): list,
    ("data", "digest"): str,
    ("data", "n"): int | None,
    ("data", "name"): str,
}
"""What environment.json must contain: sections and keys, and the kind of each value."""

OPTIONAL = {
    ("space", "support"): list | None,
    ("space", "classes"): int | None,
    ("data", "path"): str | None,
    ("data", "source"): str | None,
    ("data", "class_names"): list | None,
    **{("health", fact): int | float for fact in ("steps", "continued", "distinct", "constant_nats", "outlier")},
}
"""What environment.json may contain besides, where it is read."""


def _section(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object inside an object; empty if it is missing or something else."""
    section = value.get(name)
    return section if isinstance(section, dict) else {}


def _remedy(path: str | os.PathLike[str]) -> str:
    return f"Choose another --out, or continue this run: veridical resume {os.fspath(path)}"


def _step(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def append_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows to a jsonl file, in one piece; an incomplete last line, of a killed process, is removed before."""
    text = "".join(json.dumps(row, allow_nan=True, default=str) + "\n" for row in rows)
    with open(path, "ab+", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            file.truncate(path.read_bytes().rfind(b"\n") + 1)
        content = text.encode()
        while content:
            content = content[file.write(content) :]


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a jsonl file; an incomplete last line and damaged lines are left out."""
    return (row for _, row in _read_lines(path))


def _read_lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the lines of a jsonl file that are whole, and what they contain."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for line in content.splitlines(keepends=True):
        try:
            row = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            continue
        if isinstance(row, dict):
            yield line, row


def keep_lines_until(path: Path, step: int) -> None:
    """Remove the rows after a step, and lines that are damaged: resuming then leaves no gap and no duplicate."""
    if path.is_file():
        kept = b"".join(line for line, row in _read_lines(path) if _step(row.get("step")) <= step)
        if kept != path.read_bytes():
            write_atomically(path, kept.decode())
