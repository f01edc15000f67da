"""`veridical report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veridical.cli import UsageError
from veridical.cli.options import Positional
from veridical.cli.parse import parse, say


@dataclass(frozen=True)
class Report:
    """Write an HTML report about one or more runs, and a JSON file with the same content. Crashed runs work too."""

    runs: Positional[tuple[Path, ...]]
    """Run directories; several are compared."""

    out: Path | None = None
    """Path of the page; report.html in the first run if omitted."""


def run(arguments: list[str]) -> None:
    """Write the page."""
    options = parse(Report, "report", arguments)
    if not options.runs:
        raise UsageError("no run is given. Add one or more run directories.")
    from veridical.report import build

    say(f"wrote {build(list(options.runs), options.out)}")
