"""Chains and inverses."""

from tests.health.rows import feed

from veridical.health.exactness import Inverse, Mixing


def test_chains_that_disagree_or_hold_few_states() -> None:
    (apart,) = feed(Mixing(), r_hat=[1.5] * 5, effective_samples=[1000.0] * 5)
    assert "R-hat is 1.5" in apart.message and "independent" not in apart.message
    (few,) = feed(Mixing(), r_hat=[1.0] * 5, effective_samples=[12.0] * 5)
    assert "worth 12 independent" in few.message
    assert feed(Mixing(), r_hat=[1.05] * 5, effective_samples=[400.0] * 5) == []
    assert len(feed(Mixing(), r_hat=[1.5] * 5)) == 1


def test_an_inverse_that_does_not_return_its_input() -> None:
    assert len(feed(Inverse(), inverse_error=[0.01] * 5)) == 1
    assert feed(Inverse(), inverse_error=[1e-5] * 5) == []
