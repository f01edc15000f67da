"""What the moving average of the weights touches, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole, buffer_roles
from veridical.training import average
from veridical.training.average import EMA


class ToyChains(nn.Module):
    """A network with running statistics, and chains of spins ±1 of which some flip at every update."""

    buffer_roles = {"spins": BufferRole.PER_PROCESS, "energies": BufferRole.LIVE}
    spins: Tensor
    energies: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8))
        self.register_buffer("spins", torch.ones(64, 16))
        self.register_buffer("energies", torch.zeros(64))

    @torch.no_grad()
    def update(self) -> None:
        flips = torch.rand_like(self.spins) < 0.1
        self.spins.copy_(torch.where(flips, -self.spins, self.spins))
        self.energies.copy_(-(self.spins * self.spins.roll(1, 1)).sum(1))
        for parameter in self.network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        self.network(self.spins)


def train(updates: int = 30) -> tuple[ToyChains, EMA]:
    torch.manual_seed(0)
    model = ToyChains()
    ema = EMA(model, 0.9)
    for _ in range(updates):
        model.update()
        ema.update()
    return model, ema


def chains_stay_chains() -> None:
    """While samples are drawn, the spins are spins, and those of the newest update."""
    model, ema = train()
    spins, energies = model.spins.clone(), model.energies.clone()
    ema.swap()
    assert int((model.spins.abs() != 1).sum()) == 0
    assert torch.equal(model.spins, spins) and torch.equal(model.energies, energies)
    ema.swap()
    assert torch.equal(model.spins, spins)


def statistics_follow() -> None:
    """The running statistics are averaged by the same formula as the weights."""
    torch.manual_seed(0)
    model = ToyChains()
    ema = EMA(model, 0.9)
    named = dict(model.state_dict())
    wanted = {name: named[name].clone() for name in ("network.0.weight", "network.1.running_mean")}
    for t in range(30):
        model.update()
        ema.update()
        d = min(0.9, (1 + t) / (10 + t))
        wanted = {name: d * old + (1 - d) * named[name] for name, old in wanted.items()}
    for name, tensor in wanted.items():
        torch.testing.assert_close(ema.tensors()[name], tensor)


@contextmanager
def every_buffer(role: BufferRole, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(average, "buffer_roles", lambda model: dict.fromkeys(buffer_roles(model), role))
        yield


def test_chains_of_spins_are_not_averaged() -> None:
    chains_stay_chains()


def test_running_statistics_are_averaged() -> None:
    statistics_follow()


def test_the_tests_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    with every_buffer(BufferRole.AVERAGED, monkeypatch), pytest.raises(AssertionError):
        chains_stay_chains()  # 1,024 values that are no spins
    with every_buffer(BufferRole.LIVE, monkeypatch), pytest.raises(KeyError):
        statistics_follow()


def test_only_weights_and_declared_statistics_are_averaged() -> None:
    model = ToyChains()
    model.register_buffer("scratch", torch.zeros(1), persistent=False)
    parameters = {name for name, _ in model.named_parameters()}
    assert set(EMA(model, 0.9).tensors()) == parameters | {"network.1.running_mean", "network.1.running_var"}


def test_the_average_follows_its_formula_and_swapping_twice_changes_nothing() -> None:
    model = nn.Linear(2, 2)
    ema = EMA(model, 0.99)
    with torch.no_grad():
        model.weight.fill_(5.0)
    expected = ema.tensors()["weight"].clone()
    for t in range(50):
        ema.update()
        d = min(0.99, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * 5.0
    torch.testing.assert_close(ema.tensors()["weight"], expected)
    before = model.weight.clone()
    ema.swap()
    torch.testing.assert_close(model.weight.data, expected)
    ema.swap()
    assert torch.equal(model.weight, before)


def test_what_was_saved_is_restored() -> None:
    _, ema = train()
    _, other = train(3)
    other.load({name: tensor.clone() for name, tensor in ema.tensors().items()}, ema.updates)
    assert other.updates == ema.updates == 30
    assert all(torch.equal(a, b) for a, b in zip(ema.average, other.average, strict=True))
