"""`veridical cite`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veridical.cli.options import Positional
from veridical.cli.parse import parse, say


@dataclass(frozen=True)
class Cite:
    """Print the papers to cite for a run."""

    run: Positional[Path]
    """Run directory."""


def run(arguments: list[str]) -> None:
    """Print the papers."""
    options = parse(Cite, "cite", arguments)
    from veridical.run import Run

    about = Run.open(options.run).read_json("environment.json")
    for paper in about.get("papers", []):
        say(paper)
    say(f"veridical {about.get('versions', {}).get('veridical', '')}, the software (see CITATION.cff)")
