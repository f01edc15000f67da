"""A training job, used by starting and resuming."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from torch import Tensor

from veridical.atomic import remove_left_over, write_atomically
from veridical.config import RunConfig
from veridical.config.files import Origins, to_yaml
from veridical.data.dataset import ArrayData
from veridical.data.source import BatchSource, batches, count, examples
from veridical.errors import STORAGE, RequestError, explain_storage
from veridical.health.callback import Health
from veridical.lock import Lock, LockLostError
from veridical.model import GenerativeModel, Sampler, Trainable
from veridical.run import DIGESTS, Run
from veridical.sampling import draw
from veridical.seal import digest
from veridical.training import checkpoint
from veridical.training.callbacks import Checkpointer, Interruption, LockRenewal, MetricsFile, SampleGrids
from veridical.training.determinism import deterministic
from veridical.training.energy import EnergyGame
from veridical.training.engine import Engine, LostProcessError, is_lost_connection
from veridical.training.fit import Callback, State, fit
from veridical.training.generators import seed_start
from veridical.training.logs import logs
from veridical.training.movement import Movement
from veridical.training.replay import Recorder
from veridical.training.spacing import thin
from veridical.training.spectrum import SingularValues
from veridical.training.terms import NonFiniteError
from veridical.workflows import environment, images
from veridical.workflows.energy import game_of, learned_from
from veridical.workflows.facts import health_facts
from veridical.workflows.location import absolute_source
from veridical.workflows.periodic import CannotEvaluateError, PeriodicEvaluation
from veridical.workflows.probe import Material, Probe
from veridical.workflows.progress import Progress, Say, duration


class Interrupted(KeyboardInterrupt):
    """The training was interrupted and saved; the message shows how to continue."""


class CannotSaveError(OSError):
    """The training ended because a file of the run could not be written."""


def remove_left_over_in(run: Run) -> None:
    """Remove the temporary files and folders that killed processes left in a run directory."""
    for folder in (run.path, run.samples, run.checkpoints, run.best):
        remove_left_over(folder)


@dataclasses.dataclass
class Job:
    """A training job: a model, its data, its engine, and its run directory."""

    run: Run
    config: RunConfig
    data: ArrayData | BatchSource
    engine: Engine
    model: GenerativeModel
    say: Say
    progress: Callback
    extra: Sequence[Callback] = ()
    lock: Lock | None = None
    """The lock of the run directory, which is renewed; the first process holds it."""
    probed: Material | None = None
    """The examples of the probes, in the first process."""

    @cached_property
    def game(self) -> GenerativeModel | EnergyGame:
        """What is played: the model itself, or a divergence from a known density."""
        return game_of(self.model, self.data, self.config.training)

    def train(self, resume_from: checkpoint.Content | None = None) -> Run:
        """Train to the end, or until interrupted; the run's status says which."""
        training = self.config.training
        seed_start(training.seed, self.engine.rank)
        self.engine.place(self.model.train())
        state = State(self.model, game=self.game, steps=training.steps, ema=training.ema, lr_scale=training.lr_scale)
        first = self.engine.rank == 0
        file, say = (self.run.health_file, self.say) if first else (None, None)
        health = Health(self.game.term_kinds, file, say, self._facts())
        kept: dict[str, Callback] = {"health": health}
        saver = Checkpointer(self.run, self.engine, training, kept)
        evaluation = self._evaluation(saver)
        if evaluation is not None:
            kept["evaluation"] = evaluation
        if resume_from is not None:
            checkpoint.load(resume_from, state, kept, self.engine.rank, seed=training.seed)
            saver.saved = state.step
            self._clean(state.step)
        interruption = Interruption(self.engine, self.say)
        first_of_all: list[Callback] = [] if self.lock is None else [LockRenewal(self.lock)]
        first_of_all += [*self._terms(), *([] if evaluation is None else [evaluation])]
        callbacks = [*first_of_all, *self._outputs(health), *self._watchers(), saver, interruption, *self.extra]
        replay, how = state.choose_replay(self.engine, training.graphs)
        if self.engine.device.type == "cuda":
            self.say(f"steps      {how}")
        repeating = deterministic(self.engine.device, training.deterministic)
        with self._recorded(state, health, saver), interruption.listen(), repeating:
            fit(
                state,
                self._loader(),
                self.engine,
                clip_norm=training.clip_norm,
                log_every=training.log_every,
                callbacks=callbacks,
                replay=replay,
            )
        if isinstance(replay, Recorder) and replay.problem is not None:
            self.say(f"steps      were not replayed: {replay.problem}")
        if state.stop is not None and state.step < state.steps:
            self._fail("interrupted", state.step, state.stop)
            raise Interrupted(self._how_to_continue(f"Saved step {state.step}"))
        self._finish(state)
        self._leave(state)
        return self.run

    @contextmanager
    def _recorded(self, state: State, health: Health, saver: Checkpointer) -> Iterator[None]:
        """Record an interrupt or a failure inside the block in the status of the run."""
        try:
            yield
        except NonFiniteError as error:
            health.on_nonfinite(error)
            saver.record_lines(state.step)
            self._fail("failed", state.step, str(error))
            raise
        except KeyboardInterrupt as error:
            kept = checkpoint.describe_newest(self.run.checkpoints)
            self._fail("interrupted", state.step, f"stopped immediately. {kept}")
            raise Interrupted(self._how_to_continue("Stopped immediately")) from error
        except LockLostError:  # the files belong to another process now
            raise
        except Exception as error:
            known = self._known(error, state.step)
            self._fail("failed", state.step, str(known) if known else f"{type(error).__name__}: {error}")
            if known is None:
                self.engine.explain(self.say)
                raise
            raise known from error

    def _known(self, error: Exception, step: int) -> Exception | None:
        """Return an error of the disk or of the connection in words, with what is left of the run; None for others."""
        if self.engine.world_size > 1 and is_lost_connection(error):
            ended = " ".join(self.engine.ended()) or "Another process of this training has ended."
            return LostProcessError(f"{ended} Training stopped at step {step}. {self._left()}")
        if not isinstance(error, OSError) or isinstance(error, RequestError):
            return None
        if not self.run.path.is_dir():
            return CannotSaveError(f"{self.run.path} was removed while it was trained, at step {step}. Start again.")
        if error.errno in STORAGE:
            return CannotSaveError(f"{explain_storage(error)} Training stopped at step {step}. {self._left()}")
        return None

    def _left(self) -> str:
        """Return what is left of the run, and how to continue."""
        kept = checkpoint.describe_newest(self.run.checkpoints)
        again = f"Start again: veridical train --config {self.run.config_file}"
        return f"{kept} {self._how_to_continue('') if kept.endswith('is undamaged.') else again}"

    def _clean(self, step: int) -> None:
        """Set the status of a run that goes on, and remove what a killed process left."""
        if self.engine.rank == 0:
            self.run.set_status("running", step)
            (self.run.path / DIGESTS).unlink(missing_ok=True)  # lines after the checkpoint will be removed
            remove_left_over_in(self.run)

    def _evaluation(self, saver: Checkpointer) -> PeriodicEvaluation | None:
        """Return the callback that evaluates the model periodically; every process has one."""
        training = self.config.training
        if not training.evaluate_every:
            return None
        if not isinstance(self.data, ArrayData):
            raise CannotEvaluateError(f"{self.data.name} has no examples to compare with. Omit evaluate_every.")
        return PeriodicEvaluation(self.data, training.evaluate_every, training.evaluate_n, saver)

    def _facts(self) -> dict[str, float]:
        """Return what the monitors of health know before the first step; a continued run may have more steps."""
        known = self.run.environment().get("health", {})
        return {**known, "steps": float(self.config.training.steps)}

    def _terms(self) -> list[Callback]:
        """Return the callbacks that add terms to the rows, before these are written."""
        training = self.config.training
        callbacks: list[Callback] = [Movement(training.log_every)]
        if training.probe_every and isinstance(self.data, ArrayData):
            callbacks.append(Probe(self.probed, training.probe_every, training.log_every, self.engine))
        return callbacks

    def _watchers(self) -> list[Callback]:
        """Return the callbacks of this process; terms are averaged over all processes, and only the first writes."""
        every = self.config.training.spectrum_every
        return [SingularValues(self.run if self.engine.rank == 0 else None, every)] if every else []

    def _outputs(self, health: Health) -> list[Callback]:
        """Return the callbacks that write and print; every process runs the health monitors, so all resume equally."""
        if self.engine.rank > 0:
            return [health]
        space, reals = self.data.space, self._reals()

        def draw_grid(model: Trainable, step: int) -> None:
            if isinstance(model, GenerativeModel) and isinstance(model, Sampler):
                samples = draw(model, images.how_many(space))
                self.run.samples.mkdir(exist_ok=True)
                images.draw(samples, space, self.run.samples / f"step-{step:08d}.png", behind=reals)
                thin(self.run.samples, step, self.config.training.sample_every)

        grids = SampleGrids(self.config.training.sample_every, draw_grid)
        return [MetricsFile(self.run), *logs(self.config.training.log, self.run), health, self.progress, grids]

    def _reals(self) -> Tensor | None:
        return examples(self.data, images.how_many(self.data.space))

    def _loader(self) -> BatchSource:
        return batches(
            learned_from(self.data, self.config.training),
            self.config.data,
            self.config.training,
            rank=self.engine.rank,
            world_size=self.engine.world_size,
            device=self.engine.device,
        )

    def _fail(self, how: str, step: int, message: str) -> None:
        if isinstance(self.progress, Progress):
            self.progress.close()
        if self.engine.rank == 0:
            with contextlib.suppress(OSError):  # a full disk: the status stays "running", of a process that has ended
                self.run.set_status(how, step, message)

    def _finish(self, state: State) -> None:
        self.engine.barrier()
        if self.engine.rank == 0:
            self.run.set_status("finished", state.step)
            self.say(f"Finished {state.steps} steps in {duration(state.seconds)}.")

    def _leave(self, state: State) -> None:
        """Set the model to evaluation mode, with the averaged weights if there is an average."""
        if state.ema is not None:
            state.ema.swap()
        self.model.eval()

    def _how_to_continue(self, what: str) -> str:
        return f"{what}{'. ' if what else ''}Continue with: veridical resume {self.run.path}"

    def begin(self, origins: Origins, own_modules: bool, notes: dict[str, Any]) -> None:
        """Write the configuration and the environment before the first step."""
        text = to_yaml(self.config, origins)
        space = dataclasses.asdict(self.data.space)
        data = {
            "name": self.data.name,
            "digest": self.data.digest,
            "n": count(self.data),
            "source": self.config.data.source,
            "path": None if notes.get("own_data") else absolute_source(self.config.data),
            "class_names": self.data.class_names if isinstance(self.data, ArrayData) else None,
        }
        about = {"data": data, "space": space, "own_modules": own_modules, "papers": list(self.model.papers)}
        about["terms"] = dict(self.game.term_kinds)
        about["config_sha256"] = [digest(text.encode())]
        about["health"] = health_facts(self.data, self.config.training.steps, continued="start" in notes)
        self.run.write_json("environment.json", {**environment.describe(), **about, **notes})
        self.run.set_status("running", 0)
        write_atomically(self.run.config_file, text)  # last: it makes the folder a run
        reals = self._reals()
        if reals is not None:
            images.draw(reals, self.data.space, self.run.samples / "reals.png", behind=reals)
