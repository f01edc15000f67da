"""Reading a run directory in any state: files of a crashed run may be missing or incomplete.

Unreadable files are skipped and listed in `problems`; missing values are never guessed.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veridical.health import Finding
from veridical.run import Run
from veridical.seal import CHECKSUM
from veridical.status import RunState, state_of


@dataclass
class Record:
    """Content of a run directory."""

    path: Path
    label: str
    status: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    """Dotted key -> value."""

    origins: dict[str, str] = field(default_factory=dict)
    family: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    evaluation: dict[str, Any] = field(default_factory=dict)
    samples: list[tuple[int, Path]] = field(default_factory=list)
    """Grids of samples by step."""

    reals: Path | None = None
    nearest: Path | None = None
    restored: Path | None = None
    checkpoints: list[int] = field(default_factory=list)
    quiet_for: float | None = None
    """Seconds since the run last wrote a file; None if it never wrote one."""

    problems: list[str] = field(default_factory=list)
    """Messages about files that could not be read."""

    @property
    def state(self) -> RunState:
        """State of the run; "killed" if status.json contains "running" but the run wrote nothing for a long time."""
        return state_of(self.status, self.quiet_for, self.rows)

    @property
    def step(self) -> int:
        """Last recorded step."""
        steps = [_integer(self.status.get("step")), *(_integer(row.get("step")) for row in self.rows[-1:])]
        return max(steps, default=0)

    @property
    def steps(self) -> int | None:
        """Configured number of steps."""
        steps = self.config.get("training.steps")
        return steps if isinstance(steps, int) and steps > 0 else None


def read_record(path: Path, label: str) -> Record:
    """Read a run directory.

    Raises:
        NotARunError: the path contains no config.yaml.
    """
    run = Run.open(path)
    record = Record(path, label)
    record.status = _read_json(record, "status.json")
    record.environment = _read_json(record, "environment.json")
    record.evaluation = _read_json(record, "evaluation.json")
    _read_config(record, run.config_file)
    record.rows = _read_rows(record, run.metrics_file)
    for row in _read_rows(record, run.health_file):
        try:
            record.findings.append(Finding.from_json(row))
        except ValueError as error:
            record.problems.append(f"health.jsonl: {error}")
    record.samples = _numbered(run.samples, r"step-(\d+)\.png")
    record.reals = _present(run.samples / "reals.png")
    record.nearest = _present(run.samples / "nearest.png")
    record.restored = _present(run.samples / "restored.png")
    record.checkpoints = [step for step, _ in _numbered(run.checkpoints, r"step-(\d+)")]
    written = [p.stat().st_mtime for p in (run.metrics_file, path / "status.json") if p.is_file()]
    record.problems += [edit for edit in run.changes() if "is damaged" not in edit]  # what does not parse is listed
    record.quiet_for = max(0.0, time.time() - max(written)) if written else None
    return record


def labels(paths: list[Path]) -> list[str]:
    """Return a short name per run: the name of the folder, with as much of its path as is needed to be unique.

    Examples:
        >>> labels([Path("runs/a"), Path("runs/b")])
        ['a', 'b']
        >>> labels([Path("x/run"), Path("y/run"), Path("y/run")])
        ['x/run', 'y/run', 'y/run (2)']
    """
    parts = [path.resolve().parts for path in paths]
    depth = 1
    while depth < max(map(len, parts), default=1) and len({p[-depth:] for p in parts}) < len(set(parts)):
        depth += 1
    names: list[str] = []
    for part in parts:
        name = "/".join(part[-depth:])
        seen = sum(n == name or n.startswith(f"{name} (") for n in names)
        names.append(f"{name} ({seen + 1})" if seen else name)
    return names


def _read_json(record: Record, name: str) -> dict[str, Any]:
    path = record.path / name
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        record.problems.append(f"{name} cannot be read: {error}.")
        return {}
    if not isinstance(value, dict):
        record.problems.append(f"{name} contains {type(value).__name__}; expected an object.")
        return {}
    value.pop(CHECKSUM, None)
    return value


def _read_rows(record: Record, path: Path) -> list[dict[str, Any]]:
    """Read a jsonl file; incomplete lines, which a killed process can leave, are counted and skipped."""
    if not path.is_file():
        return []
    rows, torn = [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            torn += 1
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
        elif row is not None:
            torn += 1
    if torn:
        lines = "1 line is" if torn == 1 else f"{torn} lines are"
        record.problems.append(f"{path.name}: {lines} incomplete (the process ended while writing) and skipped.")
    return rows


def _read_config(record: Record, path: Path) -> None:
    """Read config.yaml into dotted keys and their origins."""
    from veridical.config.documents import load, read_text

    try:
        config = load(read_text(path))
    except (OSError, ValueError) as error:
        record.problems.append(f"config.yaml cannot be read: {' '.join(str(error).split())}.")
        return
    if not isinstance(config, dict):
        record.problems.append("config.yaml contains no sections.")
        return
    record.family = str(config.pop("family", ""))
    origin = config.pop("origin", None) or {}
    record.config = _flatten(config)
    given = origin if isinstance(origin, dict) else {}
    record.origins = {key: str(given.get(key, "default")) for key in record.config}


def _flatten(value: dict[Any, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, entry in value.items():
        name = f"{prefix}{key}"
        leaves |= _flatten(entry, f"{name}.") if isinstance(entry, dict) else {name: entry}
    return leaves


def _numbered(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    found = [(match, path) for path in folder.iterdir() if (match := re.fullmatch(pattern, path.name))]
    return sorted((int(match.group(1)), path) for match, path in found)


def _present(path: Path) -> Path | None:
    return path if path.is_file() else None


def _integer(value: Any) -> int:
    return value if isinstance(value, int) else 0
