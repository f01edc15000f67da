"""BigGAN's code in parts, and its class embedding that all blocks share (its sizes: tests/nn/test_resnet_gan.py)."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from veridical.data.space import Space
from veridical.nn.biggan import BigGANGenerator, biggan_channels, split


@pytest.mark.parametrize(("latent_dim", "doublings"), [(80, 3), (10, 2), (5, 4)])
def test_a_code_is_cut_without_loss_and_the_start_takes_the_rest(latent_dim: int, doublings: int) -> None:
    first, *rest = split(latent_dim, doublings)
    assert first + sum(rest) == latent_dim and len(rest) == doublings
    assert len(set(rest)) == 1 and rest[0] <= first < 2 * rest[0] + doublings + 1
    with pytest.raises(ValueError, match=f"at least {doublings + 1}"):
        split(doublings, doublings)


def test_grids_below_64_have_equal_channels_and_larger_ones_halve_them() -> None:
    assert biggan_channels(Space((3, 32, 32)), 96) == [96] * 4
    assert biggan_channels(Space((3, 64, 64)), 64) == [512, 512, 256, 128, 64]


def test_each_part_of_the_code_conditions_its_own_block_and_the_class_all_of_them() -> None:
    torch.manual_seed(0)
    network = BigGANGenerator(Space((1, 16, 16)), latent_dim=7, width=4, classes=3, shared_dim=5).eval()
    seen: dict[int, torch.Tensor] = {}

    def keep(k: int) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda _, inputs: seen.update({k: inputs[1]})

    for k, block in enumerate(network.blocks):
        block.register_forward_pre_hook(keep(k))
    z, c = torch.randn(2, 7), torch.tensor([2, 0])
    network(z, c)
    assert network.parts == [3, 2, 2] and network.shared is not None
    for k, start in enumerate((3, 5)):
        expected = torch.cat([network.shared(c), z[:, start : start + 2]], dim=1)
        assert torch.equal(seen[k], expected)
