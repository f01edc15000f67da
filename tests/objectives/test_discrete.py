"""The estimators against exact gradients, by enumeration and by quadrature."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from veridical.objectives.discrete import (
    gumbel,
    gumbel_max,
    gumbel_softmax,
    leave_one_out,
    log_probability,
    reinforce_loss,
    straight_through,
)

LOGITS = torch.tensor([0.3, -1.1, 0.9, 0.0], dtype=torch.float64)
COST = torch.tensor([2.0, 5.0, 3.5, 1.0], dtype=torch.float64)
"""Positive, as costs of a generator are: that is what a baseline takes away."""


def exact_gradient() -> Tensor:
    theta = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((theta.softmax(-1) * COST).sum(), theta)
    return gradient


def enumerate_estimates(n: int, baseline: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Probability and estimate of every one of the 4^n batches that can be drawn."""
    weights, estimates = [], []
    for drawn in itertools.product(range(4), repeat=n):
        theta, levels = LOGITS.clone().requires_grad_(), torch.tensor(drawn)
        y = torch.nn.functional.one_hot(levels, 4).double()
        log_q = log_probability(theta.expand(n, 4), y)
        loss = reinforce_loss(log_q, COST[levels], baseline(COST[levels]))
        assert loss.item() == pytest.approx(COST[levels].mean().item())
        weights.append(log_q.detach().sum().exp())
        estimates.append(torch.autograd.grad(loss, theta)[0])
    return torch.stack(weights), torch.stack(estimates)


@pytest.mark.parametrize("n", [2, 3])
def test_reinforce_with_the_leave_one_out_baseline_is_unbiased(n: int) -> None:
    weights, estimates = enumerate_estimates(n, leave_one_out)
    assert weights.sum().item() == pytest.approx(1)
    torch.testing.assert_close(weights @ estimates, exact_gradient(), rtol=1e-12, atol=1e-13)


def test_a_baseline_that_sees_its_own_example_is_biased() -> None:
    # The control: with the batch mean as baseline the gradient shrinks by (n - 1) / n.
    weights, estimates = enumerate_estimates(2, lambda cost: cost.mean().expand(len(cost)))
    torch.testing.assert_close(weights @ estimates, exact_gradient() / 2)


@pytest.mark.parametrize("n", [2, 3])
def test_the_baseline_lowers_the_variance(n: int) -> None:
    total = []
    for baseline in (leave_one_out, torch.zeros_like):
        weights, estimates = enumerate_estimates(n, baseline)
        total.append(float(weights @ (estimates - exact_gradient()).square().sum(1)))
    assert total[0] < {2: 0.6, 3: 0.4}[n] * total[1]


def test_one_example_has_no_others() -> None:
    with pytest.raises(ValueError, match="2 are needed"):
        leave_one_out(torch.ones(1))


LOGISTIC = torch.linspace(-25, 25, 250_001, dtype=torch.float64)
"""The difference of two Gumbels is logistic, so two levels need one integral only."""
THETA = 0.4
CORNERS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda y: 3 * y - 1,
    "quadratic": lambda y: y.square(),
    "cubic": lambda y: y**3,
    "exponential": lambda y: y.exp(),
}


def expected_gradient(f: Callable[[Tensor], Tensor], temperature: float, hard: bool) -> float:
    """d/d theta of E f(y_1) over y of the logits (theta, 0), by quadrature over the noise."""
    theta = torch.tensor(THETA, dtype=torch.float64, requires_grad=True)
    logits = torch.stack([theta, torch.zeros_like(theta)]).expand(len(LOGISTIC), 2)
    y = gumbel_softmax(logits, torch.stack([LOGISTIC, torch.zeros_like(LOGISTIC)], dim=1), temperature)
    y = straight_through(y) if hard else y
    density = torch.sigmoid(LOGISTIC) * torch.sigmoid(-LOGISTIC)
    (gradient,) = torch.autograd.grad(torch.trapezoid(f(y[:, 0]) * density, LOGISTIC), theta)
    return gradient.item()


def slope_of_the_probability() -> float:
    p = 1 / (1 + math.exp(-THETA))
    return p * (1 - p)


@pytest.mark.parametrize("name", list(CORNERS))
def test_the_bias_of_the_relaxed_gradient_vanishes_with_the_temperature(name: str) -> None:
    f = CORNERS[name]
    ends = f(torch.tensor([0.0, 1.0], dtype=torch.float64))
    exact = slope_of_the_probability() * float(ends[1] - ends[0])
    bias = [abs(expected_gradient(f, temperature, hard=False) - exact) for temperature in (1.0, 0.04, 0.02)]
    assert all(later < 0.7 * earlier for earlier, later in itertools.pairwise(bias)), bias
    assert bias[0] > 0.01 * abs(exact) and bias[-1] < 0.01 * abs(exact), bias


@pytest.mark.parametrize("name", list(CORNERS))
def test_the_straight_through_gradient_takes_the_cost_for_linear(name: str) -> None:
    f, ends = CORNERS[name], torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    values = f(ends)
    (slopes,) = torch.autograd.grad(values.sum(), ends)
    values = values.detach()
    limit = slope_of_the_probability() * slopes.mean().item()
    assert expected_gradient(f, 0.02, hard=True) == pytest.approx(limit, rel=0.01)
    exact = slope_of_the_probability() * float(values[1] - values[0])
    assert (abs(limit - exact) < 1e-12) == (name in ("linear", "quadratic"))


def test_gumbel_max_draws_from_the_softmax() -> None:
    n, random = 40_000, torch.Generator().manual_seed(0)
    noise = gumbel(torch.rand(n, 4, dtype=torch.float64, generator=random))
    counts = gumbel_max(LOGITS.expand(n, 4), noise).sum(0)
    expected = n * LOGITS.softmax(-1)
    # False alarms: chi-square with 3 degrees of freedom is above 16.27 with probability 0.1 %.
    assert float(((counts - expected) ** 2 / expected).sum()) < 16.27


def test_noise_is_finite_at_the_ends_of_the_unit_interval() -> None:
    for dtype in (torch.float32, torch.float64):
        assert gumbel(torch.tensor([0.0, 0.5, 1.0], dtype=dtype)).isfinite().all()


def test_a_cold_relaxation_is_the_choice_and_straight_through_is_exactly_one_hot() -> None:
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(50, 3, 4, generator=random).requires_grad_()
    noise = gumbel(torch.rand(50, 3, 4, generator=random))
    hard = gumbel_max(logits, noise)
    torch.testing.assert_close(gumbel_softmax(logits, noise, 1e-4), hard, rtol=0, atol=1e-3)
    warm = straight_through(gumbel_softmax(logits, noise, 1.0))
    assert torch.equal(warm, hard)
    (warm * torch.arange(4.0)).sum().backward()
    assert logits.grad is not None and logits.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="positive"):
        gumbel_softmax(logits, noise, 0.0)


def test_log_probability_of_independent_levels() -> None:
    logits = torch.randn(6, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    levels = torch.randint(4, (6, 2, 3), generator=torch.Generator().manual_seed(3))
    expected = torch.distributions.Categorical(logits=logits).log_prob(levels).flatten(1).sum(1)
    y = torch.nn.functional.one_hot(levels, 4).double()
    torch.testing.assert_close(log_probability(logits, y), expected)
