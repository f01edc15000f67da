"""Drawn shapes: their areas and centroids are those of their factors."""

import math

import pytest
import torch

from veridical.targets.render_shapes import FACTORS, RANGES, render_shapes


def factors(shape: int, scale: float = 0.3, angle: float = 0.0, x: float = 0.0, y: float = 0.0) -> torch.Tensor:
    return torch.tensor([[shape, scale, angle, x, y]], dtype=torch.float64)


@pytest.mark.parametrize("shape", [0, 1, 2])
@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_every_shape_covers_the_square_of_its_scale(shape: int, angle: float) -> None:
    size = 128
    covered = (render_shapes(factors(shape, angle=angle, x=0.1, y=-0.05), size, torch.float64)[0, 0] + 1) / 2
    assert float(covered.sum()) / size**2 == pytest.approx(0.3**2, rel=0.01)
    centre = (torch.arange(size) + 0.5) / size - 0.5
    share = covered / covered.sum()
    assert float(share.sum(0) @ centre.double()) == pytest.approx(0.1, abs=1e-3)
    assert float(share.sum(1) @ centre.double()) == pytest.approx(-0.05, abs=1e-3)


def test_an_upright_square_has_straight_edges() -> None:
    x = render_shapes(factors(0, scale=0.25), 16, torch.float64)[0, 0]
    inside = torch.zeros(16, 16, dtype=torch.float64)
    inside[6:10, 6:10] = 1
    assert torch.allclose(x, 2 * inside - 1)


def test_a_quarter_turn_of_a_square_is_none_and_of_an_ellipse_swaps_its_axes() -> None:
    for shape, same in ((0, True), (1, False)):
        plain = render_shapes(factors(shape), 64, torch.float64)
        turned = render_shapes(factors(shape, angle=math.pi / 2), 64, torch.float64)
        assert torch.allclose(turned, plain, atol=1e-6) is same
        assert torch.allclose(turned, plain.mT, atol=1e-6)


def test_factors_are_checked() -> None:
    assert FACTORS == tuple(RANGES) == ("shape", "scale", "orientation", "x", "y")
    with pytest.raises(ValueError, match=r"expected \(n, 5\)"):
        render_shapes(torch.zeros(2, 4), 8)
    with pytest.raises(ValueError, match=r"not in 0\.\.2"):
        render_shapes(factors(3), 8)
