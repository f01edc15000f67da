import pytest
import torch

from veridical.config import AdversarialConfig, GANConfig
from veridical.data.space import Space
from veridical.families.gan import GAN
from veridical.model import Batch
from veridical.objectives.game import Game, generator_turn, view


def test_the_generators_gradient_passes_through_the_augmentation() -> None:
    torch.manual_seed(0)
    x_fake = torch.rand(8, 3, 16, 16).requires_grad_()
    game = Game("nonsaturating", augment=("translation", "cutout"))
    generator_turn(game, lambda x: x.mean((1, 2, 3)), x_fake, x_fake, step=0).loss.backward()
    assert x_fake.grad is not None
    hidden = (x_fake.grad == 0).double().mean().item()
    assert 0.05 < hidden < 0.7  # what was cut out or moved away has no say, all else has
    with pytest.raises(AssertionError):  # mutant: fakes are shown as they are
        x_fake.grad = None
        plain = Game("nonsaturating")
        generator_turn(plain, lambda x: x.mean((1, 2, 3)), x_fake, x_fake, step=0).loss.backward()
        assert x_fake.grad is not None and (x_fake.grad == 0).any()


def test_no_augmentation_leaves_the_random_numbers_alone() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    x = torch.rand(2, 3, 4, 4)
    torch.set_rng_state(state)
    assert torch.equal(view(x, Game("nonsaturating"), 0), x) and torch.equal(torch.get_rng_state(), state)


def test_a_game_with_augmentation_takes_its_turns() -> None:
    torch.manual_seed(0)
    model = GAN(GANConfig(augment=("colour", "translation", "cutout"), width=8), Space((3, 16, 16)))
    batch = Batch(torch.rand(4, 3, 16, 16) * 2 - 1, torch.arange(4))
    for player in model.players:
        assert model.loss(batch, player=player, step=0).loss.isfinite()


@pytest.mark.parametrize("space", [Space((2,), "vector", None, None), Space((1, 8, 8), "lattice", (-1.0, 1.0), 2)])
def test_what_is_no_image_is_not_augmented(space: Space) -> None:
    with pytest.raises(ValueError, match="augment is colour"):
        GAN(GANConfig(augment=("colour",), width=8), space)


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="expected one of colour, translation, cutout"):
        AdversarialConfig(augment=("color",))  # type: ignore[arg-type]
