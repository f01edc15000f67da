"""Steps whose length is relative to the weights: what they keep, what they do not depend on."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tests.mutants import is_noticed
from veridical.config import OptimizerConfig
from veridical.training.optim import Optimizer, RelativeSteps, Schedule, build_optimizer, lr_factor

RULES: dict[str, dict[str, Any]] = {
    "adam": {"betas": (0.0, 0.99)},
    "adamw": {"betas": (0.5, 0.9), "weight_decay": 0.1},
    "rmsprop": {"momentum": 0.5},
    "sgd": {"momentum": 0.9},
    "lion": {"betas": (0.9, 0.99)},
}


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double()


def step(model: nn.Module, optimizer: Optimizer, seed: int, weight: float = 1.0) -> None:
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    model.zero_grad()
    (weight * (model(x) - x[:, :2].sin()).square().mean()).backward()
    optimizer.step()


@pytest.mark.parametrize("name", RULES)
def test_every_layer_moves_by_the_same_share_of_itself(name: Any) -> None:
    model = network()
    optimizer = build_optimizer(OptimizerConfig(name=name, lr=0.01, trust=1.0, **RULES[name]), model.parameters())
    for seed in range(3):
        before = [p.detach().clone() for p in model.parameters()]
        step(model, optimizer, seed)
        for old, new in zip(before, model.parameters(), strict=True):
            grown = new.detach() * (math.sqrt(1 + 0.01**2) if old.ndim > 1 else 1.0)
            least = math.sqrt(old.numel()) * (math.sqrt(2 / old[0].numel()) if old.ndim > 1 else 0.1)
            assert float((grown - old).norm()) == pytest.approx(0.01 * max(float(old.norm()), least), rel=1e-9)


def test_steps_at_right_angles_leave_the_size_of_the_weights() -> None:
    w = nn.Parameter(torch.tensor([[3.0, 4.0]], dtype=torch.float64))
    optimizer = build_optimizer(OptimizerConfig(name="sgd", lr=0.5, trust=1.0), [w])
    for _ in range(20):
        w.grad = torch.stack([-w.detach()[:, 1], w.detach()[:, 0]], 1)
        optimizer.step()
    assert float(w.detach().norm()) == pytest.approx(5.0, rel=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_beyond_the_trust_a_longer_step_is_the_same_step(name: Any) -> None:
    ends = []
    for lr in (0.02, 1.0, 50.0):
        model = network()
        config = OptimizerConfig(name=name, lr=lr, trust=0.02, schedule="trapezoid", **RULES[name])
        optimizer = build_optimizer(config, model.parameters())
        assert isinstance(optimizer, RelativeSteps)
        schedule = Schedule(config, optimizer, steps=6, scale=3.0)
        sizes = []
        for number in range(6):
            schedule.set(number)
            sizes.append(schedule.lr)
            step(model, optimizer, number)
        assert sizes == pytest.approx([0.02, 0.02, 0.02, 0.02, 0.02 * 2 / 3, 0.02 / 3])
        ends.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach())
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=0)
    torch.testing.assert_close(ends[2], ends[0], rtol=0, atol=0)


def test_plain_descent_does_not_depend_on_the_scale_of_the_loss() -> None:
    ends = []
    for weight in (1.0, 1e6):
        model = network()
        optimizer = build_optimizer(OptimizerConfig(name="sgd", momentum=0.9, lr=0.01, trust=0.02), model.parameters())
        for seed in range(5):
            step(model, optimizer, seed, weight)
        ends.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-9, atol=1e-12)


def test_layers_at_zero_can_leave_it_and_no_gradient_means_no_step() -> None:
    zero, idle = nn.Parameter(torch.zeros(4, 8)), nn.Parameter(torch.ones(3))
    optimizer = build_optimizer(OptimizerConfig(betas=(0.0, 0.99), lr=0.1, trust=0.1), [zero, idle])
    zero.grad, idle.grad = torch.ones(4, 8), torch.zeros(3)
    optimizer.step()
    assert float(zero.detach().norm()) == pytest.approx(0.1 * math.sqrt(32 * 2 / 8) / math.sqrt(1.01), rel=1e-5)
    assert torch.equal(idle.detach(), torch.ones(3))


def a_vanished_gradient_does_not_become_a_step() -> None:
    # Its squares are below the smallest float, so that its norm is 0: divided by it, the step would be infinite.
    offset, weights = nn.Parameter(torch.zeros(8)), nn.Parameter(torch.ones(4, 8))
    optimizer = build_optimizer(OptimizerConfig(betas=(0.0, 0.99), lr=0.1, trust=0.1), [offset, weights])
    for gradient in (1.0, 1e-24):
        before = torch.cat([offset.detach(), weights.detach().flatten()])
        offset.grad, weights.grad = torch.full((8,), gradient), torch.full((4, 8), gradient)
        offset.data.zero_()
        optimizer.step()
    moved = float((torch.cat([offset.detach(), weights.detach().flatten()]) - before).norm())
    assert moved < 0.1 * float(before.norm())


def offsets_do_not_grow_by_steps_at_random() -> None:
    offset = nn.Parameter(torch.zeros(16))
    optimizer = build_optimizer(OptimizerConfig(name="sgd", lr=0.5, trust=1.0), [offset])
    directions = torch.randn(400, 16, generator=torch.Generator().manual_seed(0))
    for direction in directions:
        offset.grad = direction.clone()
        optimizer.step()
    assert float(offset.detach().abs().max()) < 100.0  # undivided, sqrt(1.25) a step: 1e19 in 400 of them


def test_a_vanished_gradient_does_not_become_a_step() -> None:
    a_vanished_gradient_does_not_become_a_step()


def test_offsets_do_not_grow_by_steps_at_random() -> None:
    offsets_do_not_grow_by_steps_at_random()


@pytest.mark.parametrize(
    ("check", "before", "after"),
    [
        (a_vanished_gradient_does_not_become_a_step, "sizes.shortest", "1e-38 * sizes.least"),
        (offsets_do_not_grow_by_steps_at_random, "norm > sizes.bound", "sizes.bound < 0"),
    ],
)
def test_mutants_of_long_steps_are_seen(
    check: Callable[[], None], before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noticed(check, monkeypatch, RelativeSteps, "_move", before, after)


def test_the_delay_of_momentum_is_taken_out() -> None:
    ends = []
    for momentum in (0.0, 0.9):
        model = network()
        config = OptimizerConfig(name="sgd", momentum=momentum, lr=0.02, trust=0.02)
        optimizer = build_optimizer(config, model.parameters())
        for seed in range(20):
            step(model, optimizer, seed)
        ends.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-9, atol=1e-12)


def test_a_bilinear_game_is_lost_with_momentum_and_damped_without_its_delay() -> None:
    # min over x, max over y of x y + 0.05 (x^2 - y^2): without momentum the eigenvalues of the field are -0.1 +- i.
    def radius(momentum: float, trust: float | None) -> float:
        x, y = (nn.Parameter(torch.tensor([[v]], dtype=torch.float64)) for v in (1.0, 0.5))
        players = [
            build_optimizer(OptimizerConfig(name="sgd", momentum=momentum, lr=0.02, trust=trust), [p]) for p in (x, y)
        ]
        for _ in range(400):
            x.grad, y.grad = y.detach() + 0.1 * x.detach(), -x.detach() + 0.1 * y.detach()
            for player in players:
                player.step()
        return float(torch.hypot(x.detach(), y.detach()))

    assert radius(0.9, None) > 10 * radius(0.0, None)
    assert radius(0.9, 0.02) == pytest.approx(radius(0.0, 0.02), rel=1e-9)


def test_a_saved_rule_goes_on_where_it_was() -> None:
    config = OptimizerConfig(lr=0.01, trust=0.02, betas=(0.5, 0.9))
    model, twin = network(), network(1)
    optimizer = build_optimizer(config, model.parameters())
    for seed in range(3):
        step(model, optimizer, seed)
    twin.load_state_dict(model.state_dict())
    other = build_optimizer(config, twin.parameters())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for seed in range(3, 6):
        step(model, optimizer, seed)
        step(twin, other, seed)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(p, q)


def test_the_trapezoid_falls_over_its_second_half() -> None:
    config = OptimizerConfig(schedule="trapezoid")
    assert [lr_factor(config, t, 100) for t in (0, 50, 75, 100)] == [1.0, 1.0, 0.5, 0.0]


def test_who_settles_falls_from_a_quarter_quadratically() -> None:
    config = OptimizerConfig(schedule="settle")
    factors = [lr_factor(config, t, 100) for t in (0, 50, 60, 74, 75, 80, 100)]
    assert factors == pytest.approx([1.0, 1.0, 0.8, 0.52, 0.25, 0.16, 0.0])
