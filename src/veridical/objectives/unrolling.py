r"""Differentiable optimiser steps, so that the loss of one player can depend on updates of another.

All parameters of the unrolled player are one vector $\theta$ (P,). A step is an ordinary function of it: nothing is
changed in place, and gradients of the result pass through every step (second order).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Moments(NamedTuple):
    """Adam's moments of the gradients so far."""

    first: Float[Tensor, " p"]
    """Running mean of the gradient."""

    second: Float[Tensor, " p"]
    """Running mean of its square."""

    updates: int | Tensor
    """Number of gradients; () if a tensor."""


Rule = Callable[[Tensor, Tensor, Moments], tuple[Tensor, Moments]]
"""(theta, gradient, moments) → the same after one step."""


def accumulate(moments: Moments, gradient: Float[Tensor, " p"], betas: tuple[float, float]) -> Moments:
    """Return the moments after one more gradient.

    Examples:
        >>> zero = torch.zeros(1)
        >>> accumulate(Moments(zero, zero, 0), torch.tensor([2.0]), (0.5, 0.75))
        Moments(first=tensor([1.]), second=tensor([1.]), updates=1)
    """
    first = torch.lerp(gradient, moments.first, betas[0])
    second = torch.lerp(gradient.square(), moments.second, betas[1])
    return Moments(first, second, moments.updates + 1)


def adam_step(
    theta: Float[Tensor, " p"],
    gradient: Float[Tensor, " p"],
    moments: Moments,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float = 1e-8,
) -> tuple[Float[Tensor, " p"], Moments]:
    r"""One step of Adam, differentiable in everything: $\theta - \eta\,\hat m / (\sqrt{\hat v} + \epsilon)$.

    Args:
        theta: parameters.
        gradient: of the loss, at them.
        moments: before the step.
        lr: step size $\eta$.
        betas: decay of the first and second moment.
        eps: $\epsilon$.

    Returns:
        Parameters and moments after the step. Where all gradients so far were exactly 0, the derivative of the root is
        taken as 0.

    References:
        Kingma & Ba, Adam: A Method for Stochastic Optimization (2015), Alg. 1. https://arxiv.org/abs/1412.6980
    """
    moments = accumulate(moments, gradient, betas)
    mean = moments.first / bias_correction(betas[0], moments.updates, theta.dtype)
    square = moments.second / bias_correction(betas[1], moments.updates, theta.dtype)
    seen = square > 0
    root = square.masked_fill(~seen, 1.0).sqrt() * seen
    return theta - lr * mean / (root + eps), moments


def bias_correction(beta: float, updates: int | Tensor, dtype: torch.dtype) -> float | Tensor:
    r"""Return $1 - \beta^t$; of a tensor $t$ in this type, without loss of digits where it is small.

    Examples:
        >>> bias_correction(0.75, 2, torch.float32), bias_correction(0.75, torch.tensor(2), torch.float32)
        (0.4375, tensor(0.4375))
    """
    if not isinstance(updates, Tensor):
        return 1 - beta**updates
    t = updates.to(dtype)
    return -torch.expm1(t * math.log(beta)) if beta > 0 else torch.ones_like(t)


def sgd_step(
    theta: Float[Tensor, " p"], gradient: Float[Tensor, " p"], moments: Moments, *, lr: float
) -> tuple[Float[Tensor, " p"], Moments]:
    r"""One step of gradient descent, $\theta - \eta g$; the moments stay as they are.

    Args:
        theta: parameters $\theta$.
        gradient: of the loss, $g$.
        moments: state of the optimiser, not used here.
        lr: step size $\eta$.
    """
    return theta - lr * gradient, moments


def unroll(
    loss: Callable[[Tensor], Tensor], theta: Float[Tensor, " p"], moments: Moments, rule: Rule, steps: int
) -> Float[Tensor, " p"]:
    r"""Take `steps` optimiser steps, and return the parameters as a function of everything that `loss` depends on.

    Args:
        loss: of the unrolled player, () for parameters (P,); differentiable twice.
        theta: parameters to start from; must require a gradient.
        moments: of the optimiser at that moment.
        rule: one step of it.
        steps: how many.

    Returns:
        The parameters after the steps, with the graph of every step.

    References:
        Metz, Poole, Pfau & Sohl-Dickstein, Unrolled Generative Adversarial Networks (2017), Eq. 7-10.
            https://arxiv.org/abs/1611.02163

    Examples:
        >>> theta, zero = torch.tensor([1.0], requires_grad=True), torch.zeros(1)
        >>> a = torch.tensor(3.0, requires_grad=True)
        >>> half = lambda theta, g, moments: sgd_step(theta, g, moments, lr=0.5)
        >>> reached = unroll(lambda theta: (theta - a).square().sum() / 2, theta, Moments(zero, zero, 0), half, 2)
        >>> reached.item(), torch.autograd.grad(reached, a)[0].item()  # a + (1 - a)/4
        (2.5, 0.75)
    """
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(loss(theta), theta, create_graph=True)
        theta, moments = rule(theta, gradient, moments)
    return theta
