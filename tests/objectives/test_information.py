"""The bound on channels whose mutual information is known in closed form."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical, Normal, Uniform

from veridical.objectives.information import (
    categorical_entropy,
    categorical_log_q,
    gaussian_log_q,
    information_bound,
    normal_entropy,
    uniform_entropy,
)


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def channel(flips: int, of: int) -> tuple[Tensor, Tensor]:
    """Every pair (c, x) of a binary symmetric channel that flips with probability flips / of, as often as it occurs."""
    c = torch.tensor([0, 1]).repeat_interleave(of)
    x = c.clone()
    x[:flips], x[of : of + flips] = 1, 0
    return c, x


def test_entropies_are_those_of_scipy() -> None:
    assert categorical_entropy(7) == pytest.approx(scipy.stats.entropy(np.full(7, 1 / 7)))
    assert uniform_entropy(-1.0, 3.0) == pytest.approx(float(scipy.stats.uniform(-1, 4).entropy()))
    assert normal_entropy(0.3) == pytest.approx(float(scipy.stats.norm(0, 0.3).entropy()))


def test_log_q_are_those_of_torch() -> None:
    logits, code = torch.randn(5, 3, 4), torch.randint(4, (5, 3))
    torch.testing.assert_close(categorical_log_q(logits, code), Categorical(logits=logits).log_prob(code))
    c, mu, log_var = torch.randn(3, 5, 2)
    torch.testing.assert_close(gaussian_log_q(c, mu, log_var), Normal(mu, (log_var / 2).exp()).log_prob(c))


@pytest.mark.parametrize("flips", [1, 2, 4])
def test_a_binary_symmetric_channel_is_read_exactly(flips: int) -> None:
    c, x = channel(flips, 8)
    p = flips / 8
    posterior = torch.tensor([[1 - p, p], [p, 1 - p]]).log()[x]  # of c, given x
    bound = information_bound(categorical_log_q(posterior, c), categorical_entropy(2))
    expected = math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p)
    assert float(bound) == pytest.approx(expected, abs=1e-14)


@settings(deadline=None, max_examples=50)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_no_reader_finds_more_than_the_channel_carries(a: float, b: float) -> None:
    """Jensen; and the gap is the divergence of the reader from the posterior."""
    c, x = channel(1, 4)
    q = torch.tensor([[1 - a, a], [b, 1 - b]])
    p = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    bound = information_bound(categorical_log_q(q.log()[x], c), categorical_entropy(2))
    truth = math.log(2) + 0.25 * math.log(0.25) + 0.75 * math.log(0.75)
    gap = (p * (p.log() - q.log())).sum(1).mean()
    assert float(bound) <= truth + 1e-12 and truth <= math.log(2)
    assert float(bound + gap) == pytest.approx(truth, abs=1e-12)


def test_a_perfect_reader_of_a_categorical_code_finds_its_entropy() -> None:
    c = torch.arange(10)
    logits = 1e3 * torch.nn.functional.one_hot(c, 10).double()
    assert float(information_bound(categorical_log_q(logits, c), categorical_entropy(10))) == pytest.approx(
        math.log(10), abs=1e-14
    )


def test_a_gaussian_channel_is_read_exactly() -> None:
    """x = c + s eps with c normal: I = log(1 + 1/s^2) / 2, and the posterior is normal."""
    n, s = 200_000, 0.5
    c = torch.randn(n, 1)
    x = c + s * torch.randn(n, 1)
    shrink = 1 / (1 + s**2)
    log_var = torch.full_like(x, math.log(s**2 * shrink))
    log_q = gaussian_log_q(c, shrink * x, log_var)
    error = float(log_q.std()) / math.sqrt(n)
    truth = 0.5 * math.log(1 + 1 / s**2)
    bound = float(information_bound(log_q, normal_entropy()))
    # Five standard errors: false-alarm rate 6e-7.
    assert abs(bound - truth) < 5 * error
    # A reader of the wrong variance, or the wrong mean, finds less.
    for wrong in (gaussian_log_q(c, shrink * x, log_var + 0.5), gaussian_log_q(c, x, log_var)):
        assert float(information_bound(wrong, normal_entropy())) < truth - 5 * error


def test_a_fixed_unit_variance_scores_below_zero_at_perfect_recovery() -> None:
    c = Uniform(-1.0, 1.0).sample((100, 1))
    bound = information_bound(gaussian_log_q(c, c, torch.zeros_like(c)), uniform_entropy())
    assert float(bound) == pytest.approx(math.log(2) - 0.5 * math.log(2 * math.pi), abs=1e-14)
    assert float(bound) == pytest.approx(-0.226, abs=5e-4)


def test_what_a_learned_variance_scores() -> None:
    # Nothing recovered: the reader knows the law only, mean 0 and variance 1/3; the grid has these moments.
    c = ((torch.arange(100_000) + 0.5) / 50_000 - 1)[:, None]
    nothing = information_bound(gaussian_log_q(c, 0 * c, torch.full_like(c, math.log(1 / 3))), uniform_entropy())
    assert float(nothing) == pytest.approx(0.5 * math.log(6 / (math.pi * math.e)), abs=1e-9)
    assert float(nothing) == pytest.approx(-0.176, abs=5e-4)
    # Recovered to 0.01: log 2 - log(2 pi e) / 2 + log 100 nats.
    eps = torch.cat([torch.ones(50, 1), -torch.ones(50, 1)])
    found = information_bound(
        gaussian_log_q(c[:100] + 0.01 * eps, c[:100], torch.full((100, 1), 2 * math.log(0.01))), uniform_entropy()
    )
    assert float(found) == pytest.approx(math.log(2) - 0.5 * math.log(2 * math.pi * math.e) + math.log(100), abs=1e-9)


def test_codes_are_counted_one_by_one() -> None:
    log_q = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    torch.testing.assert_close(information_bound(log_q, 1.0), torch.tensor([-1.0, -2.0]))


def test_what_makes_no_sense_is_refused() -> None:
    for call, words in (
        (lambda: categorical_entropy(1), "at least 2 values"),
        (lambda: uniform_entropy(1.0, 1.0), "low < high"),
        (lambda: normal_entropy(0.0), "width above 0"),
        (lambda: information_bound(torch.tensor(1.0), 0.0), "at least one example"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
