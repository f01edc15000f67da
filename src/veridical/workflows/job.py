"""A training job, used by starting and resuming."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from veridical.atomic import write_atomically
from veridical.config import RunConfig
from veridical.config.files import Origins, to_yaml
from veridical.data.dataset import ArrayData
from veridical.data.source import BatchSource, batches, count, examples
from veridical.health.callback import Health
from veridical.model import GenerativeModel, Sampler, Trainable
from veridical.run import Run
from veridical.sampling import draw
from veridical.training import checkpoint
from veridical.training.callbacks import Checkpointer, Interruption, MetricsFile, SampleGrids
from veridical.training.determinism import deterministic
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State, fit
from veridical.training.generators import seed_start
from veridical.training.logs import logs
from veridical.training.replay import Recorder
from veridical.training.spacing import thin
from veridical.training.spectrum import SingularValues
from veridical.training.terms import NonFiniteError
from veridical.workflows import environment, images
from veridical.workflows.location import absolute_source
from veridical.workflows.periodic import CannotEvaluateError, PeriodicEvaluation
from veridical.workflows.progress import Progress, Say, duration


class Interrupted(KeyboardInterrupt):
    """The training was interrupted and saved; the message shows how to continue."""


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

    def train(self, resume_from: Path | None = None) -> Run:
        """Train to the end, or until interrupted; the run's status says which."""
        training = self.config.training
        seed_start(training.seed, self.engine.rank)
        self.engine.place(self.model.train())
        state = State(self.model, steps=training.steps, ema=training.ema, lr_scale=training.lr_scale)
        first = self.engine.rank == 0
        health = Health(self.model.term_kinds, self.run.health_file if first else None, self.say if first else None)
        kept: dict[str, Callback] = {"health": health}
        saver = Checkpointer(self.run, self.engine, training, kept)
        evaluation = self._evaluation(saver)
        if evaluation is not None:
            kept["evaluation"] = evaluation
        if resume_from is not None:
            checkpoint.load(resume_from, state, kept, self.engine.rank, seed=training.seed)
            saver.saved = state.step
        interruption = Interruption(self.engine, self.say)
        first_of_all = [] if evaluation is None else [evaluation]
        callbacks = [*first_of_all, *self._outputs(health), *self._watchers(), saver, interruption, *self.extra]
        replay, how = state.choose_replay(self.engine, training.graphs)
        if self.engine.device.type == "cuda":
            self.say(f"steps      {how}")
        repeating = deterministic(self.engine.device, training.deterministic)
        with self._recorded(state, health), interruption.listen(), repeating:
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
        if state.stop is not None:
            self._fail("interrupted", state.step, state.stop)
            raise Interrupted(self._how_to_continue(f"Saved step {state.step}"))
        self._finish(state)
        self._leave(state)
        return self.run

    @contextmanager
    def _recorded(self, state: State, health: Health) -> Iterator[None]:
        """Record an interrupt or a failure inside the block in the status of the run."""
        try:
            yield
        except NonFiniteError as error:
            health.on_nonfinite(error)
            self._fail("failed", state.step, str(error))
            raise
        except KeyboardInterrupt as error:
            self._fail("interrupted", state.step, "stopped immediately; the last checkpoint is undamaged")
            raise Interrupted(self._how_to_continue("Stopped immediately")) from error
        except Exception as error:
            self._fail("failed", state.step, f"{type(error).__name__}: {error}")
            self.engine.explain(self.say)
            raise

    def _evaluation(self, saver: Checkpointer) -> PeriodicEvaluation | None:
        """Return the callback that evaluates the model periodically; every process has one."""
        training = self.config.training
        if not training.evaluate_every:
            return None
        if not isinstance(self.data, ArrayData):
            raise CannotEvaluateError(f"{self.data.name} has no examples to compare with. Omit evaluate_every.")
        return PeriodicEvaluation(self.data, training.evaluate_every, training.evaluate_n, saver)

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
                images.draw(samples, space, self.run.samples / f"step-{step:08d}.png", behind=reals)
                thin(self.run.samples, step, self.config.training.sample_every)

        grids = SampleGrids(self.config.training.sample_every, draw_grid)
        return [MetricsFile(self.run), *logs(self.config.training.log, self.run), health, self.progress, grids]

    def _reals(self) -> Tensor | None:
        return examples(self.data, images.how_many(self.data.space))

    def _loader(self) -> BatchSource:
        return batches(
            self.data,
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
        return f"{what}. Continue with: veridical resume {self.run.path}"

    def begin(self, origins: Origins, own_modules: bool, notes: dict[str, Any]) -> None:
        """Write the configuration and the environment before the first step."""
        write_atomically(self.run.config_file, to_yaml(self.config, origins))
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
        about["terms"] = dict(self.model.term_kinds)
        self.run.write_json("environment.json", {**environment.describe(), **about, **notes})
        self.run.set_status("running", 0)
        reals = self._reals()
        if reals is not None:
            images.draw(reals, self.data.space, self.run.samples / "reals.png")
