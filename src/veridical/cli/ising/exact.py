"""`veridical ising exact`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from veridical.cli.ising import Coupling, parse_size
from veridical.cli.options import Positional
from veridical.cli.parse import parse, say


@dataclass(frozen=True, kw_only=True)
class Exact(Coupling):
    """Print exact values of a torus: log Z, energy, specific heat, entropy, squared magnetisation."""

    sizes: Positional[tuple[str, ...]] = ("16", "32", "64")
    """Sides, or height x width."""

    json: bool = False
    """Print JSON instead of the table."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for size in self.sizes:
            parse_size(size)


def run(arguments: list[str]) -> int:
    """Print the exact table."""
    o = parse(Exact, "ising exact", arguments)
    from veridical.ising import CRITICAL_COUPLING
    from veridical.workflows.ising import exact_rows
    from veridical.workflows.ising_tables import exact_lines

    k = CRITICAL_COUPLING if o.chosen is None else o.chosen
    rows = exact_rows([parse_size(size) for size in o.sizes], k)
    say(json.dumps({"coupling": k, "rows": rows}, indent=2) if o.json else "\n".join(exact_lines(rows, k)))
    return 0
