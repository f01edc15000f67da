"""What parallel tempering needs: sums over each of 512 lattices, and exchange of some of them with 512 others."""

from numba import uint64

from veridical.ising.kernels.compilation import inlined, kernel
from veridical.ising.kernels.lanes import any_set, load, spread, store

PLANES = 32
"""Binary digits of a count."""


@inlined
def _count(planes, start, bits):
    plane = start
    while any_set(bits):
        digit = load(planes, plane)
        store(planes, plane, digit ^ bits)
        bits = digit & bits
        plane += 1


@kernel
def tally(spins, height, width, planes):
    """Count up to three things in every lane: unequal pairs across, unequal pairs down, spins up.

    Args:
        spins: vectors of all sites.
        height: rows.
        width: columns.
        planes: 3 * PLANES vectors to be written, the digits of the counts from the lowest on.
    """
    for plane in range(planes.size // 8):
        store(planes, plane, spread(uint64(0)))
    for row in range(height):
        below = (row + 1 if row + 1 < height else 0) * width
        for column in range(width):
            spin = load(spins, row * width + column)
            neighbour = load(spins, row * width + (column + 1 if column + 1 < width else 0))
            _count(planes, 0, spin ^ neighbour)
            _count(planes, PLANES, spin ^ load(spins, below + column))
            _count(planes, 2 * PLANES, spin)


@kernel
def exchange(a, b, sites, chosen):
    """Exchange two lattices in the lanes chosen by one vector.

    Args:
        a: uint64 (8 · sites), spins, one bit per lane; changed in place.
        b: uint64 (8 · sites), other spins; changed in place.
        sites: number of sites.
        chosen: uint64 (8), 1 in the lanes to exchange.
    """
    mask = load(chosen, 0)
    for site in range(sites):
        difference = (load(a, site) ^ load(b, site)) & mask
        store(a, site, load(a, site) ^ difference)
        store(b, site, load(b, site) ^ difference)
