"""Memorised shares: planted copies are counted, shrunken modes are not called copies, perfect models are left alone."""

import numpy as np
import pytest
import torch
from torch import Tensor

from veridical.evaluation.memorisation import COPY_LEVEL, copy_ratio, excess_share
from veridical.evaluation.neighbours import Nearest, nearest


def draw(n: int, d: int, generator: torch.Generator, width: float = 1.0) -> Tensor:
    means = 3 * torch.randn(10, d, generator=torch.Generator().manual_seed(0))
    mode = torch.randint(0, 10, (n,), generator=generator)
    return means[mode] + width * torch.randn(n, d, generator=generator)


def shares(samples: Tensor, train: Tensor, held_out: Tensor) -> tuple[float, float]:
    a, b = nearest(samples, train), nearest(held_out, train)
    return excess_share(a.distance, b.distance).value, excess_share(copy_ratio(a), copy_ratio(b), COPY_LEVEL).value


@pytest.mark.parametrize("d", [2, 16])
@pytest.mark.parametrize("planted", [0.0, 0.05, 0.2])
def test_planted_copies_are_counted(d: int, planted: float) -> None:
    # 8 repetitions at n = m = 1000: standard errors of the mean .0015 and .0005, twice: of samples, and of
    # the order statistic.
    g, n = torch.Generator().manual_seed(1), 1000
    found = []
    for _ in range(8):
        train, held_out, samples = draw(n, d, g), draw(n, d, g), draw(n, d, g)
        copies = round(planted * n)
        samples[:copies] = train[:copies]
        found.append(shares(samples, train, held_out))
    near, copied = np.mean(found, axis=0)
    assert near == pytest.approx(0.99 * planted, abs=0.01) and copied == pytest.approx(0.999 * planted, abs=0.003)


def test_shrunken_modes_are_near_but_no_copies() -> None:
    g = torch.Generator().manual_seed(2)
    near, copied = np.mean(
        [shares(draw(1000, 16, g, 0.6), draw(1000, 16, g), draw(1000, 16, g)) for _ in range(5)], axis=0
    )
    assert near > 0.05 and copied < 0.005


def test_false_alarms_are_rare() -> None:
    # Disjoint on one side: .3 % each by theory; of 300, more than 6 with probability 1e-4.
    g, alarms = torch.Generator().manual_seed(3), 0
    for _ in range(300):
        found = excess_share(torch.rand(1000, generator=g), torch.rand(500, generator=g))
        alarms += found.interval[0] > found.reference_interval[1]
    assert alarms <= 6


def test_the_share_is_unbiased() -> None:
    # 400 repetitions: standard error of the mean .0003.
    g = torch.Generator().manual_seed(4)
    values = [excess_share(torch.rand(500, generator=g), torch.rand(300, generator=g)).value for _ in range(400)]
    assert abs(np.mean(values)) < 0.0012


def test_ties_at_zero_are_no_memory() -> None:
    # A third of the held-out examples are in the training data too (a lattice of few states): so may the samples be.
    held_out = torch.cat([torch.zeros(100), torch.ones(200)])
    found = excess_share(torch.cat([torch.zeros(300), torch.ones(600)]), held_out)
    assert found.value == pytest.approx(0.0, abs=0.002) and found.threshold == 0.0
    assert excess_share(torch.zeros(900), held_out).value == pytest.approx(2 / 3, abs=0.002)


def test_far_samples_are_no_news() -> None:
    found = excess_share(torch.full((1000,), 9.0), torch.rand(1000))
    assert found.value < 0 and found.reference_interval[0] <= found.interval[0]


def test_copies_of_doubled_examples_count() -> None:
    found = Nearest(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 2.0, 2.0, torch.inf]), torch.arange(4))
    assert copy_ratio(found).tolist() == [0.0, 0.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="at least one"):
        excess_share(torch.zeros(0), torch.zeros(3))
