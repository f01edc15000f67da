"""Enumeration of all configurations for up to 22 spins: the reference for all other results."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8, Int64

from veridical.ising.exact.lattice import Numbers, check_sides, lattice_shape

_MOST_SITES = 22
_BLOCK_BITS = 14


class Enumeration(NamedTuple):
    """Exact moments of a small lattice; sites are numbered along rows."""

    log_partition: float
    """Log partition function in nats."""
    mean_energy: float
    """Mean of the dimensionless energy H (couplings and fields included)."""
    energy_variance: float
    """Variance of the dimensionless energy."""
    magnetizations: Float[np.ndarray, " sites"]
    """Mean of each spin."""
    correlations: Float[np.ndarray, "sites sites"]
    """Mean of each product of two spins, not connected."""
    magnetization_distribution: Float[np.ndarray, " levels"]
    """Probabilities of the total magnetisation -N, -N + 2, ..., N."""


def enumerate_spins(sites: int) -> Int8[np.ndarray, "configurations sites"]:
    """List all configurations of ±1 spins; spin i of configuration b is -1 where bit i of b is set.

    Examples:
        >>> enumerate_spins(2).tolist()
        [[1, 1], [-1, 1], [1, -1], [-1, -1]]
    """
    if not 0 <= sites <= _MOST_SITES:
        raise ValueError(
            f"there are {sites} spins; enumeration is offered up to {_MOST_SITES}. Use the transfer matrix."
        )
    return _spins(0, 1 << sites, sites)


def enumerate_lattice(
    horizontal: Float[np.ndarray, "height across"], vertical: Float[np.ndarray, "down width"], field: Numbers = 0.0
) -> Enumeration:
    """Sum over all configurations of a lattice with any couplings and fields.

    Args:
        horizontal: couplings along rows, (height, width) where the lattice wraps across, else (height, width - 1).
        vertical: couplings along columns, (height, width) where the lattice wraps down, else (height - 1, width).
        field: dimensionless field βh, one number or (height, width).

    Returns:
        Log partition function, moments of the energy, correlations, law of the magnetisation.
    """
    shape = lattice_shape(horizontal.shape, vertical.shape)
    if shape.sites > _MOST_SITES:
        raise ValueError(
            f"the lattice has {shape.sites} spins; enumeration is offered up to {_MOST_SITES}. "
            "Use `transfer_log_partition`."
        )
    fields = np.broadcast_to(np.asarray(field, dtype=np.float64), (shape.height, shape.width))
    log_p = np.concatenate([_log_weights(s, horizontal, vertical, fields) for _, s in _blocks(shape.sites)])
    weight = np.exp(log_p - (top := log_p.max()))
    log_z = float(top + np.log(weight.sum()))
    p = weight / weight.sum()
    magnetizations, correlations = np.zeros(shape.sites), np.zeros((shape.sites, shape.sites))
    distribution = np.zeros(shape.sites + 1)
    for where, spins in _blocks(shape.sites):
        magnetizations += p[where] @ spins
        correlations += (p[where, None] * spins).T @ spins
        up = ((spins.sum(1) + shape.sites) / 2).astype(np.int64)
        distribution += np.bincount(up, p[where], shape.sites + 1)
    mean = float(p @ log_p)
    variance = float(p @ (log_p - mean) ** 2)
    return Enumeration(log_z, -mean, variance, magnetizations, correlations, distribution)


def enumerate_density_of_states(height: int, width: int) -> Int64[np.ndarray, " levels"]:
    """Count the configurations of the torus with each number 2k of unsatisfied bonds, k = 0, ..., N, one by one."""
    height, width = check_sides(height, width)
    sites = height * width
    if sites > _MOST_SITES:
        raise ValueError(
            f"the torus has {sites} spins; enumeration is offered up to {_MOST_SITES}. Use `density_of_states`."
        )
    state = np.arange(1 << sites, dtype=np.uint32)
    unsatisfied = np.zeros(1 << sites, dtype=np.uint32)
    for row in range(height):
        for column in range(width):
            spin = state >> (row * width + column)
            right = state >> (row * width + (column + 1) % width)
            below = state >> ((row + 1) % height * width + column)
            unsatisfied += ((spin ^ right) & 1) + ((spin ^ below) & 1)
    return np.bincount(unsatisfied, minlength=2 * sites + 1)[::2]


def _blocks(sites: int) -> Iterator[tuple[slice, Float[np.ndarray, "block sites"]]]:
    """Yield all configurations in blocks that fit the cache, with their place in the list."""
    block = 1 << min(sites, _BLOCK_BITS)
    for start in range(0, 1 << sites, block):
        yield slice(start, start + block), _spins(start, start + block, sites).astype(np.float64)


def _spins(start: int, stop: int, sites: int) -> Int8[np.ndarray, "configurations sites"]:
    bits = (np.arange(start, stop, dtype=np.int64)[:, None] >> np.arange(sites)) & 1
    return (1 - 2 * bits).astype(np.int8)


def _log_weights(
    spins: Float[np.ndarray, "configurations sites"],
    horizontal: Float[np.ndarray, "height across"],
    vertical: Float[np.ndarray, "down width"],
    field: Float[np.ndarray, "height width"],
) -> Float[np.ndarray, " configurations"]:
    s = spins.reshape(-1, *field.shape)
    right = (s * np.roll(s, -1, axis=2))[:, :, : horizontal.shape[1]]
    below = (s * np.roll(s, -1, axis=1))[:, : vertical.shape[0]]
    return np.tensordot(right, horizontal) + np.tensordot(below, vertical) + np.tensordot(s, field)
