import pytest
import torch

from tests.nn.test_pixel_network import before, jacobian_of
from veridical.nn.gated_pixelcnn import GatedPixelCNN, gate


@pytest.mark.parametrize("colours", [1, 3])
def test_gated_sees_every_pixel_before_and_none_after(colours: int) -> None:
    found = torch.zeros(())
    for seed in range(3):  # in one network all rectifiers on a path may be off
        torch.manual_seed(seed)
        network = GatedPixelCNN(colours, 2 * colours, width=8 * colours, layers=5, kernel=(3, 3))
        found = found + jacobian_of(network, colours, 5)
    assert (found[~before(colours, 5)] == 0).all()
    assert (found[before(colours, 5)] > 0).all()


def test_the_gate_is_tanh_times_sigmoid() -> None:
    h = torch.randn(2, 6, 3)
    torch.testing.assert_close(gate(h), torch.tanh(h[:, :3]) * torch.sigmoid(h[:, 3:]))
