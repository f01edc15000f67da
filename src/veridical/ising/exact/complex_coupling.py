r"""Kaufman's formula at complex couplings, by logarithms and without a branch to choose.

The pairing $l\leftrightarrow 2n-l$ turns the products of `kaufman` into
$(2\cosh\frac m2\gamma_l)^2=e^{m\gamma_l}(1+e^{-m\gamma_l})^2$ and its like with $\sinh$, even in $\gamma_l$,
so that either square root in $\gamma_l=2\,\mathrm{asinh}\sqrt{q_l}$ will do. The angles without a partner, 0 and $\pi$,
are written out as in `energy`. The result is $\ln Z$ up to a multiple of $2\pi i$, at every coupling but the zeros of
$Z$, of either sign and on sides of either parity; but on odd sides at strong negative couplings, where the torus is
frustrated, the four sectors cancel and digits are lost.

At $K+i\varphi/4$ it is the logarithm of the characteristic function of the energy. The zeros of $Z$ approach the circle
$|\sinh 2K|=1$ on large lattices (Fisher 1965).
"""

import math

import numpy as np
from jaxtyping import Complex128

from veridical.ising.exact.lattice import check_sides

_CHUNK = 1 << 14


def log_partition_complex(
    height: int, width: int, coupling: Complex128[np.ndarray, " many"]
) -> Complex128[np.ndarray, " many"]:
    r"""Return $\ln Z$ of the torus at complex couplings, modulo $2\pi i$.

    Args:
        height: number of rows.
        width: number of columns.
        coupling: $K$, equal in both directions; 0 gives the exact $N\ln2$.

    Examples:
        >>> log_partition_complex(4, 4, np.array([0.5 + 0j])).real.round(10)
        array([17.10536712])
    """
    height, width = check_sides(height, width)
    k = np.asarray(coupling, dtype=np.complex128)
    out = np.full(k.shape, height * width * math.log(2), dtype=np.complex128)
    (where,) = np.nonzero(k)
    n, m = min(height, width), max(height, width)
    for start in range(0, len(where), _CHUNK):
        chunk = where[start : start + _CHUNK]
        out[chunk] = _log_partition(n, m, k[chunk])
    return out


def _log_partition(n: int, m: int, k: np.ndarray) -> np.ndarray:
    s = np.sinh(2 * k)
    prefix = m * np.log(2 * s)
    offset = (1 - s) ** 2 / (2 * s)  # sinh^2(gamma_0 / 2)
    sectors = _unpaired(n, m, k)  # [odd, even][+, -]
    for l in range(1, n):  # noqa: E741
        gamma = 2 * np.arcsinh(np.sqrt(offset + math.sin(math.pi * l / (2 * n)) ** 2))
        decay = np.exp(-m * gamma)
        parity = 1 - l % 2
        sectors[parity][0] += prefix + m * gamma + 2 * np.log1p(decay)
        sectors[parity][1] += prefix + m * gamma + 2 * _log_one_minus(decay)
    return _log_sum([*sectors[0], *sectors[1]]) - math.log(2)


def _log_one_minus(z: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # a sector may vanish
        return np.log1p(-z)


def _unpaired(n: int, m: int, k: np.ndarray) -> list[list[np.ndarray]]:
    """Logarithms of the factors of the angles 0 and pi in the sectors [odd, even][+, -]."""
    cosh, sinh = np.log(2 * np.cosh(k)), np.log(2 * np.sinh(k))
    if n % 2:
        odd = [m * (k + cosh), m * (sinh - k)]
        even = [m * (k + sinh), m * (cosh - k)]
        return [[_log_sum(f, (1, sign)) for sign in (1, -1)] for f in (odd, even)]
    even = [m * (cosh + sinh + 2 * k), m * (cosh + sinh - 2 * k), 2 * m * cosh, 2 * m * sinh]
    zero = np.zeros_like(k)
    return [[zero, zero.copy()], [_log_sum(even, (1, 1, sign, sign)) for sign in (1, -1)]]


def _log_sum(logs: list[np.ndarray], signs: tuple[int, ...] = (1, 1, 1, 1)) -> np.ndarray:
    stack = np.stack(logs)
    top = np.real(stack).max(axis=0)
    with np.errstate(divide="ignore"):  # a sector may vanish
        return top + np.log(np.tensordot(np.array(signs), np.exp(stack - top), axes=1))
