"""A measurement of features whose score of a perfect model follows from exchanged labels."""

import time
from collections.abc import Mapping
from dataclasses import replace

from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.verdict import Test


def compared(
    features: FeatureSets,
    name: str,
    value: float,
    unit: str,
    test: Test,
    *,
    n: int | None = None,
    higher_is_better: bool,
    interval: Interval | None,
    method: str,
    reference: float | None = None,
    reference_interval: Interval | None = None,
    began: float,
    detail: Mapping[str, JSON],
    share: int = 1,
) -> Measurement:
    """Return the measurement of a value that was tested under exchange.

    Args:
        features: the samples, and the real examples that exchange labels with them.
        name: of the measurement.
        value: its value.
        unit: of value, interval and reference.
        test: of the difference to a perfect model.
        n: samples; None: those that exchange labels.
        higher_is_better: whether smaller values are worse.
        interval: 95 % interval of the value.
        method: how it was computed.
        reference: what a perfect model scores; None: the value less the difference that the test measured.
        reference_interval: scores of 95 % of perfect models; None: not stated.
        began: when the work began (`time.perf_counter`).
        detail: what else is needed to compare or repeat it.
        share: number of measurements among which the time is divided.
    """
    return Measurement(
        name,
        value,
        unit,
        features.exchange.n if n is None else n,
        higher_is_better=higher_is_better,
        interval=interval,
        method=method,
        reference=value - test.difference if reference is None else reference,
        reference_kind="null",
        reference_interval=reference_interval,
        seconds=(time.perf_counter() - began) / share,
        detail={
            "extractor": f"{features.extractor.name} v{features.extractor.version}",
            "null": features.null_kind,
            "n_null": features.exchange.m,
            **detail,
        },
        test=test,
    )


def scaled(test: Test, factor: float) -> Test:
    """Return a test of a logarithm as a test of the value itself: first order, for small differences.

    Args:
        test: of the logarithm.
        factor: the value, positive.
    """
    interval = None if test.interval is None else (factor * test.interval[0], factor * test.interval[1])
    size = None if test.detectable is None else factor * test.detectable
    return replace(test, difference=factor * test.difference, interval=interval, detectable=size)
