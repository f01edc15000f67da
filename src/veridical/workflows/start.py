"""Train a model and write a run directory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from veridical.config import RunConfig, TrainingConfig
from veridical.config.files import Origins, flatten, on_vectors, preset_of, preset_origins
from veridical.config.presets import PRESETS, find_preset
from veridical.data.convert import EXPECTED
from veridical.data.dataset import ArrayData
from veridical.data.errors import NoSuchDataError
from veridical.data.source import BatchSource, batch_size, batches, count
from veridical.lock import holding
from veridical.model import Facts, GenerativeModel, StartsFromData, Trainable
from veridical.run import Run
from veridical.training.callbacks import generators_kept
from veridical.training.determinism import is_deterministic
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State, fit
from veridical.training.logs import require_tensorboard
from veridical.workflows.announce import bounded_logits, describe
from veridical.workflows.energy import game_of, learned_from
from veridical.workflows.features import give_features
from veridical.workflows.finetune import take_weights
from veridical.workflows.job import Job
from veridical.workflows.load import build_model, record_of
from veridical.workflows.probe import Material, are_probed, given, read_data
from veridical.workflows.progress import Progress, Say, Stopwatch, quiet_unless_first

DRY_STEPS = 20
"""Largest number of steps of a dry run."""


@generators_kept()
def train(
    config: RunConfig | str | None = None,
    *,
    model: GenerativeModel | None = None,
    data: Any = None,
    training: TrainingConfig | None = None,
    out: str | Path | None = None,
    origins: Origins | None = None,
    say: Say = print,
    progress: Callback | None = None,
    callbacks: Sequence[Callback] = (),
    start: Run | str | Path | None = None,
    dry_run: bool = False,
    epochs: float | None = None,
) -> Run:
    """Train a model and return its run directory.

    Afterwards your own model is in the state that `load(run)` returns: in evaluation mode, with the averaged weights if
    the run keeps an average. Torch's global generators are not changed; all random numbers depend on `training.seed`.

    Args:
        config: the configuration, or the name of a preset or family; None: the default preset.
        model: your own model, instead of one built from `config.model`. If its class is not in the table of families,
            the class and its settings are recorded (`OwnModel`).
        data: your own data, instead of `config.data`: a tensor, an array, a list, a dict {"x": ..., "y": ...}, a torch
            Dataset or DataLoader, an ArrayData, a `BatchSource`; or the name of a data set or file.
        training: replaces `config.training`.
        out: new run directory; None: runs/NNNN-family-data.
        origins: origin of each value of the configuration; those of a preset may give way to its values for vectors.
        say: called with each message.
        progress: shows the progress; None: plain lines.
        callbacks: called after the built-in ones.
        start: run whose weights are the starting point (fine-tuning).
        dry_run: run a few steps without writing anything, and print an estimate of the total time.
        epochs: passes over the data, instead of `training.steps`.

    Raises:
        OutputExistsError: `out` exists.
        DataError: the data cannot be used; the message gives the reason and what to do.
        DeviceError: the requested device is not available.
        OtherShapesError: the weights of `start` do not fit; the message names the tensors.
        MissingPackageError: `training.log` selects TensorBoard, which is not installed.
        NonFiniteError: training diverged; the last checkpoint is finite.
        Interrupted: the user interrupted; the training was saved.
    """
    say = quiet_unless_first(say)
    if isinstance(config, str) and training is None:
        origins = origins or preset_origins(config)
    config = _chosen(config, model, training, data)
    if out is not None:
        Run.require_free(out)
    if config.training.log in ("tensorboard", "both"):
        require_tensorboard()
    own_data, own_model = not isinstance(data, str | Path | None), model is not None
    data, probed = _read(config, data, say)
    config, origins = _fit_kind(config, origins, data, say)
    set_threads(config.training.threads)
    engine = Engine(config.training.device, config.training.processes)
    engine.launch()
    source = learned_from(data, config.training)
    config, origins = _fit_batch(config, origins, source, engine.world_size, say)
    if epochs is not None:
        config, origins = lasting(config, epochs, count(source), origins)
    settings = config.training
    model = _built(config, data) if model is None else model
    notes = {"own_data": own_data, **_begun(model, source, start, say)}
    game = game_of(model, data, settings)
    give_features(model, engine.device, say)
    shape = (settings.batch_size, *data.space.shape)
    engine.arithmetic, why = engine.choose_arithmetic(model, shape, settings.precision)
    describe(say, config, data, model, engine, why)
    if own_model and (warning := bounded_logits(model)):
        say(warning)
    if dry_run:
        loader = batches(source, config.data, settings, device=engine.device)
        _try_out(model, game, loader, engine, settings, say)
        return Run(out or "")
    run = _create(engine, out, f"{config.family.rpartition('.')[2]}-{data.name}")
    say(f"run        {run.path}")
    progress = progress or Progress(say, settings.batch_size)
    with holding(run.path, engine.rank == 0) as lock:
        job = Job(run, config, data, engine, model, say, progress, callbacks, lock, probed)
        if engine.rank == 0:
            job.begin(origins, own_model, notes | _computed(engine, settings, why))
        engine.barrier()
        return job.train()


def _chosen(
    config: RunConfig | str | None, model: GenerativeModel | None, training: TrainingConfig | None, data: Any
) -> RunConfig:
    """Return the configuration with the model and the training settings that were given separately."""
    config = find_preset(config) if isinstance(config, str) else config or RunConfig()
    own = config.model if model is None else record_of(model)
    config = dataclasses.replace(config, training=training or config.training, model=own)
    if isinstance(data, str | Path):
        return dataclasses.replace(config, data=dataclasses.replace(config.data, source=str(data)))
    return config


def _read(config: RunConfig, data: Any, say: Say) -> tuple[ArrayData | BatchSource, Material | None]:
    """Return the given data, or read those of the configuration; and the examples of probes in the first process."""
    if isinstance(data, str | Path | None):
        if not config.data.source:
            raise NoSuchDataError("no data are given.", f"In data=..., {EXPECTED}.")
        say(f"Reading {config.data.source}.")
        return read_data(config.data, probed=are_probed(config))
    return given(config, data)


def _fit_kind(
    config: RunConfig, origins: Origins | None, data: ArrayData | BatchSource, say: Say
) -> tuple[RunConfig, Origins | None]:
    """Take the values of the preset for vectors where the data are vectors, print a message, and record the origin."""
    preset = preset_of(origins or {})
    if preset is None or origins is None or data.space.kind != "vector":
        return config, origins
    fitting, origins = on_vectors(config, origins, preset)
    if fitting != config:
        say(f"The data are vectors: preset {preset} takes the values of {PRESETS[preset].vectors}.")
    return fitting, origins


def _built(config: RunConfig, data: ArrayData | BatchSource) -> GenerativeModel:
    """Build the model of the configuration; its weights depend on the seed."""
    torch.manual_seed(config.training.seed)
    return build_model(config, Facts(data.space, count(data)))


def _begun(
    model: GenerativeModel, source: ArrayData | BatchSource, start: Run | str | Path | None, say: Say
) -> dict[str, Any]:
    """Give a model the weights of another run, or the state that its data determine; return what is noted of it.

    Args:
        model: that is trained.
        source: what it learns from.
        start: run whose weights are the starting point; None: new weights.
        say: called with each message.
    """
    if start is not None:
        return {"start": take_weights(model, start, say)}
    if isinstance(model, StartsFromData) and isinstance(source, ArrayData):
        model.start_from(source)
    return {}


def _computed(engine: Engine, settings: TrainingConfig, why: str) -> dict[str, Any]:
    """Return device, arithmetic and threads of the run, for environment.json."""
    return {
        "arithmetic": dataclasses.asdict(engine.arithmetic),
        "arithmetic_why": why,
        "device": str(engine.device),
        "processes": engine.world_size,
        "deterministic": is_deterministic(engine.device, settings.deterministic),
    }


def _fit_batch(
    config: RunConfig, origins: Origins | None, data: ArrayData | BatchSource, world_size: int, say: Say
) -> tuple[RunConfig, Origins]:
    """Reduce the batch size to what the data allow, print a message, and record the origin."""
    origins = dict(origins or dict.fromkeys(flatten(config), "default"))
    wanted = config.training.batch_size
    size = batch_size(data, config.data, wanted, world_size)
    if size == wanted:
        return config, origins
    why = f"there are only {count(data):,} examples" if isinstance(data, ArrayData) else "the source determines it"
    say(f"Batch size {size} instead of {wanted}: {why}.")
    origins["training.batch_size"] = "the data"
    return dataclasses.replace(config, training=dataclasses.replace(config.training, batch_size=size)), origins


def lasting(config: RunConfig, epochs: float, n: int | None, origins: Origins) -> tuple[RunConfig, Origins]:
    """Return the configuration with the number of steps for some passes over n examples, and the origins.

    Args:
        config: the configuration.
        epochs: passes over the data.
        n: number of examples; None: infinite, or none are used.
        origins: origin of each value of the configuration.

    Raises:
        ValueError: the number of examples is not known.
    """
    if n is None:
        raise ValueError(f"epochs is {epochs:g}, but no number of examples is known. Give steps instead.")
    steps = max(1, math.ceil(epochs * n / config.training.batch_size))
    settled = dataclasses.replace(config, training=dataclasses.replace(config.training, steps=steps))
    return settled, origins | {"training.steps": f"{epochs:g} epochs"}


def set_threads(threads: int | None) -> None:
    """Set the number of CPU threads; None: the choice of torch."""
    if threads is not None:
        torch.set_num_threads(threads)


def _try_out(
    model: GenerativeModel, game: Trainable, loader: BatchSource, engine: Engine, settings: TrainingConfig, say: Say
) -> None:
    """Run a few steps, write nothing, and print an estimate of the total time.

    Args:
        model: that is trained.
        game: its turns and losses.
        loader: its batches.
        engine: device, arithmetic and processes.
        settings: of the training.
        say: called with each message.
    """
    engine.place(model)
    watch = Stopwatch(synchronise=torch.cuda.synchronize if engine.device.type == "cuda" else None)
    steps = min(settings.steps, DRY_STEPS)
    state = State(model, game=game, steps=steps, ema=settings.ema, lr_scale=settings.lr_scale)
    fit(state, loader, engine, log_every=1, callbacks=[watch])
    estimate = watch.estimate(settings.steps)
    say(f"Dry run: {state.step} step{'s' if state.step > 1 else ''}; nothing was written.")
    if estimate:
        say(estimate)


def _create(engine: Engine, out: str | Path | None, name: str) -> Run:
    """Create the run directory in the first process and send its path to the others."""
    path = ""
    if engine.rank == 0:
        path = str((Run.create(out) if out is not None else Run.create_next("runs", name)).path)
    return Run(engine.gather(path)[0])
