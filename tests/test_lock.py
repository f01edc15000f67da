"""At most one process trains in a run directory."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from veridical import lock
from veridical.lock import LOCK, STALE_SECONDS, Lock, LockLostError, RunLockedError, holding
from veridical.process import Process

HOLD = "import sys; from pathlib import Path; from veridical.lock import Lock; Lock.acquire(Path(sys.argv[1])); "
WAIT = HOLD + "print('held', flush=True); sys.stdin.read()"
RACE = "import time; time.sleep(max(0, float(__import__('sys').argv[2]) - time.time())); " + WAIT


def holder(folder: Path, code: str = WAIT, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(folder), *more]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]


def write(folder: Path, process: Process, *, quiet: float = 0.0) -> None:
    """Write the lock of a process, last renewed some seconds ago."""
    (folder / LOCK).write_text(json.dumps({**process.to_json(), "since": "then", "key": "another"}))
    then = time.time() - quiet
    os.utime(folder / LOCK, (then, then))


def test_a_lock_is_there_while_held_and_gone_afterwards(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        assert held is not None and lock.read(tmp_path)["process"] == os.getpid()
        with pytest.raises(RunLockedError, match=f"process {os.getpid()} .*by this very process"):
            Lock.acquire(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with holding(tmp_path, first=False) as held:
        assert held is None and list(tmp_path.iterdir()) == []


def test_a_running_process_is_named_and_a_killed_one_is_taken_over(tmp_path: Path) -> None:
    other = holder(tmp_path)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with pytest.raises(RunLockedError, match=rf"process {other.pid} on .*, since 20.*kill {other.pid}"):
        Lock.acquire(tmp_path)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    with holding(tmp_path):
        assert lock.read(tmp_path)["process"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"process": "x"}'])
def test_what_a_process_left_that_was_killed_while_writing_is_no_lock(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK).write_text(content)
    with holding(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_a_lock_of_another_host_counts_while_it_is_renewed(tmp_path: Path) -> None:
    elsewhere = dataclasses.replace(Process.this(), host="elsewhere")
    write(tmp_path, elsewhere, quiet=STALE_SECONDS - 60)
    with pytest.raises(RunLockedError, match=rf"elsewhere.*renewed 8[34]\d s ago.*remove {tmp_path / LOCK}"):
        Lock.acquire(tmp_path)
    write(tmp_path, elsewhere, quiet=STALE_SECONDS + 60)
    with holding(tmp_path):
        pass


def test_a_number_used_again_holds_nothing(tmp_path: Path) -> None:
    write(tmp_path, dataclasses.replace(Process.this(), started="00000000.1"))
    with holding(tmp_path):
        pass


def test_of_many_that_find_a_stale_lock_exactly_one_takes_it(tmp_path: Path) -> None:
    write(tmp_path, dataclasses.replace(Process.this(), number=2**22 + 1))
    several = [holder(tmp_path, RACE, str(time.time() + 1.0)) for _ in range(8)]
    said = [process.stdout.readline() for process in several if process.stdout is not None]
    for process in several:
        process.communicate()
    assert sorted(said) == [""] * 7 + ["held\n"]


def test_the_lock_is_judged_and_taken_in_one_piece(tmp_path: Path) -> None:
    """While one process judges a stale lock, another waits, and then judges the new one."""
    write(tmp_path, dataclasses.replace(Process.this(), number=2**22 + 1))
    with ThreadPoolExecutor(1) as pool, open(tmp_path / LOCK) as judging:
        fcntl.flock(judging, fcntl.LOCK_EX)
        second = pool.submit(Lock.acquire, tmp_path)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.3)
        write(tmp_path, dataclasses.replace(Process.this(), number=os.getppid(), started=""))
        fcntl.flock(judging, fcntl.LOCK_UN)
        with pytest.raises(RunLockedError, match=f"process {os.getppid()} "):
            second.result(timeout=60)


def test_whoever_lost_the_lock_stops_and_leaves_that_of_the_other(tmp_path: Path) -> None:
    held = Lock.acquire(tmp_path)
    held.renew(now=True)
    write(tmp_path, Process.this())
    held.renew()  # not due yet
    with pytest.raises(LockLostError, match="no longer belongs to this process"):
        held.renew(now=True)
    held.release()
    assert lock.read(tmp_path)["key"] == "another"


def test_renewing_makes_the_file_young(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        assert held is not None
        os.utime(tmp_path / LOCK, (0, 0))
        held.renew(now=True)
        assert time.time() - (tmp_path / LOCK).stat().st_mtime < 60
