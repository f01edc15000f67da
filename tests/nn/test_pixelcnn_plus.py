"""The network of PixelCNN++: what every pixel sees, and the network pixel by pixel."""

import pytest
import torch
from torch import Tensor

from tests.nn.test_pixel_network import assert_same_by_steps
from veridical.nn.pixel_network import with_ones
from veridical.nn.pixelcnn_plus import PixelCNNPlus, concat_elu


@pytest.mark.parametrize(("scales", "blocks"), [(1, 3), (2, 1), (3, 1)])
def test_a_pixel_sees_every_pixel_before_and_none_after(scales: int, blocks: int) -> None:
    torch.manual_seed(0)
    side = 6
    network = PixelCNNPlus(1, 3, width=4, blocks=blocks, scales=scales).double()
    x = torch.randn(1, 1, side, side, dtype=torch.float64)
    found = torch.autograd.functional.jacobian(lambda x: network(with_ones(x)), x)
    assert isinstance(found, Tensor)
    found = found.abs().sum((0, 1)).reshape(side * side, side * side)
    before = torch.ones(side * side, side * side).tril(-1) > 0
    assert (found[~before] == 0).all()
    assert (found[before] > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7)])
def test_pixel_by_pixel_it_is_the_network(scales: int, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    network = PixelCNNPlus(shape[0], 4, width=5, blocks=2, scales=scales, classes=3).double().eval()
    for name, parameter in network.named_parameters():
        if name.endswith("table"):
            parameter.normal_()
        if "second.weight" in name:
            parameter.mul_(10)
    x, c = with_ones(torch.randn(3, *shape, dtype=torch.float64)), torch.tensor([2, 0, 1])
    assert_same_by_steps(network, x, c)


def test_concatenated_elu_keeps_both_signs() -> None:
    h = torch.tensor([[2.0], [-2.0]])
    found = concat_elu(h)
    assert found[0].tolist() == pytest.approx([2.0, torch.e**-2 - 1]) and torch.equal(found[1], found[0].flip(0))
