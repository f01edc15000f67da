"""Running the real command line in a copy of this process, where it can be killed, limited and watched.

Importing torch and veridical takes two seconds, a copy by `os.fork` takes a few milliseconds: only so are thousands of
attacks cheap. The parent must never run torch itself, since its threads would not be in the copy.
"""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

GIGABYTE = 2**30
Outcome = Literal["ok", "refused", "traceback", "defect", "hang", "memory", "killed"]
BAD: tuple[Outcome, ...] = ("traceback", "defect", "hang", "memory")
"""Outcomes that no input may have."""

PROGRAM = str(Path(sys.executable).with_name("veridical"))
"""The installed command, which a run in several processes starts again for the others."""

DEFECT = re.compile(r"may be a (bug|defect)|This may be a")
MEMORY = re.compile(r"MemoryError|not enough memory|can't allocate memory|Unable to allocate|OutOfMemory")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    outcome: Outcome
    code: int
    """Exit code; negative: the number of the signal."""

    output: str
    """Everything printed."""

    seconds: float
    peak: int
    """Largest resident memory in bytes above that of the parent."""


def warm() -> None:
    """Import everything that the commands import, so that copies need not."""
    import importlib

    for name in ("train", "resume", "sample", "evaluate", "report", "runs", "data", "config", "cite", "export"):
        importlib.import_module(f"veridical.cli.{name}")
    for name in (
        "lightning_fabric",
        "matplotlib.pyplot",
        "PIL.Image",
        "pydantic",
        "rich.console",
        "safetensors.torch",
        "scipy.spatial",
        "scipy.stats",
        "veridical.evaluation",
        "veridical.report",
        "veridical.workflows.evaluate",
        "veridical.workflows.export",
        "veridical.workflows.ising",
        "veridical.workflows.resume",
        "veridical.workflows.sample",
        "veridical.workflows.start",
    ):
        importlib.import_module(name)
    from PIL import Image

    Image.init()


def start(
    arguments: list[str],
    output: Path,
    *,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
    memory: int | None = None,
    first: Callable[[], None] | None = None,
) -> int:
    """Run `veridical ARGUMENTS` in a copy of this process and return its number.

    Args:
        arguments: the words after `veridical`.
        output: file that receives everything printed.
        folder: working directory.
        environment: variables to set.
        memory: largest growth of the address space, in bytes.
        first: called in the copy before the command.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.setsid()
        _redirect(output)
        if folder is not None:
            os.chdir(folder)
        os.environ.update(environment or {})
        if memory is not None:
            limit = address_space() + memory
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        if first is not None:
            first()
        code = _command(arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _command(arguments: list[str]) -> int:
    from veridical.cli import run

    sys.argv = [PROGRAM, *arguments]
    code = 71
    try:
        code = run(arguments)
    except BaseException:
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
    return code


def _redirect(output: Path) -> None:
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    empty = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, empty), (1, target), (2, target)):
        os.dup2(source, number)
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)


def address_space() -> int:
    """Size of this process in bytes of addresses."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def wait(process: int, output: Path, limit: float) -> Ended:
    """Wait for a command; after `limit` seconds of processor time, or six times as long, it is killed and hangs.

    On an idle machine a command that works uses as much processor time as time passes; on a busy one, less.
    """
    before, started = _peak(), time.monotonic()
    late = False
    pause = 0.001
    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)
        if done:
            break
        if not late and (time.monotonic() - started > 6 * limit or processor_seconds(process) > limit):
            late = True
            end_session(process)
        time.sleep(pause)
        pause = min(0.02, pause * 1.3)
    code = os.waitstatus_to_exitcode(status)
    text = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
    seconds, peak = time.monotonic() - started, max(0, usage.ru_maxrss * 1024 - before)
    return Ended(_outcome(code, text, late), code, text, seconds, peak)


def processor_seconds(process: int) -> float:
    """Return the processor time of a process so far."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _outcome(code: int, text: str, late: bool) -> Outcome:
    if late:
        return "hang"
    if MEMORY.search(text):
        return "memory"
    if "Traceback (most recent call last)" in text or code in (70, 71):
        return "traceback"
    if DEFECT.search(text):
        return "defect"
    if code < 0:
        return "killed" if -code == signal.SIGKILL else "traceback"
    return "ok" if code == 0 else "refused"


def _peak() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def call(function: Callable[[], Any], output: Path, limit: float = 60.0) -> Any:
    """Return what a function returns in a copy of this process, by way of JSON; a string says how it failed."""
    answer = output.with_suffix(".answer")
    answer.unlink(missing_ok=True)

    def first() -> None:
        answer.write_text(json.dumps(function()))

    ended = wait(start(["--version"], output, first=first), output, limit)
    return json.loads(answer.read_text()) if answer.is_file() else ended.output[-2000:]


def execute(arguments: list[str], output: Path, *, limit: float = 60.0, **options: object) -> Ended:
    """Run a command to its end; see `start`."""
    return wait(start(arguments, output, **options), output, limit)  # type: ignore[arg-type]


def end_session(leader: int) -> None:
    """Kill a command and every process that it started."""
    for process in session(leader):
        try:
            os.kill(process, signal.SIGKILL)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise


def session(leader: int) -> list[int]:
    """Return the living processes of the session that a command leads."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry))
    return found
