r"""Bars and stripes: images of n x n bits whose rows are all equal, or whose columns are.

An image is drawn by choosing bars or stripes with equal chances, and then each of the n lines on or off with equal
chances. $2^{n+1}$ draws are equally likely; the two images of one value come up both ways:

$$ P(x) = \begin{cases} 2^{-n} & \text{one value} \\ 2^{-(n+1)} & \text{other bars or stripes} \\ 0 & \text{else}
   \end{cases}, \qquad H = (n + 1)\ln 2 - 2^{1-n} \ln 2 . $$

A model of independent bits is $n^2 \ln 2 - H$ nats away; all that is to learn is dependence. As a law without chance in
it, it makes a small test of a likelihood: no model's mean of $-\log q$ over its images is below H.

References:
    MacKay, Information Theory, Inference, and Learning Algorithms (2003), Sec. 43.
    Melchior, Fischer & Wiskott, How to Center Deep Boltzmann Machines (2016): sums of log P over all draws, -41.6 for
        3 x 3. https://www.jmlr.org/papers/v17/14-237.html
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.statistics import Estimate


@final
class BarsAndStripes:
    """The law of bars and stripes; off is -1, on is 1.

    Args:
        side: n, from 2 to 30.

    Raises:
        ValueError: another side.

    Examples:
        >>> law = BarsAndStripes(3)
        >>> law, round(law.entropy().value, 4)
        (BarsAndStripes(3 x 3), 2.5993)
    """

    version = 1
    """Of the definition; numbers of different versions are not comparable."""

    support, levels = (-1.0, 1.0), 2
    """Bits."""

    def __init__(self, side: int) -> None:
        if not isinstance(side, int) or not 2 <= side <= 30:
            raise ValueError(f"side is {side!r}; expected a whole number from 2 to 30.")
        self.side = side

    def __repr__(self) -> str:
        """Sides."""
        return f"BarsAndStripes({self.side} x {self.side})"

    @property
    def name(self) -> str:
        """Name of the law in reports."""
        return f"bars:{self.side}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one example: (1, n, n)."""
        return (1, self.side, self.side)

    @property
    def images(self) -> Float[Tensor, "images 1 n n"]:
        """All images of positive probability, in float64; there are 2^(n+1) - 2.

        Raises:
            ValueError: more than a million.
        """
        if self.side > 18:
            raise ValueError(f"{self!r} has {2 ** (self.side + 1) - 2:,} images; a side of at most 18 can be listed.")
        lines = torch.arange(2**self.side)[:, None] >> torch.arange(self.side) & 1
        rows = (2.0 * lines - 1).double()[:, None, :, None].expand(-1, 1, self.side, self.side)
        return torch.cat([rows, rows.transpose(2, 3)[1:-1]])

    def entropy(self) -> Estimate:
        """Entropy in nats per image, exact."""
        return Estimate((self.side + 1 - 2.0 ** (1 - self.side)) * math.log(2), 0.0)

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n 1 side side"]:
        """Draw n images, in torch's default type unless another is given."""
        bits = torch.randint(2, (n, self.side + 1), generator=generator)
        lines = (2 * bits[:, 1:] - 1).to(dtype or torch.get_default_dtype())
        rows = lines[:, :, None].expand(n, self.side, self.side)
        return torch.where(bits[:, 0, None, None] == 1, rows, rows.transpose(1, 2))[:, None]

    def log_prob(self, x: Float[Tensor, "*batch 1 side side"]) -> Float[Tensor, "*batch"]:
        """Log-probability in nats; minus infinity where an image is neither bars nor stripes.

        Raises:
            ValueError: another shape.
        """
        if x.shape[-3:] != self.shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; {self!r} expects (*batch, {', '.join(map(str, self.shape))})."
            )
        x = x[..., 0, :, :]
        bars, stripes = (x == x[..., :1]).all(-1).all(-1), (x == x[..., :1, :]).all(-2).all(-1)
        log_p = torch.where(bars & stripes, -self.side * math.log(2), -(self.side + 1) * math.log(2))
        bits = (x.abs() == 1).all(-1).all(-1)
        return torch.where((bars | stripes) & bits, log_p, -math.inf).to(x)
