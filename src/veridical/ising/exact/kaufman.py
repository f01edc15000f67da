r"""The Ising model on a torus of any size, solved: log partition function and its first two derivatives.

Kaufman (1949): with $n$ spins in a row, $m$ rows, couplings $K_h$ in a row and $K_v$ between rows,

$$ Z = \tfrac12 (2\sinh 2K_v)^{nm/2}\,(P_1+P_2+P_3+P_4), $$
$$ P_1=\prod_{r<n} 2\cosh\tfrac m2\gamma_{2r+1},\quad P_2=\prod_{r<n} 2\sinh\tfrac m2\gamma_{2r+1},\quad
   P_3=\prod_{r<n} 2\cosh\tfrac m2\gamma_{2r},\quad P_4=\prod_{r<n} 2\sinh\tfrac m2\gamma_{2r}, $$
$$ \cosh\gamma_l = \cosh 2K_h\coth 2K_v - \frac{\sinh 2K_h}{\sinh 2K_v}\cos\frac{\pi l}n . $$

All $\gamma_l$ are positive but $\gamma_0 = 2K_h + \ln\tanh K_v$, which is **signed**: negative in the disordered phase,
zero at criticality. Taking it from an arccosh loses that sign and with it the sign of $P_4$, an error of up to $\ln 2$
in $\ln Z$.

Numerically, $\sinh^2\frac{\gamma_l}2 = \sinh^2\frac{\gamma_0}2 + \frac{\sinh 2K_h}{\sinh 2K_v}\sin^2\frac{\pi l}{2n}$
has only positive terms, so nothing cancels near criticality; derivatives are analytic, with the factor of $\gamma_0$
kept out of $P_4$, so that they hold at criticality, where $P_4=0$ and $\partial\ln P_4$ does not exist. See
`docs/ising-exact.md`.

References:
    Kaufman, Crystal Statistics II, Phys. Rev. 76, 1232 (1949), Eqs. 50-52.
    Ferdinand & Fisher, Bounded and Inhomogeneous Ising Models I, Phys. Rev. 185, 832 (1969), Eqs. 2.1-2.8.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from veridical.ising.exact.lattice import Coupling, check_sides, single_coupling, split_coupling

_STRONGEST = 300.0
_WEAK = 5e-6
"""Below, the first terms in the coupling are closer than Kaufman's formula, whose sectors cancel: energies at this
coupling have a relative error of 1e-5, and smaller ones at others."""


class _Jet(NamedTuple):
    """A function of one variable: its value and first two derivatives."""

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray


def log_partition(height: int, width: int, coupling: Coupling) -> float | np.ndarray:
    r"""Log partition function $\ln Z$ of the torus, in nats.

    Args:
        height: number of rows; 1 and 2 included, see `veridical.ising.exact.lattice` for their bonds.
        width: number of columns.
        coupling: $K=\beta J$, an array of many, or a tuple (horizontal, vertical). Negative along even sides only.

    Returns:
        $\ln Z$; a float for one coupling, an array of their shape for many.

    Raises:
        ValueError: for a negative coupling along an odd side, where the torus is frustrated.

    Examples:
        >>> round(log_partition(4, 4, math.log1p(math.sqrt(2)) / 2), 12)
        15.521915458755
    """
    return _plain(_along(height, width, coupling, (0.0, 0.0)).value)


def free_energy_per_site(height: int, width: int, coupling: Coupling) -> float | np.ndarray:
    r"""Dimensionless free energy per site, $\beta f=-\ln Z/N$, in nats."""
    return -log_partition(height, width, coupling) / (height * width)


def bond_correlations(height: int, width: int, coupling: Coupling) -> tuple[float | np.ndarray, float | np.ndarray]:
    r"""Exact $\langle s_{r,c}s_{r,c+1}\rangle$ and $\langle s_{r,c}s_{r+1,c}\rangle$ on the torus.

    They are $\partial\ln Z/\partial K_h$ and $\partial\ln Z/\partial K_v$, each divided by the number of sites.

    Returns:
        The correlation along a row and along a column; 1 along a side of length 1.
    """
    sites = height * width
    across = _along(height, width, coupling, (1.0, 0.0)).first / sites
    down = _along(height, width, coupling, (0.0, 1.0)).first / sites
    return _plain(across), _plain(down)


def energy_per_site(height: int, width: int, coupling: Coupling) -> float | np.ndarray:
    r"""Mean energy per site in units of $J$, $-\langle s_{r,c}s_{r,c+1}\rangle-\langle s_{r,c}s_{r+1,c}\rangle$.

    Where the two couplings differ this is still the negative sum of both bond correlations; `bond_correlations` gives
    them apart.
    """
    return _plain(-_along(height, width, coupling, (1.0, 1.0)).first / (height * width))


def specific_heat(height: int, width: int, coupling: Coupling) -> float | np.ndarray:
    r"""Specific heat per site in units of $k_B$, $\mathrm{Var}(H)/N = K^2\,\partial_K^2\ln Z/N$."""
    horizontal, vertical = split_coupling(coupling)
    return _plain(_along(height, width, coupling, (horizontal, vertical)).second / (height * width))


def entropy_per_site(height: int, width: int, coupling: Coupling) -> float | np.ndarray:
    r"""Entropy per site in nats, $(\ln Z - K_h\partial_{K_h}\ln Z - K_v\partial_{K_v}\ln Z)/N$."""
    jet = _along(height, width, coupling, split_coupling(coupling))
    return _plain((jet.value - jet.first) / (height * width))


class ExactRow(NamedTuple):
    """Exact thermodynamics of one square torus."""

    size: int
    """Side $L$."""
    log_partition: float
    r"""$\ln Z$ in nats, of the whole lattice."""
    energy: float
    """Energy per site in units of J."""
    specific_heat: float
    """Specific heat per site in units of Boltzmann's constant."""
    entropy_nats: float
    """Entropy per site in nats."""
    entropy_bits: float
    """Entropy per site in bits."""


def exact_table(sizes: Sequence[int], coupling: float | int) -> list[ExactRow]:
    """Exact thermodynamics of the square tori of these sides, one row each.

    Args:
        sizes: sides $L$.
        coupling: $K=βJ$.

    Examples:
        >>> row = exact_table([64], math.log1p(math.sqrt(2)) / 2)[0]
        >>> f"{row.log_partition:.6f} {row.energy:.6f} {row.entropy_bits:.6f}"
        '3808.672283 -1.423938 0.436186'
    """
    k = single_coupling(coupling)
    rows = []
    for size in sizes:
        log_z, entropy = float(log_partition(size, size, k)), float(entropy_per_site(size, size, k))
        energy, heat = float(energy_per_site(size, size, k)), float(specific_heat(size, size, k))
        rows.append(ExactRow(size, log_z, energy, heat, entropy, entropy / math.log(2)))
    return rows


def _plain(value: np.ndarray | np.float64) -> float | np.ndarray:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _along(height: int, width: int, coupling: Coupling, direction: Coupling) -> _Jet:
    r"""$\ln Z(K+\epsilon a)$ and its derivatives in $\epsilon$ at 0, for a direction $a$ of couplings."""
    height, width = check_sides(height, width)
    horizontal, vertical = split_coupling(coupling)
    shape = horizontal.shape
    across, down = (np.broadcast_to(a, shape).reshape(-1) for a in split_coupling(direction))
    horizontal, vertical = horizontal.reshape(-1), vertical.reshape(-1)
    horizontal, across = _ferromagnetic(horizontal, across, width, "horizontal", "width")
    vertical, down = _ferromagnetic(vertical, down, height, "vertical", "height")
    weak = np.maximum(horizontal, vertical) < _WEAK
    upright, lying = (vertical >= horizontal) & ~weak, (horizontal > vertical) & ~weak
    jets = (
        _torus(width, height, horizontal, vertical, across, down, where=upright),
        _torus(height, width, vertical, horizontal, down, across, where=lying),
        _weakly_coupled(height, width, horizontal, vertical, across, down),
    )
    chosen = (np.select([upright, lying], parts[:2], parts[2]) for parts in zip(*jets, strict=True))
    return _Jet(*(part.reshape(shape) for part in chosen))


def _ferromagnetic(k: np.ndarray, a: np.ndarray, side: int, name: str, along: str) -> tuple[np.ndarray, np.ndarray]:
    """Make a coupling positive by turning over every second line of spins, which an even side allows."""
    if side % 2 and (k < 0).any():
        raise ValueError(
            f"the {name} coupling is {k.min()} and {along} is {side}: a negative coupling round an odd side is "
            f"frustrated, and Kaufman's signs differ. Use an even {along}, or `energy_distribution` and "
            "`density_of_states`, which hold for either sign on any torus."
        )
    if (np.abs(k) > _STRONGEST).any():
        raise ValueError(
            f"the {name} coupling is as strong as {np.abs(k).max()}; expected at most {_STRONGEST}, where every spin "
            "is frozen to far below rounding."
        )
    return np.abs(k), np.where(k < 0, -a, a)


def _weakly_coupled(
    height: int, width: int, kh: np.ndarray, kv: np.ndarray, across: np.ndarray, down: np.ndarray
) -> _Jet:
    """Jet to second order: independent spins, whose bonds repeat on a side of 2 and are constant on a side of 1."""
    sites = height * width
    value, first, second = np.full(kh.shape, math.log(2)), np.zeros(kh.shape), np.zeros(kh.shape)
    for side, k, a in ((width, kh, across), (height, kv, down)):
        mean, variance = float(side == 1), {1: 0.0, 2: 2.0}.get(side, 1.0)
        value = value + mean * k + 0.5 * variance * k**2
        first = first + a * (mean + variance * k)
        second = second + variance * a**2
    return _Jet(sites * value, sites * first, sites * second)


def _torus(n: int, m: int, kh: np.ndarray, kv: np.ndarray, ah: np.ndarray, av: np.ndarray, where: np.ndarray) -> _Jet:
    r"""Kaufman's formula for positive $K_v\ge K_h\ge0$; other entries are computed at a stand-in and discarded."""
    kh, kv = np.where(where, kh, 0.5), np.where(where, kv, 0.5)
    gamma_0, gamma = _exponents(n, kh, kv, ah, av)
    odd, even = (
        _Jet(*(g[..., 0::2] for g in gamma)),
        _Jet(*(g[..., 1::2] for g in gamma)),
    )  # l = 1, 3, ... and 2, 4, ...
    others = (_cosh(odd, m), _sinh(odd, m), _cosh(even, m), _sinh(even, m))
    slope = others[0].first  # d ln P_1; subtracted from every sector so that variances do not cancel
    scale = np.maximum(others[0].value, others[2].value + 0.5 * m * np.abs(gamma_0.value))
    z = [_exponential(f, slope, scale, None, m) for f in others[:2]]
    z += [_exponential(f, slope, scale, gamma_0, m, sign) for f, sign in zip(others[2:], (1, -1), strict=True)]
    value, first, second = (np.sum(parts, axis=0) for parts in zip(*z, strict=True))
    first, second = first / value, second / value
    prefix = 0.5 * n * m
    return _Jet(
        prefix * (2 * kv + np.log(-np.expm1(-4 * kv))) - math.log(2) + scale + np.log(value),
        prefix * 2 * av / np.tanh(2 * kv) + slope + first,
        -prefix * (2 * av / np.sinh(2 * kv)) ** 2 + second - first**2,
    )


def _exponents(n: int, kh: np.ndarray, kv: np.ndarray, ah: np.ndarray, av: np.ndarray) -> tuple[_Jet, _Jet]:
    r"""$\gamma_0$ and $\gamma_1,\dots,\gamma_{2n-1}$ along the last axis, with derivatives along $(a_h,a_v)$."""
    coth, csch = 1 / np.tanh(2 * kv), 1 / np.sinh(2 * kv)
    g0 = _Jet(2 * kh + np.log(np.tanh(kv)), 2 * ah + 2 * av * csch, -4 * av**2 * coth * csch)
    rho = np.sinh(2 * kh) * csch
    rho_1 = 2 * ah * np.cosh(2 * kh) * csch - 2 * av * rho * coth
    rho_2 = 4 * (ah**2 - av**2) * rho - 4 * av * rho_1 * coth
    half = np.sin(math.pi * np.arange(1, 2 * n) / (2 * n)) ** 2
    v, d, dd = (x[..., None] for x in g0)
    q = np.sinh(v / 2) ** 2 + rho[..., None] * half
    q_1 = 0.5 * np.sinh(v) * d + rho_1[..., None] * half
    q_2 = 0.5 * (np.cosh(v) * d**2 + np.sinh(v) * dd) + rho_2[..., None] * half
    sinh_g = 2 * np.sqrt(q * (1 + q))
    g_1 = 2 * q_1 / sinh_g
    return g0, _Jet(2 * np.arcsinh(np.sqrt(q)), g_1, (2 * q_2 - (1 + 2 * q) * g_1**2) / sinh_g)


def _cosh(gamma: _Jet, m: int) -> _Jet:
    r"""$\sum_l\ln 2\cosh(m\gamma_l/2)$."""
    x, d, dd = (0.5 * m * g for g in gamma)
    tanh, sech_2 = np.tanh(x), 4 * np.exp(-2 * x) / (1 + np.exp(-2 * x)) ** 2
    return _Jet(*(f.sum(-1) for f in (x + np.log1p(np.exp(-2 * x)), d * tanh, dd * tanh + d**2 * sech_2)))


def _sinh(gamma: _Jet, m: int) -> _Jet:
    r"""$\sum_l\ln 2\sinh(m\gamma_l/2)$ for positive $\gamma_l$."""
    x, d, dd = (0.5 * m * g for g in gamma)
    coth, csch_2 = 1 / np.tanh(x), 4 * np.exp(-2 * x) / np.expm1(-2 * x) ** 2
    return _Jet(*(f.sum(-1) for f in (x + np.log(-np.expm1(-2 * x)), d * coth, dd * coth - d**2 * csch_2)))


def _exponential(
    f: _Jet, slope: np.ndarray, scale: np.ndarray, gamma_0: _Jet | None, m: int, sign: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""One sector $e^{f-\mathrm{scale}}$ times $e^{m\gamma_0/2}\pm e^{-m\gamma_0/2}$, its slope taken out."""
    terms = [(1, 0.0)] if gamma_0 is None else [(1, 0.5 * m), (sign, -0.5 * m)]
    total = []
    for factor, a in terms:
        value, first, second = f if gamma_0 is None else (u + a * g for u, g in zip(f, gamma_0, strict=True))
        weight, first = factor * np.exp(value - scale), first - slope
        total.append((weight, weight * first, weight * (second + first**2)))
    value, first, second = (np.sum(parts, axis=0) for parts in zip(*total, strict=True))
    return value, first, second
