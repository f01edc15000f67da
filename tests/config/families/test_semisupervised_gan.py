"""The choices of `SemiSupervisedGANConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.semisupervised_gan import FAMILY, SemiSupervisedGANConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"labelled": 0}, "labelled"),
        ({"class_weight": 0.0}, "class_weight"),
        ({"objective": "hinge"}, "objective is"),
        ({"relativistic": True}, "objective is"),
        ({"pack": 2}, "pack is"),
        ({"minibatch": "stddev"}, "pack is"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SemiSupervisedGANConfig(**choices)


def test_it_needs_labels_and_has_100_of_them() -> None:
    """Salimans et al. 2016, Table 1: MNIST with 100 labels."""
    assert SemiSupervisedGANConfig().labelled == 100 and "labels" in FAMILY.needs


def test_the_recipe_for_mnist_is_the_paper_s() -> None:
    """Batches of 100, Adam at 0.003 with a first decay of 1/2, uniform codes of 100, noise of 0.3 on greys of 0 to 1.

    The noise is given in half-widths of the support, of which [0, 1] has two.
    """
    preset = FAMILY.presets["semisupervised-paper"]
    model = preset.model
    assert (model.network, model.latent, model.latent_dim, preset.training.batch_size) == (
        "noisy-mlp",
        "uniform",
        100,
        100,
    )
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert (optimizer.name, optimizer.lr, optimizer.betas[0]) == ("adam", 3e-3, 0.5)
    assert model.instance_noise / 2 == 0.3
    assert model.instance_noise_steps is None, "it stays"
