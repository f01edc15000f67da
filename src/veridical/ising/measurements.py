r"""Measurements of configurations for a check, once per configuration and independent of any law.

All are counts or means over the sites of one configuration, so that errors follow from the spread between
configurations, and the chain they came from from their order.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8, UInt64

from veridical.ising.files import Configurations


class Measured(NamedTuple):
    """Observables of n configurations of one torus, in the order of the file."""

    height: int
    width: int
    across: Int64[np.ndarray, " n"]
    """Sum of $ss'$ over the bonds to the right, of every site."""
    down: Int64[np.ndarray, " n"]
    """Sum of $ss'$ over the bonds downwards."""
    magnetization: Int64[np.ndarray, " n"]
    """Sum of all spins."""
    seam: Int64[np.ndarray, "n 4"]
    """Sums of $ss'$ between the last and the first column, the last and the first row, and the same where the first
    column (row) is shifted by one site, as helical boundaries have it."""
    up: Int64[np.ndarray, "n 5"]
    """On sites of which no two are neighbours: spins up, by the number of neighbours that are up."""
    total: Int64[np.ndarray, "n 5"]
    """On the same sites: all spins, by the number of neighbours that are up."""
    correlation: Float64[np.ndarray, "n displacements"]
    """Mean of $s_0s_r$ over the sites of a configuration, at `displacements`."""
    displacements: tuple[tuple[int, int], ...]
    """(rows, columns)."""
    fingerprint: UInt64[np.ndarray, " n"]
    """Equal for equal configurations; for different ones with a probability of $2^{-64}$."""

    @property
    def n(self) -> int:
        """Number of configurations."""
        return len(self.across)

    @property
    def sites(self) -> int:
        """Number of spins of one configuration."""
        return self.height * self.width

    @property
    def energy(self) -> Int64[np.ndarray, " n"]:
        """Energy of each configuration in units of J."""
        return -(self.across + self.down)


def measure(x: Configurations, threads: int = 2, progress: Callable[[int], None] | None = None) -> Measured:
    """Measure every configuration.

    Args:
        x: configurations.
        threads: that measure side by side.
        progress: called with the number measured so far.
    """
    displacements = choose_displacements(x.height, x.width)
    parts: list[tuple[np.ndarray, ...]] = []
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        blocks = x.blocks(1 << 21)
        while chunk := list(islice(blocks, threads)):
            parts += pool.map(lambda block: _measure(block, displacements), chunk)
            done += sum(len(block) for block in chunk)
            if progress is not None:
                progress(done)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Measured(x.height, x.width, *columns[:-1], displacements, columns[-1])  # pyright: ignore[reportCallIssue]


def choose_displacements(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return steps of 2, 4, 8, ... along both axes and 1, 2, 4, ... along the diagonal, to half the side.

    One step along an axis is left out: it is the energy.

    Examples:
        >>> choose_displacements(4, 8)
        ((0, 2), (0, 4), (2, 0), (1, 1), (2, 2))
    """
    across = [(0, r) for r in _powers(2, width // 2)]
    down = [(r, 0) for r in _powers(2, height // 2)]
    return (*across, *down, *((r, r) for r in _powers(1, min(height, width) // 2)))


def _powers(first: int, last: int) -> Iterator[int]:
    r = first
    while r <= last:
        yield r
        r *= 2


def _measure(x: Bool[np.ndarray, "rows height width"], displacements: tuple[tuple[int, int], ...]) -> tuple:
    sites = x.shape[1] * x.shape[2]
    right, below = np.roll(x, -1, 2), np.roll(x, -1, 1)
    across, down = (sites - 2 * _count(x ^ neighbour) for neighbour in (right, below))
    magnetization = 2 * _count(x) - sites
    correlation = [1 - 2 * _count(x ^ np.roll(x, (-dy, -dx), (1, 2))) / sites for dy, dx in displacements]
    return (
        across,
        down,
        magnetization,
        _seams(x),
        *_local(x, right, below),
        np.stack(correlation, axis=1) if correlation else np.empty((len(x), 0)),
        _fingerprints(x),
    )


def _count(x: Bool[np.ndarray, "rows ..."]) -> Int64[np.ndarray, " rows"]:
    """Number of True values in each row."""
    flat = np.ascontiguousarray(x).reshape(len(x), -1)
    if flat.shape[1] % 8 == 0:
        return np.bitwise_count(flat.view(np.uint64)).sum(axis=1, dtype=np.int64)
    return flat.sum(axis=1, dtype=np.int64)


def _seams(x: Bool[np.ndarray, "rows height width"]) -> Int64[np.ndarray, "rows 4"]:
    last_column, first_column, last_row, first_row = x[:, :, -1], x[:, :, 0], x[:, -1], x[:, 0]
    pairs = [
        (last_column, first_column),
        (last_row, first_row),
        (last_column, np.roll(first_column, -1, 1)),
        (last_row, np.roll(first_row, -1, 1)),
    ]
    return np.stack([a.shape[1] - 2 * (a ^ b).sum(axis=1, dtype=np.int64) for a, b in pairs], axis=1)


def _local(
    x: Bool[np.ndarray, "rows height width"],
    right: Bool[np.ndarray, "rows height width"],
    below: Bool[np.ndarray, "rows height width"],
) -> tuple[Int64[np.ndarray, "rows 5"], Int64[np.ndarray, "rows 5"]]:
    """Count spins by their neighbours, on sites that are not neighbours of each other."""
    neighbours = right.view(np.uint8) + below.view(np.uint8)
    neighbours += np.roll(x, 1, 2).view(np.uint8)
    neighbours += np.roll(x, 1, 1).view(np.uint8)
    chosen = independent_sites(*x.shape[1:])
    classes = np.where(chosen, neighbours, np.uint8(5))
    total = [_count(classes == k) for k in range(5)]
    up = [_count((classes == k) & x) for k in range(5)]
    return np.stack(up, axis=1), np.stack(total, axis=1)


def independent_sites(height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """Return sites of even row + column; the last row (column) of an odd height (width) is left out.

    No two of them are neighbours on the torus, so that given the other spins they are independent.
    """
    chosen = (np.arange(height)[:, None] + np.arange(width)) % 2 == 0
    if height % 2:
        chosen[-1] = False
    if width % 2:
        chosen[:, -1] = False
    return chosen


def _fingerprints(x: Bool[np.ndarray, "rows height width"]) -> UInt64[np.ndarray, " rows"]:
    rows: UInt8[np.ndarray, "rows bytes"] = np.packbits(x.reshape(len(x), -1), axis=1)
    digests = b"".join(blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, np.uint64)
