import pytest
import torch
from torch import nn

from veridical.data.space import Space
from veridical.nn.dcgan import DCGANDiscriminator, DCGANGenerator


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_of_the_common_implementation() -> None:
    # github.com/pytorch/examples, dcgan/main.py: netG and netD at 64x64.
    space = Space((3, 64, 64))
    assert count(DCGANGenerator(space)) == 3_576_704
    assert count(DCGANDiscriminator(space)) == 2_765_568


@pytest.mark.parametrize("side", [64, 32, 28])
def test_shapes(side: int) -> None:
    space = Space((1, side, side))
    x = DCGANGenerator(space, latent_dim=7, width=4)(torch.randn(3, 7))
    assert x.shape == (3, 1, side, side)
    assert DCGANDiscriminator(space, width=4)(x).shape == (3,)


def test_weights_start_as_in_the_paper() -> None:
    torch.manual_seed(0)
    space = Space((3, 64, 64))
    for network in (DCGANGenerator(space), DCGANDiscriminator(space)):
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                assert module.bias is None
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            elif isinstance(module, nn.BatchNorm2d):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
                assert not module.bias.any()


@pytest.mark.parametrize("shape", [(3, 48, 48), (3, 64, 32), (2,)])
def test_other_sizes_are_refused_with_a_way_out(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='network = "conv"'):
        DCGANGenerator(Space(shape, kind="vector"))
