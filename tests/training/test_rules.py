"""Update rules against their closed forms at constant gradients, and against the rules of torch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.training.rules import SGD, Adam, Lion, RMSProp, UpdateRule, update_rule

LR = 0.1
G = torch.tensor([3.0, -0.02], dtype=torch.float64)


def moved(rule: UpdateRule, gradients: list[Tensor], weight_decay: float = 0.0, start: float = 0.0) -> Tensor:
    x, state = torch.full((2,), start, dtype=torch.float64), {}
    for gradient in gradients:
        rule.move(x, gradient.clone(), state, torch.tensor(LR, dtype=torch.float64), weight_decay)
    return x


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_descent_at_a_constant_gradient_is_a_geometric_sum(momentum: float) -> None:
    steps = sum((1 - momentum**k) / (1 - momentum) for k in range(1, 8))
    assert torch.allclose(moved(SGD(momentum), [G] * 7), -LR * steps * G)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_takes_unit_steps_at_a_constant_gradient(decoupled: bool) -> None:
    """The corrected means are then the gradient and its square, whatever the betas."""
    assert torch.allclose(moved(Adam((0.5, 0.99), decoupled), [G] * 5), -5 * LR * G.sign(), atol=1e-5)


def test_decoupled_decay_shrinks_the_weights_alone() -> None:
    nothing = torch.zeros_like(G)
    assert torch.allclose(moved(Adam((0.9, 0.99), True), [nothing] * 3, 0.5, 2.0), torch.tensor(2 * 0.95**3).double())
    assert torch.allclose(moved(Lion((0.9, 0.99)), [nothing] * 3, 0.5, 2.0), torch.tensor(2 * 0.95**3).double())
    # Through the gradient the decay is one more slope, whose size Adam forgets.
    assert torch.allclose(moved(Adam((0.9, 0.99), False), [nothing], 0.5, 2.0), torch.tensor(2 - LR).double())
    assert torch.allclose(moved(SGD(0.0), [nothing], 0.5, 2.0), torch.tensor(2 * (1 - 0.5 * LR)).double())


def test_the_first_step_of_rmsprop_is_ten_times_too_long() -> None:
    """Its mean square starts at 0 and is not corrected: after one step it is a hundredth of the square."""
    assert torch.allclose(moved(RMSProp(0.0), [G]), -10 * LR * G.sign(), atol=1e-4)


def test_lion_steps_by_the_sign_of_its_mean() -> None:
    rule = Lion((0.9, 0.9))  # after g: m = 0.1 g; then 0.9 * 0.1 g - 0.1 k g turns at k = 0.9
    assert torch.allclose(moved(rule, [G]), -LR * G.sign())
    assert torch.allclose(moved(rule, [G, -0.89 * G]), -2 * LR * G.sign())
    assert torch.allclose(moved(rule, [G, -0.91 * G]), torch.zeros(2).double(), atol=1e-12)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_rules_are_those_of_torch(name: Any) -> None:
    config = OptimizerConfig(name=name, betas=(0.8, 0.95), momentum=0.7)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
    options = {"betas": config.betas} if "adam" in name else {"momentum": config.momentum}
    theirs = nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = kind.get(name, torch.optim.SGD)([theirs], lr=LR, weight_decay=0.1, **options)
    gradients = list(torch.randn(6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    for gradient in gradients:
        theirs.grad = gradient.clone()
        optimizer.step()
    assert torch.allclose(moved(update_rule(config), gradients, 0.1, 1.0), theirs.detach(), rtol=1e-9)


@pytest.mark.parametrize("rule", [Adam((0.9, 0.99), True), RMSProp(0.9), SGD(0.9), Lion((0.9, 0.99))])
def test_rows_move_like_vectors(rule: UpdateRule) -> None:
    gradients = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows, state = torch.zeros(3, 2, dtype=torch.float64), {}
    for gradient in gradients:
        rule.move(rows, gradient.clone(), state, torch.tensor(LR, dtype=torch.float64), 0.0)
    for i in range(3):
        assert torch.allclose(rows[i], moved(rule, list(gradients[:, i])))
