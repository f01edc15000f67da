"""Causal convolutions: what they see, by Jacobians, and their step-by-step form."""

import pytest
import torch
from torch import Tensor

from veridical.nn.causal_conv import PixelCache, PixelConv, RowCache, RowConv, colour_groups, sees, shift_down


def seen(layer: torch.nn.Module, channels: int, side: int = 5) -> Tensor:
    """(H, W, H, W) whether an output pixel sees an input pixel, by the Jacobian."""
    x = torch.randn(1, channels, side, side, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x).sum((0, 1)), x)
    assert isinstance(jacobian, Tensor)
    return jacobian.abs().sum((2, 3)) > 0  # over batch and channels


@pytest.mark.parametrize(("above", "side"), [(0, 1), (1, 1), (2, 0)])
def test_a_row_convolution_sees_rows_above_and_columns_beside(above: int, side: int) -> None:
    found = seen(RowConv(2, 3, above, side).double(), 2)
    for r in range(5):
        for c in range(5):
            for y in range(5):
                for x in range(5):
                    assert found[r, c, y, x] == (r - above <= y <= r and abs(c - x) <= side)


@pytest.mark.parametrize("itself", [False, True])
def test_a_pixel_convolution_sees_what_came_before(itself: bool) -> None:
    none = torch.zeros(2, dtype=torch.long)
    found = seen(PixelConv(2, 2, 1, 2, 1, centre=sees(none, none, itself=itself)).double(), 2)
    for r in range(5):
        for c in range(5):
            for y in range(5):
                for x in range(5):
                    before = c - 2 <= x < c + itself if y == r else y == r - 1 and c - 2 <= x <= c + 1
                    assert found[r, c, y, x] == before


def test_colours_see_the_colours_before() -> None:
    groups = colour_groups(6, 3)
    assert groups.tolist() == [0, 0, 1, 1, 2, 2]
    layer = PixelConv(6, 6, centre=sees(groups, groups, itself=False)).double()
    jacobian = torch.autograd.functional.jacobian(layer, torch.randn(1, 6, 1, 1, dtype=torch.float64))
    assert isinstance(jacobian, Tensor)
    assert torch.equal(jacobian.reshape(6, 6) != 0, groups[None] < groups[:, None])


def test_shifting_down_moves_rows() -> None:
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    assert shift_down(x).flatten().tolist() == [0, 0, 0, 1]


@torch.no_grad()
@pytest.mark.parametrize("stride", [1, 2])
def test_rows_one_by_one_are_the_convolution(stride: int) -> None:
    torch.manual_seed(0)
    conv, x = RowConv(3, 4, 2, 1, stride).double(), torch.randn(2, 3, 5, 7, dtype=torch.float64)
    cache, expected = RowCache(conv, 2, 7), conv(x)
    for r in range(5):
        row = cache(x[:, :, r])
        if r % stride == 0:
            torch.testing.assert_close(row, expected[:, :, r // stride], rtol=0, atol=1e-13)


@torch.no_grad()
@pytest.mark.parametrize(
    ("above", "left", "right", "stride"),
    [(0, 0, 0, 1), (0, 2, 0, 1), (1, 1, 0, 1), (2, 1, 3, 1), (1, 1, 0, 2), (0, 0, 0, 2)],
)
def test_pixels_one_by_one_are_the_convolution(above: int, left: int, right: int, stride: int) -> None:
    torch.manual_seed(0)
    conv, x = PixelConv(3, 4, above, left, right, stride=stride).double(), torch.randn(2, 3, 5, 7, dtype=torch.float64)
    cache, expected = PixelCache(conv, 2, 7), conv(x)
    extra = torch.randn(2, 4, cache.steps, dtype=torch.float64)
    for r in range(5):
        cache.start_row()
        if r % stride == 0:
            cache.start_outputs(extra)
        for c in range(7):
            cache.write(c, x[:, :, r, c])
            if r % stride == 0 and c % stride == 0:
                pixel = expected[:, :, r // stride, c // stride] + extra[:, :, c // stride]
                torch.testing.assert_close(cache.read(c), pixel, rtol=0, atol=1e-13)
