"""`veridical runs`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from veridical.cli.options import Positional
from veridical.cli.parse import parse, say


@dataclass(frozen=True)
class Runs:
    """List the runs of a folder: state, family, data, step, verdict of the last evaluation, and age."""

    folder: Positional[Path] = Path("runs")
    """Folder of runs, or one run directory."""

    json: bool = False
    """Print JSON instead of the table."""


def run(arguments: list[str]) -> None:
    """Print the list."""
    options = parse(Runs, "runs", arguments)
    from veridical.report.runs import list_runs, table

    found = list_runs(options.folder)
    if options.json:
        say(json.dumps([summary.to_json() for summary in found], indent=1))
    elif found:
        say(table(found))
    else:
        say(f"{options.folder} contains no runs. Start one with: veridical train --data fashion-mnist-10k")
