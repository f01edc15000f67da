"""Measures a model while it trains, and keeps the best checkpoint beside the newest.

Every so many steps the first metric that applies to model and data (`evaluation.metrics`; the Fréchet distance for most
data, counted modes where they are known) is taken on few samples. Its values enter metrics.jsonl as
"evaluation/<name>". With few samples they are noisy and biased, the same way each time: they compare steps of one run,
and take no place of `veridical evaluate`.
"""

from __future__ import annotations

import math
from typing import Any

from veridical.data.dataset import ArrayData
from veridical.errors import RequestError
from veridical.evaluation import Measurement
from veridical.evaluation.metrics import METRICS, Metric, Subject
from veridical.model import GenerativeModel, Sampler
from veridical.sampling import draw
from veridical.training.callbacks import Checkpointer, averaged, seeded
from veridical.training.fit import Callback, State
from veridical.training.terms import Row


class CannotEvaluateError(ValueError, RequestError):
    """Evaluation during training was asked for, and no metric applies."""


class PeriodicEvaluation(Callback):
    """Adds "evaluation/<name>" to the row that is logged when due; must stand before what writes the rows.

    It measures the averaged weights where there are any, with the same random numbers each time, and leaves the
    generators of the training alone.

    Args:
        data: training data to compare with.
        every: steps between measurements, which wait for the next row.
        n: samples.
        saver: writes the best checkpoint; every process takes part.
    """

    def __init__(self, data: ArrayData, every: int, n: int, saver: Checkpointer) -> None:
        self.data, self.every, self.n, self.saver = data, every, n, saver
        self.done = 0
        self.best: float | None = None

    def on_start(self, state: State) -> None:
        """Make sure that a metric applies, before anything is trained.

        Raises:
            CannotEvaluateError: none does.
        """
        model: Any = state.model
        with averaged(state), seeded(0, model.device):
            first_metric(model, self.data, self.n)

    def on_log(self, state: State, row: Row) -> None:
        """Measure when due."""
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
        """Return the best value so far, and how many measurements were due."""
        return {"done": self.done, "best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore it."""
        self.done, self.best = state["done"], state["best"]


def first_metric(model: GenerativeModel, data: ArrayData, n: int) -> tuple[Metric, Subject]:
    """Return the first metric that applies, and samples to measure.

    Raises:
        CannotEvaluateError: none does.
    """
    samples = draw(model, n) if isinstance(model, Sampler) else None
    subject = Subject(model, samples, data, None, n, 0, None, lambda line: None)
    reasons = {}
    for name, metric in METRICS.items():
        reasons[name] = metric.why_not(subject) or metric.unasked(subject)
        if reasons[name] is None:
            return metric, subject
    raise CannotEvaluateError(
        f"no metric applies to {type(model).__name__} on {data.name}: "
        + "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        + ". Leave out --evaluate-every."
    )
