"""Base class of monitors: the stored history of a term, and how long a condition must last before it is reported.

A row is one line of metrics.jsonl: {"step": 500, "seconds": 3.1, "generator/loss": 0.7, "generator/grad_norm": 0.2},
together with the terms of declared kind under the name of their kind: {"divergence": 0.4, "posterior_kl": 12.0}
(`veridical.kinds`). A term is missing if its player was not updated.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from statistics import median
from typing import Any

from veridical.health.finding import Finding

Row = Mapping[str, Any]


def finite(row: Row, term: str) -> float | None:
    """Return a term of a row, None if it is missing or not finite."""
    value = row.get(term)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


class Episode:
    """A condition that is reported after it lasted some rows, and again only after it was absent for as many rows.

    Args:
        rows: number of consecutive rows with the condition.
        steps: number of training steps with the condition, independent of the number of steps per row.

    Examples:
        >>> episode = Episode(rows=2)
        >>> [episode.update(step, bad=step >= 2, clear=step < 2) for step in range(5)]
        [False, False, False, True, False]
    """

    def __init__(self, rows: int, steps: int = 0) -> None:
        self.rows, self.steps = rows, steps
        self.count = 0
        self.since = 0
        self.reported = False

    def update(self, step: int, *, bad: bool, clear: bool) -> bool:
        """Add one row; return True if the condition is to be reported now."""
        if not (clear if self.reported else bad):
            self.count = 0
            return False
        if self.count == 0:
            self.since = step
        self.count += 1
        if self.count < self.rows or step - self.since < self.steps:
            return False
        self.reported, self.count = not self.reported, 0
        return self.reported

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold, as plain numbers."""
        return {"count": self.count, "since": self.since, "said": self.reported}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.count, self.since, self.reported = int(state["count"]), int(state["since"]), bool(state["said"])


class History:
    """Stored history of a term: the median of its first values, and the last values.

    Args:
        early: number of first values whose median is the reference; the first row is skipped, since it contains the
            first steps of an untrained model.
        recent: number of last values kept.
    """

    def __init__(self, early: int = 10, recent: int = 20) -> None:
        self.early_rows, self.recent_rows = early, recent
        self.seen = 0
        self.early: list[float] = []
        self.recent: list[float] = []

    def push(self, value: float) -> None:
        """Store a value."""
        self.seen += 1
        if 1 < self.seen <= self.early_rows + 1:
            self.early.append(value)
        self.recent = [*self.recent, value][-self.recent_rows :]

    @property
    def reference(self) -> float | None:
        """Median of the first values; None until there are enough."""
        return median(self.early) if len(self.early) == self.early_rows else None

    def level(self, rows: int) -> float:
        """Median of the last rows."""
        return median(self.recent[-rows:])


class Monitor(ABC):
    """Reads rows and reports a problem once per episode."""

    def __init__(self, episode: Episode, history: History | None = None) -> None:
        self.episode = episode
        self.history = history or History()

    @abstractmethod
    def observe(self, row: Row) -> Finding | None:
        """Read a row; return a finding if a new problem is detected."""

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold, as plain numbers and lists."""
        history = self.history
        return {
            "episode": self.episode.state(),
            "history": {"seen": history.seen, "early": list(history.early), "recent": list(history.recent)},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        history = state["history"]
        self.episode.load(state["episode"])
        self.history.seen = int(history["seen"])
        self.history.early, self.history.recent = list(history["early"]), list(history["recent"])
