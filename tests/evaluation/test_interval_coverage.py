"""Intervals of 95 % contain the expected value: every metric of features, two distributions, two models, small n.

`benchmarks/coverage.py` measures more of them at larger n. Here 30 repetitions, seeds fixed: at a coverage of 95 %
fewer than 23 of 30 hold with probability 1e-4, so that one of these 52 cells fails by chance in .5 % of all seeds.
"""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.evaluation.sets import sets
from veridical.evaluation.authenticity import measure_authenticity
from veridical.evaluation.c2st import measure_c2st, measure_nearest_neighbour
from veridical.evaluation.cells import measure_shares
from veridical.evaluation.clipped import measure_clipped
from veridical.evaluation.exchange import exchange
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.mmd import measure_mmd
from veridical.evaluation.two_sample import measure_frechet, measure_kernel, measure_manifold
from veridical.evaluation.vendi import measure_vendi
from veridical.targets import Law, correlated, ring

REPETITIONS, LEAST, N = 30, 23, 100
METRICS: tuple[Callable[[FeatureSets], list[Measurement]], ...] = (
    measure_frechet,
    measure_kernel,
    measure_manifold,
    measure_clipped,
    measure_c2st,
    measure_nearest_neighbour,
    measure_mmd,
    measure_vendi,
    measure_authenticity,
    lambda f: measure_shares(f, None, 0),
)


@pytest.mark.parametrize("model", ["perfect", "wrong"])
@pytest.mark.parametrize("law", [ring(), correlated()], ids=["ring", "correlated"])
def test_intervals_contain_the_expected_value(law: Law, model: str) -> None:
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    g = torch.Generator().manual_seed(0)
    fixed = law.sample(2 * N, g, torch.float32)
    for _ in range(REPETITIONS):
        train, test, x = (law.sample(k * N, g, torch.float32) for k in (2, 1, 2))
        x = x[(x[:, 0] < 0.5) | (torch.rand(len(x), generator=g) < (1.0 if model == "perfect" else 0.5))][:N]
        features, given = sets(x, train, test), sets(x, fixed, test)
        for of in (features, given):
            of.__dict__["exchange"] = exchange(N, N, seed=0, draws=99)
        for metric in METRICS:
            for m in metric(given if metric is METRICS[-1] else features):
                assert m.interval is not None
                found[m.name].append((m.value, *m.interval))
    held = {}
    for name, numbers in found.items():
        value, low, high = np.array(numbers).T
        held[name] = int(((low <= value.mean()) & (value.mean() <= high)).sum())
    assert min(held.values()) >= LEAST, held
