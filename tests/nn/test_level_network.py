"""Networks of an example and a noise level."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from veridical.data.space import Space
from veridical.nn.level_network import Attention, LevelMLP, UNet, halved

pytestmark = pytest.mark.usefixtures("double_precision")


def perturbed(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.eval()


NETWORKS = {
    "mlp": (lambda: LevelMLP(3, 8, 2, classes=4), (3,)),
    "unet": (lambda: UNet(Space((2, 8, 12)), 8, classes=4), (2, 8, 12)),
    "odd": (lambda: UNet(Space((1, 9, 14)), 8, classes=4), (1, 9, 14)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_starts_at_zero_and_then_sees_example_level_and_label(name: str) -> None:
    build, shape = NETWORKS[name]
    network = build()
    x, level, c = torch.randn(3, *shape), torch.randn(3), torch.tensor([0, 1, 2])
    assert torch.equal(network(x, level, c), torch.zeros_like(x))
    perturbed(network)
    found = network(x, level, c)
    for other in ((x + 0.1, level, c), (x, level + 0.1, c), (x, level, c + 1)):
        assert ((network(*other) - found).flatten(1).abs().amax(1) > 1e-6).all()
    torch.testing.assert_close(network(x[1:2], level[1:2], c[1:2]), found[1:2])


def test_a_lattice_has_no_boundary() -> None:
    """Shifted by the size of the coarsest site, the output shifts along; with zeros about an image it does not."""
    x, level = torch.randn(1, 1, 8, 8), torch.zeros(1)
    for kind, same in (("lattice", True), ("image", False)):
        torch.manual_seed(3)
        network = perturbed(UNet(Space((1, 8, 8), kind=kind, levels=None), 8))  # type: ignore[arg-type]
        moved = network(x.roll((2, 4), (2, 3)), level)
        assert torch.allclose(moved, network(x, level).roll((2, 4), (2, 3)), atol=1e-8) == same


@pytest.mark.parametrize(
    ("sides", "grids"),
    [((28, 28), 3), ((64, 64), 4), ((9, 12), 1), ((8, 8), 2), ((32, 24), 3), ((5, 5), 1)],
)
def test_sides_are_halved_where_they_are_even(sides: tuple[int, int], grids: int) -> None:
    found = halved(sides, None)
    assert len(found) == grids
    assert all((2 * b[0], 2 * b[1]) == a for a, b in pairwise(found))
    assert len(halved(sides, 1)) == 1


def test_more_grids_than_the_sides_allow_are_refused() -> None:
    assert len(halved((64, 64), 5)) == 5  # 64, 32, 16, 8, 4
    with pytest.raises(ValueError, match=r"scales is 4; sides of 28 x 28 .* which gives 3"):
        halved((28, 28), 4)


def test_attention_is_the_definition() -> None:
    torch.manual_seed(1)
    layer = Attention(8)
    h = torch.randn(2, 8, 2, 3)
    torch.testing.assert_close(layer(h), h)
    perturbed(layer)
    q, k, v = layer.into(layer.norm(h)).flatten(2).unflatten(1, (3, 8)).unbind(1)  # (B, C, HW)
    weight = torch.softmax(q.transpose(1, 2) @ k / 8**0.5, dim=-1)
    seen = (v @ weight.transpose(1, 2)).reshape(h.shape)
    torch.testing.assert_close(layer(h), h + layer.out(seen))


def test_dropout_acts_in_training_only() -> None:
    x, level = torch.randn(2, 3), torch.zeros(2)
    network = perturbed(LevelMLP(3, 8, 2, dropout=0.5))
    assert torch.equal(network(x, level), network(x, level))
    network.train()
    assert not torch.equal(network(x, level), network(x, level))
