"""Parameters in common memory: nothing is lost, nothing is mixed, and every rule does what it did one by one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.training.average import EMA
from veridical.training.optim import build_optimizer
from veridical.training.packing import BLOCK, covers, memory_order, pack


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(5, 3), nn.Linear(3, 1)).double()


def loss(model: nn.Module, seed: int) -> Tensor:
    x = torch.randn(7, 2, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (model(x)[:, 0] - x.sum((1, 2, 3))).square().mean()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_packing_keeps_values_and_layout_and_writes_through(layout: torch.memory_format) -> None:
    model = network().to(memory_format=layout)  # type: ignore[call-overload]
    before = [p.detach().clone() for p in model.parameters()]
    strides = [p.stride() for p in model.parameters()]
    (stretch,) = pack(list(model.parameters()))
    assert [p.stride() for p in model.parameters()] == strides
    for parameter, old, start in zip(model.parameters(), before, stretch.starts, strict=True):
        assert torch.equal(parameter, old) and start % BLOCK == 0
    assert torch.equal(stretch.join(before), stretch.vector)
    torch.testing.assert_close(stretch.norms(stretch.vector), torch.stack([p.norm() for p in before]))
    for number, piece in enumerate(stretch.views(stretch.vector)):
        piece.fill_(number)
    assert [p.unique().tolist() for p in model.parameters()] == [[i] for i in range(6)]


def test_gradients_join_in_the_order_of_memory() -> None:
    model = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    (stretch,) = pack(list(model.parameters()))
    scattered = [p.detach().clone().contiguous() for p in model.parameters()]
    assert memory_order(next(model.parameters())) == (0, 2, 3, 1)
    assert torch.equal(stretch.join(scattered), stretch.vector)


REFERENCES: dict[str, tuple[dict[str, Any], Any]] = {
    "adam": ({"betas": (0.8, 0.9), "weight_decay": 0.1}, torch.optim.Adam),
    "adamw": ({"betas": (0.8, 0.9), "weight_decay": 0.1}, torch.optim.AdamW),
    "rmsprop": ({"momentum": 0.7, "weight_decay": 0.1}, torch.optim.RMSprop),
    "sgd": ({"momentum": 0.7, "weight_decay": 0.1}, torch.optim.SGD),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_rules_agree_with_torch(name: Any) -> None:
    options, reference = REFERENCES[name]
    model, other = network(), network()
    optimizer = build_optimizer(OptimizerConfig(name=name, lr=0.01, **options), model.parameters())
    theirs = reference(other.parameters(), lr=0.01, **options)
    for seed in range(6):
        for m, o in ((model, optimizer), (other, theirs)):
            m.zero_grad()
            loss(m, seed).backward()
            o.step()
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("absent", [range(4), range(4, 8), (2, 5)])
@pytest.mark.parametrize("trust", [None, 1.0])
def test_a_parameter_without_gradient_does_not_age(trust: float | None, absent: Sequence[int]) -> None:
    # A layer that takes no part in some losses goes on as under a torch.optim.Adam that skips it.
    model, other = network(), network()
    optimizer = build_optimizer(OptimizerConfig(lr=0.01, betas=(0.8, 0.9), trust=trust), model.parameters())
    theirs = torch.optim.Adam(other.parameters(), lr=0.01, betas=(0.8, 0.9))
    for seed in range(8):
        for m, o in ((model, optimizer), (other, theirs)):
            m.zero_grad()
            loss(m, seed).backward()
            for p in list(m[3].parameters()) if seed in absent else []:
                p.grad = None
            o.step()
    state, expected = optimizer.state_dict()["state"], theirs.state_dict()["state"]
    assert [float(state[i]["step"]) for i in range(6)] == [8, 8, 8 - len(absent), 8 - len(absent), 8, 8]
    if trust is None:
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)
        for i in range(6):
            torch.testing.assert_close(state[i]["exp_avg_sq"], expected[i]["exp_avg_sq"], rtol=1e-12, atol=0)


@pytest.mark.parametrize("trust", [None, 0.02])
def test_saved_memories_come_back_whatever_the_stretches(trust: float | None) -> None:
    config = OptimizerConfig(lr=0.01, betas=(0.8, 0.9), trust=trust)
    model, twin = network(), network(1)
    optimizer = build_optimizer(config, model.parameters())
    for seed in range(5):
        model.zero_grad()
        loss(model, seed).backward()
        for p in [] if seed >= 2 else list(model[3].parameters()):
            p.grad = None
        optimizer.step()
    twin.load_state_dict(model.state_dict())
    other = build_optimizer(config, twin.parameters())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for seed in range(5, 8):
        for m, o in ((model, optimizer), (twin, other)):
            m.zero_grad()
            loss(m, seed).backward()
            o.step()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def test_a_parameter_given_twice_is_refused() -> None:
    w = nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match="given twice"):
        build_optimizer(OptimizerConfig(), [w, w])


def test_neighbours_are_covered_by_one_vector_and_strangers_by_their_own() -> None:
    model, stranger = network(), torch.arange(3.0)
    pack(list(model.parameters()))
    tensors = [p.detach() for p in model.parameters()]
    found = covers([tensors[4], stranger, *tensors[:4], tensors[5]])
    assert sorted(len(cover.tensors) for cover in found) == [1, 6]
    whole = max(found, key=lambda cover: len(cover.tensors))
    copied = whole.vector.clone()
    for tensor, piece in zip(whole.tensors, whole.views(copied), strict=True):
        assert torch.equal(tensor, piece) and piece.data_ptr() != tensor.data_ptr()


def test_averages_do_not_depend_on_packing() -> None:
    packed, apart = network(), network()
    pack(list(packed.parameters()))
    averages = [EMA(packed, 0.9), EMA(apart, 0.9)]
    for number in range(5):
        for model, average in zip((packed, apart), averages, strict=True):
            with torch.no_grad():
                for p in model.parameters():
                    p.add_(number)
            average.update()
    a, b = (average.tensors() for average in averages)
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name])
