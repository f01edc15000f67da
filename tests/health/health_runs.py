"""How many planted failures the monitors call, with the right cause, and how often they cry wolf.

    python tests/health/health_runs.py

prints the tables of docs/health.md from health_runs.jsonl.gz, which `benchmarks/health_runs.py` wrote and describes.
A run is a *failure* if something was planted and its damage shows in an exact measure, *healthy* if nothing was planted
and the measures are good; all else is *neither*. A failure is *called* if a finding that names its cause is made before
90 % of the run. A *false alarm* is any finding on a healthy run, at any step. Thresholds were chosen on the runs of the
first six rounds whose key has an even checksum; the others are held out, and so is every run of a later round, which
were trained afterwards.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from veridical.health import Finding, check, nonfinite_finding
from veridical.statistics import wilson_interval

FILE = Path(__file__).with_name("health_runs.jsonl.gz")
IN_TIME = 0.9
ROUNDS = 6
"""Rounds of runs that there were when thresholds were chosen."""

SEEN = range(10, 14)
"""Rounds of later families on which it was seen that the noise of the rows had to count; not held out either."""

CONVERGED = tuple(f"{k}/" for k in range(14, 30))
"""Rounds whose healthy runs are near the exact likelihood too, where it is known."""

LEFT = 0.1
"""Part of what there was to gain over the constant model that may be left."""

Line = dict[str, Any]

TOO_LONG = {"steps-too-large", "gradient-explosion", "loss-divergence", "non-finite", "worse-than-constant"}
TOO_LONG |= {"spectrum-growth", "oscillation"}
LOST = {"mode-collapse", "sample-collapse", "learns-nothing"}
RIGHT: dict[str, set[str]] = {
    "steps-too-small": {"no-movement"},
    "frozen-generator": {"no-movement"},
    "frozen-discriminator": {"no-movement"},
    "steps-too-large": TOO_LONG,
    "vanishing-gradient": {"gradient-vanishing", "discriminator-saturation", *LOST},
    "oscillation": {"oscillation", *LOST},
    "divergence": {"loss-divergence", "gradient-explosion", "spectrum-growth", "oscillation", *LOST},
    "collapse": {*LOST, "oscillation"},
    "memorising-discriminator": {"discriminator-memorises"},
    "spectrum": {"spectrum-growth", "steps-too-large", "gradient-explosion", "loss-divergence"},
    "posterior-collapse": {"posterior-collapse", "learns-nothing"},
    "overfit": {"likelihood-overfit"},
    "underfit": {"likelihood-underfit", "worse-than-constant", "learns-nothing", "no-movement"},
    "average": {"average-worse"},
    "better-than-entropy": {"better-than-entropy"},
    "non-finite": {"non-finite"},
    "inverse-error": {"inverse-error"},
    "outlier": {"outlier"},
    "repeated-data": {"repeated-data"},
}
"""Planted failure → findings that name it or its direct consequence."""


class Rates(NamedTuple):
    """Verdicts on some runs."""

    called: int
    failed: int
    false: int
    healthy: int
    lead: float
    """Median share of the run that was over at the first right finding."""


def read() -> list[Line]:
    """Read the labelled runs."""
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def is_held_out(run: Line) -> bool:
    """Tell whether thresholds were chosen without this run."""
    k = int(run["key"].split("/")[0])
    return k not in SEEN and (k >= ROUNDS or zlib.crc32(run["key"].encode()) % 2 == 1)


def label_of(run: Line) -> str:
    """Return "failure", "healthy" or "neither", from what was planted and from the truth alone."""
    if not run["planted"]:
        return "healthy" if is_good(run) else "neither"
    return "failure" if is_damaged(run) else "neither"


def is_good(run: Line) -> bool:
    """Tell whether samples and likelihood are good at the end."""
    end, constant = run["end"], run["facts"].get("constant_nats")
    nats = end.get("nats")
    near = end.get("energy") is not None and end["energy"] <= 0.04 and end.get("variety", 1.0) >= 0.8
    if run["key"].startswith(CONVERGED) and constant is not None and end.get("excess") is not None:
        near = near and end["excess"] <= LEFT * (constant - nats + end["excess"])
    return near and (nats is None or constant is None or nats < constant - 0.1)


def is_damaged(run: Line) -> bool:
    """Tell whether what was planted did harm."""
    end, truth, planted = run["end"], run["truth"], run["planted"]
    if planted == "non-finite":
        return run["failed"] is not None
    if planted == "repeated-data":
        return True
    if planted == "inverse-error":
        return end.get("inverse") is not None and end["inverse"] > 1e-3
    if planted == "better-than-entropy":
        return end.get("excess") is not None and end["excess"] < -5 * end["excess_error"]
    if planted == "memorising-discriminator":
        return truth[-1].get("auc", 0.0) > 0.85
    if run["failed"] is not None or not end or end.get("energy") is None:
        return True
    if planted == "average":
        return worse(end, truth[-1])
    constant, nats = run["facts"].get("constant_nats"), end.get("nats")
    if planted == "overfit":
        best = min(row["nats"] for row in truth if row.get("nats") is not None)
        return truth[-1]["nats"] - best > 0.1 * max(constant - best, 1.0)
    if nats is not None:
        return constant is None or nats > constant - 0.1 or end["energy"] > 0.06
    return end["energy"] > 0.06 or end.get("variety", 1.0) < 0.6


def worse(average: Line, live: Line) -> bool:
    """Tell whether averaged weights are clearly worse than the live ones."""
    if average.get("nats") is not None:
        return average["nats"] - live["nats"] > 0.2
    return average["energy"] > 2 * live["energy"] + 0.02


_KEPT: dict[str, list[Finding]] = {}


def findings(run: Line) -> list[Finding]:
    """Return what the monitors would have said while the run trained; computed once."""
    if run["key"] not in _KEPT:
        _KEPT[run["key"]] = judge(run)
    return _KEPT[run["key"]]


def judge(run: Line) -> list[Finding]:
    """Pass the rows to the monitors."""
    rows = (
        {term: value for term, value in zip(run["terms"], values, strict=True) if value is not None}
        for values in run["rows"]
    )
    found = check(rows, run["kinds"], run["facts"])
    if run["failed"]:
        found.append(nonfinite_finding(run["failed"]["step"], run["failed"]["term"], float("nan")))
    return found


def right(run: Line, found: Sequence[Finding]) -> list[Finding]:
    """Return the findings in time that name what was planted."""
    end = run["failed"]["step"] + 1 if run["failed"] else IN_TIME * run["steps"]
    return [f for f in found if f.name in RIGHT[run["planted"]] and (f.step < end or f.name == "non-finite")]


def rates(runs: Sequence[Line]) -> Rates:
    """Count calls and false alarms."""
    failed = [(run, right(run, findings(run))) for run in runs if label_of(run) == "failure"]
    healthy = [findings(run) for run in runs if label_of(run) == "healthy"]
    leads = [found[0].step / run["steps"] for run, found in failed if found]
    return Rates(
        sum(bool(found) for _, found in failed),
        len(failed),
        sum(map(bool, healthy)),
        len(healthy),
        median(leads) if leads else float("nan"),
    )


def line(name: str, found: Rates) -> str:
    """Return a row of the table."""
    parts = [f"| {name}"]
    for hits, n in ((found.called, found.failed), (found.false, found.healthy)):
        low, high = wilson_interval(hits, n) if n else (0.0, 1.0)
        parts.append(f"{hits}/{n} | {low:.3f}-{high:.3f}" if n else " | ")
    return " | ".join([*parts, f"{found.lead:.0%} |" if found.failed else " |"])


def main() -> None:
    """Print the tables, and every run that was judged wrongly."""
    runs = read()
    held = [run for run in runs if is_held_out(run)]
    print("| runs | failures called | 95 % interval | false alarms | 95 % interval | median share of the run |")
    print("|---|---|---|---|---|---|")
    for name, some in {"all": runs, "thresholds": [r for r in runs if not is_held_out(r)], "held out": held}.items():
        print(line(name, rates(some)))
    for kind in RIGHT:
        print(line(kind, rates([run for run in held if run["planted"] == kind])))
    for family in sorted({run["family"] for run in runs}):
        print(line(family, rates([run for run in held if run["family"] == family])))
    for run in runs:
        label, found = label_of(run), findings(run)
        wrong = bool(found) if label == "healthy" else label == "failure" and not right(run, found)
        if wrong and not is_held_out(run):
            print(label, run["key"], [(f.name, f.step) for f in found], run["steps"], run["end"])
    labels = [label_of(run) for run in runs]
    print({label: labels.count(label) for label in sorted(set(labels))}, len(held))


if __name__ == "__main__":
    main()
