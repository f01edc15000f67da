"""Load the configuration, the data and the model of a run directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch

from veridical.config import OwnModel, RunConfig
from veridical.config.families.table import name_of
from veridical.config.files import read
from veridical.data.dataset import ArrayData
from veridical.data.space import Space
from veridical.families import FAMILIES
from veridical.model import Facts, GenerativeModel
from veridical.run import Run, RunFileError
from veridical.training import checkpoint


def build_model(config: RunConfig, facts: Facts | Space) -> GenerativeModel:
    """Build the untrained model of a configuration for data with these facts.

    Raises:
        ValueError: the model is not in the table of families, or the data do not meet the needs of the family.
    """
    if isinstance(config.model, OwnModel):
        raise ValueError(
            f"the configuration contains {config.family}, which is not in the table of families. Build that model in "
            "Python and pass it: model=..."
        )
    return FAMILIES[config.family](config.model, facts)


def record_of(model: GenerativeModel) -> Any:
    """Return the record of a model: its family's configuration, or else its class and settings."""
    config = getattr(model, "config", None)
    name = name_of(config)
    if name is not None and type(model) is FAMILIES[name]:
        return config
    return OwnModel.of(type(model), config)


def read_facts(run: Run) -> Facts:
    """Return the facts about the data for which a run's model was built.

    Raises:
        RunFileError: environment.json is missing or damaged.
    """
    about = run.environment()
    saved = about["space"]
    try:
        tuples = {key: tuple(saved[key]) for key in ("shape", "support") if saved.get(key) is not None}
        return Facts(Space(**{**saved, **tuples}), about["data"]["n"])
    except (TypeError, ValueError, LookupError) as error:
        raise RunFileError(f"{run.path / 'environment.json'}: space is damaged ({error}). Restore it.") from error


class Loaded(NamedTuple):
    """The model of a run with its configuration and the step of its checkpoint."""

    run: Run
    config: RunConfig
    model: GenerativeModel
    """The model, ready to sample."""

    step: int
    """Step of the checkpoint."""


def load(
    path: str | os.PathLike[str],
    *,
    model: GenerativeModel | None = None,
    average: bool = True,
    which: Literal["newest", "best"] = "newest",
    say: Callable[[str], None] = print,
) -> GenerativeModel:
    """Load the model of a run from a checkpoint, ready to sample.

    Args:
        path: the run directory.
        model: the untrained model, for runs on your own model or modules.
        average: load the averaged weights, if the run kept an average.
        which: the newest undamaged checkpoint, or the best if the run was evaluated during training.
        say: called with a message about every damaged checkpoint.

    Raises:
        NotARunError: the path is not a run directory.
        CheckpointError: no checkpoint can be read, or it does not fit the model.
    """
    return load_run(path, model=model, average=average, which=which, say=say).model


def load_run(
    path: str | os.PathLike[str],
    *,
    model: GenerativeModel | None = None,
    average: bool = True,
    which: Literal["newest", "best"] = "newest",
    say: Callable[[str], None] = print,
) -> Loaded:
    """Load the model of a run together with its configuration and the step of its checkpoint; see `load`.

    Args:
        path: the run directory.
        model: the untrained model, for runs on your own model or modules.
        average: load the averaged weights, if the run kept an average.
        which: the newest undamaged checkpoint, or the best.
        say: called with a message about every damaged checkpoint.
    """
    run = Run.open(path)
    found, config = find_checkpoint(run, which, say), read(run.config_file)[0]
    if model is None:
        if run.read_json("environment.json").get("own_modules"):
            raise checkpoint.CheckpointError(
                f"{run.path} was trained on a model built in Python, whose modules a run directory does not hold. "
                "Build the same model in Python and call veridical.load(run, model=model)."
            )
        with torch.random.fork_rng(devices=[]):
            model = build_model(config, read_facts(run))
    checkpoint.load_weights(found, model, average=average)
    return Loaded(run, config, model.eval(), found.step)


def find_checkpoint(run: Run, which: Literal["newest", "best"], say: Callable[[str], None]) -> checkpoint.Content:
    """Read a run's newest undamaged checkpoint, or its best; training may write others meanwhile.

    Raises:
        CheckpointError: there is none.
    """
    if which == "best" and not checkpoint.complete(run.best):
        raise checkpoint.CheckpointError(
            f"{run.path} has no best checkpoint; only runs that are evaluated during training have one "
            "(veridical train --evaluate-every N). Load the newest one."
        )
    return checkpoint.read_newest(run.best if which == "best" else run.checkpoints, say)


def changed_data(run: Run, data: ArrayData) -> str:
    """Return a message about data that differ from the run's training data; empty if they are the same."""
    was = run.read_json("environment.json").get("data", {})
    if was.get("digest") in (None, data.digest):
        return ""
    n = was.get("n")
    numbers = "as many examples" if n == len(data) else f"{n:,} training examples then, {len(data):,} now" if n else ""
    return (
        f"The data have changed since training ({numbers}): examples held out now may have been training examples, so "
        "the results on memorisation and overfitting are not valid."
    )
