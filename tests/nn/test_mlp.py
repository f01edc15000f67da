import pytest
import torch
from torch import nn

from veridical.nn.mlp import MLP, ResidualMLP


def test_shapes_and_parameter_count() -> None:
    network = MLP(2, 5, width=16, depth=3)
    assert network(torch.zeros(4, 7, 2)).shape == (4, 7, 5)
    assert sum(p.numel() for p in network.parameters()) == (2 * 16 + 16) + 2 * (16 * 16 + 16) + (16 * 5 + 5)


def test_depth_zero_is_affine() -> None:
    network = MLP(3, 2, width=8, depth=0).double()
    x, y = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(x) + network(y), network(x + y) + network(torch.zeros_like(x)))


@pytest.mark.parametrize("depth", [1, 20])
def test_rectified_units_keep_their_second_moment_at_any_depth(depth: int) -> None:
    torch.manual_seed(0)
    network = MLP(64, 512, width=512, depth=depth, activation=nn.ReLU)
    moment = network(torch.randn(2000, 64)).square().mean().item()
    assert moment == pytest.approx(2, rel=0.5)  # the output layer has the gain of the hidden ones, 2


def test_residual_blocks_start_as_the_identity() -> None:
    torch.manual_seed(0)
    network, x = ResidualMLP(3, 4, width=8, depth=5), torch.randn(6, 3)
    torch.testing.assert_close(network(x), network.last(network.activation(network.first(x))))
    assert sum(p.numel() for p in network.parameters()) == (3 * 8 + 8) + 5 * 2 * (8 * 8 + 8) + (8 * 4 + 4)


def test_every_residual_block_learns() -> None:
    torch.manual_seed(0)
    network = ResidualMLP(3, 4, width=8, depth=5)
    network(torch.randn(6, 3)).square().sum().backward()
    for block in network.blocks:
        last = block[-1]  # type: ignore[index]
        assert last.weight.grad.abs().sum() > 0
