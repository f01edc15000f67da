"""Evaluation during training; the best checkpoint is kept in addition to the newest.

At regular intervals the first metric that applies to model and data (`evaluation.metrics`; the Fréchet distance for
most data, the number of modes if they are known) is measured on few samples. Its values are written to metrics.jsonl as
"evaluation/<name>". With few samples they are noisy and have a constant bias: they can be compared between steps of one
run, but do not replace `veridical evaluate`.
"""

from __future__ import annotations

import math
from typing import Any

from veridical.data.dataset import ArrayData
from veridical.errors import RequestError
from veridical.evaluation import Measurement
from veridical.evaluation.classes import class_shares
from veridical.evaluation.metrics import METRICS, Metric, Subject
from veridical.model import GenerativeModel, Sampler
from veridical.sampling import draw
from veridical.training.callbacks import Checkpointer, averaged, seeded
from veridical.training.fit import Callback, State
from veridical.training.terms import Row


class CannotEvaluateError(ValueError, RequestError):
    """Evaluation during training is requested, and no metric applies."""


class PeriodicEvaluation(Callback):
    """Adds "evaluation/<name>" to logged rows; must come before the callbacks that write the rows.

    It measures the averaged weights if there are any, uses the same random numbers each time, and does not change the
    random generators of the training.

    Args:
        data: training data to compare with.
        every: steps between measurements; each is made at the next logged row.
        n: number of samples.
        saver: writes the best checkpoint; it is called in every process.
    """

    def __init__(self, data: ArrayData, every: int, n: int, saver: Checkpointer) -> None:
        self.data, self.every, self.n, self.saver = data, every, n, saver
        self.done = 0
        self.best: float | None = None

    def on_start(self, state: State) -> None:
        """Check that a metric applies, before the training starts.

        Raises:
            CannotEvaluateError: no metric applies.
        """
        model: Any = state.model
        with averaged(state), seeded(0, model.device):
            first_metric(model, self.data, self.n)

    def on_log(self, state: State, row: Row) -> None:
        """Measure if an evaluation is due."""
        if state.step // self.every > self.done or state.step == state.steps:
            self.done = state.step // self.every
            self._measure(state, row)

    def _measure(self, state: State, row: Row) -> None:
        engine = self.saver.engine
        found = self._take(state) if engine.rank == 0 else []
        found = engine.gather(found)[0]
        row |= {f"evaluation/{m.name}": m.value for m in found if math.isfinite(m.value)}
        value = -found[0].value if found[0].higher_is_better else found[0].value
        if math.isfinite(value) and (self.best is None or value < self.best):
            self.best = value
            self.saver.save_best(state)

    def _take(self, state: State) -> list[Measurement]:
        model: Any = state.model
        with averaged(state), seeded(0, model.device):
            metric, subject = first_metric(model, self.data, self.n)
            return metric.measure(subject)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far, and the number of evaluations."""
        return {"done": self.done, "best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore it."""
        self.done, self.best = state["done"], state["best"]


def first_metric(model: GenerativeModel, data: ArrayData, n: int) -> tuple[Metric, Subject]:
    """Return the first metric that applies, and samples to measure.

    Raises:
        CannotEvaluateError: no metric applies.
    """
    samples = draw(model, n, shares=class_shares(model, data)) if isinstance(model, Sampler) else None
    subject = Subject(model, samples, data, None, n, 0, None, lambda line: None)
    reasons = {}
    for name, metric in METRICS.items():
        unmet = metric.unmet(subject)
        reasons[name] = metric.unasked(subject) if unmet is None else unmet[1]
        if reasons[name] is None:
            return metric, subject
    raise CannotEvaluateError(
        f"no metric applies to {type(model).__name__} on {data.name}: "
        + "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        + ". Omit --evaluate-every."
    )
