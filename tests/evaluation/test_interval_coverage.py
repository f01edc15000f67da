"""Intervals of 95 % contain the expected value: every metric of features, six distributions, two models, small n.

`benchmarks/coverage.py` measures all metrics at larger n, cell by cell. Here each metric has 10 repetitions of twelve
cells. Their mean, which takes the place of the expected value, lets intervals of 95 % hold in 96 %: fewer than 104 of
120 of one metric with probability 1e-5, and less than 91 % of all, of which 600 count as independent, with 1e-9.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.evaluation.sets import sets
from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.evaluation.authenticity import measure_authenticity
from veridical.evaluation.c2st import measure_c2st, measure_nearest_neighbour
from veridical.evaluation.cells import measure_ndb, measure_shares
from veridical.evaluation.clipped import measure_clipped
from veridical.evaluation.exchange import exchange
from veridical.evaluation.extractors import extractor_for
from veridical.evaluation.features import FeatureSets, extract
from veridical.evaluation.frechet import GaussianFit, frechet_with_interval
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.mmd import measure_mmd
from veridical.evaluation.two_sample import measure_kernel, measure_manifold
from veridical.evaluation.vendi import measure_vendi
from veridical.targets import Law, correlated, heavy_tailed, ring, simplex
from veridical.targets.ising import Ising

REPETITIONS, N = 10, 100
LEAST, LEAST_OF_ALL = 0.865, 0.91
"""Coverage of one metric, and of all."""

OF_GIVEN: tuple[Callable[[FeatureSets], list[Measurement]], ...] = (lambda f: measure_shares(f, None, 0), measure_ndb)
"""Metrics whose cells are those of one training set."""

METRICS: tuple[Callable[[FeatureSets], list[Measurement]], ...] = (
    lambda f: [_frechet(f)],
    measure_kernel,
    measure_manifold,
    measure_clipped,
    measure_c2st,
    measure_nearest_neighbour,
    measure_mmd,
    measure_vendi,
    measure_authenticity,
)


def _frechet(features: FeatureSets) -> Measurement:
    """The distance alone: that of held-out data costs as much."""
    found = frechet_with_interval(GaussianFit(features.reference), GaussianFit(features.generated))
    return Measurement("fid", found.value, "squared features", N, higher_is_better=False, interval=found.interval)


Draw = Callable[[int, torch.Generator], Tensor]
Numbers = Mapping[str, list[np.ndarray]]
"""Of each metric and cell: value and interval in all repetitions (repetitions, 3)."""


def of_law(law: Law) -> Draw:
    return lambda n, g: law.sample(n, g, torch.float32)


def of_pool(pool: Tensor) -> Draw:
    return lambda n, g: pool[torch.randperm(len(pool), generator=g)[:n]]


def images() -> Draw:
    data = load(DataConfig(source="fashion-mnist-10k"), "train")
    extractor = extractor_for(data.space, "fashion-28", torch.device("cpu"))
    parts = (data.batch(rows, "cpu").x for rows in torch.arange(4_000).split(250))
    return of_pool(extract(parts, extractor, 4_000))


def spins() -> Draw:
    return of_pool(Ising(8).sample(20_000, torch.Generator().manual_seed(0), torch.float32).flatten(1))


def measured(draw: Draw, factor: float) -> dict[str, np.ndarray]:
    """Measure all metrics again and again; of the rows above the mean in one direction a share has been left out."""
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    g = torch.Generator().manual_seed(0)
    fixed = draw(2 * N, g)
    for _ in range(REPETITIONS):
        train, test, x = draw(6 * N, g).split([2 * N, N, 3 * N])
        high = x.sum(dim=1) > fixed.sum(dim=1).mean()
        x = x[~high | (torch.rand(len(x), generator=g) < factor)][:N]
        features, given = sets(x, train, test), sets(x, fixed, test)
        given.__dict__["exchange"] = features.__dict__["exchange"] = exchange(N, N, seed=0, draws=99)
        for m in (m for of, by in ((features, METRICS), (given, OF_GIVEN)) for metric in by for m in metric(of)):
            assert m.interval is not None
            found[m.name].append((m.value, *m.interval))
    return {name: np.array(rows) for name, rows in found.items()}


@pytest.fixture(scope="module")
def numbers() -> Iterator[Numbers]:
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    laws = [of_law(law) for law in (ring(), simplex(), correlated(), heavy_tailed())]
    for draw in (*laws, images(), spins()):
        for factor in (1.0, 0.5):
            for name, rows in measured(draw, factor).items():
                found[name].append(rows)
    yield found


def covered(numbers: Numbers, width: float = 1.0) -> dict[str, float]:
    """Share of intervals that contain the mean of their cell, all cells together; widths may be scaled."""
    shares = {}
    for name, cells in numbers.items():
        held = []
        for value, low, high in (rows.T for rows in cells):
            low, high = value + width * (low - value), value + width * (high - value)
            held.append((low <= value.mean()) & (value.mean() <= high))
        shares[name] = float(np.concatenate(held).mean())
    return shares


@pytest.mark.slow
def test_intervals_contain_the_expected_value(numbers: Numbers) -> None:
    shares = covered(numbers)
    assert len(shares) == 16 and min(shares.values()) >= LEAST, shares
    assert np.mean(list(shares.values())) >= LEAST_OF_ALL, shares


def test_intervals_of_half_the_variance_do_not(numbers: Numbers) -> None:
    shares = covered(numbers, 1 / math.sqrt(2))
    assert np.mean(list(shares.values())) < LEAST_OF_ALL, shares
