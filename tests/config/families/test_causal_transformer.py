import pytest

from veridical.config.families.causal_transformer import CausalTransformerConfig


def test_heads_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width is 10 and heads 4"):
        CausalTransformerConfig(width=10)
