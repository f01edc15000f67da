"""`veridical report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veridical.cli import UsageError
from veridical.cli.options import Positional
from veridical.cli.parse import parse, say


@dataclass(frozen=True)
class Report:
    """Write one HTML page (offline, with a JSON twin) about one or more runs, also about runs that crashed."""

    runs: Positional[tuple[Path, ...]]
    """Run directories; several are laid side by side."""

    out: Path | None = None
    """Where the page goes; report.html in the first run if left out."""


def run(arguments: list[str]) -> None:
    """Write the page."""
    options = parse(Report, "report", arguments)
    if not options.runs:
        raise UsageError("which run? Name one or more run directories.")
    from veridical.report import build

    say(f"wrote {build(list(options.runs), options.out)}")
