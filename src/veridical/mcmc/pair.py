"""Two kinds of units side by side in one layer, as the lowest and the highest layer of a machine of three."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from veridical.mcmc.units import Units
from veridical.noise import Noise


def side_by_side(first: Units, second: Units, split: int) -> Units:
    """Return the units of both in one layer.

    Args:
        first: units described by the first numbers.
        second: units described by the others.
        split: how many numbers describe the first.
    """
    return first if first == second else Pair(first, second, split)


@final
@dataclass(frozen=True)
class Pair(Units):
    """Units of one kind followed by units of another, neither of them continuous."""

    first: Units
    """Kind of those described by the first numbers."""

    second: Units
    """Kind of the others."""

    split: int
    """How many numbers describe the first."""

    @property
    def values(self) -> None:
        """Not the same for all; their states are not listed."""
        return None

    def log_normaliser(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the sum of both."""
        a, b = self._split(field)
        return self.first.log_normaliser(a, None) + self.second.log_normaliser(b, None)

    def mean(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the means of both."""
        a, b = self._split(field)
        return torch.cat([self.first.mean(a, None), self.second.mean(b, None)], -1)

    def field(self, mean: Tensor, precision: Tensor | None) -> Tensor:
        """Return the fields of both."""
        a, b = self._split(mean)
        return torch.cat([self.first.field(a, None), self.second.field(b, None)], -1)

    def draw(self, field: Tensor, precision: Tensor | None, noise: Noise) -> Tensor:
        """Draw both."""
        a, b = self._split(field)
        return torch.cat([self.first.draw(a, None, noise), self.second.draw(b, None, noise)], -1)

    def states(self, units: int) -> Tensor:
        """Refuse.

        Raises:
            ValueError: always.
        """
        raise ValueError("units of two kinds are not listed; sum over the other layer.")

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[..., : self.split], x[..., self.split :]
