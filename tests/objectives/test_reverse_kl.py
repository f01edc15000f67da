"""Losses without data: gradients by enumeration of all samples of 2^3 states, and by quadrature; with mutants."""

import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.mutants import mutated
from torch import Tensor

from veridical.objectives import reverse_kl
from veridical.objectives.reverse_kl import (
    leave_one_out,
    reparameterised_loss,
    score_function_loss,
    weighted_loss,
)

STATES = 8
GENERATOR = torch.Generator().manual_seed(0)
THETA = torch.randn(STATES, generator=GENERATOR, dtype=torch.float64)
LOG_P = torch.randn(STATES, generator=GENERATOR, dtype=torch.float64) + 3.0  # not normalised
SAMPLES = 3


def table() -> tuple[Tensor, Tensor]:
    """Return the weights of a model on 2^3 states, and its log-probabilities."""
    theta = THETA.clone().requires_grad_()
    return theta, theta.log_softmax(0)


def gradient(of: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the gradient of a function of log q in the weights."""
    theta, log_q = table()
    return torch.autograd.grad(of(log_q), theta)[0]


def exact_divergence(log_q: Tensor) -> Tensor:
    return (log_q.exp() * (log_q - LOG_P)).sum()


def mean_gradient(loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the expectation of a gradient over all outcomes of three samples, by enumeration."""
    total = torch.zeros(STATES, dtype=torch.float64)
    q = THETA.softmax(0)
    for drawn in itertools.product(range(STATES), repeat=SAMPLES):
        index = torch.tensor(drawn)
        total += q[index].prod() * gradient(lambda log_q, i=index: loss(log_q[i], LOG_P[i]))
    return total


def test_reinforce_has_no_bias() -> None:
    assert torch.allclose(mean_gradient(score_function_loss), gradient(exact_divergence), atol=1e-12)


def test_a_constant_of_log_p_does_not_change_the_gradient() -> None:
    index = torch.tensor([0, 3, 5])
    a, b = (gradient(lambda q, c=c: score_function_loss(q[index], LOG_P[index] + c)) for c in (0.0, 100.0))
    assert torch.allclose(a, b, atol=1e-12)


def test_where_the_model_is_right_every_sample_has_the_gradient_zero() -> None:
    index = torch.tensor([0, 3, 5])
    right = THETA.log_softmax(0) + 7.0
    assert gradient(lambda q: score_function_loss(q[index], right[index])).abs().max() < 1e-14


def biased(loss: Callable[..., Any]) -> bool:
    return not torch.allclose(mean_gradient(loss), gradient(exact_divergence), atol=1e-6)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "leave_one_out((log_q - log_p).detach())",
            "((log_q - log_p) - (log_q - log_p).mean()).detach()",
        ),  # own sample
        ("(log_q - log_p).detach()", "(log_q - log_p)"),  # gradient through the weight
        ("(log_q - log_p)", "(log_p - log_q)"),
        ("(log_q - log_p)", "(0 * log_q - log_p)"),
        (".mean()", ".sum()"),
    ],
)
def test_mutants_of_reinforce_are_biased(before: str, after: str) -> None:
    assert biased(mutated(score_function_loss, before, after))


def test_the_baseline_leaves_out_one() -> None:
    f = torch.tensor([1.0, 4.0, -2.0, 9.0], dtype=torch.float64)
    others = torch.stack([f[[j for j in range(4) if j != i]].mean() for i in range(4)])
    assert torch.allclose(leave_one_out(f), f - others)
    with pytest.raises(ValueError, match="at least 2"):
        leave_one_out(torch.ones(1))


def gaussian(mu: Tensor, log_sigma: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
    """Return samples of N(mu, sigma^2) as functions of noise, and their log densities."""
    x = mu + log_sigma.exp() * eps
    return x, -0.5 * ((x - mu) / log_sigma.exp()).square() - log_sigma - 0.5 * math.log(2 * math.pi)


def bimodal(x: Tensor) -> Tensor:
    """Log density of two modes, up to a constant."""
    return torch.logaddexp(-0.5 * (x - 1.5).square(), -2.0 * (x + 1.0).square())


def reparameterised_gradient(loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the expectation over the noise by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    theta = torch.tensor([0.3, -0.4], dtype=torch.float64, requires_grad=True)
    total = torch.zeros(2, dtype=torch.float64)
    for eps, w in zip(nodes, weights / math.sqrt(2 * math.pi), strict=True):
        x, log_q = gaussian(theta[0], theta[1], torch.tensor([eps]))
        total += w * torch.autograd.grad(loss(log_q, bimodal(x)), theta)[0]
    return total


def quadrature_gradient() -> Tensor:
    """Return the gradient of KL(q||p) as an integral over x."""
    x = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    theta = torch.tensor([0.3, -0.4], dtype=torch.float64, requires_grad=True)
    sigma = theta[1].exp()
    log_q = -0.5 * ((x - theta[0]) / sigma).square() - theta[1] - 0.5 * math.log(2 * math.pi)
    kl = torch.trapezoid(log_q.exp() * (log_q - bimodal(x)), x)
    return torch.autograd.grad(kl, theta)[0]


def test_the_reparameterised_gradient_is_that_of_the_integral() -> None:
    assert torch.allclose(reparameterised_gradient(reparameterised_loss), quadrature_gradient(), atol=1e-6)


@pytest.mark.parametrize(("before", "after"), [("log_q - log_p", "log_p - log_q"), ("log_q", "log_q.detach()")])
def test_mutants_of_the_reparameterised_loss_are_seen(before: str, after: str) -> None:
    wrong = mutated(
        reparameterised_loss, f"return ({'log_q - log_p'})", f"return ({'log_q - log_p'.replace(before, after)})"
    )
    assert not torch.allclose(reparameterised_gradient(wrong), quadrature_gradient(), atol=1e-3)


def log_second_moment(log_q: Tensor) -> Tensor:
    """Return log E_q (p/q)^2 by enumeration."""
    return torch.logsumexp(2 * LOG_P - log_q, 0)


def weighted(loss: Callable[[Tensor, Tensor], Tensor], power: float) -> Tensor:
    """Return the gradient of all states at once, each as probable as it is under q."""
    return gradient(lambda log_q: loss(log_q, power * (LOG_P - log_q) + log_q.detach()))


def test_weights_of_order_two_have_the_gradient_of_the_second_moment() -> None:
    assert torch.allclose(weighted(weighted_loss, 2.0), gradient(log_second_moment), atol=1e-12)


def test_weights_of_order_one_have_the_gradient_of_the_forward_divergence() -> None:
    p = LOG_P.softmax(0)
    assert torch.allclose(weighted(weighted_loss, 1.0), gradient(lambda q: -(p * q).sum()), atol=1e-12)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("log_w.detach()", "log_w"),
        ("return -(", "return ("),
        ("torch.softmax(log_w.detach(), 0)", "log_w.detach().exp()"),
    ],
)
def test_mutants_of_the_weighted_loss_are_seen(before: str, after: str) -> None:
    wrong = mutated(weighted_loss, before, after)
    assert not torch.allclose(weighted(wrong, 2.0), gradient(log_second_moment), atol=1e-3)


def test_every_function_is_tested() -> None:
    own = [
        name for name, f in inspect.getmembers(reverse_kl, inspect.isfunction) if f.__module__ == reverse_kl.__name__
    ]
    assert own == ["leave_one_out", "reparameterised_loss", "score_function_loss", "weighted_loss"]
