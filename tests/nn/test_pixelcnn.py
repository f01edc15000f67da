import pytest
import torch

from tests.nn.test_pixel_network import before, jacobian_of
from veridical.nn.pixelcnn import PlainPixelCNN


@pytest.mark.parametrize("colours", [1, 3])
def test_plain_sees_none_after_and_is_blind_to_some_before(colours: int) -> None:
    torch.manual_seed(0)
    found = jacobian_of(PlainPixelCNN(colours, 2 * colours, width=12, layers=5, kernel=(3, 3)), colours, 5)
    assert (found[~before(colours, 5)] == 0).all()
    seen = found.reshape(colours, 5, 5, colours, 5, 5)[-1, 2, 1, 0] > 0  # by the last colour of pixel (2, 1)
    # A layer reaches one column further right for each row further up: a quarter plane stays unseen.
    assert seen[:2].tolist() == [[True] * 4 + [False], [True] * 3 + [False] * 2]
    assert seen[2].tolist() == [True, colours > 1, False, False, False] and not seen[3:].any()
