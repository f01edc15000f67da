import numpy as np
import pytest
import scipy.stats

from veridical.data.split import _hash, held_out


@pytest.mark.parametrize(
    ("n", "share", "kept"), [(1000, 0.1, 100), (1797, 0.2, 359), (9, 0.1, 0), (5, 0.0, 0), (3, 0.99, 2)]
)
def test_how_many(n: int, share: float, kept: int) -> None:
    assert held_out(n, share).sum() == kept


@pytest.mark.parametrize("period", [2, 5, 10, 64, 100])
def test_no_period_of_the_file_is_preferred(period: int) -> None:
    rows = held_out(100_000, 0.1).nonzero()[0]
    # A fixed choice: a fact of the hash, not a chance.
    assert scipy.stats.chisquare(np.bincount(rows % period, minlength=period)).pvalue > 0.001
    assert scipy.stats.kstest(rows / 100_000, "uniform").pvalue > 0.001


def test_the_hash_is_splitmix64() -> None:
    """The first numbers of the reference generator (S. Vigna, splitmix64.c) from seed 0."""
    numbers = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert _hash(np.arange(1, 4, dtype=np.uint64)).tolist() == numbers


def test_a_larger_share_holds_the_smaller() -> None:
    assert (held_out(500, 0.1) <= held_out(500, 0.3)).all()
