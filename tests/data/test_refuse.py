"""What a model refuses, and the remedy that the message names."""

import pytest
import torch

from veridical.data.refuse import refuse_between_levels, refuse_codes, refuse_labels, refuse_shape
from veridical.data.space import Space


def test_labels_are_refused_by_a_model_without() -> None:
    refuse_labels(None)
    with pytest.raises(ValueError, match="trained without labels; call without c"):
        refuse_labels(torch.zeros(2))


def test_another_shape_is_refused() -> None:
    space = Space((1, 4, 4))
    refuse_shape(torch.zeros(3, 1, 4, 4), space, "flow")
    with pytest.raises(ValueError, match=r"x has shape \(3, 4, 4\); this flow was built for \(1, 4, 4\)"):
        refuse_shape(torch.zeros(3, 4, 4), space, "flow")


def test_codes_of_another_shape_are_refused() -> None:
    refuse_codes(torch.zeros(0, 3, 2), (3, 2))
    with pytest.raises(ValueError, match=r"z has shape \(2, 4\); this model decodes codes \(B, 3, 2\)"):
        refuse_codes(torch.zeros(2, 4), (3, 2))


def test_values_that_the_data_do_not_have_are_refused() -> None:
    refuse_between_levels(torch.full((2,), 0.3), Space((2,), kind="vector", support=None, levels=None))
    bits = Space((2,), kind="vector", levels=2)
    refuse_between_levels(torch.tensor([[-1.0, 1.0]]), bits)
    with pytest.raises(ValueError, match=r"x holds 0; .* of the values -1 and 1 only\. Round x to them, or map it"):
        refuse_between_levels(torch.tensor([[0.0, 1.0]]), bits)  # bits as 0 and 1
    refuse_between_levels(torch.tensor([[0.0, 1.0]]), bits, torch.tensor([False, True]))
    with pytest.raises(ValueError, match=r"x holds 128; .* 256 levels from -1 to 1 only"):
        refuse_between_levels(torch.full((1, 1, 2, 2), 128.0), Space((1, 2, 2)))
