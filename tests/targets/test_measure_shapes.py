"""Measured factors against those the images were drawn with."""

import math

import pytest
import torch
from torch import Tensor

from veridical.evaluation.factors import recover
from veridical.targets.measure_shapes import measure_shapes
from veridical.targets.shapes import FACTORS, Shapes

PERIODS = torch.tensor([math.pi / 2, math.pi, 2 * math.pi], dtype=torch.float64)


def errors(size: int, noise: float, n: int = 600) -> tuple[float, Tensor]:
    """Share of shapes recognised, and errors of scale (relative), orientation (degrees), x and y (pixels): rms."""
    random = torch.Generator().manual_seed(3)
    factors = Shapes(size).draw_factors(n, random)
    x = Shapes(size).render(factors)
    measured = measure_shapes((x + noise * torch.randn(x.shape, generator=random)).clamp(-1, 1)).factors
    same = measured[:, 0] == factors[:, 0]
    difference = (measured - factors)[same]
    period = PERIODS[factors[same, 0].long()]
    turned = (difference[:, 2] + period / 2) % period - period / 2
    scaled = torch.stack(
        [difference[:, 1] / factors[same, 1], torch.rad2deg(turned), size * difference[:, 3], size * difference[:, 4]]
    )
    return float(same.double().mean()), scaled.square().mean(1).sqrt()


@pytest.mark.parametrize(
    ("size", "noise", "limits"),
    [
        (28, 0.0, (0.005, 0.8, 0.03, 0.03)),
        (28, 0.1, (0.006, 1.1, 0.035, 0.035)),
        (64, 0.0, (0.002, 0.3, 0.02, 0.02)),
        (16, 0.0, (0.012, 2.2, 0.04, 0.04)),
    ],
)
def test_factors_of_true_images_are_measured(size: int, noise: float, limits: tuple[float, ...]) -> None:
    recognised, error = errors(size, noise)
    assert recognised == 1.0
    assert (error < torch.tensor(limits)).all(), error


def test_much_noise_is_survived() -> None:
    recognised, error = errors(28, 0.3)
    assert recognised > 0.98 and error[2:].max() < 0.2


def test_the_measured_factors_tell_the_true_ones() -> None:
    """The ceiling of a perfect model whose factors are measured: bins of 1/20 of the range against those errors."""
    factors = Shapes().draw_factors(3000, torch.Generator().manual_seed(0))
    found = recover(
        factors,
        measure_shapes(Shapes().render(factors)).factors,
        code_names=FACTORS,
        factor_names=FACTORS,
        resamples=20,
    )
    assert found.best() == {name: name for name in FACTORS}
    assert (torch.tensor(found.of_factor).diagonal() > torch.tensor([0.999, 0.8, 0.8, 0.9, 0.9])).all()


def test_the_residual_tells_shapes_from_the_rest() -> None:
    random = torch.Generator().manual_seed(0)
    x = Shapes().sample(100, random)
    assert measure_shapes(x).residual.max() < 0.15
    blobs = torch.nn.functional.avg_pool2d(torch.randn(100, 1, 28, 28, generator=random), 9, 1, 4).mul(8).clamp(-1, 1)
    two = torch.maximum(x, x.flip(0))
    assert measure_shapes(blobs).residual.min() > 0.3
    apart = (two - x).square().sum((1, 2, 3)) > 20
    assert apart.sum() > 50 and measure_shapes(two[apart]).residual.min() > 0.2


def test_a_black_image_has_no_factors() -> None:
    x = torch.cat([-torch.ones(1, 1, 28, 28), Shapes().render(torch.tensor([[1.0, 0.3, 0.1, 0.0, 0.1]]))])
    factors, residual = measure_shapes(x)
    assert factors[0].isnan().all() and residual[0].isnan()
    assert factors[1].isfinite().all() and residual[1] < 0.1


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="square grey images"):
        measure_shapes(torch.zeros(2, 3, 28, 28))
    with pytest.raises(ValueError, match="at least one"):
        measure_shapes(torch.zeros(0, 1, 28, 28))
