"""How often a long training writes: at equal distances, which double when there are many lines or images.

The distance is a function of the step alone, so that a resumed run writes what an uninterrupted one writes. What is
written then grows with the logarithm of the number of steps.
"""

from __future__ import annotations

import re
from pathlib import Path

LINES = 20_000
"""Lines of metrics after which the distance between lines doubles, and again whenever the steps have doubled."""

SPECTRA_LINES = 2_000
"""The same for the singular values of all layers."""

GRIDS = 100
"""Grids of samples that are kept in addition to the first and the newest."""


def distance(step: int, every: int, most: int) -> int:
    """Return the smallest of every, 2 every, 4 every, ... of which at most `most` fit into so many steps.

    Examples:
        >>> distance(1_000, 50, 20), distance(1_001, 50, 20), distance(4_000, 50, 20)
        (50, 100, 200)
    """
    needed = -(-step // (every * most))
    return every << max(0, needed - 1).bit_length()


def is_due(step: int, every: int, most: int = LINES) -> bool:
    """Return whether a line is written after a step."""
    return step % distance(step, every, most) == 0


def thin(folder: Path, step: int, every: int, most: int = GRIDS) -> None:
    """Remove the images step-N.png of a folder that lie between the distances at a step; the first and newest stay.

    Args:
        folder: of the images.
        step: of the newest.
        every: steps between images.
        most: number of images above which the distance doubles.
    """
    kept = distance(step, every, most)
    if kept == every:
        return
    for path in folder.glob("step-*.png"):
        named = re.fullmatch(r"step-(\d+)\.png", path.name)
        if named is not None and int(named[1]) < step and int(named[1]) % kept:
            path.unlink(missing_ok=True)
