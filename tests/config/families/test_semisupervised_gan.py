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
