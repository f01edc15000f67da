"""Train a model and leave a run directory; continue one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from veridical.config import RunConfig, TrainingConfig
from veridical.config.files import Origins, flatten, read, to_yaml
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load as load_data
from veridical.health.callback import HealthMonitor
from veridical.model import GenerativeModel
from veridical.run import Run, write_atomically
from veridical.training import checkpoint
from veridical.training.callbacks import Checkpointer, Interruption, MetricsFile, SampleGrids
from veridical.training.engine import Arithmetic, Engine
from veridical.training.fit import Callback, State, fit
from veridical.training.spectrum import SingularValues
from veridical.training.terms import NonFiniteError, Row
from veridical.workflows import environment, pictures
from veridical.workflows.load import build_model
from veridical.workflows.progress import Progress, Say, duration


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop, and saved; the message says how to go on."""


@dataclasses.dataclass
class Job:
    """One training on its way: everything `train` and `resume` share."""

    run: Run
    config: RunConfig
    data: ArrayData
    engine: Engine
    model: GenerativeModel
    say: Say
    progress: Callback
    extra: Sequence[Callback] = ()

    def go(self, resume_from: Path | None = None) -> Run:
        """Train to the end, or until interrupted; the run's status says which."""
        training = self.config.training
        torch.manual_seed(training.seed * 1_000_003 + self.engine.rank + 1)  # noise differs between processes
        self.engine.place(self.model)
        state = State(self.model, steps=training.steps, ema=training.ema, lr_scale=training.lr_scale)
        health = Health(self.run, self.say if self.engine.rank == 0 else None)
        saver = Checkpointer(self.run, self.engine, training, {"health": health})
        if resume_from is not None:
            checkpoint.load(resume_from, state, {"health": health}, self.engine.rank)
            saver.saved = state.step
        interruption = Interruption(self.engine, self.say)
        watchers = (
            [SingularValues(self.run if self.engine.rank == 0 else None, every)]
            if (every := training.spectrum_every)
            else []
        )
        callbacks: list[Callback] = [*self._outputs(health), *watchers, saver, interruption, *self.extra]
        try:
            with interruption.listen():
                fit(
                    state,
                    self._loader(),
                    self.engine,
                    clip_norm=training.clip_norm,
                    log_every=training.log_every,
                    callbacks=callbacks,
                )
        except NonFiniteError as error:
            health.on_nonfinite(error)
            self._fail("failed", state.step, str(error))
            raise
        except KeyboardInterrupt as error:
            self._fail("interrupted", state.step, "stopped at once; the last checkpoint is intact")
            raise Interrupted(self._how_to_go_on("Stopped at once")) from error
        except Exception as error:
            self._fail("failed", state.step, f"{type(error).__name__}: {error}")
            self.engine.explain(self.say)
            raise
        if state.stop is not None:
            self._fail("interrupted", state.step, state.stop)
            raise Interrupted(self._how_to_go_on(f"Saved step {state.step}"))
        self._finish(state)
        return self.run

    def _outputs(self, health: Health) -> list[Callback]:
        """Only the first process writes and shows; every process judges its health, so that all resume alike."""
        if self.engine.rank > 0:
            return [health]
        space, reals = self.data.space, self._reals()

        def draw(samples: Tensor, step: int) -> None:
            pictures.draw(samples, space, self.run.samples / f"step-{step:08d}.png", behind=reals)

        n = 64 if len(space.shape) == 3 else 2000
        return [MetricsFile(self.run), health, SampleGrids(self.config.training.sample_every, n, draw), self.progress]

    def _watchers(self) -> list[Callback]:
        """Every process measures, since terms are averaged over all; the first writes."""
        every = self.config.training.spectrum_every
        return [SingularValues(self.run if self.engine.rank == 0 else None, every)] if every else []

    def _reals(self) -> Tensor:
        n = min(64 if len(self.data.space.shape) == 3 else 2000, len(self.data))
        generator = torch.Generator().manual_seed(0)
        return self.data.batch(torch.randperm(len(self.data), generator=generator)[:n], "cpu").x

    def _loader(self) -> Loader:
        training = self.config.training
        return Loader(
            self.data,
            training.batch_size,
            order=self.config.data.order,
            repeats=self.config.data.repeats,
            seed=training.seed,
            rank=self.engine.rank,
            world_size=self.engine.world_size,
            device=self.engine.device,
        )

    def _fail(self, how: str, step: int, message: str) -> None:
        if isinstance(self.progress, Progress):
            self.progress.close()
        if self.engine.rank == 0:
            self.run.set_status(how, step, message)

    def _finish(self, state: State) -> None:
        self.engine.barrier()
        if self.engine.rank == 0:
            self.run.set_status("finished", state.step)
            self.say(f"Finished {state.steps} steps in {duration(state.seconds)}.")

    def _how_to_go_on(self, what: str) -> str:
        return f"{what}. Continue with: veridical resume {self.run.path}"

    def begin(self, origins: Origins, own_modules: bool, notes: dict[str, Any]) -> None:
        """Write what is known before the first step."""
        write_atomically(self.run.config_file, to_yaml(self.config, origins))
        space = dataclasses.asdict(self.data.space)
        data = {
            "name": self.data.name,
            "digest": self.data.digest,
            "n": len(self.data),
            "source": self.config.data.source,
        }
        about = {"data": data, "space": space, "own_modules": own_modules, "papers": list(self.model.papers)}
        self.run.write_json("environment.json", {**environment.describe(), **about, **notes})
        self.run.set_status("running", 0)
        pictures.draw(self._reals(), self.data.space, self.run.samples / "reals.png")


class Health(Callback):
    """Shows the monitors to the loop."""

    def __init__(self, run: Run, say: Say | None) -> None:
        """Write to health.jsonl where there is somebody to say it to."""
        self.monitor = HealthMonitor(run.health_file if say else None, say)

    def on_start(self, state: State) -> None:
        """Drop the findings of steps that will be done again."""
        self.monitor.on_start(state.step)

    def on_log(self, state: State, row: Row) -> None:
        """Judge a line."""
        self.monitor.on_log(state.step, row)

    def on_nonfinite(self, error: NonFiniteError) -> None:
        """Record that training ended in something that is not finite."""
        self.monitor.on_nonfinite(error.step, error.name, error.value)

    def state_dict(self) -> dict[str, Any]:
        """Return the monitors' memory."""
        return self.monitor.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore it."""
        self.monitor.load_state_dict(state)


def train(
    config: RunConfig | None = None,
    *,
    model: GenerativeModel | None = None,
    data: ArrayData | None = None,
    training: TrainingConfig | None = None,
    out: str | Path | None = None,
    origins: Origins | None = None,
    say: Say = print,
    progress: Callback | None = None,
    callbacks: Sequence[Callback] = (),
    dry_run: bool = False,
) -> Run:
    """Train a model and return its run directory.

    Args:
        config: every choice; the default recipe if left out.
        model: a model of your own making, instead of building one from `config.model`.
        data: data of your own, instead of loading `config.data`.
        training: replaces `config.training`.
        out: the run directory, which must not exist; runs/NNNN-family-data if left out.
        origins: where each value of the configuration comes from.
        say: told what happens, a line at a time.
        progress: shows how far the run came; plain lines if left out.
        callbacks: called after the built-in ones.
        dry_run: do one step without writing anything.

    Raises:
        RunExistsError: `out` exists.
        DataError: the data cannot be used; the message says why and what to do.
        DeviceError: the device asked for is not there.
        NonFiniteError: training diverged; the last checkpoint is finite.
        Interrupted: it was asked to stop, and saved.
    """
    config = config or RunConfig()
    config = dataclasses.replace(
        config, training=training or config.training, model=getattr(model, "config", config.model)
    )
    settings = config.training
    say = quiet_unless_first(say)
    if out is not None:
        Run.require_free(out)
    own = {"own_data": data is not None}
    own_model = model is not None
    data = load_data(config.data, "train") if data is None else data
    engine = Engine(settings.device, settings.processes)
    engine.launch()
    if model is None:
        torch.manual_seed(settings.seed)
        model = build_model(config, data.space)
    order, repeats = config.data.order, config.data.repeats
    first = Loader(data, settings.batch_size, order=order, repeats=repeats, seed=settings.seed, device=engine.device)
    engine.arithmetic, why = engine.choose_arithmetic(model.to(engine.device), first.batch(0), settings.precision)
    describe(say, config, data, model, engine, why)
    if dry_run:
        return _one_step(model, first, engine, settings, say, out)
    run = _create(engine, out, f"{config.family}-{data.name}")
    say(f"run        {run.path}")
    job = Job(run, config, data, engine, model, say, progress or Progress(say, settings.batch_size), callbacks)
    if engine.rank == 0:
        own |= {"arithmetic": dataclasses.asdict(engine.arithmetic), "arithmetic_why": why}
        own |= {"device": str(engine.device), "processes": engine.world_size}
        job.begin(origins or dict.fromkeys(flatten(config), "default"), own_model, own)
    engine.barrier()
    return job.go()


def _one_step(
    model: GenerativeModel, loader: Loader, engine: Engine, settings: TrainingConfig, say: Say, out: str | Path | None
) -> Run:
    """Do one step and write nothing."""
    engine.place(model)
    fit(State(model, steps=1, ema=settings.ema), loader, engine, log_every=1)
    say("Dry run: one step was done, nothing was written.")
    return Run(out or "")


def resume(
    path: str | Path,
    *,
    model: GenerativeModel | None = None,
    data: ArrayData | None = None,
    steps: int | None = None,
    say: Say = print,
    progress: Callback | None = None,
) -> Run:
    """Continue a run from its newest undamaged checkpoint; equal to the bit to never having stopped.

    Args:
        path: the run directory.
        model: the untrained model, for runs on modules of your own.
        data: the data, for runs on data of your own.
        steps: train to this step instead of the run's own last one.
        say: told what happens, and when the result cannot be equal to the bit.
        progress: shows how far the run came.

    Raises:
        NotARunError: the path is no run directory.
        CheckpointError: no checkpoint can be read.
        DataError: the data are not those the run was trained on.
    """
    run = Run.open(path)
    say = quiet_unless_first(say)
    config, origins = read(run.config_file)
    about = run.read_json("environment.json")
    found = checkpoint.newest(run.checkpoints, say)
    meta = checkpoint.read_meta(found)
    if steps is not None and steps != config.training.steps:
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, steps=steps))
        origins |= {"training.steps": "resume"}
    if meta["step"] >= config.training.steps:
        say(f"{run.path} has done all of its {config.training.steps} steps. To go further: --steps N")
        return run
    if (about.get("own_data") and data is None) or (about.get("own_modules") and model is None):
        raise checkpoint.CheckpointError(
            f"{run.path} was trained from Python on data or modules of its caller's own; "
            "continue it there with veridical.resume(run, model=model, data=data)."
        )
    data = load_data(config.data, "train") if data is None else data
    _require_same_data(data, about)
    engine = Engine(config.training.device, config.training.processes, Arithmetic(**about["arithmetic"]))
    engine.launch()
    model = build_model(config, data.space) if model is None else model
    for difference in differences(meta["topology"], engine):
        say(f"Not equal to the bit to an uninterrupted run: {difference}.")
    where = f"{engine.device}, {engine.arithmetic}"
    say(f"Resuming {run.path} at step {meta['step']} of {config.training.steps} on {where}.")
    if engine.rank == 0:
        write_atomically(run.config_file, to_yaml(config, origins))
    job = Job(run, config, data, engine, model, say, progress or Progress(say, config.training.batch_size))
    return job.go(found)


def quiet_unless_first(say: Say) -> Say:
    """Let only the first process speak."""
    ranks = (os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return say if all(rank == "0" for rank in ranks) else (lambda line: None)


def differences(topology: dict[str, Any], engine: Engine) -> list[str]:
    """Say what differs between where a checkpoint was written and here."""
    here = checkpoint.topology(engine.world_size, engine.device.type)
    return [f"{name} was {topology[name]}, is {here[name]}" for name in here if topology.get(name) != here[name]]


def describe(
    say: Callable[[str], None], config: RunConfig, data: ArrayData, model: GenerativeModel, engine: Engine, why: str
) -> None:
    """Say what is about to be trained on what."""
    space = data.space
    what = f"{len(data):,} examples of shape {tuple(space.shape)}"
    levels = f"{space.levels} levels in {space.support}"
    scale = levels if space.levels else f"mean {space.mean:.3g}, std {space.std:.3g}"
    say(f"data       {data.name}: {what}, {scale}{f', {space.classes} classes' if space.classes else ''}")
    for note in data.notes:
        say(f"           {note}")
    counts = {p: sum(t.numel() for t in _tensors(model, p)) for p in model.players}
    say(f"model      {config.family}: " + ", ".join(f"{p} {n:,} parameters" for p, n in counts.items()))
    weights = f"{sum(counts.values()) * 20 / 1e6:.1f} MB"  # float32: weights, gradients, two moments, average
    say(f"memory     weights, gradients, optimiser and average {weights}, data {data.nbytes / 1e6:.1f} MB")
    many = f", {engine.world_size} processes" if engine.world_size > 1 else ""
    say(f"device     {engine.device} ({engine.reason}){many}")
    say(f"arithmetic {engine.arithmetic} ({why})")
    say(f"seed       {config.training.seed}; {config.training.steps:,} steps of {config.training.batch_size}")


def _tensors(model: GenerativeModel, player: str) -> list[Tensor]:
    parameters: list[Any] = list(model.player_parameters(player))
    return [t for entry in parameters for t in (entry["params"] if isinstance(entry, dict) else [entry])]


def _create(engine: Engine, out: str | Path | None, name: str) -> Run:
    """Create the run directory in the first process and tell the others where it is."""
    path = ""
    if engine.rank == 0:
        path = str(Run.create(out if out is not None else Run.next_free("runs", name)).path)
    return Run(engine.gather(path)[0])


def _require_same_data(data: ArrayData, about: dict[str, Any]) -> None:
    if data.digest != about["data"]["digest"]:
        raise checkpoint.CheckpointError(
            f"the data {data.name!r} are not those of the run: their SHA-256 is {data.digest[:12]}..., "
            f"it was {about['data']['digest'][:12]}.... Restore the data, or start a new run."
        )
