"""Cluster updates of 512 lattices at once.

Given the spins, every bond whose spins agree is opened with probability $p = 1 - e^{-2K}$ (Fortuin & Kasteleyn 1972,
Edwards & Sokal 1988). Given the open bonds, all colourings that are constant on each cluster are equally likely, so
any set of clusters may be flipped that is chosen without looking at the spins. Swendsen & Wang (1987) flip each one
with probability one half, Wolff (1989) flips the one that holds a random site. Here `seeds` sites are drawn in every
lane, with replacement, and every cluster that holds at least one of them is flipped: one seed is Wolff's algorithm;
four decorrelate better at less cost.

The sites of those clusters are found by flooding: marks run along open bonds, 512 lattices abreast, through a row to
the right and to the left, and from row to row down and up, until nothing changes.

A bond of negative coupling opens where its spins differ. A field $h$ acts as bonds from every spin to a fixed ghost
spin: a lane in which the marked cluster is bound to the ghost keeps its spins (one seed only, then).
"""

from collections.abc import Sequence

import numpy as np
from numba import int64, uint64

from veridical.ising.kernels.compilation import inlined, kernel
from veridical.ising.kernels.lanes import LANES, WORDS, any_set, load, spread, store
from veridical.ising.kernels.local import local_sweeps
from veridical.ising.kernels.randomness import events, load_generators, random_site, store_generators


def bond_probabilities(horizontal: float, vertical: float) -> Sequence[float]:
    r"""Thresholds with which one U opens both bonds of a site independently: the right one where $U < p_h$.

    The lower one is open where $U < p_h p_v$ or $p_h \le U < p_h + (1 - p_h) p_v$.
    """
    p, q = 1 - np.exp(-2 * abs(horizontal)), 1 - np.exp(-2 * abs(vertical))
    return [p * q, p, p + (1 - p) * q]


def ghost_probability(field: float) -> Sequence[float]:
    """Probability of a bond to the ghost spin, where the spin agrees with the field."""
    return [1 - np.exp(-2 * abs(field))]


@kernel
def open_bonds(spins, right, down, height, width, table, state, horizontal_sign, vertical_sign):
    """Open bonds to the right and downwards; a sign is 0 where the coupling is positive and all ones elsewhere.

    Args:
        spins: uint64 (8 · sites), one bit per lane, row by row.
        right: uint64 (8 · sites), to be written: 1 where the bond to the right is open.
        down: uint64 (8 · sites), to be written: the same for the bond downwards.
        height: rows.
        width: columns.
        table: thresholds of the three probabilities of `bond_probabilities`.
        state: generators; changed in place.
        horizontal_sign: uint64, 0 where the horizontal coupling is positive, all ones where it is negative.
        vertical_sign: the same for the vertical coupling.
    """
    first, second = load_generators(state)
    zero = spread(uint64(0))
    differ_right, differ_down = ~spread(horizontal_sign), ~spread(vertical_sign)
    for row in range(height):
        below = (row + 1 if row + 1 < height else 0) * width
        for column in range(width):
            site = row * width + column
            neighbour = row * width + (column + 1 if column + 1 < width else 0)
            (both, horizontal, either), first, second = events(first, second, table, (zero, zero, zero))
            spin = load(spins, site)
            store(right, site, horizontal & (spin ^ load(spins, neighbour) ^ differ_right))
            store(down, site, (both | either & ~horizontal) & (spin ^ load(spins, below + column) ^ differ_down))
    store_generators(state, first, second)


@kernel
def sow(marks, sites, seeds, state):
    """Clear all marks, then set `seeds` of them in every lane.

    Args:
        marks: uint64 (8 · sites), to be written.
        sites: number of sites.
        seeds: sites drawn in every lane, with replacement.
        state: generators; changed in place.
    """
    for word in range(WORDS * sites):
        marks[word] = 0
    for lane in range(LANES):
        for _ in range(seeds):
            word = WORDS * int64(random_site(state, sites)) + (lane >> 6)
            marks[word] |= uint64(1) << uint64(lane & 63)


@inlined
def _to_the_left(marks, right, start, width):
    mark = load(marks, start)
    for site in range(start + width - 1, start - 1, -1):
        mark = load(marks, site) | mark & load(right, site)
        store(marks, site, mark)


@inlined
def _round_the_ring(marks, right, start, width):
    """Let marks pass the bond between the last and the first site, in a row that is closed otherwise."""
    last = start + width - 1
    across, head, tail = load(right, last), load(marks, start), load(marks, last)
    site, fresh = start, tail & across & ~head
    while any_set(fresh):
        store(marks, site, load(marks, site) | fresh)
        bond = load(right, site)
        site = site + 1 if site < last else start
        fresh = fresh & bond & ~load(marks, site)
    site, fresh = last, head & across & ~tail
    while any_set(fresh):
        store(marks, site, load(marks, site) | fresh)
        site = site - 1 if site > start else last
        fresh = fresh & load(right, site) & ~load(marks, site)


@inlined
def _receive(right, down, marks, start, width, to_marks, to_bonds):
    """Take the marks of the row above or below and let them run through this row; whether any was new.

    `to_marks` leads from a site to its neighbour in the other row, `to_bonds` to the site that keeps their bond.
    """
    changed = spread(uint64(0))
    mark, bond = load(marks, start + width - 1), load(right, start + width - 1)
    for site in range(start, start + width):
        old = load(marks, site)
        mark = old | load(marks, site + to_marks) & load(down, site + to_bonds) | mark & bond
        changed = changed | (mark ^ old)
        store(marks, site, mark)
        bond = load(right, site)
    if not any_set(changed):
        return False
    _to_the_left(marks, right, start, width)
    _round_the_ring(marks, right, start, width)
    return True


@kernel
def flood(right, down, marks, height, width, news):
    """Spread the marks to the whole of their clusters, in passes downwards and upwards.

    A row is visited if it has news: 1 from the row above, 2 from the row below, 3 from both.

    Args:
        right: uint64 (8 · sites), open bonds to the right, one bit per lane.
        down: uint64 (8 · sites), open bonds downwards.
        marks: uint64 (8 · sites), marked sites; changed in place.
        height: rows.
        width: columns.
        news: uint8 (height), memory to work in.
    """
    for row in range(height):
        _to_the_left(marks, right, row * width, width)
        _round_the_ring(marks, right, row * width, width)
        news[row] = 3
    downwards, busy = True, True
    while busy:
        busy = False
        for step in range(height):
            row = step if downwards else height - 1 - step
            if news[row]:
                above = row - 1 if row > 0 else height - 1
                below = row + 1 if row + 1 < height else 0
                start, up, under = row * width, (above - row) * width, (below - row) * width
                from_above = news[row] & 1 and _receive(right, down, marks, start, width, up, up)
                from_below = news[row] & 2 and _receive(right, down, marks, start, width, under, 0)
                news[row] = 0
                if from_above or from_below:
                    news[above] |= 2
                    news[below] |= 1
                    busy = True
        downwards = not downwards


@kernel
def flip(spins, marks, sites):
    """Flip the marked spins."""
    for site in range(sites):
        store(spins, site, load(spins, site) ^ load(marks, site))


@kernel
def flip_unless_bound(spins, marks, sites, table, state, field_sign):
    """Flip the marked spins of those lanes in which no marked spin is bound to the ghost.

    A field's sign is 0 where it is positive and all ones where it is negative.

    Args:
        spins: uint64 (8 · sites), one bit per lane; changed in place.
        marks: uint64 (8 · sites), sites of the cluster.
        sites: number of sites.
        table: thresholds of the probability of `ghost_probability`.
        state: generators; changed in place.
        field_sign: uint64, 0 where the field is positive, all ones where it is negative.
    """
    first, second = load_generators(state)
    zero = spread(uint64(0))
    against = spread(field_sign)
    bound = zero
    for site in range(sites):
        (ghost,), first, second = events(first, second, table, (zero,))
        bound = bound | ghost & load(marks, site) & (load(spins, site) ^ against)
    for site in range(sites):
        store(spins, site, load(spins, site) ^ load(marks, site) & ~bound)
    store_generators(state, first, second)


@kernel
def cluster_steps(lattice, tables, state, shape, signs, choices):
    """Alternate local sweeps and cluster updates.

    Args:
        lattice: spins, right bonds, down bonds, marks (vectors per site) and news (bytes per row).
        tables: thresholds of Metropolis, heat bath, bonds and ghost.
        state: generators.
        shape: height and width.
        signs: of the horizontal coupling, the vertical coupling and the field; all ones where negative.
        choices: age of the chain in sweeps, steps, local sweeps in each, seeds, whether Metropolis is allowed, whether
            there is a field.
    """
    spins, right, down, marks, news = lattice
    metropolis_table, heat_bath_table, bond_table, ghost_table = tables
    height, width = shape
    age, steps, sweeps, seeds, use_metropolis, in_field = choices
    for step in range(steps):
        now = age + step * sweeps
        local_sweeps(spins, height, width, metropolis_table, heat_bath_table, state, now, sweeps, use_metropolis)
        open_bonds(spins, right, down, height, width, bond_table, state, signs[0], signs[1])
        sow(marks, height * width, seeds, state)
        flood(right, down, marks, height, width, news)
        if in_field:
            flip_unless_bound(spins, marks, height * width, ghost_table, state, signs[2])
        else:
            flip(spins, marks, height * width)
