"""The causal transformer: what a position sees, and the network position by position."""

import pytest
import torch
from torch import Tensor

from veridical.nn.causal_attention import CausalBlock, CausalTransformerNetwork


def network(layers: int = 2) -> CausalTransformerNetwork:
    torch.manual_seed(0)
    return CausalTransformerNetwork(8, 3, layers=layers, heads=2, dropout=0.1).double().eval()


def test_a_position_sees_itself_and_all_before_and_none_after() -> None:
    found = torch.autograd.functional.jacobian(network(1), torch.randn(1, 6, 8, dtype=torch.float64))
    assert isinstance(found, Tensor)
    seen = found.abs().sum((0, 2, 3, 5))
    assert torch.equal(seen > 0, torch.ones(6, 6).tril() > 0)


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 3])
def test_position_by_position_it_is_the_network(layers: int) -> None:
    model, x = network(layers), torch.randn(3, 7, 8, dtype=torch.float64)
    expected = model(x)
    for _ in range(2):  # a second call starts anew
        steps = model.steps(3, 7)
        for t in range(7):
            torch.testing.assert_close(steps(x[:, t]), expected[:, t], rtol=0, atol=1e-13)


def test_one_head_is_the_softmax_mean_of_values() -> None:
    torch.manual_seed(0)
    block, x = CausalBlock(4, 1).eval(), torch.randn(1, 3, 4)
    q, k, v = (t[0, 0] for t in block.split(x))
    weights = (q @ k.T / 2).masked_fill(torch.ones(3, 3).triu(1) > 0, -torch.inf).softmax(-1)
    h = x + block.out((weights @ v)[None])
    torch.testing.assert_close(block(x), h + block.mlp(block.norm2(h)))


def test_heads_divide_the_width() -> None:
    with pytest.raises(ValueError, match="heads 3"):
        CausalBlock(8, 3)
