import pytest
import torch

from tests.mutants import mutated
from tests.nn.test_pixel_network import before, jacobian_of
from veridical.nn.gated_pixelcnn import GatedPixelCNN, HalfGate, gate


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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_in_half_precision_the_gate_has_the_same_bits(layout: torch.memory_format) -> None:
    h = torch.randn(2, 64, 5, 5).bfloat16().contiguous(memory_format=layout).requires_grad_()
    expected, slope = torch.tanh(h[:, :32]) * torch.sigmoid(h[:, 32:]), torch.randn(2, 32, 5, 5).bfloat16()
    found = gate(h)
    assert torch.equal(found, expected) and found.stride() == expected.stride()
    (ours,), (theirs,) = (torch.autograd.grad(value, h, slope) for value in (found, expected))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("before", "after"), [("[by_value, by_opening]", "[by_opening, by_value]"), ("* opening", "")])
def test_a_mistake_in_the_gradient_of_the_gate_is_found(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    function = mutated(HalfGate.backward, before, after)
    monkeypatch.setattr(HalfGate, "backward", staticmethod(function))
    with pytest.raises(AssertionError):
        test_in_half_precision_the_gate_has_the_same_bits(torch.channels_last)
