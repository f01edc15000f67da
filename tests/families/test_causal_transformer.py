"""The causal transformer: what a component depends on, and every way to draw gives the same example."""

from typing import Any

import pytest
import torch
from tests.families.test_pixelcnn import assert_every_way_to_draw_agrees, perturbed
from torch import Tensor

from veridical.config.families.causal_transformer import CausalTransformerConfig
from veridical.families.causal_transformer import CausalTransformer
from veridical.model import Space

SPACES = {
    "bits": Space((1, 4, 3), levels=2, classes=3),
    "levels": Space((1, 3, 3), levels=17, mean=-0.3, std=0.6),
    "colour": Space((3, 2, 2)),
    "real": Space((6,), kind="vector", support=None, levels=None, mean=3.0, std=2.0),
    "sequence": Space((1, 7), kind="sequence", levels=5),
}


pytestmark = pytest.mark.usefixtures("double_precision")


def build(space: Space, **choices: Any) -> CausalTransformer:
    config = CausalTransformerConfig(width=8, layers=2, heads=2, components=2, **choices)
    model = perturbed(CausalTransformer(config, space))
    assert isinstance(model, CausalTransformer)
    return model


@pytest.mark.parametrize("name", SPACES)
def test_every_way_to_draw_gives_the_same_examples(name: str) -> None:
    assert_every_way_to_draw_agrees(build(SPACES[name]))


def test_examples_of_a_class_are_the_same_in_every_way() -> None:
    assert_every_way_to_draw_agrees(build(SPACES["bits"], labels=True), torch.tensor([2, 0, 1]))


def test_a_component_depends_on_every_one_before_and_on_none_after() -> None:
    model = build(SPACES["real"])
    x = torch.randn(1, 6) * 2 + 3
    found = torch.autograd.functional.jacobian(lambda x: model.conditionals(x, None).sum((0, 2)), x)
    assert isinstance(found, Tensor)
    before = torch.ones(6, 6).tril(-1) > 0
    assert (found[:, 0][~before] == 0).all() and (found[:, 0][before] != 0).all()


def test_every_axis_has_its_positions() -> None:
    model = build(SPACES["colour"])
    colour, row, column = model.places
    expected = colour[:, None, None] + row[None, :, None] + column[None, None]
    torch.testing.assert_close(model.positions(), expected.reshape(12, 8))
