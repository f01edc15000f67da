from typing import Any

import pytest

from veridical.config import DataConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"fit": "crop"}, "without size"),
        ({"fit": "squeeze", "size": 8}, "one of error, crop"),
        ({"channels": "gray"}, "one of auto, grey, colour"),
        ({"on_bad": "repair"}, "one of fail, skip"),
        ({"order": "random"}, "one of epoch, iid"),
        ({"order": "repeated"}, "'repeated' with repeats = 1"),
        ({"repeats": 5}, "--order repeated --repeats 5"),
        ({"holdout": 1.0}, "holdout"),
        ({"size": 0}, "size"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DataConfig(source="digits", **choices)
