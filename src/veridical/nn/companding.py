r"""Companding by the μ-law, and a head that gives probabilities to its 256 codes.

$$ f(x) = \operatorname{sign}(x)\,\frac{\ln(1 + \mu|x|)}{\ln(1 + \mu)}, \qquad
   f^{-1}(y) = \operatorname{sign}(y)\,\frac{(1 + \mu)^{|y|} - 1}{\mu}, \qquad \mu = 255. $$

Code k of 0, ..., 255 stands for $y = 2k/255 - 1$: as many codes as 8 bits hold, with $\mu = 255$ and not 256, and both
ends of [-1, 1] are codes. A number has the code whose y is nearest, so that encode(decode(k)) = k for all k, and
decoding after encoding errs by at most about $\ln(1+\mu)(1+\mu|x|)/\mu^2$.

**The head.** A cell is the interval of numbers with one code. On continuous data the density is that of the code over
the length of its cell; on data of many levels (16-bit audio has 65,536) the probability of a level is that of its code
over the number of levels in the cell. So the 256 numbers of a network give a normalised distribution of the data
themselves, in data space. Draws are uniform within the cell.

References:
    ITU-T Recommendation G.711 (1972), Pulse code modulation of voice frequencies.
    van den Oord et al., WaveNet (2016), Sec. 2.2. https://arxiv.org/abs/1609.03499
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from veridical.nn.heads import Grid, Head, inverse

MU, CODES = 255, 256


def compress(x: Tensor) -> Tensor:
    """Return f(x) in [-1, 1] for x in [-1, 1]."""
    return x.sign() * torch.log1p(MU * x.abs()) / math.log1p(MU)


def expand(y: Tensor) -> Tensor:
    """Return the x of f(x) = y."""
    return y.sign() * torch.expm1(y.abs() * math.log1p(MU)) / MU


def encode(x: Tensor) -> Tensor:
    """Return codes 0, ..., 255 (int64) of numbers in [-1, 1]; numbers outside have the code of the nearer end."""
    return ((compress(x.clamp(-1, 1)) + 1) / 2 * MU).round().long()


def decode(code: Tensor) -> Tensor:
    """Return the number in [-1, 1] that a code stands for.

    Examples:
        >>> decode(torch.tensor([0, 255]))
        tensor([-1.,  1.])
    """
    return expand(2 * code.to(torch.get_default_dtype()) / MU - 1)


@final
@dataclass(frozen=True)
class MuLaw(Head):
    """The distribution of a bounded number by the probabilities of its 256 codes; see the module docstring."""

    low: float
    """Smallest value of data space, which is code 0."""

    high: float
    """Largest value, which is code 255."""

    grid: Grid | None = None
    """The levels, if the data have any; at least some in every cell."""

    def __post_init__(self) -> None:
        if self.grid is not None and bool((self.sizes == 0).any()):
            raise ValueError(
                f"the data have {self.grid.levels} levels, too few for the finest cells of the μ-law near 0; expected "
                "16 bits. Use a distribution on the levels."
            )

    @property
    def parameters(self) -> int:
        """A logit for every code."""
        return CODES

    @property
    def uniforms(self) -> int:
        """One for the code, one within its cell."""
        return 2

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """Return log probabilities of levels, or log densities in data space."""
        code = encode(self.unit(x))
        sizes = self.table(h)[1][code]
        outside = (x < self.low) | (x > self.high)
        return (h.log_softmax(-1).gather(-1, code) - sizes.log()).masked_fill(outside, -math.inf)[..., 0]

    def draw(self, h: Tensor, u: Tensor) -> Tensor:
        """Draw a code, then one of the numbers of its cell."""
        code = inverse(h, u[..., :1])
        starts, sizes = self.table(h)
        start, size = starts[code], sizes[code]
        if self.grid is None:
            return start + size * u[..., 1:]
        within = torch.minimum((u[..., 1:] * size).floor(), size - 1)
        return self.grid.value((start + within).long(), h.dtype)

    def unit(self, x: Tensor) -> Tensor:
        """Return numbers of data space in [-1, 1]."""
        return 2 * (x - self.low) / (self.high - self.low) - 1

    def table(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return starts and sizes of the cells in the type and on the device of h; copied there once."""
        key = (h.device, h.dtype)
        if key not in self._tables:
            self._tables[key] = (self.starts.to(h), self.sizes.to(h))
        return self._tables[key]

    @cached_property
    def _tables(self) -> dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]]:
        return {}

    @cached_property
    def codes(self) -> Tensor:
        """(levels,) the code of every level."""
        assert self.grid is not None
        levels = self.grid.value(torch.arange(self.grid.levels), torch.float64)
        return encode(self.unit(levels.float()))

    @cached_property
    def sizes(self) -> Tensor:
        """(256,) the number of levels of every cell, or its length in data space."""
        if self.grid is not None:
            return torch.bincount(self.codes, minlength=CODES).double()
        return self.ends.diff()

    @cached_property
    def starts(self) -> Tensor:
        """(256,) the number of the first level of every cell, or the lower end of its interval."""
        return self.sizes.cumsum(0) - self.sizes if self.grid is not None else self.ends[:-1]

    @cached_property
    def ends(self) -> Tensor:
        """(257,) the ends of the intervals, in data space."""
        y = ((2 * torch.arange(CODES + 1, dtype=torch.float64) - 1) / MU - 1).clamp(-1, 1)
        return self.low + (self.high - self.low) * (expand(y) + 1) / 2
