"""The choices of `TransformerFlowConfig`: what is refused."""

from typing import Any

import pytest

from veridical.config.families.transformer_flow import TransformerFlowConfig, TransformerFlowSampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"blocks": 0}, "blocks"),
        ({"patch": 0}, "patch"),
        ({"dropout": 1.0}, "dropout"),
        ({"width": 10, "heads": 4}, "heads that divide"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TransformerFlowConfig(**choices)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="method is 'fast'"):
        TransformerFlowSampling(method="fast")  # type: ignore[arg-type]
