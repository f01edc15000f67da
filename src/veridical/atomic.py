"""Writing files atomically and without overwriting. Imports nothing heavy."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veridical.errors import OutputExistsError
from veridical.process import Process, token_is_alive

_TEMPORARY = re.compile(r"\..+\.(?P<token>\d+-[0-9a-f.]+-[0-9a-f]{8})\.[A-Za-z0-9]+")
_EARLIER = re.compile(
    r"\.(status|config|environment|evaluation|metrics|health|spectra|report|reals|nearest|step-\d{8})"
    r"\.(?P<token>\d+)\.(json|jsonl|yaml|csv|html|png|tmp)"
)
"""Names of temporary files, now and in earlier versions."""


def temporary_for(path: Path) -> Path:
    """Return the path of a temporary file or folder in the same folder; its name contains this process."""
    return path.with_name(f".{path.stem}.{Process.this().token}{path.suffix or '.tmp'}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file in the same folder; rename it to `path` at the end, or remove it on an error.

    Readers see the old file or the new one, never a part of it, even if this process is killed.
    """
    temporary = temporary_for(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, text: str, *, flush: bool = True) -> None:
    """Write a text file atomically: readers see the old or the new text, even after a power failure.

    Args:
        path: of the file.
        text: its content; a lone surrogate, which a JSON file may hold, is written as its number.
        flush: to the disk, which takes milliseconds; without, a power failure can leave an empty file.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        if flush:
            os.fsync(file.fileno())


def remove_left_over(folder: Path) -> None:
    """Remove the temporary files and folders in a folder whose process was killed, and those of this process.

    Those of a running process are left alone, and those of another host.
    """
    for path in folder.glob(".*"):
        named = _TEMPORARY.fullmatch(path.name) or _EARLIER.fullmatch(path.name)
        if named is None or not (is_own(named["token"]) or token_is_alive(named["token"]) is False):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def is_own(token: str) -> bool:
    """Return whether a token is that of this process."""
    return token == Process.this().token


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
