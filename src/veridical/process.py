"""Identity of a process: whether the process that wrote a file still runs.

A process number alone is not enough, because numbers are used again: a process is identified by its number, the time of
its start, the start of its machine, its host, and its space of process numbers (containers have their own). Nothing can
be known about processes of another host or container.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Process:
    """A process, on any machine."""

    number: int
    """The process number (pid)."""

    started: str
    """Start of the machine and of the process; empty where the system does not report it."""

    host: str
    """Name of the machine."""

    space: str
    """Space of process numbers; empty where the system has only one."""

    @classmethod
    def this(cls) -> Process:
        """Return the running process."""
        return cls(os.getpid(), _started(os.getpid()) or "", platform.node(), _space())

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Process | None:
        """Return the process in a record of `to_json`; None if the record contains none."""
        number, started, space = record.get("process"), record.get("started", ""), record.get("space", "")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            return None
        return cls(number, str(started), str(record.get("host", "")), str(space))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"process": self.number, "started": self.started, "host": self.host, "space": self.space}

    @property
    def machine(self) -> str:
        """Short name of the host and its space of process numbers, for names of files."""
        return hashlib.sha256(f"{self.host}/{self.space}".encode()).hexdigest()[:8]

    @property
    def token(self) -> str:
        """The process as a part of the name of a file; see `token_is_alive`."""
        return f"{self.number}-{self.started or '0'}-{self.machine}"

    def is_alive(self) -> bool | None:
        """Return whether the process still runs; None if it belongs to another machine, so that nothing is known."""
        this = Process.this()
        if self.host != this.host or (self.space and self.space != this.space):
            return None
        return _runs(self.number, self.started)


def token_is_alive(token: str) -> bool | None:
    """Return whether the process of a token still runs; None if it is on another machine, or the token is not one."""
    number, _, rest = token.partition("-")
    if not number.isdecimal() or int(number) < 1:
        return None
    started, _, machine = rest.partition("-")
    if machine and machine != Process.this().machine:
        return None
    return _runs(int(number), "" if started == "0" else started)


def _runs(number: int, started: str) -> bool:
    """Return whether a process of this machine runs; one with another start is another process."""
    now = _started(number)
    if now is not None:
        return now != "" and started in ("", now)
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it belongs to another user
    return True


def _started(number: int) -> str | None:
    """Return the start of the machine and of a process; empty if there is no such process, None if nothing is known."""
    if not Path("/proc/self/stat").is_file():
        return None
    try:
        state, *fields = Path(f"/proc/{number}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if not Path(f"/proc/{number}").exists() else None
    if state in ("Z", "X"):  # ended, and its parent has not asked how
        return ""
    return f"{_boot()}.{fields[18]}"


def _boot() -> str:
    """Return a name of the present start of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""


def _space() -> str:
    """Return the space of process numbers of this process."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return ""
