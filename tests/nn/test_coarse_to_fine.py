"""Sublattices: every site once, coarse before fine, colours far apart; networks that are odd and see what is known."""

import math

import pytest
import torch

from tests.mutants import mutated
from veridical.nn import coarse_to_fine
from veridical.nn.coarse_to_fine import HeatBath, PatchNetwork, neighbours, offsets, sublattices


@pytest.mark.parametrize("sides", [(16, 16), (8, 8), (6, 10), (4, 12), (5, 7), (28, 28), (2, 2), (1, 4), (3, 8)])
@pytest.mark.parametrize("period", [1, 2, 4])
def test_every_site_is_in_one_level(sides: tuple[int, int], period: int) -> None:
    levels = sublattices(*sides, period)
    places = torch.cat([level.places.flatten(0, 1) for level in levels])
    flat = places[:, 0] * sides[1] + places[:, 1]
    assert torch.equal(flat.sort().values, torch.arange(sides[0] * sides[1]))


def test_the_finest_levels_are_those_of_the_chessboard() -> None:
    coarse, dark = sublattices(8, 8, 2)[-2:]
    assert bool((dark.places.sum(-1) % 2 == 1).all()) and dark.distance == 1.0
    assert bool((coarse.places % 2 == 1).all()) and coarse.distance == pytest.approx(math.sqrt(2))


def far_apart(module) -> bool:
    """Whether sites of one colour are at least four units of their level apart, on the torus."""
    level = module.sublattices(16, 16, 4)[-2]  # centres, in units of 2
    gaps = (level.places[:, :, None] - level.places[:, None]).abs()
    gaps = torch.minimum(gaps, 16 - gaps).amax(-1)
    return bool((gaps[gaps > 0] >= 8).all()) and level.places.shape[:2] == (16, 4)


def test_sites_of_a_colour_are_a_period_apart() -> None:
    assert far_apart(coarse_to_fine)


def test_a_wrong_unit_is_seen() -> None:
    wrong = mutated(sublattices, "_level(centre, centre // 2,", "_level(centre, centre,")

    class Module:
        sublattices = staticmethod(wrong)

    assert not far_apart(Module)


def test_neighbours_on_a_torus_and_in_an_image() -> None:
    corner, around = torch.tensor([[0, 0]]), torch.tensor([(-1, 0), (0, -1), (0, 1), (1, 0)])
    on_torus, own = neighbours(corner, around, (3, 4), 1, True)
    assert on_torus.tolist() == [[[8, 3, 1, 4]]] and own.tolist() == [[0]]
    in_image, _ = neighbours(corner, around, (3, 4), 1, False)
    assert in_image.tolist() == [[[12, 12, 1, 4]]]


def test_the_channels_of_a_pixel_see_each_other() -> None:
    seen, own = neighbours(torch.tensor([[1, 1]]), torch.tensor([(0, 1)]), (2, 2), 3, False)
    assert own[:, 0].tolist() == [3, 7, 11]
    assert seen[0].tolist() == [[3, 12, 7, 12, 11, 12]]


def test_on_a_torus_every_other_site_is_around_once() -> None:
    for sides in ((4, 4), (3, 5), (2, 2), (2, 6)):
        around = offsets(20.0, sides, periodic=True)
        flat = around[:, 0] % sides[0] * sides[1] + around[:, 1] % sides[1]
        assert sorted(flat.tolist()) == list(range(1, sides[0] * sides[1]))


def network(odd: bool) -> PatchNetwork:
    torch.manual_seed(0)
    places = torch.tensor([[0, 1], [2, 3]])
    seen = torch.tensor([[[4, 5, 6], [5, 4, 6]], [[0, 1, 6], [1, 4, 0]]])
    net = PatchNetwork(places, seen, features=2, parameters=3, width=5, depth=2, odd=odd).double()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return net


@pytest.mark.parametrize("odd", [True, False])
def test_stages_are_computed_alone_as_together(odd: bool) -> None:
    net, x = network(odd), torch.randn(7, 2, 4, dtype=torch.float64)
    alone = torch.cat([net(x, slice(i, i + 1)) for i in range(2)])
    assert torch.allclose(alone, net(x, slice(None)))
    assert alone.shape == (2, 2, 3, 4)


def test_it_is_odd_without_biases_alone() -> None:
    x = torch.randn(7, 2, 4, dtype=torch.float64)
    for odd in (True, False):
        net = network(odd)
        assert torch.allclose(net(x, slice(None)), -net(-x, slice(None))) == odd


def test_numbers_are_those_of_the_perceptron_of_the_stage() -> None:
    net, x = network(False), torch.randn(7, 2, 4, dtype=torch.float64)
    assert net.biases is not None and net.skip is not None
    patch = x[[1, 4, 0], :, 2].flatten()  # second site of the second stage, third example
    h = patch
    for weight, bias in zip(net.hidden, net.biases, strict=False):
        h = torch.tanh(weight[1] @ h + bias[1, :, 0])
    expected = net.out[1] @ h + net.biases[-1][1, :, 0] + net.skip[1] @ patch
    assert torch.allclose(net(x, slice(None))[1, 1, :, 2], expected)


def heat_bath_is_right(kind: type[HeatBath]) -> bool:
    """Whether the logit is that of the Boltzmann weight of a spin, by its two energies."""
    bath = kind(torch.tensor([[4]]), torch.tensor([[[0, 1, 2, 3]]]), 0.3)
    x = torch.tensor([1.0, 1.0, -1.0, 1.0, 0.0, 0.0])[:, None, None]
    up, down = (0.3 * spin * float(x[:4].sum()) for spin in (1, -1))
    return math.isclose(float(bath(x, slice(None))), up - down, rel_tol=1e-6)


def test_the_heat_bath_is_the_conditional_of_the_boltzmann_weight() -> None:
    assert heat_bath_is_right(HeatBath)


def test_half_the_field_is_seen() -> None:
    class Wrong(HeatBath):
        forward = mutated(HeatBath.forward, "2 * self.coupling", "self.coupling")

    assert not heat_bath_is_right(Wrong)
