"""Rendered shapes against what geometry says of them: areas, centroids, symmetries, and a count of sub-pixels."""

import math
from collections.abc import Iterator

import pytest
import scipy.stats
import torch
from torch import Tensor

from veridical.targets.shapes import FACTORS, RANGES, SHAPES, Shapes


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def coverage(x: Tensor) -> Tensor:
    return (x[:, 0] + 1) / 2


def factors(shape: int, scale: float = 0.26, angle: float = 0.0, x: float = 0.0, y: float = 0.0) -> Tensor:
    return torch.tensor([[shape, scale, angle, x, y]], dtype=torch.float64)


def test_factors_are_independent_and_uniform() -> None:
    drawn = Shapes().factors(torch.arange(20_000))
    assert FACTORS == ("shape", "scale", "orientation", "x", "y")
    counts = drawn[:, 0].long().bincount(minlength=3)
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 1e-3  # a fixed hash: a fact, not a chance
    for column, name in enumerate(FACTORS[1:], 1):
        low, high = RANGES[name]
        unit = (drawn[:, column] - low) / (high - low)
        assert scipy.stats.kstest(unit.numpy(), "uniform").pvalue > 1e-3
    correlation = torch.corrcoef(drawn.T) - torch.eye(5)
    assert correlation.abs().max() < 4 / math.sqrt(20_000)


def test_factors_follow_seed_and_index_alone() -> None:
    index = torch.tensor([5, 3, 40_000])
    assert torch.equal(Shapes().factors(index), Shapes(size=64).factors(torch.arange(40_001))[index])
    assert not torch.equal(Shapes(seed=1).factors(index), Shapes().factors(index))


def test_samples_follow_the_generator() -> None:
    draws = [Shapes(size=12).sample(3, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    factors = Shapes(size=12).draw_factors(3, torch.Generator().manual_seed(0))
    assert torch.equal(draws[0], Shapes(size=12).render(factors))


def test_a_sub_family_varies_only_what_is_asked() -> None:
    drawn = Shapes(vary=("y", "x")).factors(torch.arange(100))
    assert torch.equal(drawn[:, :3], torch.tensor([[0.0, 0.26, 0.0]]).expand(100, 3))
    assert (drawn[:, 3:].std(0) > 0.05).all()


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_area_and_centroid_are_those_of_the_factors(shape: int) -> None:
    law = Shapes()
    drawn = law.factors(torch.arange(300))
    drawn[:, 0] = shape
    x = law.render(drawn)
    assert x.min() >= -1 and x.max() <= 1
    share = coverage(x)
    area = share.sum((1, 2)) / 28**2
    torch.testing.assert_close(area.sqrt(), drawn[:, 1], rtol=0.015, atol=0)
    centre = (torch.arange(28) + 0.5) / 28 - 0.5
    for axis, column in ((1, 3), (2, 4)):  # summed over rows: x; over columns: y
        found = (share.sum(axis) * centre).sum(1) / share.sum((1, 2))
        torch.testing.assert_close(found, drawn[:, column], rtol=0, atol=0.1 / 28)


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_coverage_is_that_of_a_count_of_sub_pixels(shape: int) -> None:
    """At 16 times the resolution nearly every pixel is inside or outside: its mean over a pixel is the coverage."""
    drawn = Shapes().factors(torch.arange(8))
    drawn[:, 0] = shape
    fine = torch.nn.functional.avg_pool2d(Shapes(28 * 16).render(drawn), 16)
    error = (Shapes().render(drawn) - fine).abs() / 2
    assert error.max() < 0.1 and error.mean() < 0.001  # the largest at corners


def test_symmetries() -> None:
    law = Shapes()
    quarter = math.pi / 2
    for shape, period in ((0, quarter), (1, math.pi), (2, 2 * math.pi)):
        turned = law.render(factors(shape, angle=0.3 + period))
        torch.testing.assert_close(turned, law.render(factors(shape, angle=0.3)))
    # A clockwise quarter turn of the factors is one of the image.
    for shape in range(3):
        turned = law.render(factors(shape, angle=0.3 + quarter))
        torch.testing.assert_close(turned, law.render(factors(shape, angle=0.3)).rot90(-1, (2, 3)))


def test_an_upright_triangle_points_upwards_and_an_ellipse_lies() -> None:
    triangle, ellipse = (coverage(Shapes().render(factors(shape)))[0] for shape in (2, 1))
    rows = triangle.sum(1)[triangle.sum(1) > 0.5]
    assert rows[0] < rows[len(rows) // 2] < rows[-2]
    assert (ellipse.sum(0) > 0.5).sum() > 1.7 * (ellipse.sum(1) > 0.5).sum()


def test_a_standing_square_on_whole_pixels_is_exact() -> None:
    share = coverage(Shapes(32).render(factors(0, scale=0.25)))[0]
    expected = torch.zeros(32, 32)
    expected[12:20, 12:20] = 1
    torch.testing.assert_close(share, expected)


def test_moving_by_a_pixel_moves_the_image() -> None:
    still, moved = (Shapes().render(factors(1, angle=0.4, x=x)) for x in (0.0, 2 / 28))
    torch.testing.assert_close(moved, still.roll(2, 3))


def test_no_shape_leaves_the_image() -> None:
    low, high = (torch.tensor([pair[side] for pair in RANGES.values()]) for side in (0, 1))
    grid = torch.cartesian_prod(
        torch.arange(3.0),
        high[1:2],
        torch.linspace(*RANGES["orientation"], 19),
        *[torch.stack([low[k], high[k]]) for k in (3, 4)],
    )
    share = coverage(Shapes(64).render(grid))
    torch.testing.assert_close(share.sum((1, 2)) / 64**2, grid[:, 1] ** 2, rtol=0.01, atol=0)


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="size is 4; expected"):
        Shapes(4)
    with pytest.raises(ValueError, match="expected different names among shape, scale"):
        Shapes(vary=("x", "colour"))
    with pytest.raises(ValueError, match=r"factors has shape \(2, 4\)"):
        Shapes().render(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="pass whole numbers"):
        Shapes().render(factors(0) + 0.5)
