r"""Traces of JPEG in pixels: cosine coefficients of 8 x 8 blocks that lie on multiples of a step.

JPEG rounds every coefficient c of a block to a multiple of a step q that depends on the frequency. Decoded to 8 bits
and stored again in any format, coefficients stay within about a unit of the multiples. Of coefficients beyond the
first step, the mean of $\cos(2\pi c/q)$ is therefore near 1, and near 0 where nothing was rounded. Images that were
resized or shifted after compression have no such grid; from quality 95 on the steps are too small.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

STEPS = range(4, 41)
"""Steps that are tried, in 8-bit units."""

SHARE = 0.5
"""Mean cosine above that of other data by which a frequency counts as rounded."""

_BLOCK = 8
_FEWEST = 100  # coefficients beyond the first step
_LOW = 15  # frequencies of the lowest u + v: most of the signal
_FREQUENCIES = 3  # of these must be rounded


class Grid(NamedTuple):
    """How often coefficients lie on multiples of steps."""

    on_grid: Float[Tensor, "frequencies steps"]
    """Mean cosine; 0 where there are too few coefficients."""


def measure_grid(x: Float[Tensor, "n c h w"]) -> Grid | None:
    """Measure images in data space [-1, 1]; None: smaller than two blocks."""
    if min(x.shape[2:]) < 2 * _BLOCK:
        return None
    values = ((x + 1) * 127.5).round()
    weights = torch.tensor([0.299, 0.587, 0.114]) if x.shape[1] == 3 else torch.full((x.shape[1],), 1 / x.shape[1])
    grey = torch.einsum("nchw,c->nhw", values, weights) - 128
    blocks = grey.unfold(1, _BLOCK, _BLOCK).unfold(2, _BLOCK, _BLOCK).reshape(-1, _BLOCK, _BLOCK)
    inside = ((blocks > -127.5) & (blocks < 126.5)).flatten(1).all(1)  # clipping at 0 and 255 leaves the grid
    blocks = torch.unique(blocks[inside], dim=0)  # a repeated image would look like a grid
    cosines = _cosines()
    coefficients = (cosines @ blocks @ cosines.T).flatten(1)[:, _frequencies()]
    steps = torch.tensor(list(STEPS), dtype=torch.float32)
    table = torch.zeros(coefficients.shape[1], len(steps))
    for k, q in enumerate(steps):
        beyond = coefficients.abs() > q / 2
        mean = (torch.cos(2 * math.pi * coefficients / q) * beyond).sum(0) / beyond.sum(0).clamp(min=1)
        table[:, k] = torch.where(beyond.sum(0) >= _FEWEST, mean, 0.0)
    return Grid(table)


def compressed(samples: Grid, data: Grid) -> bool:
    """Return whether the samples lie on a grid on which the data do not."""
    return int(((samples.on_grid - data.on_grid).max(1).values > SHARE).sum()) >= _FREQUENCIES


def _cosines() -> Float[Tensor, "8 8"]:
    """The orthonormal cosine transform."""
    k, i = torch.arange(_BLOCK)[:, None], torch.arange(_BLOCK)
    table = torch.cos(math.pi * (2 * i + 1) * k / (2 * _BLOCK)) * math.sqrt(2 / _BLOCK)
    table[0] /= math.sqrt(2)
    return table


def _frequencies() -> list[int]:
    """Indices of the lowest frequencies but the mean, row by row."""
    order = sorted(range(1, _BLOCK * _BLOCK), key=lambda i: (i // _BLOCK + i % _BLOCK, i))
    return order[:_LOW]
