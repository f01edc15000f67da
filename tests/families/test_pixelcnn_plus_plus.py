"""PixelCNN++: every way to draw gives the same image, on the levels, for grey and colour and any number of levels."""

from typing import Any

import pytest
import torch
from tests.families.test_pixelcnn import assert_every_way_to_draw_agrees, perturbed

from veridical.config.families.pixelcnn_plus_plus import PixelCNNPlusPlusConfig
from veridical.families.pixelcnn_plus_plus import PixelCNNPlusPlus
from veridical.model import Space

SPACES = {
    "bits": Space((1, 4, 5), levels=2, classes=3),
    "levels": Space((1, 4, 4), levels=17, mean=-0.3, std=0.6),
    "grey": Space((1, 3, 5), mean=-0.3, std=0.6),
    "colour": Space((3, 4, 3)),
}


pytestmark = pytest.mark.usefixtures("double_precision")


def build(space: Space, **choices: Any) -> PixelCNNPlusPlus:
    model = perturbed(PixelCNNPlusPlus(PixelCNNPlusPlusConfig(width=4, blocks=1, components=2, **choices), space))
    assert isinstance(model, PixelCNNPlusPlus)
    return model


@pytest.mark.parametrize("name", SPACES)
def test_every_way_to_draw_gives_the_same_images(name: str) -> None:
    model = build(SPACES[name])
    assert_every_way_to_draw_agrees(model)
    x = model.sample(20)
    level = (x + 1) / (model.space.bin_width or 1)
    assert torch.equal(level.round(), level) or (level - level.round()).abs().max() < 1e-12


@pytest.mark.parametrize(("scales", "directions"), [(1, 2), (3, 4)])
def test_images_of_a_class_are_the_same_in_every_way(scales: int, directions: int) -> None:
    model = build(SPACES["bits"], labels=True, scales=scales, directions=directions)
    assert_every_way_to_draw_agrees(model, torch.tensor([2, 0, 1]))


def test_a_pixel_of_all_colours_has_probability_one() -> None:
    space = Space((3, 1, 1), levels=5)
    model = build(space, scales=1)
    levels = torch.linspace(-1, 1, 5)
    x = torch.cartesian_prod(levels, levels, levels).reshape(-1, 3, 1, 1)
    log_bin = 3 * torch.tensor(0.5).log()
    assert (model.log_prob(x) + log_bin).exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_images_without_levels_are_refused() -> None:
    for space in (Space((3,), kind="vector"), Space((1, 4, 4), levels=None)):
        with pytest.raises(ValueError, match=r"needs images .* with levels"):
            PixelCNNPlusPlus(PixelCNNPlusPlusConfig(), space)


def test_more_scales_than_halvings_are_refused() -> None:
    space = Space((1, 4, 5), levels=2)
    assert build(space, scales=4).sample(2).shape == (2, 1, 4, 5)  # 5, 3, 2 and 1 pixels
    with pytest.raises(ValueError, match=r"scales is 5, but images of 4 x 5 .* choose at most 4 scales"):
        build(space, scales=5)
