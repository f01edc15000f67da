r"""The infinite square lattice: Onsager's solution, and Yang's magnetisation.

With $k'=2\tanh^2 2K-1$ and $k^2=1-k'^2$, and complete elliptic integrals $\mathsf K,\mathsf E$ of modulus $k$,

$$ u = -\coth 2K\,\big[1+\tfrac2\pi k'\,\mathsf K\big], \qquad
   C = \tfrac2\pi (K\coth 2K)^2\big[2\mathsf K-2\mathsf E-(1-k')(\tfrac\pi2+k'\mathsf K)\big], \qquad
   M_0=(1-\sinh^{-4}2K)^{1/8}, $$

$$ \frac{\ln Z}N = \tfrac12\ln(2\sinh 2K) + \frac1{2\pi}\int_0^\pi\gamma(\omega)\,d\omega,\qquad
   \sinh^2\tfrac\gamma2=\sinh^2\tfrac{\gamma_0}2+\sin^2\tfrac\omega2,\quad \gamma_0=2K+\ln\tanh K . $$

The elliptic integrals are taken from $k'^2$, not from $k^2$, which rounds to 1 near criticality; the integral is done
by a double-exponential rule, whose nodes crowd at $\omega=0$ where the integrand is nearly singular.
Functions take one coupling $K\ge0$ or an array; the bipartite lattice makes $K$ and $-K$ the same but for a staggered
sign, so negative couplings are refused rather than guessed at.

References:
    Onsager, Crystal Statistics I, Phys. Rev. 65, 117 (1944), Eqs. 112-117.
    Yang, The Spontaneous Magnetization of a Two-Dimensional Ising Model, Phys. Rev. 85, 808 (1952).
"""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import ellipe, ellipkm1

from veridical.ising.exact.lattice import CRITICAL_COUPLING, Numbers
from veridical.ising.exact.quadrature import double_exponential


def onsager_free_energy_per_site(coupling: Numbers) -> float | np.ndarray:
    r"""Dimensionless free energy per site of the infinite lattice, $\beta f=-\ln Z/N$, in nats."""
    k = _ferromagnetic(coupling)
    t, _, weight = double_exponential()
    s = np.sinh(2 * np.where(k == 0, 1.0, k))
    offset = (1 - s) ** 2 / (2 * s)  # sinh^2(gamma_0 / 2)
    gamma = 2 * np.arcsinh(np.sqrt(offset[..., None] + np.sin(math.pi / 2 * t) ** 2))
    log_z = 0.5 * np.log(2 * s) + 0.5 * (gamma @ weight)
    return _plain(np.where(k == 0, -math.log(2), -log_z))


def onsager_energy_per_site(coupling: Numbers) -> float | np.ndarray:
    r"""Mean energy per site of the infinite lattice in units of $J$; $-\sqrt2$ at criticality."""
    k = _ferromagnetic(coupling)
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = -(1 + 2 / math.pi * _modulus_times_k(k)) / np.tanh(2 * k)
    return _plain(np.where(k == 0, 0.0, energy))


def onsager_entropy_per_site(coupling: Numbers) -> float | np.ndarray:
    r"""Entropy per site of the infinite lattice in nats, $\ln Z/N+Ku$."""
    k = _ferromagnetic(coupling)
    return _plain(k * onsager_energy_per_site(k) - onsager_free_energy_per_site(k))


def onsager_specific_heat(coupling: Numbers) -> float | np.ndarray:
    r"""Specific heat per site of the infinite lattice in units of $k_B$; infinite at criticality."""
    k = _ferromagnetic(coupling)
    modulus = _complementary_modulus(k)
    with np.errstate(divide="ignore", invalid="ignore"):
        elliptic = 2 * ellipkm1(modulus**2) - 2 * ellipe(1 - modulus**2)
        bracket = elliptic - (1 - modulus) * (math.pi / 2 + _modulus_times_k(k))
        heat = 2 / math.pi * (k / np.tanh(2 * k)) ** 2 * bracket
    return _plain(np.where(k == 0, 0.0, np.where(k == CRITICAL_COUPLING, np.inf, heat)))


def spontaneous_magnetization(coupling: Numbers) -> float | np.ndarray:
    r"""Spontaneous magnetisation $M_0=(1-\sinh^{-4}2K)^{1/8}$ of the infinite lattice; 0 for $K\le K_c$."""
    k = _ferromagnetic(coupling)
    ordered = np.where(k > CRITICAL_COUPLING, k, 1.0)
    return _plain(np.where(k > CRITICAL_COUPLING, (-np.expm1(-4 * np.log(np.sinh(2 * ordered)))) ** 0.125, 0.0))


def correlation_length(coupling: Numbers) -> float | np.ndarray:
    r"""True correlation length along an axis of the infinite lattice, in lattice spacings; infinite at criticality.

    $\xi^{-1}=-\gamma_0=\ln\coth K-2K$ in the disordered phase and $2\gamma_0$ in the ordered one, for the connected
    correlation.

    References:
        McCoy & Wu, The Two-Dimensional Ising Model (1973), chapter XI.
    """
    k = _ferromagnetic(coupling)
    with np.errstate(divide="ignore"):
        gamma_0 = 2 * k + np.log(np.tanh(k))
        return _plain(np.where(k == CRITICAL_COUPLING, np.inf, 1 / np.where(gamma_0 > 0, 2 * gamma_0, -gamma_0)))


def _ferromagnetic(coupling: Numbers) -> Float[np.ndarray, "*many"]:
    k = np.asarray(coupling, dtype=np.float64)
    if not (np.isfinite(k).all() and (k >= 0).all() and (k <= 300).all()):
        raise ValueError(
            f"coupling is {coupling!r}; expected K = βJ in [0, 300]. For K < 0 take -K: on the square lattice turning "
            "over one of the two sublattices changes the sign of K."
        )
    return k


def _plain(value: np.ndarray | np.float64) -> float | np.ndarray:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _complementary_modulus(k: np.ndarray) -> np.ndarray | np.float64:
    r"""Signed $k'=2\tanh^2 2K-1$, as $(\tanh 2K-\mathrm{sech}\,2K)(\tanh 2K+\mathrm{sech}\,2K)$."""
    tanh, sech = np.tanh(2 * k), 1 / np.cosh(2 * k)
    return (tanh - sech) * (tanh + sech)


def _modulus_times_k(k: np.ndarray) -> np.ndarray | np.float64:
    r"""$k'\mathsf K(k)$, which tends to 0 at criticality."""
    modulus = _complementary_modulus(k)
    return modulus * ellipkm1(np.maximum(modulus**2, 1e-300))  # finite where k' = 0
