"""Writing the HTML page and the JSON file of a report.

`_collect` reads a run into plain facts; `_view` adds images and drawings for the template; the JSON file contains the
facts of all runs. Nothing is computed twice, so page and JSON file always agree.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from veridical.atomic import write_atomically
from veridical.errors import OutputExistsError
from veridical.report.compare import compare_runs, differing, unequal_measures
from veridical.report.curves import Level, Line, draw
from veridical.report.images import Embedded, embed, spread
from veridical.report.measured import Measured, read_all, restored_examples
from veridical.report.numbers import number_of
from veridical.report.record import Record, labels, read_record
from veridical.report.render import render
from veridical.report.setup import (
    about,
    class_names,
    commands,
    config_rows,
    data_name,
    environment_rows,
    evaluated,
    next_step,
)
from veridical.report.verdict import Verdict, judge
from veridical.report.words import term_words
from veridical.run import Run

IMAGE_BYTES = 2_700_000
"""Bytes of images in a page, over all runs: 3.6 MB as text, so that the page is smaller than 5 MB."""

SHARES = {"last": 0.3, "reals": 0.25, "nearest": 0.15, "restored": 0.1, "progress": 0.3}
"""Shares of a run's bytes by kind of image; few models restore examples, and with these too a page stays small."""

GRIDS = 12
"""Number of grids per run in the section on progress."""

LEVELS = {
    "js": Level(math.log(2), "log 2: fully distinguished"),
    "accuracy": Level(0.5, "chance"),
    "diversity": Level(1.0, "real examples"),
    "crowding": Level(1.0, "real examples"),
    "coverage": Level(0.97, "real examples"),
}
"""Reference values of logged terms, drawn as dashed lines."""

LAST_TERMS = ("grad_norm", "lr")


@dataclass
class Facts:
    """All facts about one run, without drawings."""

    record: Record
    measured: list[Measured]
    verdict: Verdict
    curves: dict[str, Line]
    series: int


def build(runs: Run | Path | str | Sequence[Run | Path | str], out: Path | str | None = None) -> Path:
    """Write an HTML page about one or more runs, and a JSON file with the same content in the same folder.

    Args:
        runs: one or more run directories; unfinished and crashed runs are allowed.
        out: the page (ending in .html) or a folder for it; None: report.html in the first run's directory.

    Returns:
        The path of the page.

    Raises:
        ValueError: no run is given.
        NotARunError: a path is not a run directory.
        OutputExistsError: `out`, or the JSON file next to it, exists and is not a report.
    """
    several = [runs] if isinstance(runs, Run | Path | str) else runs
    if not several:
        raise ValueError("no run is given; expected at least one run directory.")
    paths = [Path(run) for run in several]
    records = [read_record(path, label) for path, label in zip(paths, labels(paths), strict=True)]
    page = _place(paths[0], None if out is None else Path(out))
    facts = [_collect(record, series) for series, record in enumerate(records)]
    json_file = page.with_suffix(".json")
    views = [_view(fact, IMAGE_BYTES // len(facts)) for fact in facts]
    write_atomically(page, render(_context(facts, views, json_file.name)))
    write_atomically(json_file, json.dumps(_facts_as_json(facts, views), indent=1, allow_nan=False, default=str) + "\n")
    return page


def _place(first: Path, out: Path | None) -> Path:
    """Return the path of the page; an existing report and its JSON file are replaced, any other file is an error."""
    if out is None:
        return first / "report.html"
    page = out if out.suffix.lower() in (".html", ".htm") else out / "report.html"
    if page.is_file() and 'name="generator" content="veridical' not in page.read_text("utf-8", errors="replace")[:2000]:
        raise OutputExistsError(f"{page} exists and is not a report of veridical; choose another place with --out.")
    numbers = page.with_suffix(".json")
    if numbers.exists() and not _is_report(numbers):
        raise OutputExistsError(
            f"{numbers} exists and is not a report of veridical, whose numbers are written next to its page; choose "
            "another name with --out."
        )
    page.parent.mkdir(parents=True, exist_ok=True)
    return page


def _is_report(file: Path) -> bool:
    """Return whether a JSON file is one that `build` wrote."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and str(value.get("generator", "")).startswith("veridical") and "runs" in value


def _collect(record: Record, series: int) -> Facts:
    measured = read_all(record.evaluation)
    return Facts(record, measured, judge(record, measured), _curves(record, series % 8 + 1), series)


def _curves(record: Record, series: int) -> dict[str, Line]:
    """Return every "<player>/<term>" of the metrics; rows without the term are skipped."""
    terms = dict.fromkeys(term for row in record.rows for term in row if "/" in term)
    lines = {}
    for term in terms:
        points = [(row["step"], row[term]) for row in record.rows if isinstance(row.get(term), int | float)]
        if points:
            steps, values = zip(*points, strict=True)
            lines[term] = Line(record.label, steps, [float(v) for v in values], series)
    return lines


def _view(facts: Facts, budget: int) -> dict[str, Any]:
    """Return the values of one run for the template."""
    record, measured = facts.record, facts.measured
    config = config_rows(record)
    images = _images(record, budget)  # adds unreadable files to record.problems
    return {
        "name": record.label,
        "series": facts.series % 8 + 1,
        "about": about(record),
        "data": data_name(record),
        "verdict": facts.verdict,
        "problems": record.problems,
        "measurements": measured,
        "memory": [m for m in measured if m.memory],
        "restored": restored_examples(measured),
        "evaluated": evaluated(record),
        "classes": class_names(record),
        "methods": _methods(measured),
        "skipped": _skipped(record),
        "findings": record.findings,
        "rows": len(record.rows),
        "images": images,
        "config": config,
        "chosen": [row for row in config if row[2] != "default"],
        "environment": environment_rows(record.environment),
        "commands": commands(record),
        "next": next_step(record, facts.verdict.level),
    }


def _methods(measured: list[Measured]) -> list[tuple[str, str]]:
    """Return every method by which intervals were computed, and the measurements that use it."""
    methods = dict.fromkeys(m.method for m in measured if m.method)
    return [(method, ", ".join(m.title for m in measured if m.method == method)) for method in methods]


def _skipped(record: Record) -> list[tuple[str, str]]:
    """Return the metrics that were not measured, with the reasons."""
    skipped = record.evaluation.get("skipped")
    return [(str(name), str(reason)) for name, reason in skipped.items()] if isinstance(skipped, dict) else []


def _images(record: Record, budget: int) -> dict[str, Any]:
    """Embed a run's images within its budget of bytes."""

    def one(path: Path | None, share: float, side: int) -> Embedded | None:
        if path is None:
            return None
        try:
            return embed(path, int(budget * share), side, record.path)
        except (ValueError, OSError) as error:
            record.problems.append(str(error))
            return None

    last = next((step_path for step_path in reversed(record.samples)), None)
    shown = [record.samples[i] for i in spread(len(record.samples), GRIDS)] if len(record.samples) > 1 else []
    strip = [(step, one(path, SHARES["progress"] / max(1, len(shown)), 320)) for step, path in shown]
    return {
        "last": one(last[1], SHARES["last"], 1200) if last else None,
        "last_step": last[0] if last else None,
        "reals": one(record.reals, SHARES["reals"], 1200),
        "nearest": one(record.nearest, SHARES["nearest"], 1200),
        "restored": one(record.restored, SHARES["restored"], 1200),
        "progress": [(step, image) for step, image in strip if image is not None],
        "grids": len(record.samples),
        "reduced": any(image is not None and image.change for _, image in strip),
    }


def _context(facts: list[Facts], views: list[dict[str, Any]], json_name: str) -> dict[str, Any]:
    """Return all values for the template."""
    has = {
        "grids": any(view["images"]["last"] for view in views),
        "samples": any(view["images"]["last"] or view["images"]["reals"] for view in views),
        "measurements": any(view["measurements"] for view in views),
        "nearest": any(view["images"]["nearest"] or view["memory"] for view in views),
        "restored": any(view["restored"] for view in views),
        "progress": any(view["images"]["progress"] for view in views),
    }
    curves = _charts(facts)
    sections = [("verdict", "Verdict", True), ("samples", "Samples", has["samples"])]
    sections += [
        ("measurements", "Measurements", has["measurements"]),
        ("memory", "Nearest training examples", has["nearest"]),
        ("restored", "Restored training examples", has["restored"]),
    ]
    sections += [("health", "Health", True), ("curves", "Curves", bool(curves))]
    sections += [("progress", "Samples during training", has["progress"]), ("setup", "Settings", True)]
    sections += [("commands", "Commands", True)]
    several = len(views) > 1
    return {
        "title": f"{len(views)} runs compared" if several else views[0]["name"],
        "several": several,
        "runs": views,
        "has": has,
        "contents": [(anchor, name) for anchor, name, shown in sections if shown],
        "comparison": compare_runs([fact.measured for fact in facts]),
        "unequal": unequal_measures([fact.record for fact in facts]),
        "differences": differing([fact.record for fact in facts]),
        "curves": curves,
        "written": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "generator": f"veridical {_version()}",
        "twin": json_name,
    }


def _charts(facts: list[Facts]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Draw every term, grouped by player, the same term of all runs in one chart."""
    terms = dict.fromkeys(term for fact in facts for term in fact.curves)
    players = dict.fromkeys(term.partition("/")[0] for term in terms)
    groups = []
    for player in players:
        own = [term for term in terms if term.startswith(f"{player}/")]
        own.sort(key=lambda term: term.rpartition("/")[2] in LAST_TERMS)  # stable: the rest keeps its order
        groups.append((player, [_chart(term, facts) for term in own]))
    return groups


def _chart(term: str, facts: list[Facts]) -> dict[str, Any]:
    name = term.partition("/")[2]
    words = term_words(name)
    lines = [fact.curves[term] for fact in facts if term in fact.curves]
    marks = [(f.step, f"{f.name} at step {f.step}") for f in facts[0].record.findings] if len(facts) == 1 else []
    chart = draw(lines, levels=[LEVELS[name]] if name in LEVELS and term != f"model/{name}" else [], marks=marks)
    notes = [note for note in (words.unit, *chart.notes) if note]
    return {"title": words.title, "svg": chart.svg, "notes": notes}


def _facts_as_json(facts: list[Facts], views: list[dict[str, Any]]) -> dict[str, Any]:
    """Return all numbers of the page as plain values; numbers that are not finite become null."""
    runs = [_plain(_run(fact, view)) for fact, view in zip(facts, views, strict=True)]
    return {"format": 1, "generator": f"veridical {_version()}", "runs": runs}


def _run(facts: Facts, view: dict[str, Any]) -> dict[str, Any]:
    record, images = facts.record, view["images"]
    seconds = [number_of(row.get("seconds")) for row in record.rows[-1:]]
    return {
        "name": record.label,
        "path": str(record.path),
        "family": record.family,
        "data": view["data"],
        "state": record.state,
        "message": record.status.get("message", ""),
        "step": record.step,
        "steps": record.steps,
        "seconds": seconds[0] if seconds else None,
        "verdict": facts.verdict.to_json(),
        "problems": record.problems,
        "findings": [finding.to_json() for finding in record.findings],
        "evaluation": {key: value for key, value in record.evaluation.items() if key != "measurements"},
        "measurements": [m.to_json() for m in facts.measured],
        "curves": {term: {"steps": line.steps, "values": line.values} for term, line in facts.curves.items()},
        "checkpoints": record.checkpoints,
        "images": {
            **{k: images[k].to_json() for k in ("last", "reals", "nearest", "restored") if images[k] is not None},
            "progress": [{"step": step, **image.to_json()} for step, image in images["progress"]],
            "grids": images["grids"],
        },
        "config": {key: {"value": value, "origin": record.origins[key]} for key, value in record.config.items()},
        "environment": record.environment,
        "next": dict(zip(("command", "reason"), view["next"], strict=True)),
        "commands": [command for command, _ in view["commands"]],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _version() -> str:
    try:
        return metadata.version("veridical")
    except metadata.PackageNotFoundError:
        return "(not installed)"
