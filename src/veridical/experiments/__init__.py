"""Questions from the field, one file each, answered by one command.

At the top of a file stand the question, the command, and what to expect: time and numbers. Importing it costs nothing;
`perform` runs it into a folder of its own. `veridical experiment` lists them.
"""

from __future__ import annotations

import importlib

from veridical.experiments.experiment import Experiment, Outcome, perform
from veridical.nearest import did_you_mean

__all__ = ["NAMES", "Experiment", "Outcome", "find", "perform"]

NAMES = ("information-ladder", "critical-lattice", "sampling-order")
"""Every experiment; its file is the name with underscores."""


def find(name: str) -> Experiment:
    """Return an experiment by its name.

    Raises:
        ValueError: no such experiment; the nearest name is said.

    Examples:
        >>> find("information-ladder").minutes < 6
        True
    """
    if name not in NAMES:
        raise ValueError(f"there is no experiment {name!r}. {did_you_mean(name, NAMES)}")
    return importlib.import_module(f"veridical.experiments.{name.replace('-', '_')}").EXPERIMENT
