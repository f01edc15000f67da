r"""Between raw values and data space: affine and rounded, with the log-determinant.

A raw component is a level $r \in \{0,\dots,L-1\}$. Data space puts the levels at equal distances on the support
$[a, b]$,

$$ x = a + \delta\, r, \qquad \delta = \frac{b-a}{L-1}, $$

so 8-bit images lie at the 256 points of spacing 2/255 from -1 to 1. A density over data space and one over raw
values differ by the Jacobian, $\log p_r(r) = \log p_x(x) + D\log\delta$. Uniform noise of one bin width, centred at
the level, makes discrete values continuous; $\mathbb E_u \log p_x(x+u) + D\log\delta \le \log P(r)$ by Jensen's
inequality (Theis, van den Oord & Bethge, A note on the evaluation of generative models, ICLR 2016, Eq. 3-5).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from veridical.data.space import Space


def to_data_space(raw: Tensor, space: Space) -> Tensor:
    """Map levels 0..L-1 (any dtype) to float32 points of the support.

    Raises:
        ValueError: the space has no levels.
    """
    low, width = _grid(space)
    return raw.to(torch.float32, copy=True).mul_(width).add_(low)


def to_uint8(x: Tensor, space: Space) -> Tensor:
    """Map data space to the nearest level 0..L-1, clamping what lies outside the support: undoes `to_data_space`.

    Raises:
        ValueError: the space has no levels, or more than 256.
    """
    low, width = _grid(space)
    levels = space.levels or 0
    if levels > 256:
        raise ValueError(f"space has {levels} levels; 8 bits hold at most 256.")
    return ((x - low) / width).round().clamp(0, levels - 1).to(torch.uint8)


def log_det(space: Space) -> float:
    r"""Return $\log|\det \partial x/\partial r| = D\log\delta$ of one example, in nats; 0 for continuous data.

    Add it to a log-density in data space to have the log-density over raw values; the negative of that over
    $D\log 2$ is bits per dimension.

    Examples:
        >>> round(log_det(Space((1, 1, 1))), 4) == round(math.log(2 / 255), 4)
        True
    """
    return 0.0 if space.bin_width is None else space.dim * math.log(space.bin_width)


def _grid(space: Space) -> tuple[float, float]:
    if space.support is None or space.bin_width is None:
        raise ValueError(
            f"the space {space.shape} is continuous (support {space.support}, levels {space.levels}); "
            "only a space with levels has a grid. Give the Space its levels, or leave this step out."
        )
    return space.support[0], space.bin_width
