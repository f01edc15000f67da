"""Exact values and checks of the lattice as plain lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from veridical.ising.check import CheckReport, describe

_COLUMNS = {
    "log_partition": ("ln Z", "{:.8f}"),
    "energy": ("energy/J", "{:.8f}"),
    "specific_heat": ("heat/k", "{:.8f}"),
    "entropy_nats": ("entropy/nats", "{:.8f}"),
    "entropy_bits": ("entropy/bits", "{:.8f}"),
    "magnetization_squared": ("<m^2>", "{:.8f}"),
}


def exact_lines(rows: list[dict[str, Any]], coupling: float) -> Iterator[str]:
    """Yield the lines of the table of exact values."""
    yield f"Ising model on a torus, {describe(coupling)}; all per site but ln Z"
    cells = [["lattice", *(head for head, _ in _COLUMNS.values())]]
    for row in rows:
        missing = {"specific_heat": "diverges"} if row["lattice"] == "infinite" else {}
        numbers = [
            missing.get(key, "-") if row[key] is None else form.format(row[key]) for key, (_, form) in _COLUMNS.items()
        ]
        cells.append([row["lattice"], *numbers])
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    for line in cells:
        yield "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    if any(row["magnetization_squared"] is None for row in rows):
        yield "-: <m^2> takes long beyond 128 x 128 and in long strips;"
        yield "   veridical.ising.exact.magnetization_squared computes it"


def check_lines(report: CheckReport) -> Iterator[str]:
    """Yield the results of a check; the verdict is the last line."""
    yield f"comparison with the exact distribution at {describe(report.coupling)}:"
    yield f"  {'test':<20} {'p':>8} {'corrected':>10}          found"
    for test in report.tests:
        passed = "passes" if test.corrected >= report.level else "FAILS"
        yield f"  {test.name:<20} {_p(test.p_value):>8} {_p(test.corrected):>10}  {passed}  {test.says}"
    yield (
        f"autocorrelation time: energy {report.tau_energy:.2f}, squared magnetization "
        f"{report.tau_magnetization_squared:.2f} configurations (independent: 0.50)"
    )
    yield from report.notes
    yield f"coupling from the energy: {report.estimate}"
    yield ""
    yield from textwrap.wrap(report.verdict, 100)


def _p(value: float) -> str:
    """Format a p-value.

    Examples:
        >>> _p(0.0312), _p(0.0)
        ('0.031', '<1e-300')
    """
    return f"{value:.2g}" if value >= 1e-300 else "<1e-300"
