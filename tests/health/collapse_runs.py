"""How many collapses the monitors call, and how often they cry wolf, on runs labelled by the truth.

    python tests/health/collapse_runs.py

prints the tables of docs/health.md from collapse_runs.jsonl.gz, which `benchmarks/gan_collapse.py` wrote and describes.
A collapse is *called* if a finding of that name is made before 90 % of the run; *false alarm* is any finding whatever,
at any step, on a healthy run.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from veridical.families.gan import GAN
from veridical.health import Finding, Monitors
from veridical.statistics import wilson_interval

FILE = Path(__file__).with_name("collapse_runs.jsonl.gz")
COLLAPSE = {"mode-collapse", "sample-collapse", "learns-nothing"}
IN_TIME = 0.9


class Rates(NamedTuple):
    """Verdicts on some runs."""

    called: int
    collapsed: int
    false: int
    healthy: int
    otherwise: int
    """Healthy runs with a finding that is not a collapse; they are among the false alarms."""

    neither: int

    def line(self, name: str) -> str:
        """Return a row of the table."""
        parts = [f"| {name}"]
        for hits, n in ((self.called, self.collapsed), (self.false, self.healthy)):
            low, high = wilson_interval(hits, n) if n else (0.0, 1.0)
            parts.append(f"{hits}/{n} | {low:.3f}-{high:.3f}")
        return " | ".join([*parts, f"{self.neither} |"])


def read() -> list[dict[str, Any]]:
    """Read the labelled runs."""
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def findings(run: dict[str, Any]) -> list[Finding]:
    """Pass the verdicts that the run would have been given while it trained."""
    monitors = Monitors(GAN.term_kinds)
    found = []
    for values in run["rows"]:
        row = {term: value for term, value in zip(run["terms"], values, strict=True) if value is not None}
        found += monitors.judge(row)
    return found


def is_called(run: dict[str, Any], found: Sequence[Finding]) -> bool:
    """Tell whether a collapse was named in time."""
    return any(f.name in COLLAPSE and f.step < IN_TIME * run["steps"] for f in found)


def rates(runs: Sequence[dict[str, Any]]) -> Rates:
    """Count calls and false alarms."""
    found = [(run, findings(run)) for run in runs]
    collapsed = [is_called(run, f) for run, f in found if run["label"] == "collapsed"]
    healthy = [f for run, f in found if run["label"] == "healthy"]
    return Rates(
        sum(collapsed),
        len(collapsed),
        sum(map(bool, healthy)),
        len(healthy),
        sum(bool(f) and not {x.name for x in f} & COLLAPSE for f in healthy),
        sum(run["label"] == "neither" for run in runs),
    )


def main() -> None:
    """Print the tables, and every run that was judged wrongly."""
    runs = read()
    parts = {
        "all": runs,
        "even seeds (thresholds chosen here)": [run for run in runs if run["seed"] % 2 == 0],
        "odd seeds": [run for run in runs if run["seed"] % 2 == 1],
    } | {data: [run for run in runs if run["data"] == data] for data in dict.fromkeys(run["data"] for run in runs)}
    print("| runs | collapses found | 95 % interval | false alarms | 95 % interval | neither |")
    print("|---|---|---|---|---|---|")
    for name, some in parts.items():
        print(rates(some).line(name))
    called_at = []
    for run in runs:
        found = findings(run)
        said = [(f.name, f.step) for f in found]
        called_at += [f.step / run["steps"] for f in found[:1] if run["label"] == "collapsed"]
        wrong = bool(found) if run["label"] == "healthy" else not is_called(run, found)
        if wrong and run["label"] != "neither":
            print(run["label"], run["data"], run["recipe"], run["seed"], run["truth"][-1], said)
        if run["label"] == "neither" and {f.name for f in found} & COLLAPSE:
            print("called, neither:", run["data"], run["recipe"], [t[1] for t in run["truth"]], said)
    if called_at:
        print(f"median of the first finding: {sorted(called_at)[len(called_at) // 2]:.0%} of the run")
    print(f"seconds of all trainings: {math.fsum(run['seconds'] for run in runs):.0f}")


if __name__ == "__main__":
    main()
