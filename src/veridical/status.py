"""The state of a run: running, finished, interrupted, failed or killed.

A killed process cannot write that it was killed. A run whose status.json contains "running" counts as killed if its
process has ended, or if the run wrote nothing for much longer than usual.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from veridical.process import Process

QUIET_SECONDS = 600.0
"""A run with the state "running" that wrote nothing for longer than this was probably killed."""

RunState = Literal["finished", "running", "interrupted", "failed", "killed", "unknown"]


@dataclass(frozen=True)
class Status:
    """The state of a run."""

    state: RunState
    """unknown: status.json is missing or unreadable."""

    step: int
    """Last step that the files of the run record."""

    message: str
    """Why the run failed or was interrupted."""

    quiet_for: float | None
    """Seconds since the run last wrote a file; None if it never wrote one."""

    path: str
    """The run directory."""

    @property
    def warning(self) -> str:
        """A sentence about a run that is not finished; empty if it is finished.

        Examples:
            >>> Status("interrupted", 40, "SIGINT", 9.0, "runs/0000-gan").warning
            'This run was interrupted at step 40. To finish it: veridical resume runs/0000-gan'
        """
        at = f"at step {self.step}"
        match self.state:
            case "finished":
                return ""
            case "running":
                return f"This run is still training ({at})."
            case "failed":
                return f"This run failed {at}: {self.message or 'no reason was recorded'}"
            case "unknown":
                return "This run has no readable status.json; it may be incomplete."
        was = "was interrupted" if self.state == "interrupted" else "was probably killed"
        return f"This run {was} {at}. To finish it: veridical resume {self.path}"


def state_of(raw: Mapping[str, Any], quiet_for: float | None, rows: Iterable[Mapping[str, Any]]) -> RunState:
    """Return the state of a run.

    Args:
        raw: content of status.json.
        quiet_for: seconds since the run last wrote a file.
        rows: lines of metrics.jsonl; the times in them show how often the run writes.
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
    """Return how many seconds without output are normal: 20 times the longest pause between rows, at least 600."""
    seconds = [row["seconds"] for row in rows if isinstance(row.get("seconds"), int | float)]
    longest = max((b - a for a, b in pairwise(seconds)), default=0.0)
    return max(QUIET_SECONDS, 20.0 * longest) if math.isfinite(longest) else QUIET_SECONDS


def _is_gone(raw: Mapping[str, Any]) -> bool:
    """Return whether the process that wrote "running" has ended; False if it ran on another machine."""
    process = Process.of(raw)
    return process is not None and process.is_alive() is False
