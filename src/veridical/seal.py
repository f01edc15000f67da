"""Checksums that show whether a file was edited or damaged after it was written.

A sealed JSON object contains the SHA-256 of its own content. A file of lines is described by the number of bytes that
were written and their SHA-256, which a running digest knows without reading the file again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKSUM = "checksum"
"""Key of the checksum in a sealed object."""


def digest(content: bytes | memoryview) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with its checksum as the last entry; an old checksum is replaced.

    Examples:
        >>> is_intact(sealed({"step": 4})), is_intact(sealed({"step": 4}) | {"step": 6}), is_intact({"step": 4})
        (True, False, None)
    """
    content = {key: entry for key, entry in value.items() if key != CHECKSUM}
    return {**content, CHECKSUM: _checksum(content)}


def is_intact(value: Mapping[str, Any]) -> bool | None:
    """Return whether an object is what was sealed; None if it has no checksum."""
    if CHECKSUM not in value:
        return None
    return value[CHECKSUM] == _checksum({key: entry for key, entry in value.items() if key != CHECKSUM})


def _checksum(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an object as it is after being written to JSON and read."""
    plain = json.loads(json.dumps(content, default=str))
    return digest(json.dumps(plain, sort_keys=True).encode())


class RunningDigest:
    """Digest of a file that only grows; every byte is read once.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.bytes, self.hash = path, 0, hashlib.sha256()

    def update(self) -> dict[str, Any]:
        """Include what was appended since the last call; return the number of bytes and their SHA-256."""
        if self.path.is_file():
            with open(self.path, "rb") as file:
                file.seek(self.bytes)
                added = file.read()
            self.hash.update(added)
            self.bytes += len(added)
        return {"bytes": self.bytes, "sha256": self.hash.hexdigest()}


def begins(path: Path, record: Any) -> bool:
    """Return whether a file begins with the bytes of which `RunningDigest.update` returned a record."""
    try:
        size, expected = int(record["bytes"]), record["sha256"]
        content = path.read_bytes() if path.is_file() else b""
    except (KeyError, TypeError, ValueError, OSError):
        return False
    return len(content) >= size and digest(content[:size]) == expected
