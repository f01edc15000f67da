"""Health of a running training: findings of the monitors are written to health.jsonl and printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from veridical.health.descent import nonfinite_finding
from veridical.health.finding import Finding
from veridical.health.monitors import Monitors
from veridical.run import append_lines, keep_lines_until
from veridical.training.fit import Callback, State
from veridical.training.terms import NonFiniteError, Row


class Health(Callback):
    """Passes every logged row to the monitors; writes and prints their findings.

    Args:
        kinds: kinds of terms as declared by the model (`GenerativeModel.term_kinds`).
        file: the run's health.jsonl; None writes nothing.
        say: called with the text of every finding; None prints nothing.
        facts: what is known before the first step (`workflows/facts.py`); None: nothing.
    """

    def __init__(
        self,
        kinds: Mapping[str, str],
        file: Path | None = None,
        say: Callable[[str], None] | None = None,
        facts: Mapping[str, float] | None = None,
    ) -> None:
        self.monitors, self.file, self.say = Monitors(kinds, facts), file, say

    def on_start(self, state: State) -> None:
        """Remove findings after the step at which training starts or resumes: those steps will be checked again."""
        if self.file is not None:
            keep_lines_until(self.file, state.step)

    def on_log(self, state: State, row: Row) -> None:
        """Check a row."""
        self._report(self.monitors.judge({**row, "step": state.step}))

    def on_nonfinite(self, error: NonFiniteError) -> None:
        """Record that training ended because a term was not finite."""
        self._report([nonfinite_finding(error.step, error.name, error.value)])

    def _report(self, found: list[Finding]) -> None:
        """Write findings to the run and print them."""
        if found and self.file is not None:
            append_lines(self.file, [finding.to_json() for finding in found])
        for finding in found:
            if self.say is not None:
                self.say(str(finding))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the monitors."""
        return self.monitors.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore it."""
        self.monitors.load_state_dict(state)
