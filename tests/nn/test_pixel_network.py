"""Networks of pixels: what every output sees, by Jacobians, and the network pixel by pixel."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from veridical.nn.gated_pixelcnn import GatedPixelCNN
from veridical.nn.pixel_network import PixelNetwork, Pixels, classes_of, turned, with_ones
from veridical.nn.pixelcnn import PlainPixelCNN

Build = Callable[..., PixelNetwork]

NETWORKS: dict[str, Build] = {"plain": PlainPixelCNN, "gated": GatedPixelCNN}


def before(colours: int, side: int) -> Tensor:
    """(outputs, inputs) whether an input comes before, in raster order with the colours of a pixel in turn."""
    place = torch.arange(colours * side * side).reshape(side, side, colours).permute(2, 0, 1).flatten()
    return place[None, :] < place[:, None]


def jacobian_of(network: PixelNetwork, colours: int, side: int, c: Tensor | None = None) -> Tensor:
    """(outputs, inputs) sums of absolute derivatives, of both outputs of every colour at every pixel."""
    x = torch.randn(1, colours, side, side, dtype=torch.float64)
    network = network.double().eval()
    found = torch.autograd.functional.jacobian(lambda x: network(with_ones(x), c), x)
    assert isinstance(found, Tensor)
    inputs = colours * side * side
    return found.abs().reshape(colours, 2, side * side, inputs).sum(1).reshape(inputs, inputs)


@pytest.mark.parametrize("kind", NETWORKS)
def test_labels_change_every_output(kind: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[kind](1, 2, width=4, layers=2, kernel=(3, 3), classes=3)
    x = with_ones(torch.randn(2, 1, 4, 4))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("table"):
                parameter.normal_()
        one, other = network(x, torch.tensor([0, 1])), network(x, torch.tensor([2, 1]))
    assert (one[0] != other[0]).all() and torch.equal(one[1], other[1])


@torch.no_grad()
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("colours", [1, 3])
def test_pixel_by_pixel_it_is_the_network(kind: str, colours: int) -> None:
    torch.manual_seed(0)
    network = NETWORKS[kind](colours, 2 * colours, width=6, layers=3, kernel=(5, 3), classes=3).double().eval()
    for name, parameter in network.named_parameters():
        if name.endswith("table"):
            parameter.normal_()
    x, c = with_ones(torch.randn(3, colours, 6, 5, dtype=torch.float64)), torch.tensor([2, 0, 1])
    assert_same_by_steps(network, x, c)


def assert_same_by_steps(network: PixelNetwork, x: Tensor, c: Tensor | None) -> None:
    """Compare the whole with a pixel at a time, where the own pixel is unknown at first and then revealed."""
    expected = network(x, c)
    for _ in range(2):  # a second call starts anew
        steps, above = network.steps(len(x), x.shape[-1], c), torch.zeros_like(x[:, :, 0])
        for r in range(x.shape[2]):
            steps.start_row(above)
            for column in range(x.shape[3]):
                own = x[:, :, r, column]
                torch.testing.assert_close(
                    steps.pixel(column, own), expected[:, :, r, column], rtol=0, atol=1e-12, msg=f"{r}, {column}"
                )
                steps.finish(column, own)
            above = x[:, :, r]


@pytest.mark.parametrize("direction", range(8))
def test_every_direction_sees_what_comes_before_in_its_order(direction: int) -> None:
    torch.manual_seed(0)
    network = GatedPixelCNN(1, 2, width=6, layers=4, kernel=(3, 3), classes=classes_of(0, 8)).double().eval()
    pixels, x = Pixels(network, (1, 3, 4), (0.0, 1.0), directions=8), torch.rand(1, 1, 3, 4, dtype=torch.float64)
    found = torch.autograd.functional.jacobian(lambda x: pixels(x, None, direction).sum((0, 2)), x)
    assert isinstance(found, Tensor)
    order = pixels.order(direction)
    seen = found.reshape(12, 12)[order][:, order] != 0
    assert torch.equal(seen, torch.ones(12, 12).tril(-1) > 0)


def test_directions_are_the_symmetries_of_a_square() -> None:
    x = torch.arange(6).reshape(1, 1, 2, 3)
    images = [turned(x, direction) for direction in range(8)]
    assert len({(tuple(image.shape), tuple(image.flatten().tolist())) for image in images}) == 8
    assert all(torch.equal(turned(image, d, back=True), x) for d, image in enumerate(images))


def test_colours_are_sites_of_their_own_unless_they_are_drawn_together() -> None:
    network = GatedPixelCNN(3, 6, width=6, layers=1)
    assert Pixels(network, (3, 1, 2), (0.0, 1.0)).order(0).tolist() == [0, 2, 4, 1, 3, 5]
    assert Pixels(network, (3, 2, 2), (0.0, 1.0), size=3).order(1).tolist() == [1, 0, 3, 2]
