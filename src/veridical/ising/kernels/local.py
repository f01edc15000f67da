r"""Single-spin updates of 512 lattices at once.

Sites are visited one after the other, first those with even row + column, then the others. Nothing rests on the two
classes being independent (they are not where a side is odd): every visit sees the current neighbours, so every order
leaves the Boltzmann law alone; this one only gives the processor independent work.

The rules, with $K_h, K_v$ the couplings and $h$ the field:

- *Metropolis* (zero field, $K_h = K_v = K \ge 0$): a spin that differs from $k$ of its four neighbours flips with
  probability $\min(1, e^{-4K(2-k)})$. One number $U$ is compared with $e^{-4K}$ and $e^{-8K}$.
- *Heat bath*: a spin is drawn from its law given the neighbours, $P(\uparrow) = 1/(1 + e^{-2b})$ with
  $b = K_h(2n_h - 2) + K_v(2n_v - 2) + h$, where $n_h, n_v \in \{0, 1, 2\}$ neighbours are up. One $U$ is compared
  with the nine probabilities. Every transition of a whole sweep has positive probability, which Metropolis lacks: its
  sweeps can cycle for ever (diagonal stripes). Every `PERIOD`-th sweep is therefore one with the heat bath; all the
  others forget almost three times faster.
"""

from collections.abc import Sequence

import numpy as np
from numba import uint64

from veridical.ising.kernels.compilation import inlined, kernel
from veridical.ising.kernels.lanes import load, spread, store
from veridical.ising.kernels.randomness import events, load_generators, store_generators

PERIOD = 16
"""Sweeps from one with the heat bath to the next, where the others follow the Metropolis rule."""


def metropolis_probabilities(coupling: float) -> Sequence[float]:
    """Acceptance where one neighbour differs, and where none does."""
    return [np.exp(-4 * coupling), np.exp(-8 * coupling)]


def heat_bath_probabilities(horizontal: float, vertical: float, field: float) -> Sequence[float]:
    """P(up) for 0, 1, 2 horizontal neighbours up (slow index) and 0, 1, 2 vertical ones (fast index)."""
    up = np.arange(3)
    bias = horizontal * (2 * up[:, None] - 2) + vertical * (2 * up - 2) + field
    return list(1 / (1 + np.exp(-2 * bias.ravel())))


@inlined
def neighbours(spins, row, column, height, width):
    """Spins above, below, to the left and to the right on the torus.

    Args:
        spins: uint64 (8 · sites), one bit per lane, row by row.
        row: row of the site.
        column: column of the site.
        height: rows.
        width: columns.
    """
    above = (row - 1 if row > 0 else height - 1) * width
    below = (row + 1 if row + 1 < height else 0) * width
    left = column - 1 if column > 0 else width - 1
    right = column + 1 if column + 1 < width else 0
    here = row * width
    return (
        load(spins, above + column),
        load(spins, below + column),
        load(spins, here + left),
        load(spins, here + right),
    )


@kernel
def metropolis(spins, height, width, table, state):
    """Sweep once with the Metropolis rule.

    Args:
        spins: uint64 (8 · sites), one bit per lane; changed in place.
        height: rows.
        width: columns.
        table: thresholds of the two probabilities of `metropolis_probabilities`.
        state: generators; changed in place.
    """
    first, second = load_generators(state)
    zero = spread(uint64(0))
    for half in range(2):
        for row in range(height):
            for column in range((row + half) & 1, width, 2):
                (rare, rarer), first, second = events(first, second, table, (zero, zero))
                spin = load(spins, row * width + column)
                above, below, left, right = neighbours(spins, row, column, height, width)
                a, b, c, d = spin ^ above, spin ^ below, spin ^ left, spin ^ right
                two = a & b | c & d | (a | b) & (c | d)
                one = a | b | c | d
                store(spins, row * width + column, spin ^ (two | one & rare | rarer))
    store_generators(state, first, second)


@inlined
def heat_bath_spin(above, below, left, right, up):
    """The new spin: the event of the class to which the neighbours belong.

    Args:
        above: vector of a neighbour's spins.
        below: vector of another neighbour's spins.
        left: likewise.
        right: likewise.
        up: nine vectors, 1 where U is below the probabilities of `heat_bath_probabilities`, in their order.
    """
    both, one = left & right, left ^ right
    none = ~(left | right)
    two_rows = above & below
    one_row = above ^ below
    no_row = ~(above | below)
    return (
        none & (no_row & up[0] | one_row & up[1] | two_rows & up[2])
        | one & (no_row & up[3] | one_row & up[4] | two_rows & up[5])
        | both & (no_row & up[6] | one_row & up[7] | two_rows & up[8])
    )


@kernel
def heat_bath(spins, height, width, table, state):
    """Sweep once with the heat-bath rule.

    Args:
        spins: uint64 (8 · sites), one bit per lane; changed in place.
        height: rows.
        width: columns.
        table: thresholds of the nine probabilities of `heat_bath_probabilities`.
        state: generators; changed in place.
    """
    first, second = load_generators(state)
    zero = spread(uint64(0))
    nothing = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    for half in range(2):
        for row in range(height):
            for column in range((row + half) & 1, width, 2):
                up, first, second = events(first, second, table, nothing)
                above, below, left, right = neighbours(spins, row, column, height, width)
                store(spins, row * width + column, heat_bath_spin(above, below, left, right, up))
    store_generators(state, first, second)


@kernel
def local_sweeps(spins, height, width, metropolis_table, heat_bath_table, state, age, sweeps, use_metropolis):
    """Sweep with the Metropolis rule if it is allowed, except where the age of the chain is a multiple of PERIOD.

    Args:
        spins: uint64 (8 · sites), one bit per lane; changed in place.
        height: rows.
        width: columns.
        metropolis_table: thresholds of `metropolis_probabilities`.
        heat_bath_table: thresholds of `heat_bath_probabilities`.
        state: generators; changed in place.
        age: sweeps that the chains have done.
        sweeps: sweeps to do.
        use_metropolis: whether the Metropolis rule is allowed.
    """
    for sweep in range(age, age + sweeps):
        if use_metropolis and sweep % PERIOD:
            metropolis(spins, height, width, metropolis_table, state)
        else:
            heat_bath(spins, height, width, heat_bath_table, state)
