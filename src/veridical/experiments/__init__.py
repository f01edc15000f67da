"""Experiments on open questions, one file per experiment; one command runs an experiment.

The docstring of a file contains the question, the command, the time and the expected numbers. Importing a file is
fast; `perform` runs the experiment and writes a folder. `veridical experiment` lists all experiments.
"""

from __future__ import annotations

import importlib

from veridical.experiments.experiment import Experiment, Outcome, perform
from veridical.nearest import did_you_mean

__all__ = ["NAMES", "Experiment", "Outcome", "find", "perform"]

NAMES = ("information-ladder", "critical-lattice", "sampling-order", "metric-court", "criticality", "morse")
"""Names of all experiments; the file has the same name with underscores."""


def find(name: str) -> Experiment:
    """Return an experiment by its name.

    Raises:
        ValueError: there is no such experiment; the message names the closest one.

    Examples:
        >>> find("information-ladder").minutes < 6
        True
    """
    if name not in NAMES:
        raise ValueError(f"there is no experiment {name!r}. {did_you_mean(name, NAMES)}")
    return importlib.import_module(f"veridical.experiments.{name.replace('-', '_')}").EXPERIMENT
