"""Heat-bath sweeps of three chains under the same random numbers, and the lanes in which two chains have met.

With couplings of no negative sign the heat bath is monotone: where one lattice has at least the up spins of another,
it still has them after both have used the same U. What starts all up and what starts all down therefore enclose every
other chain, and when they have met, all have (Propp & Wilson 1996).
"""

from numba import uint64

from veridical.ising.kernels.compilation import kernel
from veridical.ising.kernels.lanes import load, spread, store
from veridical.ising.kernels.local import heat_bath_spin, neighbours
from veridical.ising.kernels.randomness import events, load_generators, store_generators


@kernel
def coupled_heat_bath(top, middle, bottom, height, width, table, state, sweeps):
    """Sweep three lattices per lane with one U per site and lane.

    Args:
        top: uint64 (8 · sites), spins of the chain that started all up; changed in place.
        middle: uint64 (8 · sites), spins of a chain between the two; changed in place.
        bottom: uint64 (8 · sites), spins of the chain that started all down; changed in place.
        height: rows.
        width: columns.
        table: thresholds of the nine probabilities of `local.heat_bath_probabilities`.
        state: generators; changed in place.
        sweeps: sweeps to do.
    """
    first, second = load_generators(state)
    zero = spread(uint64(0))
    nothing = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    for half in range(2 * sweeps):
        for row in range(height):
            for column in range((row + half) & 1, width, 2):
                up, first, second = events(first, second, table, nothing)
                for spins in (top, middle, bottom):
                    above, below, left, right = neighbours(spins, row, column, height, width)
                    store(spins, row * width + column, heat_bath_spin(above, below, left, right, up))
    store_generators(state, first, second)


@kernel
def differences(a, b, sites, out):
    """Mark the lanes in which two lattices differ anywhere.

    Args:
        a: uint64 (8 · sites), spins, one bit per lane.
        b: uint64 (8 · sites), other spins.
        sites: number of sites.
        out: uint64 (8), to be written: 1 in the lanes that differ.
    """
    differ = spread(uint64(0))
    for site in range(sites):
        differ = differ | (load(a, site) ^ load(b, site))
    store(out, 0, differ)
