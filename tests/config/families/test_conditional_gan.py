"""The choices of `ConditionalGANConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.conditional_gan import FAMILY, ConditionalGANConfig, ConditionalGANSampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"conditioning": "auxilliary"}, "conditioning is 'auxilliary'"),
        ({"class_weight": 0.5}, "class_weight is 0.5"),
        ({"conditioning": "auxiliary", "class_weight": 0.0}, "class_weight is 0.0"),
        ({"pack": 2}, "pack is 2"),
        ({"orthogonal_weight": -1.0}, "orthogonal_weight"),
        ({"one_sided": True}, "gradient_penalty is 0"),  # the checks of every game
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ConditionalGANConfig(**choices)


def test_recipes_are_those_of_their_papers() -> None:
    biggan, acgan = FAMILY.presets["biggan-32"].model, FAMILY.presets["acgan"].model
    # Brock et al., App. C: 5e-5 and 2e-4, beta1 0, two turns, orthogonal regularisation 1e-4, batches of 2048.
    assert (biggan.generator_optimizer.lr, biggan.discriminator_optimizer.lr) == (5e-5, 2e-4)
    assert (biggan.discriminator_turns, biggan.orthogonal_weight) == (2, 1e-4)
    assert FAMILY.presets["biggan-32"].training.batch_size == 2048
    assert acgan.conditioning == "auxiliary" and acgan.generator_optimizer.betas[0] == 0.5


def test_it_needs_labels_and_samples_by_label() -> None:
    assert FAMILY.needs == ("labels",) and ConditionalGANSampling.labels
