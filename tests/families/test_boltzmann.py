"""What Boltzmann machines share: units of the data and back, persistent chains of several temperatures."""

import pytest
import torch
from torch import Tensor

from veridical.config.families.rbm import RBMConfig
from veridical.families.boltzmann import visible_units
from veridical.families.rbm import RBM
from veridical.mcmc.units import Binary, Categorical, Gaussian, Spin
from veridical.model import Space

SPACES = {
    "bits": (Space((1, 2, 2), levels=2), Binary()),
    "spins": (Space((1, 2, 2), kind="lattice", levels=2), Spin()),
    "levels": (Space((2,), kind="vector", support=(0.0, 4.0), levels=5), Categorical(5)),
    "line": (Space((2,), kind="vector", support=None, levels=None, mean=1.0, std=2.0), Gaussian()),
}


def examples(space: Space, n: int = 6) -> Tensor:
    torch.manual_seed(0)
    if space.levels is None or space.support is None or space.bin_width is None:
        return space.mean + space.std * torch.randn(n, *space.shape)
    return space.support[0] + space.bin_width * torch.randint(space.levels, (n, *space.shape)).float()


@pytest.mark.parametrize("name", SPACES)
def test_units_follow_from_the_space_and_give_the_examples_back(name: str) -> None:
    space, units = SPACES[name]
    model, x = RBM(RBMConfig(width=2, negative="cd"), space), examples(space)
    assert model.visible_units == units == visible_units("auto", space, continuous=True)
    torch.testing.assert_close(model.from_units(model.to_units(x)), x)


def test_units_of_data_are_in_their_range() -> None:
    bits, spins = (RBM(RBMConfig(width=2, negative="cd"), SPACES[name][0]) for name in ("bits", "spins"))
    x = examples(SPACES["bits"][0])
    assert set(bits.to_units(x).unique().tolist()) == {0, 1} and set(spins.to_units(x).unique().tolist()) == {-1, 1}


def test_the_last_replicas_are_those_of_the_machine() -> None:
    """At beta 1 large biases decide; the replica of beta 0 does not know of them."""
    model = RBM(RBMConfig(width=2, negative="temper", chains=50, replicas=3), SPACES["bits"][0])
    with torch.no_grad():
        model.visible_bias.fill_(50.0)
        x, terms = model.go_on(model._tempering(model.machine()))
    assert x.shape == (50, 4) and x.all() and 0 <= float(terms["exchanged"]) <= 1
    assert not model.chains[:50].all()


def test_chains_that_start_anew_are_not_kept() -> None:
    assert RBM(RBMConfig(width=2, negative="cd"), SPACES["bits"][0]).chains.numel() == 0
