from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.mutants import is_noticed
from tests.training import toys
from veridical.config import OptimizerConfig
from veridical.data.batch import Batch
from veridical.data.space import Space
from veridical.model import GenerativeModel, Loss
from veridical.training.average import EMA
from veridical.training.fit import Callback, State, fit
from veridical.training.optim import build_optimizer, lr_factor
from veridical.training.terms import NonFiniteError


class Quadratic(GenerativeModel):
    """Minimises (w - 3)^2 / 2 by gradient descent: w_t = 3 - 3 (1 - lr)^t exactly."""

    space = Space((1,), kind="vector", support=None, levels=None)

    def __init__(self, poison_at: int = -1) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.poison_at = poison_at

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        value = (self.w - 3) ** 2 / 2
        poison = torch.tensor(float("nan") if step == self.poison_at else 1.0)
        return Loss(value, {"loss": value, "poisoned": poison})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig(name="sgd", lr=0.1)


class Settling(Quadratic):
    """The same with a schedule that settles."""

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig(name="sgd", lr=0.1, schedule="settle")


class Nothing:
    def batch(self, step: int) -> Batch:
        return Batch(torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64))


def test_gradient_descent_follows_its_closed_form() -> None:
    model = Quadratic()
    fit(State(model, steps=20), Nothing())
    assert model.w.item() == pytest.approx(3 - 3 * 0.9**20, abs=1e-14)


def test_only_the_moving_player_changes_and_everything_is_thawed() -> None:
    state = toys.state(steps=1)
    seen: list[str] = []
    original = state.model.loss

    def loss(batch: Batch, *, player: str, step: int) -> Loss:
        frozen = {n for n, p in state.module.named_parameters() if not p.requires_grad}
        assert frozen == {n for n, _ in state.module.named_parameters() if not n.startswith(player)}
        seen.append(player)
        return original(batch, player=player, step=step)

    state.model.loss = loss  # type: ignore[method-assign]
    fit(state, toys.loader())
    assert seen == ["discriminator", "generator"]
    assert all(p.requires_grad for p in state.module.parameters())


def test_rows_are_means_over_the_interval_and_the_last_row_ends_the_run() -> None:
    rows: list[dict[str, Any]] = []

    class Keep(Callback):
        def on_log(self, state: State, row: dict[str, Any]) -> None:
            rows.append(row)

    model = Quadratic()
    fit(State(model, steps=25), Nothing(), log_every=10, callbacks=[Keep()])
    assert [row["step"] for row in rows] == [10, 20, 25]
    w = [3 - 3 * 0.9**t for t in range(25)]
    expected = [sum((w[t] - 3) ** 2 / 2 for t in range(a, b)) / (b - a) for a, b in ((0, 10), (10, 20), (20, 25))]
    assert [row["model/loss"] for row in rows] == pytest.approx(expected, rel=1e-6)
    assert [row["model/grad_norm"] for row in rows][2] == pytest.approx(sum(abs(v - 3) for v in w[20:]) / 5, rel=1e-6)


def test_what_is_not_finite_is_named_by_step_player_and_term() -> None:
    with pytest.raises(NonFiniteError) as caught:
        fit(State(Quadratic(poison_at=13), steps=100), Nothing(), log_every=10)
    assert (caught.value.step, caught.value.name) == (13, "model/poisoned")


def test_clipping_bounds_the_step() -> None:
    model = Quadratic()
    fit(State(model, steps=1), Nothing(), clip_norm=0.5)
    assert model.w.item() == pytest.approx(0.1 * 0.5, rel=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd", "lion"])
def test_optimisers_descend(name: Any) -> None:
    w = nn.Parameter(torch.tensor([2.0, -1.0]))
    optimizer = build_optimizer(OptimizerConfig(name=name, lr=0.05), [w])
    for _ in range(200):
        w.grad = None
        (w**2).sum().backward()
        optimizer.step()
    assert w.abs().max() < (0.3 if name == "lion" else 0.06)  # lion circles as far as its momentum reaches


def test_lion_moves_by_the_sign_of_a_look_ahead() -> None:
    w = nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))
    optimizer = build_optimizer(OptimizerConfig(name="lion", lr=0.1, betas=(0.9, 0.99), weight_decay=0.5), [w])
    expected, m = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    for g in (np.array([1.0, 0.0, -2.0]), np.array([-0.05, 1.0, 0.1]), np.array([-9.0, 0.2, 0.3])):
        w.grad = torch.tensor(g)
        optimizer.step()
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * np.sign(0.9 * m + 0.1 * g)
        m = 0.99 * m + 0.01 * g
    np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-14)


def test_schedules_have_their_endpoints() -> None:
    for schedule in ("linear", "cosine"):
        config = OptimizerConfig(schedule=schedule, warmup=10)  # type: ignore[arg-type]
        assert lr_factor(config, 0, 1000) == pytest.approx(0.1, rel=1e-6)
        assert lr_factor(config, 500, 1000) == pytest.approx(0.5)
        assert lr_factor(config, 1000, 1000) == pytest.approx(0.0)
    assert lr_factor(OptimizerConfig(), 999, 1000) == 1.0


def test_a_model_that_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"):
        State(object(), steps=1)  # type: ignore[arg-type]


def who_settles_starts_from_its_average_and_ends_within_it(steps: int) -> None:
    w, average, updates = 0.0, 0.0, 0
    for step in range(steps):
        left = 2 * (1 - step / steps)
        if step == 3 * steps // 4:
            w, updates = average, 0
        rate = 0.1 * min(1, left) if step < 3 * steps // 4 else 0.1 * left**2
        w += rate * (3 - w)
        average += (1 - min(0.9, (1 + updates) / (10 + updates))) * (w - average)
        updates += 1
    state = fit(State(model := Settling(), steps=steps, ema=0.9), Nothing())
    assert abs(float(model.w.detach()) - w) < 1e-12
    assert state.ema is not None and abs(float(state.ema.average[0]) - average) < 1e-12


def test_who_settles_starts_from_its_average_and_ends_within_it() -> None:
    who_settles_starts_from_its_average_and_ends_within_it(20)


@pytest.mark.parametrize(("before", "after"), [("live.copy_(average)", "pass"), ("self.updates = 0", "pass")])
def test_mutants_of_settling_are_seen(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> None:
        who_settles_starts_from_its_average_and_ends_within_it(20)

    is_noticed(check, monkeypatch, EMA, "take_over", before, after)
