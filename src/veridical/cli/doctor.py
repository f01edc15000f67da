"""`veridical doctor`."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from veridical.cli.parse import parse, say


@dataclass(frozen=True)
class Doctor:
    """Check the installation: versions, hardware, the device in use, and problems."""


def run(arguments: list[str]) -> int:
    """Print versions and hardware; return 1 if there is a problem."""
    parse(Doctor, "doctor", arguments)
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
