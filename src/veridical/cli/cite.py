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
    papers, versions = about.get("papers"), about.get("versions")
    for paper in papers if isinstance(papers, list) else []:
        say(str(paper))
    version = versions.get("veridical", "") if isinstance(versions, dict) else ""
    say(f"veridical {version}, the software (see CITATION.cff)")
