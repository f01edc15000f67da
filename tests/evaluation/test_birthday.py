"""Birthday paradox: the support of discrete distributions, every pair once, intervals that cover."""

import math

import numpy as np
import pytest
import torch

from tests.evaluation.sets import normal, sets
from veridical.evaluation.birthday import _interval, collision_rates, collisions, measure_birthday, support
from veridical.evaluation.exchange import exchange


def discrete(n: int, outcomes: int, seed: int) -> torch.Tensor:
    return torch.randint(outcomes, (n, 1), generator=torch.Generator().manual_seed(seed)).float()


def test_the_support_of_a_uniform_distribution() -> None:
    # 1,000 draws of 365: 1,368 collisions expected, standard deviation 37; four of them are 11 %.
    found = support(len(collisions(discrete(1000, 365, 0), 0.0).first), 1000)
    assert found == pytest.approx(365, rel=0.11)
    assert support(0, 10) == math.inf


def test_every_pair_counts_once() -> None:
    pairs = collisions(torch.tensor([[0.0], [0.1], [5.0], [0.05]]), 0.07)
    assert sorted(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [(0, 3), (1, 3)]


def test_rates_by_hand() -> None:
    pool = torch.tensor([[0.0], [0.0], [0.0], [1.0], [2.0]])  # samples 0 0 0, others 1 2
    assert float(collision_rates(collisions(pool, 0.0), exchange(3, 2, 0, 1))[0]) == 1.0


def test_the_interval_covers() -> None:
    # 200 repetitions at 95 %: fewer than 180 have probability 3e-3; uneven weights make clumps.
    weights = torch.arange(1.0, 41.0)
    truth = float(weights.sum() ** 2 / weights.square().sum())
    covered = 0
    for seed in range(200):
        g = torch.Generator().manual_seed(seed)
        x = torch.multinomial(weights, 150, replacement=True, generator=g)[:, None].float()
        low, high = _interval(collisions(x, 0.0), 150)
        covered += low <= truth <= high
    assert covered >= 180


def test_repeated_samples_have_a_small_support() -> None:
    train, test = normal(600, 3, 1), normal(500, 3, 2)
    repeated = normal(40, 3, 3)[torch.arange(500) % 40]
    (bad,), (good,) = (measure_birthday(sets(x, train, test)) for x in (repeated, normal(500, 3, 4)))
    assert bad.value == pytest.approx(40, rel=0.15) and bad.verdict == "short of perfect"
    assert good.verdict != "short of perfect" and np.isfinite(good.value)
