"""Samples against data by their features: every value is compared with that of real data in place of samples."""

import math
import time

import torch

from veridical.evaluation.features import FeatureSets
from veridical.evaluation.frechet import GaussianFit, frechet_limit, frechet_slope, frechet_with_error
from veridical.evaluation.kernel import KernelSample, kernel_distance
from veridical.evaluation.manifold import Sample, coverage_of_perfect_model, manifold
from veridical.evaluation.manifold_intervals import manifold_intervals
from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.evaluation.memorisation import COPY_LEVEL, copy_ratio, excess_share
from veridical.evaluation.neighbours import nearest

LIMIT = 10_000
"""Examples of each kind in measurements whose cost grows with their square."""

K_PRECISION, K_COVERAGE = 3, 5
SHOWN_NEIGHBOURS = 16


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
    value, null = frechet_with_error(reference, generated), frechet_with_error(reference, held_out)
    shift = 0.0
    if available < n:
        shift = frechet_slope(reference, held_out, generator) * (1 / n - 1 / available)
    expected = max(0.0, null.value + shift)
    limit = frechet_limit(features.reference, features.generated, generator) if features.extractor.dim <= 512 else None
    return [
        Measurement(
            "fid",
            value.value,
            "squared features",
            n,
            higher_is_better=False,
            interval=_normal(value.value, value.standard_error, 0.0),
            method="delta method",
            reference=expected,
            reference_kind="null",
            reference_interval=_normal(expected, null.standard_error, 0.0),
            seconds=time.perf_counter() - began,
            detail=_detail(features, len(features.reference), len(held_out.rows))
            | {"null_moved_to_n_by": shift, "limit_of_many_samples": limit},
        )
    ]


def measure_kernel(features: FeatureSets) -> list[Measurement]:
    """Unbiased kernel distance (KID); 0 for a perfect model, and measured so on held-out data."""
    began = time.perf_counter()
    samples = (features.reference, features.generated, features.null)
    reference, generated, null = (KernelSample(rows[:LIMIT]) for rows in samples)
    value, expected = kernel_distance(reference, generated), kernel_distance(reference, null)
    return [
        Measurement(
            "kid",
            value.value,
            "1",
            len(generated.rows),
            higher_is_better=False,
            interval=_normal(value.value, value.standard_error),
            method="variance of the U-statistic",
            reference=expected.value,
            reference_kind="null",
            reference_interval=_normal(expected.value, expected.standard_error),
            seconds=time.perf_counter() - began,
            detail=_detail(features, len(reference.rows), len(null.rows)) | {"kernel": "(x.y/d + 1)^3"},
        )
    ]


def measure_manifold(features: FeatureSets) -> list[Measurement]:
    """Precision, recall, density and coverage at equal numbers of real, generated and held-out examples.

    The null of coverage is exact; those of the other three are what held-out data score.
    """
    began = time.perf_counter()
    m = min(len(features.reference), len(features.generated), len(features.null), LIMIT)
    if m <= K_COVERAGE:
        raise ValueError(f"{m} examples are too few for {K_COVERAGE} neighbours; evaluate with more.")
    real = Sample(features.reference[:m], K_PRECISION, K_COVERAGE)
    scores = []
    for rows in (features.generated[:m], features.null[:m]):
        at = manifold(real, Sample(rows, K_PRECISION, K_COVERAGE))
        scores.append((at, manifold_intervals(real.rows, rows, at, K_PRECISION, K_COVERAGE)))
    (values, intervals), (nulls, null_intervals) = scores
    exact = coverage_of_perfect_model(m, m, K_COVERAGE)
    shift = exact - nulls.coverage
    nulls = nulls._replace(coverage=exact)
    null_intervals = null_intervals._replace(coverage=_moved(null_intervals.coverage, shift))
    seconds = (time.perf_counter() - began) / 4
    return [
        Measurement(
            name,
            getattr(values, name),
            "1" if name == "density" else "share",
            m,
            higher_is_better=True,
            interval=getattr(intervals, name),
            method="variance from halves and quarters",
            reference=getattr(nulls, name),
            reference_kind="null",
            reference_interval=getattr(null_intervals, name),
            seconds=seconds,
            detail=_detail(features, m, m) | {"k": K_COVERAGE if name in ("density", "coverage") else K_PRECISION},
        )
        for name in values._fields
    ]


def measure_memorisation(features: FeatureSets) -> list[Measurement]:
    """Shares of samples nearer to the training data, and nearer to one training example, than held-out examples are."""
    began = time.perf_counter()
    found = nearest(features.generated, features.train)
    if features.test is None:
        rows = torch.randperm(len(features.train), generator=torch.Generator().manual_seed(features.seed))[:LIMIT]
        held_out, kind = nearest(features.train[rows], features.train, exclude=rows), "training data, each left out"
    else:
        held_out, kind = nearest(features.test, features.train), "held-out data"
    closest = found.distance.argsort(stable=True)[:SHOWN_NEIGHBOURS].tolist()
    detail = _detail(features, len(features.train), len(held_out.distance), kind) | {
        "exact_copies": int((found.distance == 0).sum()),
        "median_distance": float(found.distance.median()),
        "median_distance_held_out": float(held_out.distance.median()),
        "closest": [[i, int(found.index[i]), float(found.distance[i])] for i in closest],
    }
    tails = {
        "memorised": excess_share(found.distance, held_out.distance),
        "copied": excess_share(copy_ratio(found), copy_ratio(held_out), COPY_LEVEL),
    }
    seconds = (time.perf_counter() - began) / 2
    return [
        Measurement(
            name,
            tail.value,
            "share",
            len(found.distance),
            higher_is_better=False,
            interval=tail.interval,
            method="Wilson; reference: order statistic",
            reference=0.0,
            reference_kind="null",
            reference_interval=tail.reference_interval,
            seconds=seconds,
            detail=detail | {"level": tail.level, "threshold": tail.threshold, "share_below": tail.value + tail.level},
        )
        for name, tail in tails.items()
    ]


def _detail(features: FeatureSets, n_reference: int, n_null: int, null: str | None = None) -> dict[str, JSON]:
    return {
        "extractor": f"{features.extractor.name} v{features.extractor.version}",
        "n_reference": n_reference,
        "null": null or features.null_kind,
        "n_null": n_null,
    }


def _normal(value: float, error: float, least: float = -math.inf) -> Interval:
    return max(least, value - 1.96 * error), max(least, value + 1.96 * error)


def _moved(interval: Interval, shift: float) -> Interval:
    return interval[0] + shift, interval[1] + shift
