"""What became of a run: running, finished, interrupted, failed, or killed without a word.

A process that is killed outright cannot write that it was. A run that says "running" counts as killed if its process is
known to be gone, or if nothing was written for far longer than usual.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from veridical.run import Run

QUIET_SECONDS = 600.0
"""A run that says "running" and wrote nothing for longer than this was most likely killed."""

RunState = Literal["finished", "running", "interrupted", "failed", "killed", "unknown"]


@dataclass(frozen=True)
class Status:
    """What became of a run."""

    state: RunState
    """unknown: status.json is missing or unreadable."""

    step: int
    """Last step that the run is known to have done."""

    message: str
    """Why it failed or was interrupted."""

    quiet_for: float | None
    """Seconds since the run last wrote; None if it never did."""

    path: str
    """The run directory."""

    @property
    def warning(self) -> str:
        """A sentence for whoever uses the run although it is not finished; empty if it is.

        Examples:
            >>> Status("interrupted", 40, "SIGINT", 9.0, "runs/0000-gan").warning
            'This run was interrupted at step 40; to finish it: veridical resume runs/0000-gan'
        """
        at = f"at step {self.step}"
        match self.state:
            case "finished":
                return ""
            case "running":
                return f"This run is still training ({at}); what follows is about its newest checkpoint."
            case "failed":
                return f"This run failed {at}: {self.message or 'no reason was written'}"
            case "unknown":
                return "This run has no readable status.json; it may be incomplete."
        was = "was interrupted" if self.state == "interrupted" else "was killed, most likely,"
        return f"This run {was} {at}; to finish it: veridical resume {self.path}"


def read_status(run: Run) -> Status:
    """Read what became of a run, from its files and its process."""
    raw = _raw(run)
    written = [path.stat().st_mtime for path in (run.metrics_file, run.path / "status.json") if path.is_file()]
    quiet_for = max(0.0, time.time() - max(written)) if written else None
    rows = run.metrics()
    step = max([_step(raw.get("step")), *(_step(row.get("step")) for row in rows[-1:])])
    return Status(state_of(raw, quiet_for, rows), step, str(raw.get("message") or ""), quiet_for, str(run.path))


def state_of(raw: Mapping[str, Any], quiet_for: float | None, rows: Iterable[Mapping[str, Any]]) -> RunState:
    """Return the state that status.json means.

    Args:
        raw: status.json.
        quiet_for: seconds since the run last wrote.
        rows: lines of metrics.jsonl, which tell the rhythm of the run.
    """
    match raw.get("state"):
        case "finished" | "interrupted" | "failed" as state:
            return state
        case "running" if _is_gone(raw) or (quiet_for is not None and quiet_for > patience(rows)):
            return "killed"
        case "running":
            return "running"
    return "unknown"


def patience(rows: Iterable[Mapping[str, Any]]) -> float:
    """Return the seconds of silence that are normal: twenty times the longest pause between rows, or ten minutes."""
    seconds = [row["seconds"] for row in rows if isinstance(row.get("seconds"), int | float)]
    rhythm = max((b - a for a, b in pairwise(seconds)), default=0.0)
    return max(QUIET_SECONDS, 20.0 * rhythm) if math.isfinite(rhythm) else QUIET_SECONDS


def _is_gone(raw: Mapping[str, Any]) -> bool:
    """Tell whether the process that wrote "running" is known to have ended; never where it ran elsewhere."""
    process = raw.get("process")
    if not isinstance(process, int) or raw.get("host") != platform.node():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _raw(run: Run) -> dict[str, Any]:
    try:
        found = run.read_json("status.json")
    except (OSError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _step(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
