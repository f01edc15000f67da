"""The choices of `MADEConfig`: what is refused."""

from typing import Any

import pytest

from veridical.config.families.made import MADEConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"order": "reversed"}, "order is 'reversed'"),
        ({"width": 0}, "width is 0"),
        ({"depth": -1}, "depth is -1"),
        ({"masks": 0}, "masks is 0"),
        ({"components": 0}, "components is 0"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MADEConfig(**choices)
