"""The length of a step relative to the weights."""

import pytest
import torch

from tests.training import toys
from veridical.training.fit import Callback, State, fit
from veridical.training.movement import Movement, weights
from veridical.training.terms import Row


class Rows(Callback):
    """Keeps the rows, and the weights after every step."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.weights: list[torch.Tensor] = []

    def on_start(self, state: State) -> None:
        self.on_step(state)

    def on_log(self, state: State, row: Row) -> None:
        self.rows.append(row)

    def on_step(self, state: State) -> None:
        self.weights.append(weights(state.players["generator"]))


def test_the_term_is_the_last_step_over_the_weights() -> None:
    state, kept = toys.state(7), Rows()
    fit(state, toys.loader(), log_every=3, callbacks=[Movement(3), kept])
    assert [row["step"] for row in kept.rows] == [3, 6, 7]
    for row in kept.rows:
        before, after = kept.weights[row["step"] - 1], kept.weights[row["step"]]
        assert row["generator/update"] == pytest.approx(float((after - before).norm() / after.norm()), rel=1e-5)
        assert row["generator/update"] > 0 and "discriminator/update" in row


def test_training_is_not_changed() -> None:
    with_it, without = toys.state(6), toys.state(6)
    torch.manual_seed(0)
    fit(with_it, toys.loader(), log_every=2, callbacks=[Movement(2)])
    torch.manual_seed(0)
    fit(without, toys.loader(), log_every=2)
    for one, other in zip(with_it.module.parameters(), without.module.parameters(), strict=True):
        assert torch.equal(one, other)
