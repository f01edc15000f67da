"""Comparison of several runs: the best value of each measurement, and whether the intervals overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from veridical.report.measured import Measured, draw_bar
from veridical.report.numbers import number_of
from veridical.report.record import Record
from veridical.report.words import metric_words


@dataclass(frozen=True)
class Cell:
    """One run's value in a row of the comparison."""

    m: Measured | None
    best: bool = False
    tied: bool = False
    """Not the best value, but its interval overlaps that of the best."""

    bar: str = ""
    """Drawing of the value; the scale is the same for the whole row."""


@dataclass(frozen=True)
class Row:
    """One measurement over all runs."""

    name: str
    """Title on the page."""

    means: str
    direction: str
    cells: tuple[Cell, ...]
    reference: Measured | None


def compare_runs(runs: list[list[Measured]]) -> list[Row]:
    """Return a row per measurement, in the order of their first appearance."""
    names = dict.fromkeys(m.name for measured in runs for m in measured)
    return [_row(name, [next((m for m in measured if m.name == name), None) for measured in runs]) for name in names]


def _row(name: str, found: list[Measured | None]) -> Row:
    known = [m for m in found if m is not None]
    higher = known[0].higher_is_better
    best = _best(known, higher)
    extents = [m.extent for m in known if m.extent is not None]
    scale = (min(low for low, _ in extents), max(high for _, high in extents)) if extents else None
    cells = tuple(Cell(m, m is best, _tied(m, best), draw_bar(m, scale)) if m else Cell(None) for m in found)
    direction = {True: "higher is better", False: "lower is better", None: ""}[higher]
    return Row(*metric_words(name), direction, cells, next((m for m in known if m.reference is not None), None))


def _best(known: list[Measured], higher: bool | None) -> Measured | None:
    """Return the best value, or None if there is none; values better than a perfect model's are excluded."""
    ranked = [(value, m) for m in known if (value := number_of(m.value)) is not None and m.tone != "suspicious"]
    if higher is None or len({value for value, _ in ranked}) < 2:
        return None
    return (max if higher else min)(ranked, key=lambda entry: entry[0])[1]


def _tied(m: Measured | None, best: Measured | None) -> bool:
    if m is None or best is None or m is best or m.bounds is None or best.bounds is None:
        return False
    return m.bounds[0] <= best.bounds[1] and best.bounds[0] <= m.bounds[1]


def unequal_measures(records: list[Record]) -> list[str]:
    """Return the settings in which the evaluations differ; their numbers are comparable if the result is empty."""
    evaluations = [record.evaluation for record in records if record.evaluation.get("measurements")]
    parts = []
    for key, name in (("data", "data"), ("extractor", "features"), ("n", "number of samples")):
        values = dict.fromkeys(written(evaluation.get(key)) for evaluation in evaluations)
        parts += [f"{name} ({', '.join(values)})"] if len(values) > 1 else []
    return parts


def differing(records: list[Record]) -> list[tuple[str, list[str]]]:
    """Return the configuration keys whose values differ between runs, with the value of each run."""
    keys = dict.fromkeys(key for record in records for key in record.config)
    rows = [(key, [record.config.get(key, "–") for record in records]) for key in keys]
    found = [(key, [written(v) for v in values]) for key, values in rows if any(v != values[0] for v in values)]
    families = [record.family for record in records]
    return [("family", families), *found] if len(set(families)) > 1 else found


def written(value: Any) -> str:
    """Format a value of a configuration.

    Examples:
        >>> written(None), written(True), written([0.0, 0.99]), written(5000)
        ('none', 'yes', '0.0, 0.99', '5000')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(written, value)) if isinstance(value, list | tuple) else str(value)
