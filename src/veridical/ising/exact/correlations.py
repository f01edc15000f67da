r"""Correlations of the infinite square lattice: Toeplitz determinants at any coupling, products at the critical one.

Both are $\det(a_{i-j})_{i,j=1}^n$ with $a_j=\frac1{2\pi}\int_{-\pi}^{\pi}e^{-ij\theta}\varphi(\theta)\,d\theta$
(Montroll, Potts & Ward 1963). With
$f_\alpha(\theta)=\Big[\frac{1-\alpha e^{-i\theta}}{1-\alpha e^{i\theta}}\Big]^{1/2}$ the symbols are

$$ \text{diagonal: } \varphi = f_{\alpha}(\theta),\ \alpha=\sinh^{-2}2K; \qquad
   \text{row: } \varphi = f_{\alpha_1}(-\theta)\,f_{\alpha_2}(\theta),\
   \alpha_1=z\tfrac{1-z}{1+z},\ \alpha_2=\tfrac{1-z}{z(1+z)},\ z=\tanh K . $$

$\alpha$ and $\alpha_2$ are below 1 in the ordered phase, 1 at criticality and above 1 in the disordered phase, where
$f_\alpha(\theta)=-e^{-i\theta}f_{1/\alpha}(-\theta)$, the sign being the one for which $f_\alpha(\pi)=1$. The Fourier
coefficients of $f_\alpha$ are hypergeometric functions, here Euler's integrals for them.

References:
    Montroll, Potts & Ward, Correlations and Spontaneous Magnetization of the Two-Dimensional Ising Model,
        J. Math. Phys. 4, 308 (1963).
    Wu, Theory of Toeplitz Determinants and the Spin Correlations I, Phys. Rev. 149, 380 (1966).
    McCoy & Wu, The Two-Dimensional Ising Model (1973), chapters VIII and XI.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import toeplitz

from veridical.ising.exact.lattice import CRITICAL_COUPLING, single_coupling
from veridical.ising.exact.onsager import onsager_energy_per_site
from veridical.ising.exact.quadrature import double_exponential

CRITICAL_AMPLITUDE: float = 0.7033801576877185
r"""Limit of $R^{1/4}\langle s_0s_R\rangle$ at criticality: $e^{1/4}2^{5/24}A^{-3}$ with Glaisher's $A$ (Wu 1966)."""


def nearest_neighbour_correlation(coupling: float | int = CRITICAL_COUPLING) -> float:
    r"""Correlation of two neighbours on the infinite lattice, $-u/2$; $1/\sqrt2$ at criticality."""
    return -0.5 * float(onsager_energy_per_site(single_coupling(coupling)))


def diagonal_correlation(distance: int, coupling: float | int = CRITICAL_COUPLING) -> float:
    r"""Correlation $\langle s_{0,0}\,s_{n,n}\rangle$ on the infinite lattice.

    At the critical coupling it is the product $(2/\pi)^n\prod_{l<n}\big(1-\frac1{4l^2}\big)^{l-n}$, elsewhere a
    Toeplitz determinant.

    Args:
        distance: number of diagonal steps $n\ge0$; the Euclidean distance is $n\sqrt2$.
        coupling: $K\ge0$; by default critical.

    Examples:
        >>> [round(diagonal_correlation(n), 6) for n in (1, 2, 3, 4)]
        [0.63662, 0.54038, 0.489268, 0.455647]
    """
    n, k = _checked(distance, coupling)
    if k == CRITICAL_COUPLING:
        l = np.arange(1, n)  # noqa: E741
        return math.exp(n * math.log(2 / math.pi) + float((l - n) @ np.log1p(-0.25 / l**2)))
    ratio = math.sinh(2 * k) ** 2
    index = np.arange(1 - n, n)
    return _toeplitz_determinant(_coefficients(ratio, index))


def row_correlation(distance: int, coupling: float | int = CRITICAL_COUPLING) -> float:
    r"""Correlation $\langle s_{0,0}\,s_{0,n}\rangle$ along an axis of the infinite lattice, a Toeplitz determinant.

    Args:
        distance: number of steps $n\ge0$.
        coupling: $K\ge0$; by default critical.

    Examples:
        >>> [round(row_correlation(n), 6) for n in (1, 2)]  # 1/sqrt(2) and 1 - 4/pi^2
        [0.707107, 0.594715]
    """
    n, k = _checked(distance, coupling)
    if n == 0:
        return 1.0
    z = math.tanh(k)
    alpha_1, ratio = z * (1 - z) / (1 + z), z * (1 + z) / (1 - z) if k != CRITICAL_COUPLING else 1.0
    reach = 30  # alpha_1 <= 3 - 2 sqrt 2, whose 30th power is below 1e-22
    near = np.arange(-reach, reach + 1)
    first = _series(alpha_1, -near)
    second = _coefficients(ratio, np.arange(1 - n - reach, n + reach))
    return _toeplitz_determinant(np.convolve(second, first, mode="valid"))


def _checked(distance: int, coupling: float | int) -> tuple[int, float]:
    k = single_coupling(coupling)
    if int(distance) != distance or distance < 0:
        raise ValueError(f"distance is {distance}; expected a whole number of lattice steps, at least 0.")
    if not 0 <= k <= 18:
        raise ValueError(
            f"coupling is {k}; expected K = βJ in [0, 18]: for K < 0 multiply by the sign of the sublattices, and "
            "above 18 every spin is aligned to rounding."
        )
    return int(distance), k


def _coefficients(ratio: float, index: Int[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    r"""Fourier coefficients of $f_\alpha$ for $\alpha$ = 1 / ratio on either side of 1."""
    return _series(1 / ratio, index) if ratio >= 1 else -_series(ratio, -index - 1)


def _series(alpha: float, index: Int[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    r"""Fourier coefficients of $f_\alpha$ for $0\le\alpha\le1$, contours wrapped round the cuts.

    $\frac{\alpha^j}\pi\int_0^1 t^{j-1/2}\sqrt{\frac{1-\alpha^2t}{1-t}}\,dt$ for $j\ge0$, and
    $-\frac{\alpha^j}\pi\int_0^1 t^{j-3/2}\sqrt{\frac{1-t}{1-\alpha^2t}}\,dt$ for $-j<0$.
    """
    t, rest, weight = double_exponential()
    root = np.sqrt((1 - alpha) * (1 + alpha) + alpha**2 * rest) / np.sqrt(rest)  # sqrt((1 - alpha^2 t) / (1 - t))
    j = np.abs(index)[:, None]
    powers = t ** (j - np.where(index >= 0, 0.5, 1.5)[:, None])
    integral = powers * np.where((index >= 0)[:, None], root, -1 / root) @ weight
    return alpha ** np.abs(index) * integral / math.pi


def _toeplitz_determinant(coefficients: Float[np.ndarray, " m"]) -> float:
    """Determinant of the n x n matrix a[i - j] from a[1 - n], ..., a[n - 1]; 1 for n = 0."""
    n = (len(coefficients) + 1) // 2
    if n == 0:
        return 1.0
    return float(np.linalg.det(toeplitz(coefficients[n - 1 :], coefficients[n - 1 :: -1])))
