"""Continue a run from its newest undamaged checkpoint."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from veridical.atomic import write_atomically
from veridical.config import RunConfig, TrainingConfig
from veridical.config.files import Origins, read, to_yaml
from veridical.data.dataset import ArrayData
from veridical.data.source import BatchSource, count
from veridical.lock import holding
from veridical.model import Facts, GenerativeModel
from veridical.run import Run
from veridical.seal import digest
from veridical.training import checkpoint
from veridical.training.callbacks import generators_kept
from veridical.training.determinism import repeatability
from veridical.training.engine import DeviceError, Engine
from veridical.training.fit import Callback
from veridical.workflows.continuation import continued_arithmetic, resumption, step_size_jumps
from veridical.workflows.features import give_features
from veridical.workflows.job import Job, remove_left_over_in
from veridical.workflows.load import build_model, record_of
from veridical.workflows.location import absolute_source, locate
from veridical.workflows.probe import Material, are_probed, given, read_data
from veridical.workflows.progress import Progress, Say, is_first, quiet_unless_first
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
    processes: int | None = None,
    say: Say = print,
    progress: Callback | None = None,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Continue a run from its newest undamaged checkpoint; by default the result equals that of an unstopped run.

    Args:
        path: the run directory.
        model: the untrained model, for runs on your own model or modules.
        data: the data, for runs on data passed from Python; or the new path of the data.
        steps: train to this step instead of the configured last step.
        lr_scale: factor on the learning rate of every player for the remaining steps.
        clip_norm: largest norm of a player's gradient for the remaining steps.
        precision: "fp32" or "bf16" for the remaining steps.
        device: device for the remaining steps.
        processes: number of processes on this machine for the remaining steps.
        say: called with each message, for example if the result will not be bit-exact.
        progress: shows the progress.
        callbacks: called after the built-in ones.

    Raises:
        NotARunError: the path is not a run directory.
        RunLockedError: another process trains this run.
        RunFileError: environment.json is damaged.
        CheckpointError: no checkpoint can be read.
        DataError: the data are not found, or differ from the training data of the run.
        DeviceError: the device of the run is not available.
    """
    run = Run.open(path)
    say = quiet_unless_first(say)
    with holding(run.path, is_first()) as lock:
        config, origins = read(run.config_file)
        about = run.environment()
        edits = run.changes()
        for edit in edits:
            say(edit)
        found = checkpoint.read_newest(run.checkpoints, say, checkpoint.ALL)
        meta = dict(found.meta)
        configured = config.training.steps
        requested: dict[str, Any] = {"steps": steps, "lr_scale": lr_scale, "clip_norm": clip_norm}
        requested |= {"precision": precision, "device": device, "processes": processes}
        config, changes = change(config, requested)
        origins |= dict.fromkeys((f"training.{name}" for name in changes), "resume")
        moved = isinstance(data, str | os.PathLike)
        if moved:
            config, data = _with_source(config, str(data)), None
            origins |= {"data.source": "resume"}
        if meta["step"] >= config.training.steps:
            _end(run, found, config.training, configured, say)
            return run
        _require_own(run, about, model, data)
        data, probed = _read(config, run, data, moved, say)
        _require_same_data(data, about)
        set_threads(config.training.threads)
        engine = _engine(config, run)
        engine.launch()
        if model is None:
            model = build_model(config, Facts(data.space, count(data)))
        elif record_of(model) != config.model:
            say(f"The run was trained on {config.family}; the given model has another class or other settings.")
        give_features(model, engine.device, say)
        shape = (config.training.batch_size, *data.space.shape)
        engine.arithmetic, other = continued_arithmetic(about, meta, engine, model, shape, config.training, precision)
        other += [sentence for name, sentence in changes.items() if name not in ("steps", "device", "processes")]
        _announce(run, config, model, engine, meta, other, say)
        if engine.rank == 0:
            resumed = [*about.get("resumed", []), resumption(engine, config.training, meta["step"], edits)]
            _record(run, config, origins, about | {"resumed": resumed})
        progress = progress or Progress(say, config.training.batch_size)
        return Job(run, config, data, engine, model, say, progress, callbacks, lock, probed).train(found)


def _end(run: Run, found: checkpoint.Content, training: TrainingConfig, configured: int, say: Say) -> None:
    """Finish what a process that was killed or stopped after the last checkpoint left, and say how to train longer.

    Args:
        run: the run.
        found: its newest checkpoint.
        training: of what was requested: no step is left.
        configured: last step of the run as it was.
        say: called with each message.
    """
    done, last = found.meta["step"], training.steps
    if is_first():
        if done >= configured and run.outcome().state != "finished":
            say(f"Training had ended when {run.path} was stopped; its state is finished now.")
            run.set_status("finished", done)
        remove_left_over_in(run)
        checkpoint.prune(found.path, training.keep)
    what = "all of its" if done == last else "more than"
    say(f"{run.path} has finished {what} {last:,} steps. To train longer, add --steps N with N above {done}.")


def _record(run: Run, config: RunConfig, origins: Origins, about: Mapping[str, Any]) -> None:
    """Write the configuration of the remaining steps; until it is replaced, environment.json names the old one too."""
    text = to_yaml(config, origins)
    digests = [digest(run.config_file.read_bytes()), digest(text.encode())]
    run.write_json("environment.json", {**about, "config_sha256": digests})
    write_atomically(run.config_file, text)


def _require_own(run: Run, about: Mapping[str, Any], model: GenerativeModel | None, data: Any) -> None:
    """Check that the data and modules that a run directory does not contain are given."""
    if (about.get("own_data") and data is None) or (about.get("own_modules") and model is None):
        raise checkpoint.CheckpointError(
            f"{run.path} was trained from Python with its own data or modules. "
            "Continue it from Python: veridical.resume(run, model=model, data=data)."
        )


def _read(
    config: RunConfig, run: Run, data: Any, moved: bool, say: Say
) -> tuple[ArrayData | BatchSource, Material | None]:
    """Return the given data, or find and read those of the run; and the examples of probes in the first process."""
    if data is not None:
        return given(config, data)
    place = config.data if moved else locate(config.data, run)
    say(f"Reading {place.source.removeprefix('set:')}.")
    return read_data(place, probed=are_probed(config))


def _announce(
    run: Run,
    config: RunConfig,
    model: GenerativeModel,
    engine: Engine,
    meta: dict[str, Any],
    other: Sequence[str],
    say: Say,
) -> None:
    """Print differences from an uninterrupted run, and the step and device of the resumed run."""
    for difference in [*differences(meta, engine, config.training.seed), *other]:
        say(f"The result will not be bit-equal to an uninterrupted run: {difference}.")
    for jump in step_size_jumps(model, config.training, meta["step"], meta["steps"]):
        say(f"The result will differ from a new run of {config.training.steps} steps: {jump}.")
    where = f"{engine.device}, {engine.arithmetic}"
    say(f"Resuming {run.path} after step {meta['step']} of {config.training.steps} on {where}.")
    say(f"A run with the same seed {repeatability(engine.device, config.training.deterministic)}.")


def change(config: RunConfig, requested: Mapping[str, Any]) -> tuple[RunConfig, dict[str, str]]:
    """Return the configuration with the requested training settings, and a sentence about each change.

    Args:
        config: configuration of the run.
        requested: fields of `TrainingConfig`; None means no change.
    """
    now = {name: getattr(config.training, name) for name in requested}
    new = {name: value for name, value in requested.items() if value is not None and value != now[name]}
    changed = dataclasses.replace(config, training=dataclasses.replace(config.training, **new))
    return changed, {name: f"{name} was {now[name]}, is {value}" for name, value in new.items()}


def differences(meta: dict[str, Any], engine: Engine, seed: int) -> list[str]:
    """Return the differences between the environment of a checkpoint and this one."""
    here = checkpoint.topology(engine.world_size, engine.device.type)
    return checkpoint.differences(meta["topology"], here, meta["step"], seed)


def _with_source(config: RunConfig, source: str) -> RunConfig:
    """Return the configuration with another source of the data; a path is made absolute."""
    absolute = absolute_source(dataclasses.replace(config.data, source=source))
    return dataclasses.replace(config, data=dataclasses.replace(config.data, source=absolute or source))


def _engine(config: RunConfig, run: Run) -> Engine:
    try:
        return Engine(config.training.device, config.training.processes)
    except DeviceError as error:
        raise DeviceError(f"{error} To use another device: veridical resume {run.path} --device auto") from error


def _require_same_data(data: ArrayData | BatchSource, about: dict[str, Any]) -> None:
    if data.digest != about["data"]["digest"]:
        raise checkpoint.CheckpointError(
            f"the data {data.name!r} differ from the training data of the run: their SHA-256 is "
            f"{data.digest[:12]}..., expected {about['data']['digest'][:12]}.... Restore the data, give their new "
            "path (--data DATA), or start a new run."
        )
