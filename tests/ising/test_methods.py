"""What a method can sample, and how a plan divides its work."""

import pytest

from veridical.ising import plan
from veridical.ising.law import law
from veridical.ising.methods import LANES, check


def test_coupling_from_the_past_wants_attraction() -> None:
    check(law(4, -0.3), "perfect")  # even sides: turned over, it is attractive
    for wrong in (law(3, -0.3), law(4, -0.3, 0.1)):
        with pytest.raises(ValueError, match="method='cluster'"):
            check(wrong, "perfect")


def test_wolff_wants_a_coupling() -> None:
    check(law(4, 0.1), "wolff")
    with pytest.raises(ValueError, match="method='metropolis'"):
        check(law(4, 0.0), "wolff")


@pytest.mark.parametrize("n", [1, LANES, LANES + 1, 100 * LANES, 10_000 * LANES])
def test_blocks_deliver_and_share_their_burn_in(n: int) -> None:
    blocks = plan(32, n=n).blocks(n)
    assert 1 <= blocks <= 64
    assert blocks <= max(4, n // (64 * LANES))
