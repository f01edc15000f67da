"""Files that appear under their name when they are complete, and over nothing else. Imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veridical.errors import OutputExistsError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place beside a file to write to; rename it to the file when the block ends well, else remove it.

    A reader, and a process that is killed, see the old file or the new one, never a part.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never a part, even after a power failure."""
    with replacing(path) as beside, open(beside, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def require_free(place: Path, remedy: str = "Choose another --out.") -> None:
    """Make sure that nothing would be written over; an empty folder is free.

    Args:
        place: of a file or a folder.
        remedy: what to do instead, a sentence.

    Raises:
        OutputExistsError: something is there.
    """
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise OutputExistsError(f"{place} exists already; nothing is overwritten. {remedy}")
