import pytest
import torch

from veridical.nn.precision import at_least_single


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32"), ("float64", "float64")],
)
def test_half_precision_is_raised_and_no_other(given: str, wanted: str) -> None:
    x = torch.ones(2, dtype=getattr(torch, given))
    assert at_least_single(x).dtype is getattr(torch, wanted)
    assert given != wanted or at_least_single(x) is x
