"""Update rules of a vector of parameters: Adam, RMSProp, gradient descent, Lion.

A rule reads nothing back from the device and makes no tensor of a number: step sizes are tensors, and so is its state,
which is changed in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from veridical.config import OptimizerConfig


def update_rule(config: OptimizerConfig) -> UpdateRule:
    """Return the rule of the configuration."""
    if config.name in ("adam", "adamw"):
        return Adam(config.betas, decoupled=config.name == "adamw")
    if config.name == "lion":
        return Lion(config.betas)
    return RMSProp(config.momentum) if config.name == "rmsprop" else SGD(config.momentum)


class UpdateRule(ABC):
    """An update rule; its state for a vector is a dictionary of tensors."""

    @abstractmethod
    def move(self, x: Tensor, gradient: Tensor, state: dict[str, Tensor], lr: Tensor, weight_decay: float) -> None:
        """Move a vector in place, or several of which each has a memory and a number of steps of its own.

        Args:
            x: (n,) parameters, or (B, n) for B vectors.
            gradient: like x, which may be overwritten.
            state: of the rule, empty at first: tensors like x, or () or (B,), changed in place. All start at 0.
            lr: () step size.
            weight_decay: decay of the weights per step, or weight of half their squared norm in the loss.
        """


class Adam(UpdateRule):
    r"""Moves by the mean gradient over the root of the mean squared gradient, by one fused kernel.

    Args:
        betas: decay of the first and of the second moment.
        decoupled: the weight decay acts on the weights (AdamW) and not through the gradient.

    References:
        Kingma & Ba, Adam: A Method for Stochastic Optimization (2015), Alg. 1. https://arxiv.org/abs/1412.6980
        Loshchilov & Hutter, Decoupled Weight Decay Regularization (2019), Alg. 2. https://arxiv.org/abs/1711.05101
    """

    def __init__(self, betas: tuple[float, float], decoupled: bool) -> None:
        self.betas = betas
        self.ones: dict[torch.device, Tensor] = {}
        self.kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_

    def move(self, x: Tensor, gradient: Tensor, state: dict[str, Tensor], lr: Tensor, weight_decay: float) -> None:
        """Move a vector in place."""
        if "step" not in state:
            state["step"] = torch.zeros(x.shape[:-1], dtype=torch.float32, device=x.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(x), torch.zeros_like(x)
        if x.device not in self.ones:
            self.ones[x.device] = torch.ones((), dtype=torch.float32, device=x.device)
        state["step"] += self.ones[x.device]
        of_each = (x, gradient, state["exp_avg"], state["exp_avg_sq"], state["step"])
        x_, gradients, means, squares, steps = (list(t.unbind()) if x.dim() > 1 else [t] for t in of_each)
        self.kernel(
            x_,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )


class RMSProp(UpdateRule):
    r"""Moves by the gradient over the root of its mean square, whose decay is 0.99.

    Args:
        momentum: share of the last direction that is kept.

    References:
        Tieleman & Hinton, Lecture 6.5: rmsprop (2012).
    """

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum

    def move(self, x: Tensor, gradient: Tensor, state: dict[str, Tensor], lr: Tensor, weight_decay: float) -> None:
        """Move a vector in place."""
        if "square_avg" not in state:
            state["square_avg"] = torch.zeros_like(x)
            if self.momentum:
                state["momentum_buffer"] = torch.zeros_like(x)
        if weight_decay:
            gradient = gradient.add(x, alpha=weight_decay)
        state["square_avg"].mul_(0.99).addcmul_(gradient, gradient, value=0.01)
        direction = gradient / state["square_avg"].sqrt().add_(1e-8)
        if self.momentum:
            direction = state["momentum_buffer"].mul_(self.momentum).add_(direction)
        x.sub_(lr * direction)


class SGD(UpdateRule):
    """Moves by the gradient.

    Args:
        momentum: share of the last direction that is kept.
    """

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum

    def move(self, x: Tensor, gradient: Tensor, state: dict[str, Tensor], lr: Tensor, weight_decay: float) -> None:
        """Move a vector in place."""
        if weight_decay:
            gradient = gradient.add(x, alpha=weight_decay)
        if self.momentum and "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(x)
        if self.momentum:
            gradient = state["momentum_buffer"].mul_(self.momentum).add_(gradient)
        x.sub_(lr * gradient)


class Lion(UpdateRule):
    r"""Moves every weight by the same amount, in the direction of the sign of its momentum.

    $$ \theta \leftarrow (1 - \eta\lambda)\theta - \eta\,\mathrm{sign}(\beta_1 m + (1 - \beta_1) g), \qquad
    m \leftarrow \beta_2 m + (1 - \beta_2) g $$

    Args:
        betas: $\beta_1$ of the look-ahead and $\beta_2$ of the momentum $m$.

    References:
        Chen et al., Symbolic Discovery of Optimization Algorithms (2023), Alg. 2. https://arxiv.org/abs/2302.06675
    """

    def __init__(self, betas: tuple[float, float]) -> None:
        self.betas = betas

    def move(self, x: Tensor, gradient: Tensor, state: dict[str, Tensor], lr: Tensor, weight_decay: float) -> None:
        """Move a vector in place."""
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(x)
        direction = torch.lerp(gradient, state["momentum"], self.betas[0]).sign_()
        if weight_decay:
            x.mul_(1 - lr * weight_decay)
        x.sub_(lr * direction)
        state["momentum"].lerp_(gradient, 1 - self.betas[1])
