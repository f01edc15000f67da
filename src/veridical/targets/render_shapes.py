"""Drawing squares, ellipses and triangles of given factors, with every pixel the share of it that is covered."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SHAPES = ("square", "ellipse", "triangle")
"""Values 0, 1, 2 of the factor shape."""

RANGES: dict[str, tuple[float, float]] = {
    "shape": (0.0, float(len(SHAPES))),
    "scale": (0.20, 0.32),
    "orientation": (-math.pi / 4, math.pi / 4),
    "x": (-0.16, 0.16),
    "y": (-0.16, 0.16),
}
"""Range of every factor, in the order of the columns of `Shapes.factors`; shape is the whole number below."""

FACTORS = tuple(RANGES)
"""Names of the factors."""

_CHUNK = 4096
_RATIO = 2.0  # of the axes of the ellipse
_SLENDERNESS = 1.25  # height over base of the triangle


def render_shapes(
    factors: Float[Tensor, "n 5"], size: int, dtype: torch.dtype | None = None
) -> Float[Tensor, "n 1 size size"]:
    """Draw shapes of given factors: 1 within the shape, -1 outside, between them at its edge.

    Args:
        factors: columns as in `FACTORS`.
        size: side of the square in pixels.
        dtype: of the result; torch's default if left out.

    Raises:
        ValueError: not five factors, or a shape that does not exist.
    """
    if factors.ndim != 2 or factors.shape[1] != len(FACTORS):
        raise ValueError(f"factors has shape {tuple(factors.shape)}; expected (n, 5): {', '.join(FACTORS)}.")
    if not torch.isin(factors[:, 0], torch.arange(len(SHAPES)).to(factors)).all():
        raise ValueError(f"a shape is not in 0..{len(SHAPES) - 1} ({', '.join(SHAPES)}); pass whole numbers.")
    x = factors.new_empty(len(factors), 1, size, size, dtype=dtype or torch.get_default_dtype())
    for shape, coverage in enumerate((_square, _ellipse, _triangle)):
        for rows in (factors[:, 0] == shape).nonzero()[:, 0].split(_CHUNK):
            x[rows, 0] = 2 * coverage(*_own_frame(factors[rows, 1:].to(x.dtype), size), size) - 1
    return x


def _own_frame(factors: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates of the pixels' centres from the centroid along the axes of the shape, and its scale."""
    scale, angle, x, y = factors[:, :, None, None].unbind(1)
    centre = (torch.arange(size, dtype=factors.dtype, device=factors.device) + 0.5) / size - 0.5
    u, v = centre - x, centre[:, None] - y
    return angle.cos() * u + angle.sin() * v, angle.cos() * v - angle.sin() * u, scale


def _covered(distance: Tensor, size: int) -> Tensor:
    """Share of a pixel on the inner side of an edge at a signed distance from its centre, positive outside."""
    return (0.5 - size * distance).clamp(0.0, 1.0)


def _square(a: Tensor, b: Tensor, scale: Tensor, size: int) -> Tensor:
    return _covered(a.abs() - scale / 2, size) * _covered(b.abs() - scale / 2, size)


def _ellipse(a: Tensor, b: Tensor, scale: Tensor, size: int) -> Tensor:
    """Distance to first order, (f - 1) / |grad f| with f the norm in units of the half axes; the long one is level."""
    short = scale / math.sqrt(math.pi * _RATIO)
    long = _RATIO * short
    f = torch.sqrt((a / long) ** 2 + (b / short) ** 2)
    slope = torch.sqrt((a / long**2) ** 2 + (b / short**2) ** 2)
    tiny = torch.finfo(a.dtype).tiny  # at the very middle both vanish
    return _covered((f - 1) * (f + tiny) / (slope + tiny), size)


def _triangle(a: Tensor, b: Tensor, scale: Tensor, size: int) -> Tensor:
    """An apex upwards (b < 0), two thirds of the height above the centroid."""
    base = scale * math.sqrt(2 / _SLENDERNESS)
    height = _SLENDERNESS * base
    normal = math.hypot(1.0, 0.5 / _SLENDERNESS)
    half_width = (b + 2 * height / 3) / (2 * _SLENDERNESS)
    left, right = (_covered((side * a - half_width) / normal, size) for side in (-1, 1))
    # What two edges that face each other cut away does not overlap.
    return (left + right - 1).clamp(min=0.0) * _covered(b - height / 3, size)
