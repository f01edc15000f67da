"""Dilated causal convolutions: what a step sees, and the queues."""

from typing import Any

import pytest
import torch

from tests.mutants import mutated
from veridical.nn.wavenet import CausalConv1d, DilatedStack, Queue


def stack(layers: int = 3, blocks: int = 1, kernel: int = 2, classes: int = 0, features: int = 1) -> DilatedStack:
    torch.manual_seed(0)
    return DilatedStack(features, 2, width=4, layers=layers, blocks=blocks, kernel=kernel, classes=classes).double()


@pytest.mark.parametrize(("layers", "blocks", "kernel"), [(1, 1, 2), (3, 1, 2), (2, 2, 2), (2, 1, 3)])
def test_the_receptive_field_is_that_of_the_formula(layers: int, blocks: int, kernel: int) -> None:
    """From the Jacobian: a step sees the R steps before it, all of them, and nothing else."""
    network = stack(layers, blocks, kernel)
    R = 1 + (kernel - 1) * (1 + blocks * (2**layers - 1))
    assert network.receptive_field == R
    T = R + 4
    x = torch.randn(1, T, 1, dtype=torch.float64)
    slope = torch.autograd.functional.jacobian(network, x)[0, :, :, 0, :, 0].abs().amax(1)  # type: ignore[index, call-overload]
    distance = torch.arange(T)[:, None] - torch.arange(T)
    assert ((slope > 0) == ((distance >= 1) & (distance <= R))).all()


@pytest.mark.parametrize(("layers", "blocks", "kernel"), [(3, 1, 2), (2, 2, 2), (2, 1, 3)])
@pytest.mark.parametrize("classes", [0, 3])
def test_steps_compute_what_the_pass_does(layers: int, blocks: int, kernel: int, classes: int) -> None:
    network = stack(layers, blocks, kernel, classes, features=2)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x, c = torch.randn(3, 20, 2, dtype=torch.float64), torch.tensor([2, 0, 1]) if classes else None
    expected = network(x, c)
    for _ in range(2):  # a second call starts from empty queues
        steps = network.steps(3, c)
        found = [next(steps), *(steps.send(x[:, t]) for t in range(19))]
        torch.testing.assert_close(torch.stack(found, dim=1), expected)


@pytest.mark.parametrize(
    ("owner", "name", "before", "after"),
    [
        (DilatedStack, "forward", "(1, -1)", "(2, -2)"),
        (DilatedStack, "forward", "F.pad(x.transpose(1, 2), (1, -1))", "x.transpose(1, 2)"),
        (CausalConv1d, "forward", "(self.memory, 0)", "(0, self.memory)"),
        (
            Queue,
            "__init__",
            "[zero] * (layer.memory + 1), maxlen=layer.memory + 1",
            "[zero] * layer.memory, maxlen=layer.memory",
        ),
        (Queue, "push", "range(0, len(self.past), self.dilation)", "range(len(self.past) - 1, -1, -self.dilation)"),
    ],
)
def test_a_planted_mistake_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, before: str, after: str
) -> None:
    monkeypatch.setattr(owner, name, mutated(getattr(owner, name), before, after))
    with pytest.raises((AssertionError, RuntimeError)):
        test_the_receptive_field_is_that_of_the_formula(3, 1, 2)
        test_steps_compute_what_the_pass_does(3, 1, 2, 0)
