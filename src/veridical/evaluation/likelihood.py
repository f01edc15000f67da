r"""Likelihood of a model that knows its density: nats on training and held-out data, bits per dimension, exact KL.

`log_prob` and `elbo` are in nats per example. On data with more than two levels they are densities in data space, of
the data with uniform noise of one bin; the density of D components at levels of spacing $\delta$ bounds the
probability of the levels,

$$ \mathbb E_u \log p(x + u) + D \log\delta \le \log P(x), \qquad
   \text{bits per dimension} = -\frac{\log p + D\log\delta}{D \log 2}, $$

so bits per dimension do not depend on how data space is scaled (Theis, van den Oord & Bethge 2016). On data of two
levels they are probabilities, and $\delta$ does not enter.

Where the law of the data is known, KL divergences are exact up to the error of a mean over draws: 0 for a perfect
model, with no bias at any n.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.data.preprocess import log_det
from veridical.data.space import Space
from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.model import ExactLikelihood, GenerativeModel, LikelihoodBound
from veridical.statistics import mean_interval
from veridical.targets import GaussianMixture
from veridical.targets.ising import Ising

BATCH = 256

LogProb = Callable[[Tensor], Tensor]


def log_prob_of(model: GenerativeModel) -> tuple[LogProb, str] | None:
    """Return the log-density of a model, or its bound, and which of the two; None if it has neither."""
    if isinstance(model, ExactLikelihood):
        return model.log_prob, "exact"
    if isinstance(model, LikelihoodBound):
        return model.elbo, "lower bound"
    return None


def measure_likelihood(
    model: GenerativeModel, train: ArrayData, test: ArrayData | None, n: int, seed: int
) -> list[Measurement]:
    """Measure nats_train, and with held-out data nats_test, overfit_nats and bits_per_dim.

    Args:
        model: with a likelihood or a bound.
        train: what it learned from.
        test: held-out data; None: there are none.
        n: examples of each that are scored.
        seed: of the choice of examples and of the draws inside a bound.

    Returns:
        The measurements; nats_test has a reference only where the law is known.

    Raises:
        ValueError: the model has no likelihood.
    """
    found = log_prob_of(model)
    if found is None:
        raise ValueError(f"{type(model).__name__} has no likelihood; leave this metric out.")
    log_prob, kind = found
    detail: dict[str, JSON] = {"likelihood": kind}
    began = time.perf_counter()
    on_train = score(log_prob, _some(train, n, seed), model.device, seed)
    seconds = time.perf_counter() - began
    measured = [_mean("nats_train", on_train, seconds, detail)]
    if test is None:
        return measured
    began = time.perf_counter()
    x = _some(test, n, seed)
    on_test = score(log_prob, x, model.device, seed)
    seconds = time.perf_counter() - began
    measured.append(_against_law(_mean("nats_test", on_test, seconds, detail), x, test.target))
    measured.append(_gap(on_train, on_test, detail))
    if test.space.levels is not None:
        measured.append(_bits(on_test, test.space, detail))
    return measured


def measure_divergence(
    model: GenerativeModel, target: GaussianMixture, samples: Float[Tensor, "n d"] | None, n: int, seed: int
) -> list[Measurement]:
    r"""Measure kl_forward, $\mathrm{KL}(p\|q)$ on draws of the law p; with exact density and samples kl_reverse too.

    Args:
        model: with a likelihood or a bound q.
        target: the law p.
        samples: of the model; None: it cannot sample.
        n: draws of the law.
        seed: of these draws.

    Returns:
        Divergences in nats; forward ones of a bound are upper bounds.
    """
    found = log_prob_of(model)
    if found is None:
        raise ValueError(f"{type(model).__name__} has no likelihood; leave this metric out.")
    log_prob, kind = found
    began = time.perf_counter()
    x = target.sample(n, torch.Generator().manual_seed(seed), torch.float32)
    gap = target.log_prob(x.double()) - score(log_prob, x, model.device, seed)
    detail: dict[str, JSON] = {"likelihood": kind, "law": repr(target)}
    measured = [_divergence("kl_forward", gap, time.perf_counter() - began, detail)]
    if samples is not None and kind == "exact":
        began = time.perf_counter()
        gap = score(log_prob, samples, model.device, seed) - target.log_prob(samples.double())
        measured.append(_divergence("kl_reverse", gap, time.perf_counter() - began, detail))
    return measured


@torch.no_grad()
def score(log_prob: LogProb, x: Float[Tensor, "n *event"], device: torch.device, seed: int) -> Float[Tensor, " n"]:
    """Return nats of every example in float64; the same for the same seed, and the global generators untouched."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        return torch.cat([log_prob(batch.to(device)).double().cpu() for batch in x.split(BATCH)])


def _some(data: ArrayData, n: int, seed: int) -> Tensor:
    rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n]
    return data.batch(rows, "cpu").x


def _mean(name: str, nats: Tensor, seconds: float, detail: dict[str, JSON]) -> Measurement:
    return Measurement(
        name,
        float(nats.mean()),
        "nats",
        len(nats),
        higher_is_better=True,
        interval=_interval(nats),
        method="Student",
        seconds=seconds,
        detail=detail | {"standard_error": _standard_error(nats)},
    )


def _against_law(measured: Measurement, x: Tensor, target: object) -> Measurement:
    """Set beside what the law itself scores on the same examples."""
    if not isinstance(target, GaussianMixture | Ising):
        return measured
    perfect = target.log_prob(x.double())
    return replace(
        measured,
        reference=float(perfect.mean()),
        reference_kind="ceiling",
        reference_interval=_interval(perfect),
    )


def _gap(on_train: Tensor, on_test: Tensor, detail: dict[str, JSON]) -> Measurement:
    """Nats that training examples have more than held-out ones."""
    gap = float(on_train.mean() - on_test.mean())
    half = 1.96 * math.hypot(_standard_error(on_train), _standard_error(on_test))
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


def _bits(nats: Tensor, space: Space, detail: dict[str, JSON]) -> Measurement:
    density = space.levels != 2
    shift = log_det(space) if density else 0.0
    bits = -(nats + shift) / (space.dim * math.log(2))
    return Measurement(
        "bits_per_dim",
        float(bits.mean()),
        "bits",
        len(bits),
        higher_is_better=False,
        interval=_interval(bits),
        method="Student",
        detail=detail | {"of": "noisy levels" if density else "levels", "bin_width": space.bin_width},
    )


def _divergence(name: str, gap: Tensor, seconds: float, detail: dict[str, JSON]) -> Measurement:
    return Measurement(
        name,
        float(gap.mean()),
        "nats",
        len(gap),
        higher_is_better=False,
        interval=_interval(gap),
        method="Student",
        reference=0.0,
        reference_kind="floor",
        seconds=seconds,
        detail=detail | {"standard_error": _standard_error(gap)},
    )


def _standard_error(x: Tensor) -> float:
    return float(x.std()) / math.sqrt(len(x))


def _interval(x: Tensor) -> Interval | None:
    """Student's, or none where an example has no probability and the mean is infinite."""
    return mean_interval(x) if np.isfinite(x.numpy()).all() else None
