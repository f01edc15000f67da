r"""Coverage of known modes: which modes of a mixture a model reaches, how often, and how wide they are.

A sample belongs to the nearest mode and is of *high quality* within a radius that holds the mass $1 - e^{-9/2}$ =
98.889 % of a mode: three widths in two dimensions, as published; in d dimensions the same quantile of $\chi^2_d$
(three widths hold 47 % in ten dimensions). Four numbers, each two-sided:

- modes: modes with at least one sample of high quality;
- high_quality: share of samples of high quality. A perfect model scores 98.889 %, not 100 %: a larger share means that
  the modes are too narrow;
- mode_kl: $\sum_k \hat q_k \log(\hat q_k / p_k)$ of the shares of samples nearest to each mode (reverse KL). A perfect
  model scores about $(K-1)/2n$, not 0;
- mode_width: standard deviation within modes over that of the law, from samples of high quality about their own mean,
  corrected for the cut. Below 1 the modes are too narrow, even if all of them are reached.

The score of a perfect model is exact where modes are far apart, and simulated from the law where they overlap.

References:
    Srivastava, Valkov, Russell, Gutmann & Sutton, VEEGAN (2017), Section 4.1. https://arxiv.org/abs/1705.07761
    Lin, Khetan, Fanti & Oh, PacGAN (2018), Section 4.1. https://arxiv.org/abs/1712.04086
"""

import math
import time
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from veridical.evaluation.exchange import simulated_test
from veridical.evaluation.measurement import Interval, Measurement, ReferenceKind
from veridical.evaluation.plug_in import METHOD, kl_interval
from veridical.statistics import mean_interval, wilson_interval
from veridical.targets.law import HasModes

MASS = 1.0 - math.exp(-4.5)
"""Mass of a mode within the radius of high quality."""

APART = 6.0
"""Modes whose centres are further apart than the radius by so many widths count as separate: each reaches into the
other with less than 1e-9 of its mass."""

_RESAMPLES, _SIMULATIONS = 2000, 250
_LISTED_MODES = 1000

_MEASURED: tuple[tuple[str, str, bool, ReferenceKind], ...] = (
    ("modes", "modes", True, "ceiling"),
    ("high_quality", "share", True, "ceiling"),
    ("mode_kl", "nats", False, "floor"),
    ("mode_width", "1", False, "null"),
)


_TOLERANCES = {"modes": 0.02, "high_quality": 0.02, "mode_kl": 0.5, "mode_width": 0.05}
"""A difference of this fraction of a perfect model's score counts as none."""


class Modes(NamedTuple):
    """The assignment of samples to modes."""

    nearest: Int[np.ndarray, " K"]
    """Samples nearest to each mode."""

    high_quality: Int[np.ndarray, " K"]
    """Those within the radius."""

    squares: Float[np.ndarray, " n"]
    """Squared deviation, over d s² c, of each sample of high quality from its mode's sample mean: 1 on average."""


class Reference(NamedTuple):
    """The score of a perfect model: expectation and 95 % interval."""

    value: float
    interval: Interval
    scores: Float[np.ndarray, " draws"]
    """Of simulated perfect models, the same ones for all references of a table."""


def radius(d: int) -> float:
    """Radius of high quality, in widths of a mode.

    Examples:
        >>> round(radius(2), 12), round(radius(10), 2)
        (3.0, 4.79)
    """
    return math.sqrt(2 * special.gammaincinv(d / 2, MASS))


def separate(target: HasModes) -> bool:
    """Return whether no mode overlaps another."""
    gaps = torch.pdist(target.modes)
    return not len(gaps) or float(gaps.min()) / target.sigma >= radius(target.modes.shape[1]) + APART


def find_modes(samples: Float[Tensor, "n d"], target: HasModes) -> Modes:
    """Assign samples to modes."""
    mode, deviation, good = [], [], []
    for x in samples.to(torch.float64).split(1 << 14):
        nearest, distance = target.nearest_mode(x)
        mode.append(nearest)
        deviation.append((x - target.modes[nearest]) / target.sigma)
        good.append(distance <= radius(target.modes.shape[1]))
    where, deviations, inside = torch.cat(mode), torch.cat(deviation), torch.cat(good)
    modes = len(target.modes)
    counts = torch.bincount(where[inside], minlength=modes)
    return Modes(
        torch.bincount(where, minlength=modes).numpy(),
        counts.numpy(),
        _squares(deviations[inside], where[inside], counts).numpy(),
    )


def measure_modes(samples: Float[Tensor, "n d"], target: HasModes, seed: int = 0) -> list[Measurement]:
    """Measure modes, high_quality, mode_kl and mode_width (module docstring), each with its reference.

    Args:
        samples: of a model, in the units of the law.
        target: the law.
        seed: of the simulated references.

    Returns:
        The measurements; mode_width only where some mode has two samples of high quality.
    """
    if samples.ndim != 2 or samples.shape[1] != target.modes.shape[1]:
        raise ValueError(f"samples has shape {tuple(samples.shape)}; {target!r} expects (n, {target.modes.shape[1]}).")
    began = time.perf_counter()
    rng, n = np.random.default_rng(seed), len(samples)
    found = find_modes(samples, target)
    exact = separate(target)
    law, perfect = _exact_references(target, n, rng) if exact else _simulated_references(target, n, seed)
    values = score_modes(found, law)
    intervals = _intervals(found, law, values)
    key = ("simulated modes", n, seed)
    detail = {"law": repr(target), "reference": "exact" if exact else f"{_SIMULATIONS} simulations"}
    if len(law) <= _LISTED_MODES:
        detail["high_quality_by_mode"] = found.high_quality.tolist()
    return [
        Measurement(
            name,
            values[name],
            unit,
            n,
            higher_is_better=higher,
            interval=intervals[name][0],
            method=intervals[name][1],
            reference=perfect[name].value,
            reference_kind=kind,
            reference_interval=perfect[name].interval,
            seconds=(time.perf_counter() - began) / 4,
            detail=detail | {"of": len(law)} if name == "modes" else detail,
            test=simulated_test(
                values[name], perfect[name].scores, tolerance=_TOLERANCES[name] * perfect[name].value, key=key
            ),
        )
        for name, unit, higher, kind in _MEASURED
        if name in values
    ]


def _squares(deviation: Tensor, mode: Tensor, counts: Tensor) -> Tensor:
    """Deviations from the mode's own mean, with Bessel's correction; modes of one sample are left out."""
    d = deviation.shape[1]
    means = torch.zeros(len(counts), d, dtype=deviation.dtype).index_add_(0, mode, deviation)
    means /= counts.clamp(min=1)[:, None]
    many = counts[mode] > 1
    bessel = (counts / (counts - 1).clamp(min=1))[mode]
    squares = (deviation - means[mode]).square().sum(dim=1) * bessel / (d * _cut_variance(d))
    return squares[many]


def _cut_variance(d: int, moment: int = 1) -> float:
    """Second (fourth) radial moment of the cut unit Gaussian over that of the whole one."""
    q = radius(d) ** 2 / 2
    return float(special.gammainc(d / 2 + moment, q) / special.gammainc(d / 2, q))


def score_modes(found: Modes, law: np.ndarray) -> dict[str, float]:
    """Return the values of modes, high_quality, mode_kl and mode_width, the last where two samples are of high quality.

    Args:
        found: the assignment of samples to modes.
        law: (K,) weights of the modes.
    """
    values = {
        "modes": float((found.high_quality > 0).sum()),
        "high_quality": float(found.high_quality.sum() / found.nearest.sum()),
        "mode_kl": float(kl_of_shares(found.nearest, law)),
    }
    return values | ({"mode_width": math.sqrt(found.squares.mean())} if len(found.squares) > 1 else {})


def kl_of_shares(counts: np.ndarray, law: np.ndarray) -> np.ndarray:
    """Return (...) the KL of the shares of counts (..., K) to a law (K,) of the modes, in nats.

    Examples:
        >>> kl_of_shares(np.array([[1, 1], [2, 0]]), np.array([0.5, 0.5])).round(3)
        array([0.   , 0.693])
    """
    share = counts / counts.sum(axis=-1, keepdims=True)
    return (special.xlogy(share, share) - special.xlogy(share, law)).sum(axis=-1)


def _intervals(found: Modes, law: np.ndarray, values: dict[str, float]) -> dict[str, tuple[Interval | None, str]]:
    n = int(found.nearest.sum())
    missed = np.exp(-found.high_quality[found.high_quality > 0])  # chance that another n samples miss the mode
    spread = 1.96 * math.sqrt(float((missed * (1 - missed)).sum()))
    intervals: dict[str, tuple[Interval | None, str]] = {
        "modes": ((values["modes"] - spread, min(values["modes"] + spread, float(len(law)))), "Poisson hits per mode"),
        "high_quality": (wilson_interval(int(found.high_quality.sum()), n), "Wilson"),
        "mode_kl": (kl_interval(found.nearest, law), METHOD),
    }
    if "mode_width" in values:
        low, high = mean_interval(found.squares)
        intervals["mode_width"] = ((math.sqrt(max(0.0, low)), math.sqrt(high)), "Student, of squares")
    return intervals


def _exact_references(target: HasModes, n: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, Reference]]:
    law = target.weights.numpy()
    counts = rng.multinomial(n, law, _RESAMPLES)
    hits = rng.binomial(counts, MASS)
    d, scale = target.modes.shape[1], _cut_variance(target.modes.shape[1])
    fourth = d * (d + 2) * _cut_variance(d, 2) / (d * scale) ** 2  # of the squares, whose mean is 1
    half = 1.96 * math.sqrt((fourth - 1) / (n * MASS)) / 2
    return law, {
        "modes": _reference((hits > 0).sum(axis=1), float((1 - (1 - law * MASS) ** n).sum())),
        "high_quality": _reference(hits.sum(axis=1) / n, MASS),
        "mode_kl": _reference(kl_of_shares(counts, law)),
        "mode_width": Reference(1.0, (1 - half, 1 + half), rng.normal(1.0, half / 1.96, _RESAMPLES)),
    }


def _simulated_references(target: HasModes, n: int, seed: int) -> tuple[np.ndarray, dict[str, Reference]]:
    """Score draws of the law; the shares of the cells are estimated from all simulations together."""
    generator = torch.Generator().manual_seed(seed)
    runs = [find_modes(target.sample(n, generator, torch.float64), target) for _ in range(_SIMULATIONS)]
    total = np.sum([run.nearest for run in runs], axis=0)
    law = np.maximum(total, 0.5) / np.maximum(total, 0.5).sum()
    scores = [score_modes(run, law) for run in runs]
    return law, {name: _reference(np.array([score.get(name, 1.0) for score in scores])) for name in scores[0]}


def _reference(scores: np.ndarray, value: float | None = None) -> Reference:
    low, high = np.quantile(scores, [0.025, 0.975])
    return Reference(float(scores.mean()) if value is None else value, (float(low), float(high)), scores)
