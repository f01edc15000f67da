"""Memorised shares: planted copies are counted, shrunken modes are not called copies, perfect models are left alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from veridical.evaluation.exchange import Exchange, exchange, exchange_test
from veridical.evaluation.memorisation import COPY_LEVEL, copy_ratio, excess_share, relabelled_tail
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


def alarms(statistic: Callable[..., Tensor], repetitions: int = 200) -> int:
    g, found = torch.Generator().manual_seed(3), 0
    for seed in range(repetitions):
        e = exchange(600, 300, seed, draws=99)
        found += exchange_test(statistic(torch.rand(900, generator=g), e), e, bad="high").p_value <= 0.05
    return found


def test_false_alarms_are_rare() -> None:
    # The level is exactly .05: of 200, more than 23 with probability 3e-4.
    assert alarms(relabelled_tail) <= 23


def test_a_threshold_without_noise_would_raise_false_alarms() -> None:
    """The mutant: the count of near samples is taken to be binomial, as if the quantile were known."""

    def fixed(scores: Tensor, e: Exchange) -> Tensor:
        counts = torch.from_numpy(np.random.default_rng(0).binomial(e.n, 0.01, e.draws) / e.n - 0.01)
        return torch.cat([relabelled_tail(scores, e)[:1], counts])

    assert alarms(fixed) > 23


def test_relabelled_tails_are_those_of_the_labelled_rows() -> None:
    e, scores = exchange(40, 70, 0, draws=20), torch.randint(0, 50, (110,)).double()  # with ties
    for level in (0.01, 0.1):
        for row, value in zip(e.labels, relabelled_tail(scores, e, level).tolist(), strict=True):
            found = excess_share(scores[row], scores[~row], level)
            assert value == pytest.approx(found.near - found.level)


def held(share: float, level: float, repetitions: int = 400) -> float:
    """How often the interval holds the share of copies, at n = 2,000 samples and m = 1,000 held-out examples."""
    g, found = torch.Generator().manual_seed(4), 0
    for _ in range(repetitions):
        samples, copies = torch.rand(2000, generator=g), torch.rand(2000, generator=g) < share
        low, high = excess_share(samples.masked_fill(copies, 0.0), torch.rand(1000, generator=g), level).interval
        found += low <= share <= high
    return found / repetitions


@pytest.mark.parametrize(("share", "level"), [(0.02, 0.01), (0.2, 0.01), (0.01, 0.001)])
def test_intervals_hold_the_share_of_copies(share: float, level: float) -> None:
    # 400 intervals of 95 %: below .916 or above .98 with probability 5e-3 in all three together; a fixed seed.
    assert 0.916 <= held(share, level) <= 0.98


def test_intervals_of_no_copies_begin_at_zero() -> None:
    # Only the lower end can miss: 97.5 %, below .95 with probability 3e-3.
    assert held(0.0, 0.01) >= 0.95


def test_ties_at_zero_are_no_memory() -> None:
    # A third of the held-out examples are in the training data too (a lattice of few states): so may the samples be.
    held_out = torch.cat([torch.zeros(100), torch.ones(200)])
    found = excess_share(torch.cat([torch.zeros(300), torch.ones(600)]), held_out)
    assert found.near - found.level == pytest.approx(0.0, abs=0.002) and found.threshold == 0.0
    assert excess_share(torch.zeros(900), held_out).value == pytest.approx(2 / 3, abs=0.002)


def test_far_samples_are_no_news() -> None:
    found = excess_share(torch.full((1000,), 9.0), torch.rand(1000))
    assert found.value == 0.0 and found.near == 0.0 and found.interval[0] == 0.0


def test_copies_of_doubled_examples_count() -> None:
    found = Nearest(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 2.0, 2.0, torch.inf]), torch.arange(4))
    assert copy_ratio(found).tolist() == [0.0, 0.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="at least one"):
        excess_share(torch.zeros(0), torch.zeros(3))
