"""Continue a run from its newest undamaged checkpoint."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from veridical.atomic import write_atomically
from veridical.config import RunConfig
from veridical.config.files import read, to_yaml
from veridical.data.convert import as_data
from veridical.data.dataset import ArrayData
from veridical.data.source import BatchSource, count
from veridical.data.sources import load as load_data
from veridical.model import Facts, GenerativeModel
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.callbacks import generators_kept
from veridical.training.determinism import repeatability
from veridical.training.engine import DeviceError, Engine
from veridical.training.fit import Callback
from veridical.workflows.continuation import continued_arithmetic, resumption, step_size_jumps
from veridical.workflows.job import Job
from veridical.workflows.load import build_model, record_of
from veridical.workflows.location import absolute_source, locate
from veridical.workflows.progress import Progress, Say, quiet_unless_first
from veridical.workflows.start import set_threads


@generators_kept()
def resume(
    path: str | os.PathLike[str],
    *,
    model: GenerativeModel | None = None,
    data: Any = None,
    steps: int | None = None,
    lr_scale: float | None = None,
    clip_norm: float | None = None,
    precision: str | None = None,
    device: str | None = None,
    say: Say = print,
    progress: Callback | None = None,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Continue a run from its newest undamaged checkpoint, by default with the same result as without the stop.

    Args:
        path: the run directory.
        model: the untrained model, for runs on modules of your own.
        data: the data, for runs on data of your own; or where the data of the run are now, a path.
        steps: train to this step instead of the run's own last one.
        lr_scale: multiplies the step size of every player from here on.
        clip_norm: largest norm of a player's gradient from here on.
        precision: "fp32" or "bf16" from here on.
        device: where to go on.
        say: called with each line of text; it tells when the result cannot be equal to the bit.
        progress: shows how far the run came.
        callbacks: called after the built-in ones.

    Raises:
        NotARunError: the path is no run directory.
        CheckpointError: no checkpoint can be read.
        DataError: the data are not found, or not those the run was trained on.
        DeviceError: the device of the run is not there.
    """
    run = Run.open(path)
    say = quiet_unless_first(say)
    config, origins = read(run.config_file)
    about = run.read_json("environment.json")
    found = checkpoint.newest(run.checkpoints, say)
    meta = checkpoint.read_meta(found)
    asked = {"steps": steps, "lr_scale": lr_scale, "clip_norm": clip_norm, "precision": precision, "device": device}
    config, changes = change(config, asked)
    origins |= dict.fromkeys((f"training.{name}" for name in changes), "resume")
    moved = isinstance(data, str | os.PathLike)
    if moved:
        config, data = _with_source(config, str(data)), None
        origins |= {"data.source": "resume"}
    if meta["step"] >= config.training.steps:
        done, asked_for = meta["step"], config.training.steps
        what = "all of its" if done == asked_for else "more than"
        say(f"{run.path} has done {what} {asked_for:,} steps. To go further: --steps N, with N above {done}")
        return run
    _require_own(run, about, model, data)
    data = _read(config, run, data, moved, say)
    _require_same_data(data, about)
    set_threads(config.training.threads)
    engine = _engine(config, run)
    engine.launch()
    if model is None:
        model = build_model(config, Facts(data.space, count(data)))
    elif record_of(model) != config.model:
        say(f"The run was trained on {config.family}; the model passed is another, or has other settings.")
    shape = (config.training.batch_size, *data.space.shape)
    engine.arithmetic, other = continued_arithmetic(about, meta, engine, model, shape, config.training, precision)
    other += [sentence for name, sentence in changes.items() if name not in ("steps", "device")]
    _announce(run, config, model, engine, meta, other, say)
    if engine.rank == 0:
        write_atomically(run.config_file, to_yaml(config, origins))
        resumed = [*about.get("resumed", []), resumption(engine, config.training, meta["step"])]
        run.write_json("environment.json", about | {"resumed": resumed})
    progress = progress or Progress(say, config.training.batch_size)
    return Job(run, config, data, engine, model, say, progress, callbacks).go(found)


def _require_own(run: Run, about: Mapping[str, Any], model: GenerativeModel | None, data: Any) -> None:
    """Refuse to continue without the data and modules that a run directory does not hold."""
    if (about.get("own_data") and data is None) or (about.get("own_modules") and model is None):
        raise checkpoint.CheckpointError(
            f"{run.path} was trained from Python on data or modules of its caller's own; "
            "continue it there with veridical.resume(run, model=model, data=data)."
        )


def _read(config: RunConfig, run: Run, data: Any, moved: bool, say: Say) -> ArrayData | BatchSource:
    """Return the data that were passed, or read those of the run, wherever they are now."""
    if data is None:
        place = config.data if moved else locate(config.data, run)
        say(f"Reading {place.source.removeprefix('set:')}.")
        data = load_data(place, "train")
    return as_data(data)


def _announce(
    run: Run,
    config: RunConfig,
    model: GenerativeModel,
    engine: Engine,
    meta: dict[str, Any],
    other: Sequence[str],
    say: Say,
) -> None:
    """Say what differs from an uninterrupted run, and where training goes on."""
    for difference in [*differences(meta, engine, config.training.seed), *other]:
        say(f"Not equal to the bit to an uninterrupted run: {difference}.")
    for jump in step_size_jumps(model, config.training, meta["step"], meta["steps"]):
        say(f"Not equal to a run of {config.training.steps} steps from the start: {jump}.")
    where = f"{engine.device}, {engine.arithmetic}"
    say(f"Resuming {run.path} after step {meta['step']} of {config.training.steps} on {where}.")
    say(f"A run with the same seed {repeatability(engine.device, config.training.deterministic)}.")


def change(config: RunConfig, asked: Mapping[str, Any]) -> tuple[RunConfig, dict[str, str]]:
    """Return the configuration with the training settings that were asked for, and a sentence for each that changed.

    Args:
        config: the run's own.
        asked: fields of `TrainingConfig`; None leaves one as it is.
    """
    now = {name: getattr(config.training, name) for name in asked}
    new = {name: value for name, value in asked.items() if value is not None and value != now[name]}
    changed = dataclasses.replace(config, training=dataclasses.replace(config.training, **new))
    return changed, {name: f"{name} was {now[name]}, is {value}" for name, value in new.items()}


def differences(meta: dict[str, Any], engine: Engine, seed: int) -> list[str]:
    """Say what differs between where a checkpoint was written and here."""
    here = checkpoint.topology(engine.world_size, engine.device.type)
    return checkpoint.differences(meta["topology"], here, meta["step"], seed)


def _with_source(config: RunConfig, source: str) -> RunConfig:
    """Return the configuration with data from another place, whose path is made absolute."""
    absolute = absolute_source(dataclasses.replace(config.data, source=source))
    return dataclasses.replace(config, data=dataclasses.replace(config.data, source=absolute or source))


def _engine(config: RunConfig, run: Run) -> Engine:
    try:
        return Engine(config.training.device, config.training.processes)
    except DeviceError as error:
        raise DeviceError(f"{error} To continue on what is there: veridical resume {run.path} --device auto") from error


def _require_same_data(data: ArrayData | BatchSource, about: dict[str, Any]) -> None:
    if data.digest != about["data"]["digest"]:
        raise checkpoint.CheckpointError(
            f"the data {data.name!r} are not those of the run: their SHA-256 is {data.digest[:12]}..., "
            f"it was {about['data']['digest'][:12]}.... Restore the data, say where they are (--data PLACE), "
            "or start a new run."
        )
