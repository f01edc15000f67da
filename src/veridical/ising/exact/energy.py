r"""How many configurations of the torus have each energy: exact integers, and the energy distribution they imply.

Every row and column of a torus is a closed ring, which a spin configuration crosses an even number of times, so the
number of unsatisfied bonds is $2k$ and $E=-2N+4k$ in units of $J$, for a torus of any sides. With $x=e^{-2K}$,

$$ Z\,x^{N} = \sum_{k=0}^{N} g_k\, x^{2k}, \qquad g_k = \#\{s: E(s)=-2N+4k\}. $$

Beale (1996) expanded Kaufman's formula in symbolic algebra. Here it is written without square roots, logarithms or
signs to choose (`docs/ising-exact.md`). With $t_l = (1+x^2)^2 - 2x(1-x^2)\cos\frac{\pi l}n$ and
$\sigma=x(1-x^2)$, let $V_m(t,\sigma^2)$ be the Lucas sequence $\alpha^m+\beta^m$, $\alpha+\beta=t$,
$\alpha\beta=\sigma^2$. Then $Zx^N=\frac12\sum_\pm(A_\pm+B_\pm)$, where for even $n$

$$ A_\pm=\prod_{\mathrm{odd}\ l<n}(V_m(t_l,\sigma^2)\pm2\sigma^m),\qquad
   B_\pm=\Big[(1-x^2)^m(1+x^{2m})\pm x^m\big((1+x)^{2m}+(1-x)^{2m}\big)\Big]
         \prod_{\mathrm{even}\ 0<l<n}(V_m(t_l,\sigma^2)\pm2\sigma^m), $$

and for odd $n$ the same products with the factors $(1+x)^m\pm x^m(1-x)^m$ in $A_\pm$ and
$(1-x)^m\pm x^m(1+x)^m$ in $B_\pm$. It is a polynomial identity, so it holds in every field with a $2n$-th root of
unity $\zeta$, where $2\cos\frac{\pi l}n=\zeta^l+\zeta^{-l}$: evaluated modulo primes it gives the integers $g_k$.

References:
    Kaufman, Crystal Statistics II, Phys. Rev. 76, 1232 (1949).
    Beale, Exact Distribution of Energies in the Two-Dimensional Ising Model, Phys. Rev. Lett. 76, 78 (1996).
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64, UInt64

from veridical.ising.exact import modular
from veridical.ising.exact.complex_coupling import log_partition_complex
from veridical.ising.exact.lattice import check_sides, single_coupling

_ROUNDING = 1e-14
_EXACT_SITES = 1024  # up to here `energy_distribution` starts from exact integers, in well under a second


class EnergyDistribution(NamedTuple):
    """Law of the energy of a torus at one coupling."""

    energies: Int64[np.ndarray, " levels"]
    """Energies E = -2N + 4k in units of J, k = 0, ..., N; levels that no configuration has are kept, with weight 0."""
    probabilities: Float[np.ndarray, " levels"]
    """Probability of each energy."""


def energy_levels(height: int, width: int) -> Int64[np.ndarray, " levels"]:
    r"""Energies $-2N+4k$ of the torus in units of $J$, for $k=0,\dots,N$."""
    height, width = check_sides(height, width)
    return 4 * np.arange(height * width + 1, dtype=np.int64) - 2 * height * width


def density_of_states(height: int, width: int) -> tuple[int, ...]:
    r"""Count the configurations of the torus at each energy, exactly.

    Results are kept for the life of the process. 32 x 32 takes below a second, 64 x 64 five to fifteen on one core.

    Args:
        height: number of rows.
        width: number of columns.

    Returns:
        $g_0,\dots,g_N$ for the energies of `energy_levels`; they sum to $2^N$.

    Raises:
        ValueError: if no sufficient set of 31-bit primes exists, for large sides with large odd factors.

    Examples:
        >>> density_of_states(4, 4)[:6]
        (2, 0, 32, 64, 424, 1728)
    """
    height, width = check_sides(height, width)
    return _density_of_states(max(height, width), min(height, width))


def energy_distribution(height: int, width: int, coupling: float | int) -> EnergyDistribution:
    r"""Law of the energy at a coupling of either sign, $p_k = g_k e^{-KE_k}/Z$.

    Up to 1024 sites it is computed from the exact integers, in the log domain, and every probability, however small,
    is good to about 12 digits. Larger lattices are inverted from $Z(K+i\varphi/4)/Z(K)$, the Fourier transform of the
    law: probabilities are then good to about $10^{-13}$ *absolutely*, and those below $10^{-14}$, which rounding hides,
    are 0. Large tori frustrated by an odd side and a negative coupling go through the integers too, at their price.

    Args:
        height: number of rows.
        width: number of columns.
        coupling: $K=\beta J$, equal in both directions.

    Returns:
        Energies in units of $J$, and their probabilities.
    """
    height, width = check_sides(height, width)
    k = single_coupling(coupling)
    energies = energy_levels(height, width)
    frustrated = k < 0 and (height % 2 or width % 2)  # there the fermion sectors cancel, and only integers will do
    if height * width > _EXACT_SITES and not frustrated:
        return EnergyDistribution(energies, _from_characteristic_function(height, width, k))
    counts = density_of_states(height, width)
    log_p = np.array([math.log(g) if g else -math.inf for g in counts]) - k * energies
    log_p -= np.logaddexp.reduce(log_p)
    return EnergyDistribution(energies, np.exp(log_p))


@functools.cache
def _density_of_states(height: int, width: int) -> tuple[int, ...]:
    sites = height * width
    points = 1 << sites.bit_length()  # above the degree, a power of two
    n, m = min([(width, height), (height, width)], key=lambda nm: (math.lcm(points, nm[0]), nm[0]))
    order = math.lcm(2 * points, 2 * n)
    fields = modular.fields(order, bits=sites)
    residues = np.concatenate(
        [_residues(fields[i : i + 8], order, points, n, m) for i in range(0, len(fields), 8)]  # 8 to stay in cache
    )
    counts = modular.chinese_remainder(residues[:, : sites + 1], [f.prime for f in fields])
    if sum(counts) != 2**sites:
        raise ArithmeticError(f"the density of states of {height} x {width} sums to {sum(counts)}, not to 2^{sites}.")
    return tuple(counts)


def _residues(
    fields: list[modular.Field], order: int, points: int, n: int, m: int
) -> UInt64[np.ndarray, "fields points"]:
    """Coefficients $g_k$ modulo each prime."""
    prime = np.array([[f.prime] for f in fields], dtype=np.uint64)
    x_root = [pow(f.root, order // (2 * points), f.prime) for f in fields]
    zeta = modular.powers([pow(f.root, order // (2 * n), f.prime) for f in fields], prime, 2 * n)
    x = modular.powers(x_root, prime, points)
    values = _kaufman(x, zeta, prime, n, m)
    return modular.coefficients(values, [r * r % f.prime for r, f in zip(x_root, fields, strict=True)], prime)


def _kaufman(
    x: UInt64[np.ndarray, "fields points"],
    zeta: UInt64[np.ndarray, "fields angles"],
    prime: UInt64[np.ndarray, "fields 1"],
    n: int,
    m: int,
) -> UInt64[np.ndarray, "fields points"]:
    """Evaluate $Zx^N$ in each field."""
    y = x * x % prime
    minus_y = (1 + prime - y) % prime  # 1 - x^2
    sigma = x * minus_y % prime
    base, norm = (1 + y) * (1 + y) % prime, sigma * sigma % prime
    twice = 2 * modular.power(sigma, prime, m) % prime
    sums, differences = zip(*_unpaired(x, y, minus_y, prime, n, m), strict=True)
    plus, minus = list(sums), list(differences)  # [odd l, even l]
    for l in range(1, n):  # noqa: E741
        cosine = (zeta[:, l] + zeta[:, -l])[:, None] % prime
        v = modular.lucas((base + (prime - sigma) * cosine) % prime, norm, prime, m)
        parity = 1 - l % 2
        plus[parity] = plus[parity] * (v + twice) % prime
        minus[parity] = minus[parity] * (v + prime - twice) % prime
    total = (plus[0] + minus[0] + plus[1] + minus[1]) % prime
    return total * ((prime + 1) // 2) % prime


def _unpaired(
    x: np.ndarray, y: np.ndarray, minus_y: np.ndarray, prime: np.ndarray, n: int, m: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Factors (with +, with -) of the odd and of the even products, from the angles 0 and pi that have no partner."""
    x_m = modular.power(x, prime, m)
    up, down = modular.power(1 + x, prime, m), modular.power((1 + prime - x) % prime, prime, m)
    if n % 2:
        pairs = [(up, x_m * down % prime), (down, x_m * up % prime)]
    else:
        even = modular.power(minus_y, prime, m) * (1 + modular.power(y, prime, m)) % prime
        pairs = [(np.ones_like(x), np.zeros_like(x)), (even, (up * up % prime + down * down % prime) * x_m % prime)]
    odd, even = [((a + b) % prime, (a + prime - b) % prime) for a, b in pairs]
    return odd, even


def _from_characteristic_function(height: int, width: int, k: float) -> Float[np.ndarray, " levels"]:
    r"""Invert $\sum_k p_k e^{-i\varphi k}=e^{-i\varphi N/2}Z(K+i\varphi/4)/Z(K)$ at equally spaced $\varphi$."""
    sites = height * width
    points = 1 << sites.bit_length()
    phi = 2 * math.pi * np.arange(1, points // 2 + 1) / points
    log_z = log_partition_complex(height, width, np.concatenate([[k], k + 0.25j * phi]))
    log_ratio = log_z[1:] - log_z[0] - 0.5j * sites * phi
    transform = np.concatenate([[1.0], np.exp(log_ratio)])
    probabilities = np.fft.irfft(transform, points)[: sites + 1]
    return np.where(probabilities > _ROUNDING, probabilities, 0.0)
