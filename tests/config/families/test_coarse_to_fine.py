"""The choices of `CoarseToFineConfig`: what is refused."""

from typing import Any

import pytest

from veridical.config.families.coarse_to_fine import CoarseToFineConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"last": "exact"}, "last is 'exact'"),
        ({"width": 0}, "width is 0"),
        ({"depth": -1}, "depth is -1"),
        ({"reach": 0.5}, "reach is 0.5"),
        ({"period": 0}, "period is 0"),
        ({"components": 0}, "components is 0"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CoarseToFineConfig(**choices)
