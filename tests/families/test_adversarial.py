"""What all games share: whose turn it is, what is refused, the average of the past."""

import pytest
import torch
from torch import nn

from veridical.config import GANConfig
from veridical.data.space import Space
from veridical.families.adversarial import History, refuse_probabilities, stands_alone
from veridical.families.gan import GAN

POINTS = Space((2,), kind="vector", support=None, levels=None)
SMALL = {"network": "mlp", "width": 4, "depth": 1, "latent_dim": 3}


def game(**choices: object) -> GAN:
    return GAN(GANConfig(**{**SMALL, **choices}), POINTS)  # type: ignore[arg-type]


def test_the_generator_moves_after_every_few_turns_of_the_discriminator() -> None:
    model = game(discriminator_turns=3)
    assert [len(model.turns(step)) for step in range(6)] == [1, 1, 2, 1, 1, 2]
    assert all(model.turns(step)[0] == "discriminator" for step in range(6))


def test_the_past_is_the_mean_of_all_parameters() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(1.0)
    history = History(layer.parameters())
    for value in (4.0, 7.0):
        layer.weight.data.fill_(value)
        history.update(layer.parameters())
    assert history.average.item() == pytest.approx(4.0) and int(history.count) == 3
    layer.weight.data.fill_(6.0)
    assert float(history.penalty(layer.parameters()).detach()) == pytest.approx(4.0)


@pytest.mark.parametrize("last", [nn.Sigmoid(), nn.Softmax(1), nn.LogSigmoid()])
def test_probabilities_are_no_logits(last: nn.Module) -> None:
    refuse_probabilities(nn.Sequential(nn.Linear(2, 1)))
    refuse_probabilities(nn.Sequential(last, nn.Linear(2, 1)))
    with pytest.raises(ValueError, match=type(last).__name__):
        refuse_probabilities(nn.Sequential(nn.Linear(2, 1), last))


def test_penalties_and_batch_normalisation_exclude_each_other() -> None:
    normed = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with pytest.raises(ValueError, match=r"r1, r2 > 0 .*BatchNorm1d"):
        GAN(GANConfig(**SMALL), POINTS, discriminator=normed)  # type: ignore[arg-type]
    assert not stands_alone(normed) and stands_alone(game().discriminator)


def test_codes_are_of_the_prior_and_truncation_bounds_them() -> None:
    assert float(game(latent="uniform").prior(1000).abs().max()) <= 1
    model = game()
    from veridical.config.families.adversarial import AdversarialSampling

    z = model.chosen_prior(1000, None, AdversarialSampling(truncation=0.5))
    assert z.shape == (1000, 3) and float(z.abs().max()) <= 0.5 < float(model.prior(1000).abs().max())


def test_networks_of_another_shape_are_refused() -> None:
    model = GAN(GANConfig(**SMALL), POINTS, generator=nn.Linear(3, 5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"returned shape \(4, 5\)"):
        model.decode(torch.zeros(4, 3))
    judged = GAN(GANConfig(**SMALL), POINTS, discriminator=nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one logit"):
        judged.logits(torch.zeros(4, 2))
