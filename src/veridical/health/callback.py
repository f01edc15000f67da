"""The monitors around a training: rows in, findings out to health.jsonl and to the person watching."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from veridical.health.descent import nonfinite_finding
from veridical.health.finding import Finding
from veridical.health.monitor import Monitor, Row
from veridical.health.monitors import monitors_for
from veridical.run import append_lines, keep_lines_until


class HealthMonitor:
    """Feeds every row to the monitors of its terms; writes and says what they find.

    Monitors are made as terms appear, since a player that moves rarely may be missing from the first rows.

    Args:
        file: the run's health.jsonl; None writes nothing.
        say: shows a finding to the person watching; None is silent.
    """

    def __init__(self, file: Path | None = None, say: Callable[[str], None] | None = None) -> None:
        self.file, self.say = file, say
        self.terms: set[str] = set()
        self.monitors: dict[str, Monitor] = {}

    def on_start(self, step: int) -> None:
        """Drop findings after the step at which training starts or resumes: those steps will be judged anew."""
        if self.file is not None:
            keep_lines_until(self.file, step)

    def on_log(self, step: int, row: Row) -> list[Finding]:
        """Take in the row that the loop logged at this step; return what was found."""
        row = {**row, "step": step}
        self._listen_to(term for term in row if "/" in term)
        found = [finding for monitor in self.monitors.values() if (finding := monitor.observe(row)) is not None]
        return self._tell(found)

    def on_nonfinite(self, step: int, term: str, value: float) -> Finding:
        """Take in the loop's error: "<player>/<term>" had this value at this step, and training stopped."""
        return self._tell([nonfinite_finding(step, term, value)])[0]

    def _listen_to(self, terms: Iterable[str]) -> None:
        """Make the monitors of terms that were not met before."""
        new = set(terms) - self.terms
        if new or not self.monitors:
            self.terms |= new
            self.monitors = {**monitors_for(self.terms), **self.monitors}

    def _tell(self, found: list[Finding]) -> list[Finding]:
        """Write findings to the run and say them."""
        if found and self.file is not None:
            append_lines(self.file, [finding.to_json() for finding in found])
        for finding in found if self.say is not None else ():
            self.say(str(finding))  # type: ignore[misc]
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a resume; a string of JSON, so that any checkpoint can hold it."""
        states = {name: monitor.state() for name, monitor in self.monitors.items()}
        return {"terms": sorted(self.terms), "monitors": json.dumps(states)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._listen_to(state["terms"])
        for name, saved in json.loads(state["monitors"]).items():
            if name in self.monitors:
                self.monitors[name].load(saved)


def check(rows: Iterable[Row]) -> list[Finding]:
    """Pass the verdicts on rows that were logged before: the lines of any metrics.jsonl."""
    monitor = HealthMonitor()
    return [finding for row in rows for finding in monitor.on_log(int(row["step"]), row)]
