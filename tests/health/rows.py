"""Rows of a log, made of columns of values."""

from veridical.health import (
    Finding,
    Monitor,
)


def feed(monitor: Monitor, every: int = 50, **terms: list) -> list[Finding]:
    """Feed columns of values as rows; player__term names a term, kind a term of declared kind, None leaves it out."""
    found = []
    for i, values in enumerate(zip(*terms.values(), strict=True), start=1):
        row = {"step": i * every, "seconds": 0.1 * i}
        row |= {n.replace("__", "/"): v for n, v in zip(terms, values, strict=True) if v is not None}
        found.append(monitor.observe(row))
    return [finding for finding in found if finding is not None]
