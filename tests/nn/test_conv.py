from typing import Any

import pytest
import torch

from veridical.data.space import Space
from veridical.nn.conv import ConvDecoder, ConvEncoder, resolutions

SHAPES = [(1, 8, 8), (1, 9, 13), (1, 28, 28), (3, 32, 32), (2, 8, 31), (1, 33, 33), (3, 64, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["image", "lattice"])
def test_any_size_is_halved_and_doubled_back(shape: tuple[int, int, int], kind: str) -> None:
    torch.manual_seed(0)
    space = Space(shape, kind=kind)  # type: ignore[arg-type]
    x = ConvDecoder(space, in_dim=6, width=8)(torch.randn(64, 6))
    y = ConvEncoder(space, out_dim=5, width=8)(torch.randn(64, *shape))
    assert x.shape == (64, *shape) and y.shape == (64, 5)
    assert 0.3 < x.std() < 4 and 0.3 < y.std() < 4  # the start keeps numbers of order one


def test_resolutions_round_up() -> None:
    assert resolutions(64, 64) == [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4)]
    assert resolutions(33, 9) == [(33, 9), (17, 5), (9, 3)]


@pytest.mark.parametrize("network", [ConvEncoder, ConvDecoder])
@pytest.mark.parametrize("shape", [(7,), (1, 7, 8), (28, 28)])
def test_what_is_no_image_is_refused(network: type, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 8"):
        network(Space(shape, kind="vector"), 3)


def test_every_parameter_receives_a_gradient() -> None:
    torch.manual_seed(0)
    space = Space((1, 12, 12))
    encoder, decoder = ConvEncoder(space, 3, width=4), ConvDecoder(space, 3, width=4)
    encoder(decoder(torch.randn(5, 3))).square().sum().backward()
    for name, parameter in [*encoder.named_parameters(), *decoder.named_parameters()]:
        # The first convolution of a block waits until the last one has left zero.
        assert parameter.grad is not None and (parameter.grad.abs().sum() > 0 or ".first." in name), name


def test_lattices_have_periodic_boundaries() -> None:
    torch.manual_seed(0)
    space = Space((1, 16, 16), kind="lattice")
    encoder: Any
    decoder: Any
    encoder, decoder = (network(space, 3, width=4).double() for network in (ConvEncoder, ConvDecoder))
    for parameter in [*encoder.parameters(), *decoder.parameters()]:
        torch.nn.init.normal_(parameter, std=0.3)  # residual blocks too
    features = encoder.trunk.layers[:-1]  # all before the flatten
    x = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(features(x.roll((4, 8), (2, 3))), features(x).roll((1, 2), (2, 3)))
    paint, h = decoder.layers[2:], torch.randn(2, 8, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(paint(h.roll((1, 2), (2, 3))), paint(h).roll((4, 8), (2, 3)))
