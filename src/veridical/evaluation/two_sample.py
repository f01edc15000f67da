"""Samples against data by their features: every value is compared with that of real data in place of samples.

The tests exchange the labels of samples and held-out examples (`exchange`), the same for all of these metrics, so that
their joint distribution is known. Each states its tolerance: a smaller difference counts as none.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from veridical.evaluation.compared import compared
from veridical.evaluation.exchange import Exchange, exchange_test, mean_differences
from veridical.evaluation.features import EXCHANGED, K_COVERAGE, K_PRECISION, FeatureSets
from veridical.evaluation.frechet import (
    GaussianFit,
    frechet_limit,
    frechet_slope,
    frechet_with_interval,
)
from veridical.evaluation.kernel import KernelSample, kernel_distance
from veridical.evaluation.manifold import Manifold, Sample, coverage_of_perfect_model, manifold
from veridical.evaluation.manifold_intervals import manifold_intervals
from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.evaluation.memorisation import (
    COPY_LEVEL,
    NEAR_LEVEL,
    copy_ratio,
    excess_share,
    relabelled_tail,
    smallest_share,
)
from veridical.evaluation.neighbours import Neighbours, nearest
from veridical.evaluation.power import effects_of_moves
from veridical.evaluation.relabelled import Relabelled
from veridical.evaluation.relabelled_moments import (
    COMPONENTS,
    relabelled_frechet,
    relabelled_kernel,
    variance_of_kernel,
)
from veridical.verdict import Test

SHOWN_NEIGHBOURS = 16

VARIANCE_TOLERANCE = 0.01
"""Tolerance of squared distances, as a fraction of the variance of the data: a shift by a tenth of a deviation."""

SHARE_TOLERANCE = 0.05
"""Tolerance of precision, recall, density and coverage."""

MEMORY_TOLERANCE: Mapping[str, float] = {"memorised": 0.01, "copied": 0.005}
"""Tolerance of the shares of near samples and of copies."""


def measure_frechet(features: FeatureSets) -> list[Measurement]:
    """Fréchet distance of all samples to the reference; its null at the same number of samples.

    Where there are fewer held-out examples than samples (or more), the null is moved to n along its bias b/n, measured
    by halves.
    """
    began = time.perf_counter()
    n, available = len(features.generated), len(features.null)
    generator = torch.Generator().manual_seed(features.seed)
    reference, generated = GaussianFit(features.reference), GaussianFit(features.generated)
    held_out = GaussianFit(features.null[:n])
    value, null = frechet_with_interval(reference, generated), frechet_with_interval(reference, held_out)
    shift = 0.0
    if available < n:
        shift = frechet_slope(reference, held_out, generator) * (1 / n - 1 / available)
    expected, *band = (max(0.0, score + shift) for score in (null.value, *null.interval))
    dim = features.extractor.dim
    limit = frechet_limit(features.reference, features.generated, generator) if dim <= 512 else None
    e = features.exchange
    where = f"{e.method}, in {min(dim, COMPONENTS)} principal components"
    variance = float(features.reference.to(torch.float64).var(dim=0).sum())
    statistics = relabelled_frechet(features.reference, features.pool, e)
    test = exchange_test(statistics, e, tolerance=VARIANCE_TOLERANCE * variance, method=where)
    test = _counted_from(test, value.value - expected)  # in all components
    return [
        compared(
            features,
            "fid",
            value.value,
            "squared features",
            test,
            n=n,
            higher_is_better=False,
            interval=value.interval,
            method=value.method,
            reference=expected,
            reference_interval=(band[0], band[1]),
            began=began,
            detail={
                "n_reference": len(features.reference),
                "n_null": len(held_out.rows),
                "null_moved_to_n_by": shift,
                "limit_of_many_samples": limit,
            },
        )
    ]


def measure_kernel(features: FeatureSets) -> list[Measurement]:
    """Unbiased kernel distance (KID); 0 for a perfect model, and measured so on held-out data."""
    began = time.perf_counter()
    e = features.exchange
    real, pool, kernel = in_units_of_the_kernel(features)
    reference, generated, null = (KernelSample(rows) for rows in (real[:EXCHANGED], pool[: e.n], pool[e.n :]))
    value, expected = kernel_distance(reference, generated), kernel_distance(reference, null)
    statistics = relabelled_kernel(real, pool, e)
    test = exchange_test(statistics, e, tolerance=VARIANCE_TOLERANCE * variance_of_kernel(real))
    return [
        compared(
            features,
            "kid",
            value.value,
            "1",
            test,
            higher_is_better=False,
            interval=value.interval,
            method="variance of the U-statistic at every distance",
            reference=expected.value,
            reference_interval=expected.interval,
            began=began,
            detail={"n_reference": len(reference.rows), "kernel": kernel},
        )
    ]


def in_units_of_the_kernel(features: FeatureSets) -> tuple[Tensor, Tensor, str]:
    """Return the reference and the pool as the kernel sees them, and its formula.

    The kernel has a scale. Features of networks are of order one by construction and keep it, as in the paper;
    coordinates have any unit and are counted from the mean of the reference in its standard deviations.
    """
    real, pool, kernel = features.reference, features.pool, "(x.y/d + 1)^3"
    if features.extractor.name != "coordinates":
        return real, pool, kernel
    centre = real.double().mean(dim=0)
    unit = float((real.double() - centre).square().mean().sqrt()) or 1.0
    scaled = [((rows.double() - centre) / unit).to(rows.dtype) for rows in (real, pool)]
    return scaled[0], scaled[1], f"{kernel}, x and y in standard deviations from the mean of the reference"


def measure_manifold(features: FeatureSets) -> list[Measurement]:
    """Precision, recall, density and coverage of samples against as many real examples.

    A perfect model's score is that of held-out examples. Where their number is another, recall is moved to that of the
    samples by the mean over all labellings, and coverage has its exact expectation.
    """
    began = time.perf_counter()
    e, pool = features.exchange, features.pool
    r = min(len(features.reference), e.n)
    if min(r, e.n, e.m) <= K_COVERAGE:
        raise ValueError(f"{min(r, e.n, e.m)} examples are too few for {K_COVERAGE} neighbours; evaluate with more.")
    real = Sample(features.reference[:r], K_PRECISION, K_COVERAGE)
    generated = Sample(pool[: e.n], K_PRECISION, K_COVERAGE)
    values = manifold(real, generated)
    intervals = manifold_intervals(real.rows, generated.rows, values, K_PRECISION, K_COVERAGE)
    tests = manifold_tests(real, pool, features.neighbours, e)
    perfect = {name: value - tests[name].difference for name, value in values._asdict().items()}
    if e.n != e.m:
        perfect["coverage"] = coverage_of_perfect_model(r, e.n, K_COVERAGE)
    most = {name: math.inf if name == "density" else 1.0 for name in perfect}
    perfect = {name: min(max(score, 0.0), most[name]) for name, score in perfect.items()}
    tests = {name: _counted_from(tests[name], value - perfect[name]) for name, value in values._asdict().items()}
    bands = manifold_intervals(real.rows, pool[e.n :], Manifold(**perfect), K_PRECISION, K_COVERAGE)
    moves = effects_of_moves(real, pool[e.n :])
    return [
        compared(
            features,
            name,
            value,
            "1" if name == "density" else "share",
            tests[name],
            higher_is_better=True,
            interval=getattr(intervals, name),
            method="variance from halves and quarters",
            reference=perfect[name],
            reference_interval=getattr(bands, name),
            began=began,
            detail={"n_reference": r, "k": K_COVERAGE if name in ("density", "coverage") else K_PRECISION}
            | moves.get(name, {}),
            share=4,
        )
        for name, value in values._asdict().items()
    ]


def manifold_tests(real: Sample, pool: Tensor, among: Neighbours, exchange: Exchange) -> dict[str, Test]:
    """Tests of precision, recall, density and coverage, by name.

    Args:
        real: the reference.
        pool: samples followed by held-out examples.
        among: the neighbours of every row of the pool among the others.
        exchange: the labellings.
    """
    by = Relabelled(real, pool, among)
    statistics = {
        "precision": mean_differences(by.precise.to(torch.float64), exchange),
        "recall": by.recall(exchange),
        "density": mean_differences(by.inside, exchange),
        "coverage": by.coverage(exchange),
    }
    return {name: exchange_test(s, exchange, tolerance=SHARE_TOLERANCE) for name, s in statistics.items()}


def measure_memorisation(features: FeatureSets) -> list[Measurement]:
    """Shares of samples nearer to the training data, and nearer to one training example, than held-out examples are."""
    began = time.perf_counter()
    e = features.exchange
    found = nearest(features.generated, features.train)
    pool = nearest(features.pool, features.reference)
    closest = found.distance.argsort(stable=True)[:SHOWN_NEIGHBOURS].tolist()
    detail: dict[str, JSON] = {
        "n_reference": len(features.reference),
        "exact_copies": int((found.distance == 0).sum()),
        "median_distance": float(found.distance.median()),
        "median_distance_held_out": float(pool.distance[e.n :].median()),
        "closest": [[i, int(found.index[i]), float(found.distance[i])] for i in closest],
    }
    scores = {"memorised": (pool.distance, NEAR_LEVEL), "copied": (copy_ratio(pool), COPY_LEVEL)}
    return [_memory(features, name, x, level, began, detail) for name, (x, level) in scores.items()]


def _memory(
    features: FeatureSets, name: str, scores: Tensor, level: float, began: float, detail: dict[str, JSON]
) -> Measurement:
    """The share beyond that of a perfect model, which is the difference itself: exchanges only give its p-value."""
    e = features.exchange
    tail = excess_share(scores[: e.n], scores[e.n :], level)
    statistics, smallest = relabelled_tail(scores, e, level), partial(smallest_share, e.n, e.m, level)
    test = exchange_test(statistics, e, bad="high", tolerance=MEMORY_TOLERANCE[name], smallest=smallest)
    return compared(
        features,
        name,
        tail.value,
        "share",
        replace(test, difference=tail.value, interval=tail.interval),
        higher_is_better=False,
        interval=tail.interval,
        method="binomial over an order statistic",
        reference=0.0,
        reference_interval=_perfect(test),
        began=began,
        detail=detail | {"level": tail.level, "threshold": tail.threshold, "share_below": tail.near},
        share=2,
    )


def _counted_from(test: Test, difference: float) -> Test:
    """The test with another difference, and its interval around that."""
    low, high = test.interval or (test.difference, test.difference)
    move = difference - test.difference
    return replace(test, difference=difference, interval=(low + move, high + move))


def _perfect(test: Test) -> Interval:
    """Scores of 95 % of perfect models whose expectation is 0: the interval of the difference, seen from there."""
    low, high = test.interval or (test.difference, test.difference)
    return max(0.0, test.difference - high), max(0.0, test.difference - low)
