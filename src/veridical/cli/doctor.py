"""`veridical doctor`: the installation, or one run."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from veridical.cli.options import Positional
from veridical.cli.parse import parse, say
from veridical.health.diagnosis import diagnose
from veridical.run import Run


@dataclass(frozen=True)
class Doctor:
    """Check the installation (versions, hardware, the device in use, and problems), or the training of a run."""

    run: Positional[str] = ""
    """Run directory whose training is judged; none: the installation is checked."""


def run(arguments: list[str]) -> int:
    """Print what was found; return 1 if there is a problem that cannot be ignored."""
    given = parse(Doctor, "doctor", arguments)
    return judge_run(Path(given.run)) if given.run else check_installation()


def judge_run(path: Path) -> int:
    """Print the findings of the health monitors on a run; return 1 if there is an error among them."""
    opened = Run.open(path)
    found = diagnose(opened)
    status = opened.outcome()
    say(f"{path}: {status.state} at step {status.step:,}; {found.rows:,} rows of metrics.")
    for finding in found.findings:
        say(f"\n{finding.name}\n{finding}")
    if not found.findings:
        say("The health monitors found no problem." if found.rows else "There are no rows to judge yet.")
    say(f"\nLooked for: {', '.join(found.watched)}.")
    for what, needs in found.unwatched:
        say(f"Not looked for: {what} (needs {needs}).")
    return 1 if any(finding.severity == "error" for finding in found.findings) else 0


def check_installation() -> int:
    """Print versions and hardware; return 1 if there is a problem."""
    from veridical.workflows import environment

    for name, version in environment.versions().items():
        say(f"{name:<18} {version}")
    say(f"{'python':<18} {environment.describe()['python']}")
    say(f"{'processor':<18} {environment.processor()}, {os.cpu_count()} cores, {environment.memory_gb()} GB")
    import torch

    from veridical.training.engine import choose_device

    device, why = choose_device("auto")
    say(f"{'device':<18} {device} ({why})")
    say(f"{'vector unit':<18} {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads")
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    say(f"{'free disk here':<18} {free:.1f} GB")
    problems = find_problems(free)
    for problem in problems:
        say(f"problem: {problem}")
    say("No problems found." if not problems else "")
    return 1 if problems else 0


def find_problems(free_gb: float) -> list[str]:
    """Return the problems that would prevent a run, one sentence each."""
    problems = []
    if free_gb < 1:
        problems.append(f"only {free_gb:.2f} GB of disk space are free here; checkpoints need more.")
    if importlib.util.find_spec("torchvision") is not None:
        try:
            importlib.import_module("torchvision")
        except Exception as error:
            problems.append(
                f"torchvision is installed but does not work with this version of torch ({error}). veridical does "
                "not use it, but other packages may fail. To remove it: pip uninstall torchvision"
            )
    if not os.access(Path.cwd(), os.W_OK):
        problems.append(f"{Path.cwd()} is not writable; runs are written to ./runs unless --out names a folder.")
    return problems
