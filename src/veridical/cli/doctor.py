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
    """Say what is installed, which device runs, and what may go wrong."""


def run(arguments: list[str]) -> int:
    """Print what is here; 1 if something would keep a run from working."""
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
    say("Everything needed is here." if not problems else "")
    return 1 if problems else 0


def find_problems(free_gb: float) -> list[str]:
    """Return what would keep a run from working, a sentence each."""
    problems = []
    if free_gb < 1:
        problems.append(f"only {free_gb:.2f} GB of disk are free here; checkpoints need room.")
    if importlib.util.find_spec("torchvision") is not None:
        try:
            importlib.import_module("torchvision")
        except Exception as error:
            problems.append(
                f"torchvision is installed and cannot be imported beside this torch ({error}). veridical does not use "
                "it, but other packages may fail: pip uninstall torchvision"
            )
    if not os.access(Path.cwd(), os.W_OK):
        problems.append(f"{Path.cwd()} cannot be written to; runs go to ./runs unless --out says otherwise.")
    return problems
