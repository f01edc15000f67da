"""What several metrics of nats need: intervals of means that may be infinite, and tests of differences of means."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy import special
from torch import Tensor

from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.statistics import mean_interval
from veridical.verdict import TOLERANCES, Bound, Test, detectable

ROUNDING = 2.0**-23
"""Relative error of nats in single precision, which all examples of a model may share."""


def rounding(nats: Float[Tensor, " n"]) -> float:
    """Return the error that nats of single precision may share, in nats; 0 where a mean is not finite."""
    size = ROUNDING * float(nats.abs().mean())
    return size if math.isfinite(size) else 0.0


def standard_error(x: Float[Tensor, " n"]) -> float:
    """Return the standard error of the mean."""
    return float(x.std()) / math.sqrt(len(x))


def mean_or_none(x: Float[Tensor, " n"], shared: float = 0.0) -> Interval | None:
    """Return Student's 95 % interval of a mean, or None where a value, and so the mean, is infinite.

    Args:
        x: draws.
        shared: standard error of a constant that all draws contain.
    """
    if not np.isfinite(x.numpy()).all():
        return None
    low, high = mean_interval(x)
    if shared == 0.0:
        return low, high
    middle, half = (low + high) / 2, math.hypot((high - low) / 2, 1.96 * shared)
    return middle - half, middle + half


def mean_test(
    differences: Float[Tensor, " n"],
    shared: float = 0.0,
    *,
    method: str,
    tolerance: float | None = TOLERANCES["nats"],
) -> Test:
    """Test whether the mean of paired differences is 0: those of a model and of a perfect one on the same examples.

    What both share cancels in each difference, so that its mean is known far better than either of the two means.

    Args:
        differences: value of the model minus that of a perfect model, example by example.
        shared: standard error of a constant that all differences contain.
        method: in words.
        tolerance: a smaller difference counts as none, in the unit of the differences.

    Examples:
        >>> import torch
        >>> mean_test(torch.tensor([1.0, 1.1, 0.9]), method="paired").p_value < 0.05
        True
    """
    difference, interval = float(differences.mean()), mean_or_none(differences, shared)
    if interval is None or not np.isfinite(interval).all():
        return Test(difference, interval, 0.0 if math.isinf(difference) else 1.0, None, tolerance, method)
    error, n = math.hypot(standard_error(differences), shared), len(differences)
    if error == 0.0:
        return Test(difference, interval, float(difference == 0), 0.0, tolerance, method)
    p = 2 * float(special.stdtr(n - 1, -abs(difference) / error))
    return Test(difference, interval, p, detectable(error), tolerance, method)


def mean_nats(
    name: str,
    nats: Float[Tensor, " n"],
    seconds: float,
    bound: Bound | None,
    detail: Mapping[str, JSON],
    *,
    higher_is_better: bool = True,
    shared: float = 0.0,
) -> Measurement:
    """Return the mean of nats with Student's interval, without a reference.

    Args:
        name: of the measurement.
        nats: of every example.
        seconds: time in seconds.
        bound: whether each is a bound.
        detail: what else is needed to repeat it.
        higher_is_better: as of likelihoods.
        shared: standard error of a constant that all contain.
    """
    return Measurement(
        name,
        float(nats.mean()),
        "nats",
        len(nats),
        higher_is_better=higher_is_better,
        interval=mean_or_none(nats, shared),
        method="Student",
        seconds=seconds,
        bound=bound,
        detail={**detail, "standard_error": math.hypot(standard_error(nats), shared)},
    )


def against_law(
    measured: Measurement, nats: Float[Tensor, " n"], perfect: Float[Tensor, " n"], shared: float = 0.0
) -> Measurement:
    """Return mean nats compared with those of the law on the same examples, one by one.

    Args:
        measured: mean of the nats.
        nats: of the model.
        perfect: of the law.
        shared: standard error that all nats of the model share.
    """
    return replace(
        measured,
        reference=float(perfect.mean()),
        reference_kind="ceiling",
        reference_interval=mean_or_none(perfect),
        test=mean_test(nats - perfect, shared, method="paired t test against the law, same examples"),
    )
