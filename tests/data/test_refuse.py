"""What a model refuses, and the remedy that the message names."""

import pytest
import torch

from veridical.data.refuse import refuse_labels, refuse_shape
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
