"""Optimisers and step-size schedules, built from `OptimizerConfig`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig


def build_optimizer(
    config: OptimizerConfig, parameters: Iterable[nn.Parameter] | list[dict[str, Any]]
) -> torch.optim.Optimizer:
    """Build one player's optimiser, its steps relative to the size of the weights if the configuration says so."""
    rule = update_rule(config, list(parameters))  # type: ignore[arg-type]
    return rule if config.trust is None else RelativeSteps(rule, momentum_of(config))


def update_rule(config: OptimizerConfig, parameters: list[Any]) -> torch.optim.Optimizer:
    """Build the rule of the configuration; the fused kernels do the same arithmetic in one pass over memory."""
    if config.name in ("adam", "adamw"):
        kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
        return kind(parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True)
    if config.name == "lion":
        return Lion(parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay)
    if config.name == "rmsprop":
        return torch.optim.RMSprop(
            parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, foreach=True
        )
    return torch.optim.SGD(
        parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
    )


def momentum_of(config: OptimizerConfig) -> float:
    r"""Return the share $\beta$ of its last direction that a rule keeps, as far as it is linear in it.

    Examples:
        >>> momentum_of(OptimizerConfig(name="sgd", momentum=0.9)), momentum_of(OptimizerConfig(betas=(0.5, 0.99)))
        (0.9, 0.5)
    """
    if config.name == "lion":
        return 0.0
    return config.betas[0] if config.name in ("adam", "adamw") else config.momentum


class RelativeSteps(torch.optim.Optimizer):
    r"""Takes the direction from an update rule and the length from the weights.

    For the weights $W$ of every layer and the direction $u$ that the rule proposes,

    $$ W \leftarrow \frac{W + \eta \lVert W\rVert\, u / \lVert u\rVert}{\sqrt{1 + \eta^2}}, \qquad
    \eta = \min(\text{lr}, \text{trust}) \cdot \text{schedule}. $$

    A relative change of $\eta$ in every layer bounds the relative change of the function that the network computes, so
    that the same $\eta$ serves every rule, width and scale of the loss; the denominator keeps the weights from growing
    by steps at random (Bernstein et al., 2020). `trust` is the size beyond which the landscape that the gradient
    described is left: asking for a longer step, by however much, gives that one, and is annealed as it is (`Schedule`).

    In a game a rule with momentum answers where the opponent was, some $1/(1-\beta)$ steps ago, and the two chase each
    other in widening circles: momentum takes from the damping, and a negative one would add to it (Gidel et al., 2019).
    So the delay is taken out by extrapolation: with $v_t$ what the rule proposes, $u_t = v_t - \beta v_{t-1}$, which of
    $v_t = \beta v_{t-1} - g_t$ leaves the gradient of the moment.

    Offsets, gains and layers that start at zero have no size to go by: the size of a matrix or kernel counts as at
    least that of random initial weights, $\sqrt{2/\text{fan-in}}$ per weight (He et al., 2015), that of a vector as
    0.1 per component; vectors are not divided by the denominator.

    Args:
        rule: proposes the direction.
        momentum: share $\beta$ of its last direction that the rule keeps.

    References:
        Gidel et al., Negative Momentum for Improved Game Dynamics (2019), Thm. 5 and 6.
            https://arxiv.org/abs/1807.04740
        You, Gitman & Ginsburg, Large Batch Training of Convolutional Networks (LARS, 2017), Eq. 6.
            https://arxiv.org/abs/1708.03888
        Bernstein, Vahdat, Yue & Liu, On the distance between two neural networks and the stability of learning (2020),
            Thm. 1 and Alg. 1 (Fromage). https://arxiv.org/abs/2002.03432
    """

    def __init__(self, rule: torch.optim.Optimizer, momentum: float = 0.0) -> None:
        self.rule, self.momentum = rule, momentum
        self.parameters: list[Tensor] = [p for group in rule.param_groups for p in group["params"]]
        self.least = [
            math.sqrt(p.numel()) * (math.sqrt(2 / p[0].numel()) if p.ndim > 1 else 0.1) for p in self.parameters
        ]
        self.last = [torch.zeros_like(p) for p in self.parameters] if momentum else []

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The rule's groups; their lr is the relative step asked for."""
        return self.rule.param_groups

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all parameters."""
        before = [p.clone() for p in self.parameters]
        asked = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] = 1.0
        self.rule.step()
        for group, lr in zip(self.param_groups, asked, strict=True):
            group["lr"] = lr
        etas = [lr for group, lr in zip(self.param_groups, asked, strict=True) for _ in group["params"]]
        change = torch._foreach_sub(self.parameters, before)
        if self.momentum:
            proposed, change = change, torch._foreach_sub(change, torch._foreach_mul(self.last, self.momentum))
            self.last = list(proposed)
        sizes, lengths = torch._foreach_norm(before), torch._foreach_norm(change)
        for parameter, old, new, size, length, least, eta in zip(
            self.parameters, before, change, sizes, lengths, self.least, etas, strict=True
        ):
            scale = eta * size.clamp(min=least) / length.clamp(min=torch.finfo(length.dtype).tiny)
            torch.addcmul(old, new, scale, out=parameter)
            if parameter.ndim > 1:
                parameter.div_(math.sqrt(1 + eta**2))

    def state_dict(self) -> dict[str, Any]:
        """Return the rule's state, and what it proposed last."""
        return {**self.rule.state_dict(), "last": list(self.last)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.last = [old.to(p) for old, p in zip(state_dict["last"], self.parameters, strict=bool(self.momentum))]
        self.rule.load_state_dict({key: value for key, value in state_dict.items() if key != "last"})


class Lion(torch.optim.Optimizer):
    r"""Moves every weight by the same amount, in the direction of the sign of its momentum.

    $$ \theta \leftarrow (1 - \eta\lambda)\theta - \eta\,\mathrm{sign}(\beta_1 m + (1 - \beta_1) g), \qquad
    m \leftarrow \beta_2 m + (1 - \beta_2) g $$

    Args:
        parameters: as for any optimiser.
        lr: step size $\eta$.
        betas: $\beta_1$ of the look-ahead and $\beta_2$ of the momentum $m$.
        weight_decay: $\lambda$.

    References:
        Chen et al., Symbolic Discovery of Optimization Algorithms (2023), Alg. 2. https://arxiv.org/abs/2302.06675
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | list[dict[str, Any]],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all parameters that have a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients = [p.grad for p in parameters]
            momenta = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in parameters]
            lr, (beta_1, beta_2) = group["lr"], group["betas"]
            directions = torch._foreach_lerp(gradients, momenta, beta_1)
            torch._foreach_sign_(directions)
            torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
            torch._foreach_add_(parameters, directions, alpha=-lr)
            torch._foreach_lerp_(momenta, gradients, 1 - beta_2)


def lr_factor(config: OptimizerConfig, step: int, steps: int) -> float:
    r"""Return the share of the step size used at `step` of `steps`.

    Warm-up $\min(1, (t+1)/w)$ times 1, $1 - t/T$, $\tfrac12(1 + \cos(\pi t/T))$ or
    $\min(1, 2(1 - t/T))$ (trapezoid).

    Examples:
        >>> lr_factor(OptimizerConfig(schedule="linear"), 75, 100)
        0.25
    """
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    progress = min(1.0, step / max(steps, 1))
    if config.schedule == "linear":
        return warm * (1.0 - progress)
    if config.schedule == "trapezoid":
        return warm * min(1.0, 2.0 * (1.0 - progress))
    if config.schedule == "cosine":
        return warm * 0.5 * (1.0 + math.cos(math.pi * progress))
    return warm


class Schedule:
    """Sets the step size of one optimiser as a function of the step alone, hence resumes by itself."""

    def __init__(self, config: OptimizerConfig, optimizer: torch.optim.Optimizer, steps: int, scale: float) -> None:
        self.config, self.optimizer, self.steps = config, optimizer, steps
        trust = math.inf if config.trust is None else config.trust
        self.base = [min(group["lr"] * scale, trust) for group in optimizer.param_groups]

    def set(self, step: int) -> None:
        """Set the step size for this step."""
        factor = lr_factor(self.config, step, self.steps)
        for group, base in zip(self.optimizer.param_groups, self.base, strict=True):
            group["lr"] = base * factor

    @property
    def lr(self) -> float:
        """Step size in force (of the first group)."""
        return self.optimizer.param_groups[0]["lr"]
