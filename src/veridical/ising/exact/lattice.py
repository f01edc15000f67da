r"""What every exact result shares: the critical coupling, the checks of its arguments, and the convention for bonds.

A lattice has `height` rows and `width` columns of spins $s=\pm1$. Its weight is $e^{-H}$ with

$$ -H = \sum_{r,c} \big(K^h_{r,c}\, s_{r,c}\, s_{r,c+1} + K^v_{r,c}\, s_{r,c}\, s_{r+1,c} + h_{r,c}\, s_{r,c}\big), $$

so a coupling is $K=\beta J$, a field is $\beta h$, and both are dimensionless. On a torus indices wrap and **every site
owns two bonds, one to the right and one down, for every size**: there are always $2N$ bonds. A side of 2 therefore
has doubled bonds (right of one is left of the other, counted twice), and on a side of 1 a spin is its own neighbour,
so that its bond is always satisfied and contributes the constant $K$.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

CRITICAL_COUPLING: float = 0.5 * math.log1p(math.sqrt(2))
r"""$K_c=\frac12\ln(1+\sqrt2)$, where $\sinh 2K_c = 1$ (Kramers & Wannier 1941)."""

Numbers = float | int | np.ndarray | list[float]
"""One number, or an array or list of many."""

Coupling = Numbers | tuple[Numbers, Numbers]
"""One coupling, an array or list of many, or a *tuple* (horizontal, vertical) of either."""


def check_sides(height: int, width: int) -> tuple[int, int]:
    """Return the sides as integers, each at least 1."""
    for name, side in (("height", height), ("width", width)):
        if int(side) != side or side < 1:
            raise ValueError(f"{name} is {side}; expected a whole number of sites, at least 1.")
    return int(height), int(width)


def split_coupling(coupling: Coupling) -> tuple[Float[np.ndarray, "*many"], Float[np.ndarray, "*many"]]:
    """Return the horizontal and vertical couplings as float64 arrays of one shape."""
    if isinstance(coupling, tuple) and len(coupling) != 2:
        raise ValueError(
            f"coupling is a tuple of {len(coupling)}; a tuple means (horizontal, vertical). "
            "Pass a list or an array for several couplings."
        )
    pair = coupling if isinstance(coupling, tuple) else (coupling, coupling)
    horizontal, vertical = np.broadcast_arrays(*(np.asarray(k, dtype=np.float64) for k in pair))
    if not (np.isfinite(horizontal).all() and np.isfinite(vertical).all()):
        raise ValueError(f"coupling is {coupling!r}; expected finite numbers K = βJ.")
    return horizontal, vertical


def single_coupling(coupling: Coupling) -> float:
    """Return the isotropic coupling; refuse anything else."""
    if isinstance(coupling, tuple | list) or np.ndim(coupling) or not math.isfinite(coupling):
        raise ValueError(f"coupling is {coupling!r}; expected one finite number K = βJ, the same in both directions.")
    return float(coupling)


class Shape(NamedTuple):
    """Shape of a lattice given by its arrays of couplings."""

    height: int
    width: int
    wraps_across: bool
    wraps_down: bool

    @property
    def sites(self) -> int:
        """Number of spins."""
        return self.height * self.width


def lattice_shape(horizontal: tuple[int, ...], vertical: tuple[int, ...]) -> Shape:
    """Read sides and boundaries from the shapes of the coupling arrays.

    Args:
        horizontal: shape (height, width) on a lattice that wraps across, (height, width - 1) on one that does not.
        vertical: shape (height, width) on a lattice that wraps down, (height - 1, width) on one that does not.

    Returns:
        The sides, and which directions wrap.
    """
    if len(horizontal) == len(vertical) == 2 and horizontal[0] >= 1 and vertical[1] >= 1:
        height, width = horizontal[0], vertical[1]
        across, down = width - horizontal[1], height - vertical[0]
        if across in (0, 1) and down in (0, 1):
            return Shape(height, width, across == 0, down == 0)
    raise ValueError(
        f"horizontal couplings have shape {horizontal} and vertical ones {vertical}; expected (height, width) along a "
        "direction that wraps, and one bond less than sites, (height, width - 1) or (height - 1, width), along one "
        "that does not. `uniform_couplings` builds both."
    )


def uniform_couplings(
    height: int, width: int, coupling: Coupling, wrap: tuple[bool, bool] = (True, True)
) -> tuple[Float[np.ndarray, "height across"], Float[np.ndarray, "down width"]]:
    """Fill the arrays of couplings of a homogeneous lattice.

    Args:
        height: number of rows.
        width: number of columns.
        coupling: $K$, or a tuple (horizontal, vertical).
        wrap: whether the lattice wraps (across, down); by default a torus.

    Returns:
        Horizontal and vertical couplings, as arguments of `enumerate_lattice` and `transfer_log_partition`.

    Examples:
        >>> horizontal, vertical = uniform_couplings(3, 4, 0.5, wrap=(False, True))
        >>> horizontal.shape, vertical.shape
        ((3, 3), (3, 4))
    """
    height, width = check_sides(height, width)
    across, down = split_coupling(coupling)
    return (
        np.full((height, width - (not wrap[0])), float(across)),
        np.full((height - (not wrap[1]), width), float(down)),
    )
