"""The lock of a run directory: at most one training writes into it.

    lock.json   the process that trains, its start, its host, and since when; removed at the end

The file is renewed (its time of change) while training runs. It is taken over if its process has ended. Processes of
another host cannot be seen: their lock is taken over if it was not renewed for `STALE_SECONDS`. Acquiring, renewing and
releasing happen under an advisory lock of the system (flock) on the same file, so that of two processes that find a
stale lock exactly one takes it over. Readers need no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from veridical.errors import RequestError
from veridical.process import Process

LOCK = "lock.json"
"""Name of the file in a run directory."""

STALE_SECONDS = 900.0
"""The lock of a process on another host is taken over if it was not renewed for longer than this."""

RENEWAL_SECONDS = 15.0
"""Shortest time between two renewals."""

_MINE: set[str] = set()
"""The locks that this process holds."""


class RunLockedError(RuntimeError, RequestError):
    """Another process trains in this run directory."""


class LockLostError(RuntimeError):
    """Another process has taken the run directory over."""


class Lock:
    """The lock of one run directory, held by this process."""

    def __init__(self, file: Path, key: str) -> None:
        """Store the place; `acquire` makes locks."""
        self.file, self.key = file, key
        self.renewed = time.monotonic()

    @classmethod
    def acquire(cls, run: Path) -> Lock:
        """Take the lock of a run directory.

        Raises:
            RunLockedError: another process holds it; the message says which, since when, and what to do.
        """
        lock = cls(run / LOCK, secrets.token_hex(8))
        with _guarded(lock.file) as descriptor:
            held = _parse(os.pread(descriptor, 4096, 0))
            quiet = time.time() - os.fstat(descriptor).st_mtime
            if is_held(held, quiet):
                raise RunLockedError(_refusal(run, held, quiet))
            since = datetime.now().astimezone().isoformat(timespec="seconds")
            record = {**Process.this().to_json(), "since": since, "key": lock.key}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, (json.dumps(record, indent=2) + "\n").encode(), 0)
        _MINE.add(lock.key)
        return lock

    def renew(self, *, now: bool = False) -> None:
        """Renew the lock if that is due, or now.

        Raises:
            LockLostError: another process has taken it over, or the file was removed.
        """
        if not now and time.monotonic() - self.renewed < RENEWAL_SECONDS:
            return
        if read(self.file.parent).get("key") != self.key:
            raise LockLostError(
                f"{self.file} no longer belongs to this process: it was removed, or another process trains this run "
                "now. This process stopped and wrote nothing more. If no other process trains it: "
                f"veridical resume {self.file.parent}"
            )
        os.utime(self.file)
        self.renewed = time.monotonic()

    def release(self) -> None:
        """Remove the lock, if it still belongs to this process."""
        _MINE.discard(self.key)
        if not self.file.is_file():
            return
        with _guarded(self.file) as descriptor:
            if _parse(os.pread(descriptor, 4096, 0)).get("key", self.key) == self.key:
                self.file.unlink(missing_ok=True)


@contextlib.contextmanager
def holding(run: Path, first: bool = True) -> Iterator[Lock | None]:
    """Hold the lock of a run directory inside the block; only the first process of a training takes it.

    Raises:
        RunLockedError: another process holds it.
    """
    if not first:
        yield None
        return
    lock = Lock.acquire(run)
    try:
        yield lock
    finally:
        with contextlib.suppress(OSError):  # a full or removed disk must not hide the error inside the block
            lock.release()


def read(run: Path) -> dict[str, Any]:
    """Return the content of a run's lock; empty if there is none."""
    try:
        return _parse((run / LOCK).read_bytes())
    except OSError:
        return {}


def is_held(held: dict[str, Any], quiet: float) -> bool:
    """Return whether a lock still counts.

    Args:
        held: content of the file.
        quiet: seconds since it was renewed.
    """
    process = Process.of(held)
    if process is None:
        return False
    if process == Process.this():
        return held.get("key") in _MINE
    alive = process.is_alive()
    return quiet < STALE_SECONDS if alive is None else alive


def _refusal(run: Path, held: dict[str, Any], quiet: float) -> str:
    """Return why the lock cannot be taken, and what to do."""
    process = Process.of(held)
    assert process is not None
    who = f"{run} is being trained by process {process.number} on {process.host}, since {held.get('since')}"
    if process == Process.this():
        return f"{who}: by this very process. Wait until that training has ended."
    if process.is_alive():
        return f"{who}. Wait until it has ended, or stop it (kill {process.number}: it saves first); then resume."
    return (
        f"{who}, last renewed {max(0.0, quiet):.0f} s ago. Whether it still runs cannot be seen from here: it can be "
        f"resumed here once its lock was not renewed for {STALE_SECONDS / 60:.0f} minutes. If that process has ended, "
        f"remove {run / LOCK} and resume."
    )


def _parse(content: bytes) -> dict[str, Any]:
    """Return the record of a lock; empty if a process was killed while it wrote it."""
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@contextlib.contextmanager
def _guarded(file: Path) -> Iterator[int]:
    """Open the file for this process alone, and yield its descriptor."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with contextlib.suppress(OSError):  # some network file systems have no such lock
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_there(file, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_there(file: Path, descriptor: int) -> bool:
    """Return whether the file was not removed while this process waited for it."""
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False
