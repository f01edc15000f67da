"""`veridical ising check`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from veridical.cli.ising import Coupling, parse_size
from veridical.cli.options import Positional
from veridical.cli.parse import parse, say


@dataclass(frozen=True, kw_only=True)
class Check(Coupling):
    """Check configurations against the exact distribution: npz or npy with -1/1, 0/1, 0/255 or booleans.

    Without --coupling, the coupling recorded in the file is used, or else the critical one.
    """

    file: Positional[Path]
    """File with an array (n, height, width); with --size also flat or packed rows."""

    size: str | None = None
    """Side, or height x width, of flat or packed rows."""

    level: float = 0.01
    """Probability of rejecting configurations that follow the distribution."""

    json: bool = False
    """Print JSON instead of the table."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None:
            parse_size(self.size)
        if not 0 < self.level < 1:
            raise ValueError(f"level is {self.level}; expected a probability between 0 and 1.")


def run(arguments: list[str]) -> int:
    """Print the results of the check; return 0 only if the configurations are consistent with the distribution."""
    o = parse(Check, "ising check", arguments)
    from veridical.workflows.ising import check_file
    from veridical.workflows.ising_tables import check_lines

    progress = (lambda line: None) if o.json else say
    size = None if o.size is None else parse_size(o.size)
    report = check_file(o.file, o.chosen, size, level=o.level, say=progress)
    say(json.dumps(report.to_json(), indent=2) if o.json else "\n".join(check_lines(report)))
    return 0 if report.outcome == "consistent" else 1
