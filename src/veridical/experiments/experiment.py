"""Definition of an experiment, and the function that runs it and writes its folder when it is complete."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veridical.atomic import require_free

Say = Callable[[str], None]

BLOCKS = "blocks"
"""Folder of the parts of a resumable experiment; removed when it is complete."""


@dataclass(frozen=True)
class Outcome:
    """Result of an experiment."""

    verdict: str
    """The answer to the question, in one sentence."""

    numbers: dict[str, Any] = field(default_factory=dict)
    """All measured numbers, as plain values."""


@dataclass(frozen=True)
class Experiment:
    """One question and the experiment that answers it."""

    name: str
    question: str
    minutes: float
    """Expected time on two cores."""

    expected: str
    """The numbers to expect, in one or two lines."""

    run: Callable[[Path, int, bool, Say], Outcome]
    """Called with (folder for figures, seed, quick, say)."""

    resumable: bool = False
    """Whether `run` stores parts in the folder `blocks` and uses those that it finds there."""

    @property
    def command(self) -> str:
        """The command that runs it."""
        return f"veridical experiment {self.name}"


def perform(
    experiment: Experiment, out: Path | None = None, seed: int = 0, *, quick: bool = False, say: Say = print
) -> Path:
    """Run an experiment and write its figures and result.json to a folder.

    Args:
        experiment: the experiment.
        out: new folder; None: experiments/NAME-DATE.
        seed: seed of all random numbers.
        quick: run a small version of a few seconds as a test; its numbers are not results.
        say: called with each line of progress, and with the verdict.

    Returns:
        The folder.

    Raises:
        OutputExistsError: something is there; nothing is overwritten.
    """
    from veridical.version import __version__

    out = next_free(experiment.name) if out is None else out
    require_free(out)
    partial = _partial(experiment, out, seed, quick)
    partial.mkdir(parents=True, exist_ok=experiment.resumable)
    started = time.monotonic()
    try:
        outcome = experiment.run(partial, seed, quick, say)
        record = {
            "experiment": experiment.name,
            "question": experiment.question,
            "verdict": outcome.verdict,
            "command": f"{experiment.command} --seed {seed}" + (" --quick" if quick else ""),
            "expected": experiment.expected,
            "seconds": round(time.monotonic() - started, 1),
            "cores": os.cpu_count(),
            "veridical": __version__,
            "python": platform.python_version(),
            "numbers": outcome.numbers,
        }
        (partial / "result.json").write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        require_free(out)
        shutil.rmtree(partial / BLOCKS, ignore_errors=True)
        partial.rename(out)
    except BaseException:
        if not experiment.resumable or not (partial / BLOCKS).is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            say(f"stopped; the same command continues with the parts in {partial}")
        raise
    say(outcome.verdict)
    return out


def _partial(experiment: Experiment, out: Path, seed: int, quick: bool) -> Path:
    """Folder of an experiment that is not complete: found again by the same command if it is resumable."""
    if experiment.resumable:
        return out.parent / f".{experiment.name}-seed{seed}{'-quick' * quick}.partial"
    return out.with_name(f".{out.name}.{os.getpid()}.partial")


def next_free(name: str, parent: Path = Path("experiments")) -> Path:
    """Return parent/NAME-DATE, with a number behind where that is taken."""
    base = f"{name}-{datetime.date.today().isoformat()}"
    path, number = parent / base, 2
    while path.exists():
        path, number = parent / f"{base}-{number}", number + 1
    return path
