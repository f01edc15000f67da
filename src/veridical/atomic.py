"""Writing files atomically and without overwriting. Imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veridical.errors import OutputExistsError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file in the same folder; rename it to `path` at the end, or remove it on an error.

    Readers see the old file or the new one, never a part of it, even if this process is killed.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically: readers see the old or the new text, even after a power failure."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def require_free(place: Path, remedy: str = "Choose another --out.") -> None:
    """Check that no file would be overwritten; an empty folder is free.

    Args:
        place: path of the file or folder.
        remedy: sentence on what to do instead.

    Raises:
        OutputExistsError: the path exists and is not an empty folder.
    """
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise OutputExistsError(f"{place} exists already; nothing is overwritten. {remedy}")
