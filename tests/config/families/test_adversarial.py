"""The choices of `AdversarialConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.adversarial import (
    PLAIN,
    AdversarialConfig,
    AdversarialSampling,
    annealed,
    both,
    constant,
)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"r1": -1.0}, "r1 is -1.0"),
        ({"pack": 0}, "pack"),
        ({"depth": -1}, "depth"),
        ({"augment": ("rotation",)}, "augment is 'rotation'"),
        ({"objective": "hinj"}, "objective is 'hinj'"),
        ({"one_sided": True}, "gradient_penalty is 0"),
        ({"noise_penalty": 0.1}, "noise_penalty is 0.1"),
        ({"relativistic": False, "objective": "hinge", "noise_penalty": 0.1}, "noise_penalty is 0.1"),
        ({"smoothing": 0.1}, "smoothing is 0.1"),
        ({"smoothing": 1.0, "relativistic": False}, "smoothing is 1.0"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AdversarialConfig(**choices)


def test_choices_that_belong_together_are_allowed() -> None:
    AdversarialConfig(relativistic=False, smoothing=0.1, noise_penalty=0.1)
    AdversarialConfig(gradient_penalty=10.0, one_sided=True, augment=("colour", "cutout"))


def test_a_plain_game_has_no_pairing_and_no_penalty() -> None:
    plain = AdversarialConfig(**PLAIN)
    assert not plain.relativistic and plain.r1 == plain.r2 == plain.gradient_penalty == plain.dragan == 0


def test_only_the_generator_is_annealed() -> None:
    default = AdversarialConfig()
    assert default.generator_optimizer == annealed() and default.discriminator_optimizer == constant()
    assert (annealed().schedule, constant().schedule) == ("trapezoid", "constant")
    assert annealed().lr == constant().lr and set(both(constant()).values()) == {constant()}


def test_one_way_of_sampling_at_a_time() -> None:
    AdversarialSampling(truncation=0.5)
    with pytest.raises(ValueError, match="truncation and refine are both given"):
        AdversarialSampling(truncation=0.5, refine="kl")
