import numpy as np
import pytest
import scipy.stats

from veridical.data.split import held_out


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


def test_a_larger_share_holds_the_smaller() -> None:
    assert (held_out(500, 0.1) <= held_out(500, 0.3)).all()
