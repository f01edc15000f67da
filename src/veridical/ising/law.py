r"""The law that is sampled: the Boltzmann distribution of Ising spins on a torus.

$$ p(s) \propto \exp\Big( K_h \sum_{r,c} s_{r,c} s_{r,c+1}
    + K_v \sum_{r,c} s_{r,c} s_{r+1,c} + h \sum_{r,c} s_{r,c} \Big) $$

with $s = \pm 1$ on `height` rows and `width` columns that wrap around, and couplings and field in units of $kT$. Every
site owns two bonds, one to the right and one down, so a side of 2 has its bonds twice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

CRITICAL_COUPLING = 0.5 * math.log1p(math.sqrt(2))
"""Coupling at which the square lattice is critical (Kramers & Wannier 1941)."""


@dataclass(frozen=True)
class Law:
    """A lattice with its couplings and its field."""

    height: int
    width: int
    horizontal: float
    vertical: float
    field: float = 0.0

    def __post_init__(self) -> None:
        for name, side in (("height", self.height), ("width", self.width)):
            if not isinstance(side, int) or side < 2:
                raise ValueError(f"{name} is {side!r}; expected a whole number of sites, at least 2.")
        numbers = {"horizontal coupling": self.horizontal, "vertical coupling": self.vertical, "field": self.field}
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value!r}; expected a finite number in units of kT.")

    @property
    def sites(self) -> int:
        """Number of spins."""
        return self.height * self.width

    @property
    def isotropic(self) -> bool:
        """Whether both couplings are equal."""
        return self.horizontal == self.vertical

    @property
    def frustrated(self) -> bool:
        """Whether a negative coupling closes an odd ring, so that no configuration satisfies every bond."""
        across, down = self.horizontal < 0 and self.width % 2 == 1, self.vertical < 0 and self.height % 2 == 1
        return across or down

    def staggered(self) -> tuple["Law", Bool[np.ndarray, "height width"]]:
        """Return a law without negative couplings, and the sites at which its spins are to be turned over.

        Turning over every other column (row) changes the sign of the horizontal (vertical) coupling, where the width
        (height) is even and there is no field. Otherwise the law itself comes back, and no site.
        """
        turned = np.zeros((self.height, self.width), bool)
        if self.field != 0 or self.frustrated:
            return self, turned
        if self.horizontal < 0:
            turned[:, 1::2] ^= True
        if self.vertical < 0:
            turned[1::2, :] ^= True
        return Law(self.height, self.width, abs(self.horizontal), abs(self.vertical)), turned


def law(size: int | Sequence[int], coupling: float | Sequence[float] = CRITICAL_COUPLING, field: float = 0.0) -> Law:
    """Read a law from the arguments of `sample`.

    Args:
        size: side of a square lattice, or (height, width).
        coupling: $K$, or (horizontal, vertical).
        field: $h$.

    Raises:
        ValueError: if a side is less than 2, or a number is not finite.

    Examples:
        >>> law((4, 6), (0.3, -0.5))
        Law(height=4, width=6, horizontal=0.3, vertical=-0.5, field=0.0)
    """
    height, width = _pair("size", size)
    horizontal, vertical = _pair("coupling", coupling)
    return Law(_whole(height), _whole(width), float(horizontal), float(vertical), float(field))


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    if np.ndim(value) == 0:
        return value, value
    if np.shape(value) != (2,):
        raise ValueError(f"{name} is {value!r}; expected one number or two.")
    first, second = value
    return first, second


def _whole(side: Any) -> int:
    if int(side) != side:
        raise ValueError(f"size contains {side!r}; expected whole numbers of sites.")
    return int(side)
