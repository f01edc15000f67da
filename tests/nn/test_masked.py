"""The masked perceptron: what each output sees, exactly."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.mutants import mutated
from veridical.nn import masked
from veridical.nn.heads import Features, Grid
from veridical.nn.masked import Degrees, MaskedLinear, MaskedMLP, even_degrees, random_degrees

S = 6
ORDER = torch.tensor([2, 0, 5, 3, 1, 4])  # not its own inverse


def degrees(depth: int, width: int = 12, order: Tensor = ORDER) -> Degrees:
    return Degrees(order.argsort(), random_degrees(len(order), width, depth, torch.Generator().manual_seed(3)))


def jacobian(network: MaskedMLP, seen: Degrees, c: Tensor | None = None) -> Tensor:
    """(S, P, S): derivatives of all numbers by all sites, in double precision."""
    x = torch.randn(1, S, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.functional.jacobian(lambda x: network(x, seen, c), x)
    return found[0, :, :, 0, :, 0]  # type: ignore[index, call-overload]


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_site_sees_all_earlier_ones_and_no_other(depth: int) -> None:
    torch.manual_seed(0)
    network = MaskedMLP(S, Features(0.0, 1.0), 2, width=12, depth=depth).double()
    slope, rank = jacobian(network, degrees(depth)).abs(), ORDER.argsort()
    earlier = rank[:, None] > rank
    assert (slope[:, :, :].amin(1)[earlier] > 0).all() and (slope.amax(1)[~earlier] == 0).all()


def test_hidden_units_of_each_degree_are_used() -> None:
    torch.manual_seed(0)
    network = MaskedMLP(S, Features(0.0, 1.0), 1, width=S - 1, depth=1).double()
    assert network.direct is not None
    torch.nn.init.zeros_(network.direct.weight)
    seen = Degrees(ORDER.argsort(), even_degrees(S, S - 1, 1))
    with torch.no_grad():
        network.layers[0].bias.fill_(10.0)  # all units are on
    slope, rank = jacobian(network, seen)[:, 0].abs(), ORDER.argsort()
    assert (slope[rank[:, None] > rank] > 0).all()


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("features", [Features(0.3, 2.0), Features(0.0, 1.0, Grid(-1.0, 1.0, 3))], ids=["value", "hot"])
@pytest.mark.parametrize("classes", [0, 3])
def test_steps_compute_what_the_pass_does(depth: int, features: Features, classes: int) -> None:
    torch.manual_seed(0)
    network = MaskedMLP(S, features, 2, width=9, depth=depth, classes=classes).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    seen = degrees(depth, 9)
    x = torch.randint(-1, 2, (4, S, 1)).double()
    c = torch.tensor([0, 2, 1, 2]) if classes else None
    steps, found = network.steps(seen, 4, c), torch.zeros(4, S, 2, dtype=torch.float64)
    place = ORDER[0]
    found[:, place] = next(steps)
    for following in ORDER[1:]:
        found[:, following] = steps.send(x[:, place])
        place = following
    torch.testing.assert_close(found, network(x, seen, c))


def test_labels_shift_every_layer() -> None:
    network = MaskedMLP(S, Features(0.0, 1.0), 1, width=4, depth=1, classes=2)
    x, seen = torch.randn(1, S, 1), degrees(1, 4)
    assert torch.equal(network(x, seen, torch.tensor([1])), network(x, seen))  # they start at zero
    for layer in (*network.layers, network.last):
        assert layer.labels is not None
        torch.nn.init.ones_(layer.labels.weight)
    shifted = network(x, seen, torch.tensor([1])) - network(x, seen)
    assert shifted[0, ORDER[0]].item() == pytest.approx(1)


def test_random_degrees_leave_no_unit_blind() -> None:
    for seed in range(20):
        hidden = random_degrees(9, 5, 4, torch.Generator().manual_seed(seed))
        assert all(after.min() >= before.min() for before, after in itertools.pairwise(hidden))
        assert hidden.min() >= 0 and hidden.max() <= 7
    assert random_degrees(1, 5, 2, torch.Generator()).max() == 0 and even_degrees(1, 5, 2).max() == 0


@pytest.mark.parametrize(
    ("owner", "name", "before", "after"),
    [
        (MaskedLinear, "masked", "after[:, None] > before", "after[:, None] >= before"),
        (MaskedLinear, "masked", "after[:, None] >= before", "after[:, None] > before"),
        (MaskedMLP, "weights", "outputs[:, None] > inputs", "outputs[:, None] >= inputs"),
        (MaskedMLP, "weights", "degrees.sites.repeat", "degrees.sites.argsort().repeat"),
        (MaskedMLP, "steps", "ready[depth][place]", "ready[depth][place - 1]"),
        (masked, "even_degrees", "max(sites - 1, 1)", "max(sites - 2, 1)"),
    ],
)
def test_a_planted_mistake_is_found(monkeypatch: Any, owner: Any, name: str, before: str, after: str) -> None:
    monkeypatch.setattr(owner, name, mutated(getattr(owner, name), before, after))
    monkeypatch.setitem(globals(), "even_degrees", masked.even_degrees)
    with pytest.raises(AssertionError):
        test_a_site_sees_all_earlier_ones_and_no_other(1)
        test_hidden_units_of_each_degree_are_used()
        test_steps_compute_what_the_pass_does(3, Features(0.3, 2.0), 0)
