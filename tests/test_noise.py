"""Streams of random numbers: the right distributions, independent, and the same however they are asked for."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from veridical.noise import FreshNoise, Noise, SampleNoise, TruncatedNoise, noise_for
from veridical.statistics import kolmogorov_smirnov_test

KINDS: dict[str, Callable[[Noise], Tensor]] = {
    "normal": lambda noise: noise.normal(3, 2),
    "double": lambda noise: noise.normal(dtype=torch.float64),
    "uniform": lambda noise: noise.uniform(5),
    "symmetric": lambda noise: noise.symmetric(5),
    "integers": lambda noise: noise.integers(10),
    "bernoulli": lambda noise: noise.bernoulli(torch.full((noise.n, 4), 0.5)),
    "nothing": lambda noise: noise.normal(0),
}


class WithoutIndex(SampleNoise):
    """A mutant: the key lacks the index of the example."""

    def __init__(self, seed: int, first: int, n: int, device: torch.device | str = "cpu") -> None:
        super().__init__(seed, 0, 1, device)
        self.n, self._streams = n, [np.random.Philox(key=np.array([seed, 0], dtype=np.uint64)) for _ in range(n)]


class WithoutSeed(SampleNoise):
    """A mutant: the key lacks the seed."""

    def __init__(self, seed: int, first: int, n: int, device: torch.device | str = "cpu") -> None:
        super().__init__(0, first, n, device)


class StartingAnew(SampleNoise):
    """A mutant: every call reads the streams from their beginning."""

    def _open(self, shape: tuple[int, ...], bits: int) -> Tensor:
        return SampleNoise(self.seed, self.first, self.n)._open(shape, bits)


class ByPosition(SampleNoise):
    """A mutant: the key holds the place in the block."""

    def __init__(self, seed: int, first: int, n: int, device: torch.device | str = "cpu") -> None:
        super().__init__(seed, 0, n, device)


def same_example_wherever_it_is(kind: type[SampleNoise]) -> bool:
    block, alone = kind(3, 5, 4), kind(3, 7, 1)
    return all(torch.equal(draw(block)[2:3], draw(alone)) for draw in KINDS.values() for _ in range(2))


def streams_are_uncorrelated(kind: type[SampleNoise]) -> bool:
    """Neighbouring examples, seeds and calls; 7 correlations of 20,000 numbers, false alarm 1e-5 each."""
    m, rows = 20_000, []
    for seed in (0, 1, 2):
        noise = kind(seed, 100, 3)
        rows += [*noise.normal(m), *noise.normal(m)]
    correlations = np.corrcoef(torch.stack(rows).double().numpy())[np.triu_indices(len(rows), 1)]
    return bool(np.abs(correlations).max() < stats.norm.isf(0.5e-5) / math.sqrt(m))


def test_an_example_is_the_same_in_every_block() -> None:
    assert same_example_wherever_it_is(SampleNoise)
    assert not same_example_wherever_it_is(ByPosition)


def test_streams_are_independent() -> None:
    assert streams_are_uncorrelated(SampleNoise)
    for mutant in (WithoutIndex, WithoutSeed, StartingAnew):
        assert not streams_are_uncorrelated(mutant), mutant.__name__


def across(draw: Callable[[SampleNoise], Tensor], n: int = 20_000) -> np.ndarray:
    """One number of each of n examples: what is random is the key."""
    return draw(SampleNoise(9, 0, n)).double().numpy()


def along(draw: Callable[[SampleNoise], Tensor]) -> np.ndarray:
    """Many numbers of one example."""
    return draw(SampleNoise(9, 4, 1))[0].double().numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_ones_are_where_uniform_numbers_are_below_the_probability(dtype: torch.dtype) -> None:
    p = torch.linspace(0, 1, 12, dtype=dtype).reshape(3, 4).requires_grad_()
    drawn = SampleNoise(4, 0, 3).bernoulli(p)
    assert drawn.dtype is dtype and not drawn.requires_grad
    assert torch.equal(drawn, (SampleNoise(4, 0, 3).uniform(4, dtype=dtype) < p).to(dtype))
    assert torch.equal(p.detach(), torch.linspace(0, 1, 12, dtype=dtype).reshape(3, 4))


def test_normal_and_uniform_numbers_have_their_distributions() -> None:  # false alarm 1e-5 each, 6 checks
    for x, law in (
        (across(lambda noise: noise.normal()), stats.norm.cdf),
        (along(lambda noise: noise.normal(200_000)), stats.norm.cdf),
        (across(lambda noise: noise.uniform()), stats.uniform.cdf),
        (along(lambda noise: noise.uniform(200_000)), stats.uniform.cdf),
        (along(lambda noise: noise.symmetric(200_000)), stats.uniform(-1, 2).cdf),
        (along(lambda noise: TruncatedNoise(noise, 0.7).normal(200_000)), stats.truncnorm(-0.7, 0.7).cdf),
    ):
        assert kolmogorov_smirnov_test(x, law).p_value > 1e-5
    counts = np.bincount(across(lambda noise: noise.integers(7)).astype(int), minlength=7)
    assert len(counts) == 7 and stats.chisquare(counts).pvalue > 1e-5
    ones = across(lambda noise: noise.bernoulli(torch.full((noise.n,), 0.3)))
    assert stats.binomtest(int(ones.sum()), len(ones), 0.3).pvalue > 1e-5
    assert kolmogorov_smirnov_test(along(lambda noise: 1.05 * noise.normal(200_000)), stats.norm.cdf).p_value < 1e-5


def test_numbers_stay_inside_and_are_finite_at_the_ends() -> None:
    noise = SampleNoise(0, 0, 1)
    for bits, dtype in ((23, torch.float32), (52, torch.float64)):
        for word in (0, 2**64 - 1):
            noise._streams = [Constant(word)]  # type: ignore[list-item]
            u = noise.uniform(1, dtype=dtype)
            assert 0 < float(u) < 1 and float(u) in (2.0 ** -(bits + 1), 1 - 2.0 ** -(bits + 1))
            assert math.isfinite(float(noise.normal(1, dtype=dtype)))
            assert 0 <= int(noise.integers(1000)) <= 999


class Constant:
    """A stream of one word."""

    def __init__(self, word: int) -> None:
        self.word = word

    def random_raw(self, size: int) -> np.ndarray:
        return np.full(size, self.word, dtype=np.uint64)


def test_the_words_are_those_of_philox() -> None:
    words = np.random.Philox(key=np.array([11, 2], dtype=np.uint64)).random_raw(6) >> np.uint64(12)
    found = SampleNoise(11, 0, 3).uniform(6, dtype=torch.float64)[2].numpy()
    assert np.array_equal(found, (words.astype(np.float64) + 0.5) / 2**52)


def test_truncation_ends_and_moves_every_number_towards_the_middle() -> None:
    z = SampleNoise(1, 0, 4).normal(1_000)
    for limit in (1e-6, 0.5, 3.0, 50.0):
        cut = TruncatedNoise(SampleNoise(1, 0, 4), limit).normal(1_000)
        assert cut.dtype == torch.float32 and float(cut.abs().max()) <= limit
        assert bool((cut.abs() <= z.abs() * (1 + 1e-6)).all()) and torch.equal(cut.sign(), z.sign())
    torch.testing.assert_close(cut, z)  # 50 standard deviations cut nothing
    box = TruncatedNoise(SampleNoise(1, 0, 4), 0.25)
    assert float(box.symmetric(1_000).abs().max()) <= 0.25
    assert torch.equal(box.uniform(3), TruncatedNoise(SampleNoise(1, 0, 4), 2.0).uniform(1_003)[:, 1_000:])
    for limit in (math.nan, 0.0, -1.0, math.inf):
        with pytest.raises(ValueError, match="expected a number above 0"):
            TruncatedNoise(FreshNoise(1), limit)


def test_fresh_noise_is_what_training_has_always_drawn() -> None:
    torch.manual_seed(4)
    expected = torch.randn(3, 2), torch.rand(3, 5), torch.randint(9, (3,))
    torch.manual_seed(4)
    noise = FreshNoise(3)
    for found, wanted in zip((noise.normal(2), noise.uniform(5), noise.integers(9)), expected, strict=True):
        assert torch.equal(found, wanted)
    assert not torch.equal(noise.normal(2), noise.normal(2))


def test_numbers_are_made_on_the_cpu_and_moved() -> None:
    before = torch.get_rng_state()
    for draw in KINDS.values():
        if draw is not KINDS["bernoulli"]:
            assert draw(SampleNoise(0, 0, 2, "meta")).device.type == "meta"
    assert torch.equal(before, torch.get_rng_state())


def test_rows_are_counted() -> None:
    assert isinstance(noise_for(4, torch.device("cpu"), None), FreshNoise)
    with pytest.raises(ValueError, match="noise has 3 rows; expected 4"):
        noise_for(4, torch.device("cpu"), SampleNoise(0, 0, 3))
    with pytest.raises(ValueError, match="first is -1"):
        SampleNoise(0, -1, 3)
    assert not torch.equal(SampleNoise(-1, 0, 1).normal(3), SampleNoise(1, 0, 1).normal(3))
