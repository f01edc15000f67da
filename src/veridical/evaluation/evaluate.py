"""Measure a model, or samples of any other program, with every metric that applies to the data and the model.

The table `metrics.METRICS` lists the metrics, when they apply, and what they measure. A metric that does not apply is
listed with its reason (`Evaluation.skipped`): none is left out silently. The same seed gives the same numbers; torch's
global generators have no influence and keep their state.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.data.preprocess import to_data_space, to_uint8
from veridical.data.space import Space
from veridical.errors import RequestError
from veridical.evaluation.classes import class_shares
from veridical.evaluation.features import Progress, counted
from veridical.evaluation.measurement import JSON, Measurement
from veridical.evaluation.metrics import METRICS
from veridical.evaluation.multiple import adjusted
from veridical.evaluation.needs import Need
from veridical.evaluation.provenance import explanations
from veridical.evaluation.subject import AnyExtractor, Subject
from veridical.evaluation.summary import sentences
from veridical.model import GenerativeModel, Sampler
from veridical.nearest import did_you_mean
from veridical.sampling import draw_blocks, require_memory
from veridical.version import __version__


class NoSuchMetricError(ValueError, RequestError):
    """A metric was requested that does not exist, or does not apply."""


@dataclass(frozen=True)
class Evaluation:
    """The measurements, their data and their settings."""

    measurements: tuple[Measurement, ...]
    """In the order of `METRICS`."""

    data: str
    """Name of the data."""

    data_digest: str
    """SHA-256 of the training data."""

    test_digest: str | None
    """SHA-256 of the held-out data; None: there were none."""

    extractor: str | None
    """Name and version of the features; None: none were needed."""

    seed: int
    n: int
    """Samples that were drawn or given."""

    versions: Mapping[str, str]
    """Versions of the software that the numbers may depend on."""

    skipped: Mapping[str, str] = field(default_factory=dict)
    """Metrics that were not measured, with the reason."""

    too_few: tuple[str, ...] = ()
    """Those of them that more examples would make measurable."""

    seconds: float = 0.0
    """Total time."""

    notes: tuple[str, ...] = ()
    """Facts about the model that matter for reading the numbers, for example that its training was not finished."""

    def __getitem__(self, name: str) -> Measurement:
        """Return the measurement of a name.

        Raises:
            KeyError: it was not measured.
        """
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        raise KeyError(
            f"{name!r} was not measured. Measured: {', '.join(m.name for m in self.measurements) or 'nothing'}."
        )

    def summary(self) -> list[str]:
        """Return the meaning of the numbers in plain sentences: notes, the overall verdict, then the rest."""
        return [*self.notes, *sentences(self.measurements)]

    def to_json(self) -> dict[str, JSON]:
        """Return plain values."""
        plain = asdict(self)
        plain["measurements"] = [measurement.to_json() for measurement in self.measurements]
        return plain

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Evaluation":
        """Build the evaluation that `to_json` wrote; other keys are ignored."""
        known = {key: value[key] for key in cls.__dataclass_fields__ if key in value}
        known["measurements"] = tuple(Measurement.from_json(m) for m in value["measurements"])
        known |= {key: tuple(value.get(key, ())) for key in ("notes", "too_few")}
        return cls(**known)


def evaluate(
    model: GenerativeModel,
    train: ArrayData,
    test: ArrayData | None,
    *,
    samples: Tensor | None = None,
    n: int = 10_000,
    seed: int = 0,
    extractor: AnyExtractor | None = None,
    metrics: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model against its data.

    Args:
        model: with the abilities it declares; put into evaluation mode while it is measured.
        train: the training data.
        test: held-out data, which give the score of a perfect model; None: parts of the training data take their place.
        samples: of the model, drawn already; None: they are drawn here if a metric sees samples, those of a conditional
            model with labels at the frequencies of the training data.
        n: samples to draw, and examples to score.
        seed: of everything random.
        extractor: name, extractor or callable; None: `extractors.default_name`.
        metrics: names in `METRICS`; None: all that apply.
        progress: called now and then with a line that describes the current work.

    Returns:
        The evaluation.

    Raises:
        ValueError: unknown or inapplicable metrics, samples that are not finite, another shape than the data's.
    """
    if model.space.shape != train.space.shape:
        raise ValueError(
            f"the model has examples of shape {model.space.shape}, the data {train.space.shape}; pass "
            f"the model's own data."
        )
    training = model.training
    model.eval()
    try:
        began = time.perf_counter()
        if samples is None:
            samples = samples_for(model, train, n, seed, metrics, progress)
        return _measure(model, samples, train, test, n, seed, extractor, metrics, progress, began)
    finally:
        model.train(training)


def samples_for(
    model: GenerativeModel,
    train: ArrayData,
    n: int,
    seed: int,
    metrics: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Tensor | None:
    """Draw the samples of an evaluation on the CPU; None: the metrics see none, or the model cannot sample.

    Args:
        model: in the mode in which it is measured.
        train: the training data, whose labels a conditional model draws at their frequencies.
        n: how many.
        seed: of the samples.
        metrics: see `evaluate`.
        progress: called with a line if some are drawn.

    Raises:
        NoSuchMetricError: a metric has no name.
    """
    if not isinstance(model, Sampler) or not any(METRICS[name].sees_samples for name in _chosen(metrics)):
        return None
    if progress is not None:
        progress(f"drawing {n:,} samples, seed {seed}")
    require_memory(n, model)
    blocks = draw_blocks(model, n, seed=seed, shares=class_shares(model, train))
    return torch.cat([torch.empty(0, *model.space.shape), *counted(blocks, n, "samples drawn", progress)])


def evaluate_samples(
    samples: Tensor,
    train: ArrayData,
    test: ArrayData | None,
    *,
    seed: int = 0,
    extractor: AnyExtractor | None = None,
    metrics: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure examples (n, *event) in data space, made by any program; see `evaluate`.

    Args:
        samples: (n, *event), without NaN.
        train: the training examples.
        test: held-out examples; None: there are none.
        seed: of subsampling and bootstrap.
        extractor: features of Fréchet distance and the other metrics of images; None: the default of the data.
        metrics: names in `METRICS`; None: all that apply.
        progress: called now and then with a line that describes the current work.
    """
    samples = samples.detach().cpu()
    return _measure(None, samples, train, test, len(samples), seed, extractor, metrics, progress, time.perf_counter())


def _measure(
    model: GenerativeModel | None,
    samples: Tensor | None,
    train: ArrayData,
    test: ArrayData | None,
    n: int,
    seed: int,
    extractor: AnyExtractor | None,
    metrics: Sequence[str] | None,
    progress: Progress | None,
    began: float,
) -> Evaluation:
    samples = None if samples is None else _checked(samples, train.space)
    subject = Subject(model, samples, train, test, n, seed, extractor, progress or (lambda line: None))
    measured, skipped, wanting = [], {}, []
    needs = {name: METRICS[name].unmet(subject) for name in _chosen(metrics)}
    if metrics is not None:
        refuse_unmet(needs)
    for name, unmet in needs.items():
        reason = unmet[1] if unmet is not None else METRICS[name].unasked(subject) if metrics is None else None
        if reason is not None:
            skipped[name] = reason
            wanting += [name] if unmet is not None and unmet[0].more_examples else []
            continue
        subject.progress(f"measuring {name}")
        measured += METRICS[name].measure(subject)
    causes = explanations(samples, train, test, seed) if model is None and samples is not None else []
    made = subject.__dict__.get("features")
    return Evaluation(
        measurements=tuple(adjusted(measured)),
        data=train.name,
        data_digest=train.digest,
        test_digest=None if test is None else test.digest,
        extractor=None if made is None else f"{made.extractor.name} ({made.extractor.version})",
        seed=seed,
        n=n,
        versions={
            "veridical": __version__,
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        skipped=skipped,
        too_few=tuple(wanting),
        notes=tuple(cause.says for cause in causes),
        seconds=time.perf_counter() - began,
    )


def refuse_unmet(needs: Mapping[str, tuple[Need, str] | None]) -> None:
    """Refuse metrics that were requested and cannot be measured, before any other is.

    Raises:
        NoSuchMetricError: there are some.
    """
    missing = [f"metric {name!r} cannot be measured: {unmet[1]}." for name, unmet in needs.items() if unmet is not None]
    if missing:
        what = "it" if len(missing) == 1 else "them"
        raise NoSuchMetricError(f"{' '.join(missing)} Leave {what} out of the metrics.")


def _checked(samples: Tensor, space: Space) -> Tensor:
    """Refuse samples that cannot be measured; round images to 8 bits, the precision of an image file."""
    if samples.shape[1:] != space.shape:
        raise ValueError(
            f"samples has shape {tuple(samples.shape)}; the data are (n, {', '.join(map(str, space.shape))})."
        )
    broken = int((~torch.isfinite(samples)).flatten(1).any(dim=1).sum())
    if broken:
        raise ValueError(
            f"{broken:,} of {len(samples):,} samples hold values that are not finite; the model is broken. "
            "Look at the health findings of its run."
        )
    if space.kind == "image" and space.levels == 256:
        return to_data_space(to_uint8(samples, space), space)
    return samples.float()


def check_metrics(metrics: Sequence[str] | None) -> None:
    """Make sure that metrics have a name, before anything is loaded.

    Raises:
        NoSuchMetricError: one has not.
    """
    for name in metrics or ():
        if name not in METRICS:
            raise NoSuchMetricError(f"there is no metric {name!r}. {did_you_mean(name, METRICS)}")


def _chosen(metrics: Sequence[str] | None) -> Sequence[str]:
    check_metrics(metrics)
    return list(METRICS) if metrics is None else metrics
