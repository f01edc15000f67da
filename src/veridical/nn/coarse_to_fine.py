r"""Sublattices from coarse to fine, and the networks that give the numbers of a sublattice from the coarser ones.

A lattice with even sides falls apart into two sublattices like the fields of a chessboard. The dark fields (row plus
column odd) are the finest level; the light ones are a lattice again, turned by 45 degrees, of which half are centres of
the squares of the other half. What remains, every second row and column, is a lattice of half the sides. This goes on
until a side is odd; the sites of that coarsest lattice are levels of their own, row by row.

Within a level the sites fall into *colours*: those whose coordinates, in units of the level, are equal modulo a period.
Colours are drawn one after another, the sites of one colour together. That they are independent, given all sites drawn
before, is an assumption of the model: true for the finest level of a lattice with bonds between neighbours alone, and
nearly true elsewhere, since the sites between them are known.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole


@final
@dataclass(frozen=True)
class Sublattice:
    """A level of a lattice."""

    places: Tensor
    """(colours, sites, 2) rows and columns, in the order of drawing."""

    distance: float
    """Distance of nearest neighbours, with the coarser levels, in sites."""


def sublattices(height: int, width: int, period: int) -> list[Sublattice]:
    """Return the levels of a lattice, from coarse to fine.

    Args:
        height: number of rows.
        width: number of columns.
        period: smallest distance of two sites of a colour, in units of the level; more where it does not divide a side.

    Examples:
        >>> [tuple(level.places.shape[:2]) for level in sublattices(4, 4, 4)]
        [(1, 1), (1, 1), (2, 1), (4, 1), (8, 1)]
        >>> [tuple(level.places.shape[:2]) for level in sublattices(8, 8, 2)[-2:]]
        [(4, 4), (2, 16)]
    """
    levels, step = [], 1
    while height % 2 == 0 and width % 2 == 0:
        site = torch.cartesian_prod(torch.arange(height), torch.arange(width))
        dark, centre = site[site.sum(1) % 2 == 1], site[(site % 2 == 1).all(1)]
        levels.append(_level(dark, dark, (height, width), period, step, 1.0))
        height, width = height // 2, width // 2
        levels.append(_level(centre, centre // 2, (height, width), period, step, math.sqrt(2)))
        step *= 2
    rest = step * torch.cartesian_prod(torch.arange(height), torch.arange(width))
    levels += [Sublattice(site[None, None], float(step)) for site in rest.flip(0)]
    return levels[::-1]


def _level(
    places: Tensor, units: Tensor, sides: tuple[int, int], period: int, step: int, distance: float
) -> Sublattice:
    """Return a level with its colours.

    Args:
        places: (sites, 2) in units of the present lattice.
        units: (sites, 2) coordinates that are compared modulo the period.
        sides: of the lattice of these coordinates.
        period: smallest distance of two sites of a colour.
        step: of the present lattice, in sites.
        distance: of nearest neighbours, in steps.
    """
    periods = torch.tensor([dividing_period(side, period) for side in sides])
    colour = (units % periods) @ torch.tensor([int(periods[1]), 1])
    groups = [step * places[colour == c] for c in colour.unique()]
    return Sublattice(torch.stack(groups), step * distance)


def dividing_period(side: int, period: int) -> int:
    """Return the smallest divisor of a side that is at least the period; the side where there is none.

    Examples:
        >>> dividing_period(16, 4), dividing_period(6, 4), dividing_period(10, 4), dividing_period(2, 4)
        (4, 6, 5, 2)
    """
    return next((p for p in range(period, side) if side % p == 0), side)


def offsets(reach: float, sides: tuple[int, int], periodic: bool) -> Tensor:
    """Return (K, 2) the places around a site up to a distance, nearest first; on a torus each site once.

    Examples:
        >>> len(offsets(1.0, (8, 8), True)), len(offsets(9.0, (4, 4), True)), len(offsets(1.5, (2, 2), True))
        (4, 15, 3)
    """
    ranges = [torch.arange(-((s - 1) // 2), s // 2 + 1) if periodic else torch.arange(1 - s, s) for s in sides]
    around = torch.cartesian_prod(*ranges)
    square = around.square().sum(1)
    near = (square > 0) & (square <= reach**2)
    return around[near][square[near].argsort(stable=True)]


def neighbours(
    places: Tensor, around: Tensor, sides: tuple[int, int], channels: int, periodic: bool
) -> tuple[Tensor, Tensor]:
    """Return (channels, *, channels K) the sites around places, counted along (channels, height, width), and their own.

    Args:
        places: (*, 2) rows and columns.
        around: (K, 2) offsets.
        sides: height and width.
        channels: of an example; all of them are seen, also those of the same pixel.
        periodic: whether the lattice is a torus; otherwise places outside are the number of all sites.

    Returns:
        The sites around, and (channels, *) the sites themselves.
    """
    height, width = sides
    around = torch.cat([torch.zeros(1, 2, dtype=torch.long), around]) if channels > 1 else around
    at = places[..., None, :] + around
    inside = ((at >= 0) & (at < torch.tensor(sides))).all(-1) | torch.tensor(periodic)
    at = at % torch.tensor(sides)
    flat = at[..., 0] * width + at[..., 1]
    channel = torch.arange(channels) * height * width
    seen = torch.cat([torch.where(inside, flat + c, channels * height * width) for c in channel], dim=-1)
    own = places[..., 0] * width + places[..., 1]
    return seen.expand(channels, *seen.shape), own + channel.reshape(-1, *[1] * own.ndim)


class SiteNetwork(nn.Module, ABC):
    """The numbers of the sites of a level.

    Args:
        places: (stages, m) the sites, those of a stage together.
    """

    buffer_roles: ClassVar = {"places": BufferRole.LIVE}
    places: Tensor

    def __init__(self, places: Tensor) -> None:
        super().__init__()
        self.register_buffer("places", places, persistent=False)

    @abstractmethod
    def forward(self, x: Tensor, stages: slice) -> Tensor:
        """Return (stages, m, P, B) numbers of some stages.

        Args:
            x: (S + 1, F, B) features of all sites, and a last row of zeros.
            stages: which.
        """


class PatchNetwork(SiteNetwork):
    """A perceptron for every stage, of the sites around that are known: a convolution evaluated where it is needed.

    Without biases and with tanh it is odd: the numbers change their sign with all features.

    Args:
        places: (stages, m) the sites.
        seen: (stages, m, K) the known sites around each, or the number of all sites where there is none.
        features: F, of a site.
        parameters: P, numbers of a site.
        width: of the hidden layers.
        depth: hidden layers; 0: the numbers are linear.
        odd: no biases.
    """

    buffer_roles: ClassVar = {"seen": BufferRole.LIVE}
    seen: Tensor

    def __init__(
        self,
        places: Tensor,
        seen: Tensor,
        *,
        features: int,
        parameters: int,
        width: int,
        depth: int,
        odd: bool,
    ) -> None:
        super().__init__(places)
        self.register_buffer("seen", seen, persistent=False)
        stages, inputs = len(places), seen.shape[-1] * features
        sizes = [inputs] + [width] * depth
        self.hidden = nn.ParameterList(
            [nn.Parameter(torch.randn(stages, m, n) / math.sqrt(n or 1)) for n, m in pairwise(sizes)]
        )
        self.out = nn.Parameter(torch.zeros(stages, parameters, sizes[-1]))
        self.skip = nn.Parameter(torch.zeros(stages, parameters, inputs)) if depth else None
        self.biases = None
        if not odd:
            outs = [*sizes[1:], parameters]
            self.biases = nn.ParameterList([nn.Parameter(torch.zeros(stages, n, 1)) for n in outs])

    def forward(self, x: Tensor, stages: slice) -> Tensor:
        """Return (stages, m, P, B) numbers."""
        patch = x[self.seen[stages]].flatten(2, 3)  # (stages, m, K F, B)
        h = patch
        for i, weight in enumerate(self.hidden):
            h = torch.tanh(self._biased(i, weight[stages, None] @ h, stages))
        out = self._biased(len(self.hidden), self.out[stages, None] @ h, stages)
        return out if self.skip is None else out + self.skip[stages, None] @ patch

    def _biased(self, layer: int, h: Tensor, stages: slice) -> Tensor:
        return h if self.biases is None else h + self.biases[layer][stages, None]


class HeatBath(SiteNetwork):
    r"""The exact conditional distribution of a spin with bonds to its neighbours alone: the logit $2K\sum_j x_j$.

    Args:
        places: (1, m) the sites.
        seen: (1, m, 4) their neighbours.
        coupling: K; None: learned.
    """

    buffer_roles: ClassVar = {"seen": BufferRole.LIVE}
    seen: Tensor

    def __init__(self, places: Tensor, seen: Tensor, coupling: float | None) -> None:
        super().__init__(places)
        self.register_buffer("seen", seen, persistent=False)
        self.coupling = nn.Parameter(torch.zeros(())) if coupling is None else coupling

    def forward(self, x: Tensor, stages: slice) -> Tensor:
        """Return (1, m, 1, B) logits."""
        return 2 * self.coupling * x[self.seen[stages]].sum(2)
