r"""Likelihood of a model with a density: nats on training and held-out data, bits per dimension.

`log_prob` and `elbo` are in nats per example. On data with more than two levels they are densities in data space, of
the data with uniform noise of one bin; the density of D components at levels of spacing $\delta$ bounds the
probability of the levels,

$$ \mathbb E_u \log p(x + u) + D \log\delta \le \log P(x), \qquad
   \text{bits per dimension} = -\frac{\log p + D\log\delta}{D \log 2}, $$

so bits per dimension do not depend on how data space is scaled (Theis, van den Oord & Bethge 2016). On data of two
levels they are probabilities, and $\delta$ does not enter.

Where the law of the data is known, its own score on the same held-out examples is the ceiling: the two are compared
example by example, and no model is better than the law but by chance. A bound below the ceiling shows no fault.

Where log Z is annealed, nats are too high by the same number for all examples if the chains miss a part of the model,
and the standard error of their weights does not see it. Chains that go back from examples err to the other side. So
intervals reach down to what these score.
"""

import math
import time
from dataclasses import replace

import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.data.preprocess import log_det
from veridical.data.space import Space
from veridical.evaluation.density import Density, LogProb, density_of, score, why_no_density
from veridical.evaluation.intervals import against_law, mean_nats, mean_or_none, rounding, standard_error
from veridical.evaluation.measurement import JSON, Measurement
from veridical.evaluation.target import Target
from veridical.model import GenerativeModel
from veridical.targets.law import HasDensity
from veridical.verdict import Bound

_INSPECTED = 100
"""Examples on which the codes that count are counted."""

REVERSED = 100
"""Held-out examples from which chains go back, where log Z is estimated."""


def measure_likelihood(
    model: GenerativeModel,
    train: ArrayData,
    test: ArrayData | None,
    n: int,
    seed: int,
    density: Density | None = None,
) -> list[Measurement]:
    """Measure nats_train, and with held-out data nats_test, overfit_nats and bits_per_dim.

    Args:
        model: with a likelihood or a bound.
        train: the training data.
        test: held-out data; None: there are none.
        n: examples of each that are scored.
        seed: of the choice of examples and of the draws inside a bound.
        density: of the model, if already computed.

    Returns:
        The measurements; nats_test has a reference only where the law is known.

    Raises:
        ValueError: the model has no likelihood.
    """
    density = density_of(model, train.space) if density is None else density
    if density is None:
        raise ValueError(f"{why_no_density(model, train.space)}; leave this metric out.")
    detail, bound, n = _of(density, train, seed, model.device), density.bound, density.limit(n)
    began = time.perf_counter()
    on_train = score(density.log_prob, _some(train, n, seed), model.device, seed)
    seconds = time.perf_counter() - began
    of_train = mean_nats("nats_train", on_train, seconds, bound, detail, shared=density.error)
    if test is None:
        return [of_train]
    began = time.perf_counter()
    x = _some(test, n, seed)
    on_test = score(density.log_prob, x, model.device, seed)
    seconds = time.perf_counter() - began
    of_test = mean_nats("nats_test", on_test, seconds, bound, detail, shared=density.error)
    if test.target is not None and isinstance(test.target, HasDensity):
        perfect, shared = Target(test.target, test.space).log_prob(x), math.hypot(density.error, rounding(on_test))
        of_test = against_law(of_test, on_test, perfect, shared)
    measured = [of_train, of_test]
    levels = test.space.levels is not None
    bits = [_bits(on_test, test.space, "upper" if bound else None, detail)] if levels else []
    if density.below is not None:
        back, gap = _from_below(density.below, x[:REVERSED], on_test, model.device, seed, detail)
        measured = [*(reaching(m, gap) for m in measured), back]
        bits = [reaching(m, gap / (test.space.dim * math.log(2))) for m in bits]
    return [*measured, _gap(on_train, on_test, detail), *bits]


def reaching(m: Measurement, gap: float) -> Measurement:
    """Return an annealed likelihood whose interval reaches to what chains that go back score.

    Args:
        m: the measurement.
        gap: how much worse that may be, in its unit; NaN: unknown.
    """
    if m.interval is None or math.isnan(gap):
        return m
    low, high = m.interval
    ends = (min(low, m.value - gap), high) if m.higher_is_better else (low, max(high, m.value + gap))
    return replace(m, interval=ends, method=f"{m.method}, or chains that go back")


def _of(density: Density, data: ArrayData, seed: int, device: torch.device) -> dict[str, JSON]:
    """Describe the density; for weighted codes or draws also how many of them count, on the first examples."""
    if density.codes is None:
        return density.detail
    counted = score(density.codes, _some(data, _INSPECTED, seed), device, seed)
    name = f"effective_{density.counted}"
    return density.detail | {name: float(counted.median()), f"{name}_least": float(counted.min())}


def _from_below(
    below: LogProb, x: Tensor, forward: Tensor, device: torch.device, seed: int, detail: dict[str, JSON]
) -> tuple[Measurement, float]:
    """Mean nats of held-out examples by chains that go back from them: a bound of the annealed chains' likelihood.

    Args:
        below: nats by such chains.
        x: (m, *event) held-out examples.
        forward: (n,) annealed nats, of which the first m are theirs.
        device: of the model.
        seed: of the chains.
        detail: of the density.

    Returns:
        The mean, and the upper end of the 95 % interval of how much less that is than the annealed nats.
    """
    began = time.perf_counter()
    nats = score(below, x, device, seed)
    gap = forward[: len(x)] - nats
    most = float(gap.mean()) + 1.96 * standard_error(gap)
    return mean_nats("nats_reverse", nats, time.perf_counter() - began, "lower", detail), most


def _some(data: ArrayData, n: int, seed: int) -> Tensor:
    rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n]
    return data.batch(rows, "cpu").x


def _gap(on_train: Tensor, on_test: Tensor, detail: dict[str, JSON]) -> Measurement:
    """Mean nats of training examples minus that of held-out ones."""
    gap = float(on_train.mean() - on_test.mean())
    half = 1.96 * math.hypot(standard_error(on_train), standard_error(on_test))
    return Measurement(
        "overfit_nats",
        gap,
        "nats",
        min(len(on_train), len(on_test)),
        higher_is_better=False,
        interval=None if math.isnan(half) else (gap - half, gap + half),
        method="difference of means",
        reference=0.0,
        reference_kind="null",
        detail=detail,
    )


def _bits(nats: Tensor, space: Space, bound: Bound | None, detail: dict[str, JSON]) -> Measurement:
    density = space.levels != 2
    shift = log_det(space) if density else 0.0
    bits = -(nats + shift) / (space.dim * math.log(2))
    return Measurement(
        "bits_per_dim",
        float(bits.mean()),
        "bits",
        len(bits),
        higher_is_better=False,
        interval=mean_or_none(bits),
        method="Student",
        bound=bound,
        detail=detail | {"of": "noisy levels" if density else "levels", "bin_width": space.bin_width},
    )
