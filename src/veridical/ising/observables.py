r"""What is measured on configurations: energy, magnetization, cumulant, correlations.

Every function takes configurations (n, height, width) as sites 0 and 1 or as spins -1 and 1, of any number type, or as
rows of packed bits together with their `size`. The lattice is a torus on which every site owns a bond to the right and
one down.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64, Num, UInt8

from veridical.ising.output import unpack

Lattices = Num[np.ndarray, "n height width"] | Bool[np.ndarray, "n height width"] | UInt8[np.ndarray, "n bytes"]
Size = int | tuple[int, int]

_CHUNK = 1 << 22


def bond_sums(x: Lattices, size: Size | None = None) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    r"""Sums of $s_i s_j$ over the bonds across, and over those down.

    Args:
        x: configurations.
        size: side, or (height, width), if they are packed.

    Examples:
        >>> bond_sums(np.array([[[1, 0], [1, 0]]]))
        (array([-4]), array([4]))
    """
    across, down = [], []
    for bits in _chunks(x, size):
        sites = bits.shape[1] * bits.shape[2]
        across.append(sites - 2 * np.count_nonzero(bits ^ np.roll(bits, 1, 2), axis=(1, 2)))
        down.append(sites - 2 * np.count_nonzero(bits ^ np.roll(bits, 1, 1), axis=(1, 2)))
    return np.concatenate(across), np.concatenate(down)


def hamiltonian(x: Lattices, size: Size | None = None) -> Int64[np.ndarray, " n"]:
    r"""Energy $-\sum_{\langle ij\rangle} s_i s_j$ in units of $J$, of each configuration.

    Examples:
        >>> hamiltonian(np.ones((1, 3, 4)))
        array([-24])
    """
    across, down = bond_sums(x, size)
    return -(across + down)


def energy(
    x: Lattices, coupling: float | tuple[float, float], field: float = 0.0, size: Size | None = None
) -> Float64[np.ndarray, " n"]:
    r"""Minus the logarithm of the Boltzmann weight of each configuration, dimensionless.

    Args:
        x: configurations.
        coupling: $K$, or (horizontal, vertical).
        field: $h$, in units of kT.
        size: side, or (height, width), if they are packed.

    Returns:
        $-K_h\sum_{across} - K_v\sum_{down} - h\sum_i s_i$.
    """
    horizontal, vertical = coupling if isinstance(coupling, tuple) else (coupling, coupling)
    across, down = bond_sums(x, size)
    value = -horizontal * across - vertical * down
    return value - field * _totals(x, size) if field else value


def magnetization(x: Lattices, size: Size | None = None) -> Float64[np.ndarray, " n"]:
    """Mean spin of each configuration, from -1 to 1.

    Examples:
        >>> magnetization(np.array([[[1, 0], [1, 1]]]))
        array([0.5])
    """
    height, width = _shape(x, size)
    return _totals(x, size) / (height * width)


def binder_cumulant(x: Lattices, size: Size | None = None) -> float:
    r"""Fourth-order cumulant $U_4 = 1 - \langle m^4\rangle / 3\langle m^2\rangle^2$ (Binder 1981).

    It is 2/3 in the ordered phase, 0 in the disordered one, and 0.610692(2) on a large critical square torus (Salas &
    Sokal, J. Stat. Phys. 98, 551 (2000)).
    """
    m2 = magnetization(x, size) ** 2
    return float(1 - np.mean(m2**2) / (3 * np.mean(m2) ** 2))


def two_point(x: Lattices, size: Size | None = None) -> Float64[np.ndarray, "height width"]:
    r"""Mean of $s_0 s_r$ over all origins and configurations, at every displacement $r$ = (rows, columns).

    Examples:
        >>> two_point(np.array([[[1, 0], [1, 0]]]))
        array([[ 1., -1.],
               [ 1., -1.]])
    """
    height, width, n = *_shape(x, size), len(x)
    power = sum(np.sum(np.abs(np.fft.rfft2(2.0 * bits - 1)) ** 2, axis=0) for bits in _chunks(x, size))
    return np.fft.irfft2(power, (height, width)) / (n * height * width)


def structure_factor(x: Lattices, size: Size | None = None) -> Float64[np.ndarray, "height width"]:
    r"""Mean of $|\sum_j s_j e^{-ik\cdot j}|^2 / N$ at every wave vector $k$, in the order of `numpy.fft`.

    Examples:
        >>> structure_factor(np.array([[[1, 0], [1, 0]]]))
        array([[0., 4.],
               [0., 0.]])
    """
    return np.fft.fft2(two_point(x, size)).real


def second_moment_correlation_length(x: Lattices, size: Size | None = None) -> float:
    r"""Correlation length $\xi = \sqrt{S(0)/S(k) - 1} \big/ 2\sin(\pi/L)$ of a square lattice, in sites.

    $k = 2\pi/L$ along either axis; both are averaged. On a large critical torus $\xi/L$ is 0.9050488292(4) (Salas &
    Sokal, J. Stat. Phys. 98, 551 (2000)).

    Returns:
        The length; nan where the estimates have $S(0) < S(k)$, which happens far above the critical temperature.
    """
    height, width = _shape(x, size)
    if height != width:
        raise ValueError(f"the lattice is {height} x {width}; this length is defined here for square ones.")
    s = structure_factor(x, size)
    excess = s[0, 0] / ((s[0, 1] + s[1, 0]) / 2) - 1
    return float(np.sqrt(excess) / (2 * np.sin(np.pi / height))) if excess >= 0 else float("nan")


def _totals(x: Lattices, size: Size | None) -> Int64[np.ndarray, " n"]:
    sums = [2 * np.count_nonzero(bits, axis=(1, 2)) - bits[0].size for bits in _chunks(x, size)]
    return np.concatenate(sums)


def _shape(x: Lattices, size: Size | None) -> tuple[int, int]:
    if size is None and x.ndim != 3:
        raise ValueError(
            f"x has shape {x.shape}; expected (n, height, width), or packed rows together with their size."
        )
    if size is None:
        return x.shape[1], x.shape[2]
    return (size, size) if isinstance(size, int) else size


def _chunks(x: Lattices, size: Size | None) -> Iterator[UInt8[np.ndarray, "some height width"]]:
    """The configurations as sites 0 and 1, so many at a time that they stay small."""
    if len(x) == 0:
        raise ValueError("x holds no configurations.")
    height, width = _shape(x, size)
    rows = max(1, _CHUNK // (height * width))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        yield unpack(part, (height, width)) if size is not None else _bits(part)


def _bits(x: Lattices) -> UInt8[np.ndarray, "n height width"]:
    spins = x.min() < 0
    if not np.all((x == 1) | (x == (-1 if spins else 0))):
        raise ValueError(f"x has values from {x.min()} to {x.max()}; expected sites 0 and 1, or spins -1 and 1.")
    return (x > 0).astype(np.uint8) if spins else x.astype(np.uint8, copy=False)
