"""The running sum in blocks: equal to the loop, with gradients of finite differences, blind to later sites."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.mutants import mutated
from veridical.nn import running_sum
from veridical.nn.heads import Features, Grid
from veridical.nn.running_sum import Activation, Blocks, RunningSum, activated


def inputs(S: int = 7, F: int = 2, H: int = 5, P: int = 3, B: int = 4) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = [(B, S, F), (S, F, H), (B, H), (S, P, H)]
    return [torch.randn(shape, dtype=torch.float64, generator=random).requires_grad_() for shape in shapes]


def loop(x: Tensor, weight: Tensor, start: Tensor, out: Tensor, activation: Activation) -> Tensor:
    """The definition, site by site."""
    total, found = start, []
    for i in range(len(weight)):
        found.append(activated(total, activation) @ out[i].T)
        total = total + x[:, i] @ weight[i]
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("block", [1, 3, 7, 16])
def test_blocks_are_the_loop(monkeypatch: pytest.MonkeyPatch, activation: Activation, block: int) -> None:
    monkeypatch.setattr(running_sum, "BLOCK", block)
    tensors = inputs()
    found, expected = running_sum.Blocks.apply(*tensors, activation), loop(*tensors, activation)  # type: ignore[call-arg]
    torch.testing.assert_close(found, expected)
    weights = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad((found * weights).sum(), tensors)
    theirs = torch.autograd.grad((expected * weights).sum(), tensors)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_gradients_are_those_of_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_sum, "BLOCK", 2)
    assert torch.autograd.gradcheck(lambda *t: running_sum.Blocks.apply(*t, "sigmoid"), inputs(5, 1, 3, 2, 2))  # type: ignore[call-arg]


@pytest.mark.parametrize("features", [Features(0.3, 2.0), Features(0.0, 1.0, Grid(-1.0, 1.0, 3))], ids=["value", "hot"])
@pytest.mark.parametrize("classes", [0, 3])
def test_steps_compute_what_the_pass_does(features: Features, classes: int) -> None:
    torch.manual_seed(0)
    network = RunningSum(6, features, 2, width=5, activation="sigmoid", classes=classes).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    order, x = torch.tensor([2, 0, 5, 3, 1, 4]), torch.randint(-1, 2, (4, 6, 1)).double()
    c = torch.tensor([0, 2, 1, 2]) if classes else None
    steps, found = network.steps(order, 4, c), torch.zeros(4, 6, 2, dtype=torch.float64)
    previous = None
    for site in order.tolist():
        found[:, site] = next(steps) if previous is None else steps.send(x[:, previous])
        previous = site
    torch.testing.assert_close(found, network(x, order, c))


def test_a_site_sees_all_earlier_ones_and_no_other() -> None:
    torch.manual_seed(0)
    network = RunningSum(20, Features(0.0, 1.0), 2, width=5, activation="sigmoid").double()
    order, x = torch.randperm(20), torch.randn(1, 20, 1, dtype=torch.float64)
    slope = torch.autograd.functional.jacobian(lambda x: network(x, order), x)[0, :, :, 0, :, 0].abs()  # type: ignore[index, call-overload]
    rank = order.argsort()
    earlier = rank[:, None] > rank
    assert (slope.amin(1)[earlier] > 0).all() and (slope.amax(1)[~earlier] == 0).all()


@pytest.mark.parametrize(
    ("owner", "name", "before", "after"),
    [
        (running_sum, "below", "tril(-1)", "tril()"),
        (running_sum, "below", "tril(-1)", "tril(-2)"),
        (Blocks, "backward", "by_own.addmm_(seen.flatten(1).T, later)", "pass"),
        (Blocks, "backward", "+ (later @ own.T).view_as(seen)", ""),
        (running_sum, "through", "torch.ops.aten.sigmoid_backward.grad_input(by_h, h, grad_input=by_h)", "by_h * h"),
        (Blocks, "backward", "later += by_total", "later = by_total"),
    ],
)
def test_a_planted_mistake_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, before: str, after: str
) -> None:
    function = mutated(getattr(owner, name), before, after)
    monkeypatch.setattr(owner, name, function if owner is running_sum else staticmethod(function))
    with pytest.raises(AssertionError):
        test_blocks_are_the_loop(monkeypatch, "sigmoid", 3)
