"""The choices of `WaveNetConfig`: what is refused."""

from typing import Any

import pytest

from veridical.config.families.wavenet import WaveNetConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"output": "softmax"}, "output is 'softmax'"),
        ({"width": 0}, "width is 0"),
        ({"layers": 0}, "layers is 0"),
        ({"layers": 60}, "layers is 60"),
        ({"blocks": 0}, "blocks is 0"),
        ({"kernel": 1}, "kernel is 1"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        WaveNetConfig(**choices)
