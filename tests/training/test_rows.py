"""Codes of examples that are not in the batch stay as they are, whatever the optimiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training import toys
from veridical.config import OptimizerConfig
from veridical.data.batch import Batch
from veridical.model import GenerativeModel, Loss
from veridical.training import checkpoint
from veridical.training.fit import Callback, State, fit
from veridical.training.optim import Optimizer, build_optimizer
from veridical.training.rows import RowBatch

N, SHAPE = 7, (3, 2)
RULES: dict[str, dict[str, Any]] = {
    "adam": {"betas": (0.5, 0.9), "weight_decay": 0.1},
    "adamw": {"betas": (0.9, 0.99), "weight_decay": 0.1},
    "rmsprop": {"momentum": 0.5, "weight_decay": 0.1},
    "sgd": {"momentum": 0.9, "weight_decay": 0.1},
    "lion": {"betas": (0.9, 0.99), "weight_decay": 0.1},
}
CONFIGS = [
    pytest.param(OptimizerConfig(name=name, lr=0.05, trust=trust, **settings), id=f"{name}-{trust}-{kind}")  # type: ignore[arg-type]
    for name, full in RULES.items()
    for kind, settings in (("full", full), ("plain", {"betas": full["betas"]} if "betas" in full else {}))
    for trust in (None, 0.02)
]


def start(shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(N, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def batches(steps: int = 12) -> list[list[int]]:
    """Rows of each step: of different numbers, in any order, one of them in no step."""
    draw = torch.Generator().manual_seed(1)
    return [
        torch.randperm(N - 1, generator=draw)[: int(torch.randint(1, 5, (1,), generator=draw))].tolist()
        for _ in range(steps)
    ]


def slope(row: Tensor, number: int, step: int) -> Tensor:
    """Gradient of a row at a step, which depends on where the row is."""
    return (row.detach() * (1 + number) + step).sin() + 0.1 * row.detach()


def table_optimizer(config: OptimizerConfig, table: nn.Parameter, rows: bool = True) -> Optimizer:
    return build_optimizer(config, [{"params": [table], "rows": rows}])


def move(optimizer: Optimizer, table: nn.Parameter, rows: list[int], step: int) -> None:
    table.grad = torch.zeros_like(table)
    for row in rows:
        table.grad[row] = slope(table[row], row, step)
    optimizer.step()


def absent_rows_stay(config: OptimizerConfig, rows: bool = True) -> None:
    table = nn.Parameter(start())
    optimizer = table_optimizer(config, table, rows)
    for step, present in enumerate(batches()):
        before = table.detach().clone()
        move(optimizer, table, present, step)
        for row in range(N):
            assert torch.equal(before[row], table[row]) == (row not in present)


def rows_move_as_they_would_alone(config: OptimizerConfig, shape: tuple[int, ...] = SHAPE) -> None:
    table = nn.Parameter(start(shape))
    optimizer = table_optimizer(config, table)
    alone = [nn.Parameter(row.clone()) for row in start(shape)]
    twins = [build_optimizer(config, [row]) for row in alone]
    for step, present in enumerate(batches()):
        move(optimizer, table, present, step)
        for row in present:
            alone[row].grad = slope(alone[row], row, step)
            twins[row].step()
    for row in range(N):
        torch.testing.assert_close(table[row], alone[row], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("config", CONFIGS)
def test_absent_rows_stay_to_the_bit(config: OptimizerConfig) -> None:
    absent_rows_stay(config)


@pytest.mark.parametrize("shape", [SHAPE, (5,), ()], ids=str)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_row_moves_as_if_it_were_trained_alone(config: OptimizerConfig, shape: tuple[int, ...]) -> None:
    rows_move_as_they_would_alone(config, shape)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("trust", [None, 0.02])
def test_an_ordinary_optimiser_would_be_noticed(name: Any, trust: float | None) -> None:
    with pytest.raises(AssertionError):
        absent_rows_stay(OptimizerConfig(name=name, lr=0.05, trust=trust, **RULES[name]), rows=False)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_common_count_of_steps_would_be_noticed(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = RowBatch.scatter

    def together(batch: RowBatch) -> None:
        apart(batch)
        batch._memory["step"].fill_(batch._memory["step"].max().item())

    monkeypatch.setattr(RowBatch, "scatter", together)
    with pytest.raises(AssertionError):
        rows_move_as_they_would_alone(OptimizerConfig(name=name, lr=0.05, **RULES[name]))


@pytest.mark.parametrize("shape", [SHAPE, ()], ids=str)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_saved_memory_goes_on_to_the_bit(config: OptimizerConfig, shape: tuple[int, ...]) -> None:
    table = nn.Parameter(start(shape))
    optimizer = table_optimizer(config, table)
    steps = list(enumerate(batches()))
    for step, present in steps[:6]:
        move(optimizer, table, present, step)
    other = nn.Parameter(table.detach().clone())
    resumed = table_optimizer(config, other)
    resumed.load_state_dict(optimizer.state_dict())
    for step, present in steps[6:]:
        move(optimizer, table, present, step)
        move(resumed, other, present, step)
    assert torch.equal(table, other)


def test_rows_in_another_layout_of_memory_move_alike() -> None:
    config = OptimizerConfig(lr=0.05, trust=0.02)
    plain = nn.Parameter(torch.randn(N, 2, 3, 3, generator=torch.Generator().manual_seed(0)))
    layout = nn.Parameter(plain.detach().clone(memory_format=torch.channels_last))
    pairs = [(table, table_optimizer(config, table)) for table in (plain, layout)]
    for step, present in enumerate(batches()):
        for table, optimizer in pairs:
            move(optimizer, table, present, step)
    torch.testing.assert_close(plain, layout)
    one, other = (optimizer.state_dict()["state"][0] for _, optimizer in pairs)
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name])


class Codes(GenerativeModel):
    """One code for each example, and a network that makes the example of it."""

    codes: nn.Parameter

    def __init__(self) -> None:
        super().__init__()
        self.space = toys.data().space
        self.codes = nn.Parameter(0.1 * torch.randn(512, 3))
        self.network = nn.Linear(3, 2)

    def player_parameters(self, player: str) -> list[dict[str, Any]]:
        return [{"params": list(self.network.parameters())}, {"params": [self.codes], "rows": True, "lr": 0.1}]

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig(lr=1e-2)

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = (self.network(self.codes[batch.index]) - batch.x).square().mean()
        return Loss(loss, {"loss": loss.detach()})


class Watch(Callback):
    """Keeps the codes after every step."""

    def __init__(self, until: int = 20) -> None:
        self.until, self.codes = until, list[Tensor]()

    def on_step(self, state: State) -> None:
        self.codes.append(state.module.get_parameter("codes").detach().clone())
        if state.step == self.until:
            state.stop = "asked to"


def state() -> State:
    torch.manual_seed(0)
    return State(Codes(), steps=20, ema=0.9)


def test_training_moves_the_codes_of_the_batch_alone() -> None:
    watch, made = Watch(), state()
    before = made.module.get_parameter("codes").detach().clone()
    fit(made, toys.loader(), clip_norm=1.0, callbacks=[watch])
    for step, codes in enumerate(watch.codes):
        moved = (codes != before).any(1).nonzero()[:, 0].tolist()
        assert moved == sorted(toys.loader().batch(step).index.tolist())
        before = codes


def test_training_with_codes_resumes_to_the_bit(tmp_path: Path) -> None:
    whole = fit(state(), toys.loader())
    part = fit(state(), toys.loader(), callbacks=[Watch(until=9)])
    path = checkpoint.save(tmp_path, part, {}, [checkpoint.of_this_process(part)], 1)
    resumed = state()
    checkpoint.load(path, resumed, {})
    toys.assert_equal(toys.everything(whole), toys.everything(fit(resumed, toys.loader())))
