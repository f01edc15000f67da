from functools import partial

import pytest
import torch
from torch import Tensor

from veridical.objectives.unrolling import Moments, Rule, accumulate, adam_step, sgd_step, unroll

BETAS = (0.6, 0.999)
ADAM: Rule = partial(adam_step, lr=0.05, betas=BETAS)
SGD: Rule = partial(sgd_step, lr=0.05)


def fresh(n: int) -> Moments:
    return Moments(torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64), 0)


def quartic(theta: Tensor) -> Tensor:
    return (theta**4).sum() / 4 + theta.prod()


@pytest.mark.parametrize("past", [0, 3])
def test_steps_of_adam_are_those_of_torch(past: int) -> None:
    parameter = torch.nn.Parameter(torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64))
    optimizer = torch.optim.Adam([parameter], lr=0.05, betas=BETAS)
    moments = fresh(3)

    def step() -> None:
        optimizer.zero_grad()
        quartic(parameter).backward()
        optimizer.step()

    for _ in range(past):
        step()
        assert parameter.grad is not None
        moments = accumulate(moments, parameter.grad, BETAS)
    foreseen = unroll(quartic, parameter.detach().clone().requires_grad_(), moments, ADAM, 4)
    for _ in range(4):
        step()
    torch.testing.assert_close(foreseen.detach(), parameter.detach(), rtol=1e-12, atol=0)


def test_no_steps_are_no_change() -> None:
    theta = torch.ones(2, dtype=torch.float64, requires_grad=True)
    assert unroll(quartic, theta, fresh(2), ADAM, 0) is theta


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_the_quadratic_game_by_hand(steps: int) -> None:
    r"""f(g, d) = g d - d²/2: descent of -f from d has d_K = g + (1 - η)^K (d - g).

    With r = (1 - η)^K: f(g, d_K) = (g² - r² (d - g)²) / 2, whose total derivative is g + r² (d - g); the partial
    one, all that a generator without second order sees, is d_K = g + r (d - g).
    """
    lr, g, d = 0.3, torch.tensor(0.7, dtype=torch.float64, requires_grad=True), -1.1
    theta = torch.tensor([d], dtype=torch.float64, requires_grad=True)

    def value(theta: Tensor, g: Tensor) -> Tensor:
        return (g * theta - theta**2 / 2).sum()

    reached = unroll(lambda theta: -value(theta, g), theta, fresh(1), partial(sgd_step, lr=lr), steps)
    r = (1 - lr) ** steps
    assert reached.item() == pytest.approx(0.7 + r * (d - 0.7), rel=1e-12)
    (total,) = torch.autograd.grad(value(reached, g), g, retain_graph=True)
    assert total.item() == pytest.approx(0.7 + r**2 * (d - 0.7), rel=1e-12)
    (partial_only,) = torch.autograd.grad(value(reached.detach(), g), g)
    assert partial_only.item() == pytest.approx(0.7 + r * (d - 0.7), rel=1e-12)


@pytest.mark.parametrize("rule", [ADAM, SGD])
@pytest.mark.parametrize("steps", [1, 3])
def test_derivatives_through_the_steps(rule: Rule, steps: int) -> None:
    torch.manual_seed(0)
    a = torch.randn(3, dtype=torch.float64, requires_grad=True)
    theta = torch.randn(3, dtype=torch.float64)
    moments = Moments(torch.randn(3, dtype=torch.float64), torch.rand(3, dtype=torch.float64), 7)

    def reached(a: Tensor, theta: Tensor) -> Tensor:
        return unroll(lambda theta: quartic(theta + a * theta.roll(1)), theta, moments, rule, steps)

    assert torch.autograd.gradcheck(reached, (a, theta.requires_grad_()), eps=1e-6, atol=1e-7)


def test_a_parameter_without_any_gradient_stays_and_has_finite_derivatives() -> None:
    a = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    theta = torch.ones(2, dtype=torch.float64, requires_grad=True)
    dead = torch.tensor([1.0, 0.0], dtype=torch.float64)
    reached = unroll(lambda theta: (a * dead * theta**3).sum(), theta, fresh(2), ADAM, 3)
    assert reached[1].item() == 1.0
    assert all(g.isfinite().all() for g in torch.autograd.grad(reached.sum(), (a, theta)))


def test_the_first_step_of_a_fresh_adam_is_the_sign_and_has_no_derivative() -> None:
    a = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    theta = torch.ones(1, dtype=torch.float64, requires_grad=True)
    reached = unroll(lambda theta: (a * theta).sum(), theta, fresh(1), ADAM, 1)
    assert reached.item() == pytest.approx(0.95)
    assert abs(torch.autograd.grad(reached.sum(), a)[0].item()) < 1e-8
