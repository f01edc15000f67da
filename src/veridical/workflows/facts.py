r"""Facts about the data and the run that the monitors of health need besides the logged terms.

They are written to environment.json under "health", so that a finished run can be judged again:

- steps: number of steps of the run;
- constant_nats: nats per example, in data space, of the model that ignores its input: independent bits of the right
  means for two levels; otherwise a Gaussian with the right mean and one variance for all components,
  $\tfrac d2 \log(2\pi e\,\bar\sigma^2)$, with the variance of one bin where the data have levels;
- outlier: largest distance of an example from the median of all, over the median distance; for unbounded data;
- distinct: share of the examples that differ from all before them, where examples have many possible values;
- continued: 1 if the run began with trained weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.data.source import BatchSource, spread
from veridical.data.space import Space

MANY = 24.0
"""Bits of a possible example, above which equal examples are copies and not the same outcome twice."""

MOST = 4096
"""Examples that are looked at, evenly spaced over the data; for an outlier all are."""


def health_facts(data: ArrayData | BatchSource, steps: int, *, continued: bool = False) -> dict[str, float]:
    """Return the facts of the module by name; those of the data only if they are an array.

    Args:
        data: training data.
        steps: of the run.
        continued: the run begins with trained weights.
    """
    facts = {"steps": float(steps), "continued": float(continued)}
    if not isinstance(data, ArrayData):
        return facts
    x = spread(data, MOST).x.flatten(1).double().cpu()
    if outcomes_bits(data.space) > MANY:
        facts["distinct"] = len(torch.unique(x, dim=0)) / len(x)
    nats = constant_nats(x, data.space)
    if nats is not None:
        facts["constant_nats"] = nats
    if data.space.support is None:
        facts["outlier"] = outlier(data, x)
    return facts


def outcomes_bits(space: Space) -> float:
    """Return log2 of the number of possible examples; infinite for continuous data."""
    return math.inf if space.levels is None else space.dim * math.log2(space.levels)


def constant_nats(x: Tensor, space: Space) -> float | None:
    """Return nats per example of the best model without an input; None if all examples are equal.

    Args:
        x: (n, d) examples in data space, double precision.
        space: of the data.

    Examples:
        >>> bits = torch.tensor([[-1.0], [1.0]]).double()
        >>> round(constant_nats(bits, Space((1,), "vector", (-1.0, 1.0), 2)), 4)
        0.6931
    """
    if space.levels == 2 and space.support is not None:
        low, high = space.support
        p = ((x.mean(dim=0) - low) / (high - low)).clamp(0.0, 1.0)
        return float(-(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum())
    variance = float(x.var(dim=0, correction=0).mean())
    if variance <= 0:
        return None
    bin_width = space.bin_width or 0.0
    return x.shape[1] / 2 * math.log(2 * math.pi * math.e * (variance + bin_width**2 / 12))


def outlier(data: ArrayData, x: Tensor) -> float:
    """Return the largest distance of an example from the median of all over the median distance.

    Args:
        data: all examples, looked at in pieces.
        x: (n, d) examples from which the median is computed.
    """
    centre = x.median(dim=0).values
    typical = float((x - centre).norm(dim=1).median())
    largest = 0.0
    for start in range(0, len(data), MOST):
        part = data.batch(torch.arange(start, min(len(data), start + MOST))).x.flatten(1).double().cpu()
        largest = max(largest, float((part - centre).norm(dim=1).max()))
    return largest / typical if typical > 0 else 1.0
