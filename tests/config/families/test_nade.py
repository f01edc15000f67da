"""The choices of `NADEConfig`: what is refused."""

from typing import Any

import pytest

from veridical.config.families.nade import NADEConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"order": "any"}, "order is 'any'"),
        ({"activation": "tanh"}, "activation is 'tanh'"),
        ({"width": 0}, "width is 0"),
        ({"components": 0}, "components is 0"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        NADEConfig(**choices)
