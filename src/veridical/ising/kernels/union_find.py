"""Swendsen & Wang's cluster update of one lattice: for lattices so large that few of them are wanted.

The 512 lanes of a machine vector are 512 *sites* here: bonds and coins are drawn as packed bits, a site's bit at place
`site & 63` of word `site >> 6`. Clusters are found row by row with a forest of labels in which every label points to
a smaller one (Hoshen & Kopelman 1976); bonds across the edges are added last. With a field, a cluster that is bound to
the ghost spin keeps its spins.
"""

from numba import uint8, uint32, uint64

from veridical.ising.kernels.compilation import inlined, kernel
from veridical.ising.kernels.lanes import spread, store
from veridical.ising.kernels.randomness import events, load_generators, random_bits, store_generators


@kernel
def draw_bonds(table, state, right, down, coins, vectors):
    """Draw, for every site, whether its two bonds open if they are satisfied, and one coin.

    Args:
        table: thresholds of the three probabilities of `cluster.bond_probabilities`.
        state: generators; changed in place.
        right: uint64 (8 · vectors), to be written: one bit per site, the bond to the right.
        down: uint64 (8 · vectors), to be written: one bit per site, the bond downwards.
        coins: uint64 (8 · vectors), to be written: one fair bit per site.
        vectors: vectors of 512 sites.
    """
    first, second = load_generators(state)
    zero = spread(uint64(0))
    for index in range(vectors):
        (both, horizontal, either), first, second = events(first, second, table, (zero, zero, zero))
        store(right, index, horizontal)
        store(down, index, both | either & ~horizontal)
        coin, first = random_bits(first)
        store(coins, index, coin)
    store_generators(state, first, second)


@kernel
def draw_ghosts(table, state, ghosts, vectors):
    """Draw, for every site, whether it binds to the ghost spin if it agrees with the field.

    Args:
        table: thresholds of the probability of `cluster.ghost_probability`.
        state: generators; changed in place.
        ghosts: uint64 (8 · vectors), to be written: one bit per site.
        vectors: vectors of 512 sites.
    """
    first, second = load_generators(state)
    zero = spread(uint64(0))
    for index in range(vectors):
        (ghost,), first, second = events(first, second, table, (zero,))
        store(ghosts, index, ghost)
    store_generators(state, first, second)


@inlined
def _bit(words, site):
    return words[site >> uint64(6)] >> (site & uint64(63)) & uint64(1)


@inlined
def _root(labels, site):
    while labels[site] != site:
        site = labels[site]
    return site


@inlined
def _unite(labels, a, b):
    root_a, root_b = _root(labels, a), _root(labels, b)
    least = min(root_a, root_b)
    labels[a] = labels[b] = labels[root_a] = labels[root_b] = least
    return least


@inlined
def _join_edges(spins, right, down, labels, height, width, horizontal_sign, vertical_sign):
    """Unite across the bonds that wrap around."""
    for first in range(uint64(0), height * width, width):
        last = first + width - uint64(1)
        if _bit(right, last) and spins[first] ^ spins[last] == horizontal_sign:
            _unite(labels, labels[first], labels[last])
    for first in range(width):
        last = (height - uint64(1)) * width + first
        if _bit(down, last) and spins[first] ^ spins[last] == vertical_sign:
            _unite(labels, labels[first], labels[last])


@kernel
def find_clusters(spins, right, down, labels, height, width, horizontal_sign, vertical_sign):
    """Label every site with the smallest site of its cluster.

    Half of all bonds are open at random, so branches on single bonds are mispredicted: labels are chosen by masks.
    Two clusters are united only where the square above and to the left is not closed already by its other bonds (three
    satisfied bonds of a square satisfy the fourth).

    Args:
        spins: 0 or 1 per site.
        right: packed bits of `draw_bonds`.
        down: likewise.
        labels: one number per site, to be written.
        height: rows.
        width: columns.
        horizontal_sign: 0 where a bond across is satisfied by equal spins, 1 by different ones.
        vertical_sign: the same for bonds down.
    """
    height, width = uint64(height), uint64(width)
    for row in range(height):
        joined_before = uint64(0)
        for column in range(width):
            site = row * width + column
            left, above = site - uint64(column > 0), site - (width if row > 0 else uint64(0))
            across = uint64(spins[left] ^ spins[site] == horizontal_sign) & uint64(column > 0) & _bit(right, left)
            joined = uint64(spins[above] ^ spins[site] == vertical_sign) & uint64(row > 0) & _bit(down, above)
            upper = labels[above] & -uint32(joined) | uint32(site) & ~-uint32(joined)
            labels[site] = labels[left] & -uint32(across) | upper & ~-uint32(across)
            closed = joined_before & _bit(right, above - uint64(column > 0))
            if across & joined & ~closed & uint64(upper != labels[left]):
                labels[site] = _unite(labels, labels[left], upper)
            joined_before = joined
    _join_edges(spins, right, down, labels, height, width, horizontal_sign, vertical_sign)
    for site in range(height * width):
        labels[site] = labels[labels[site]]


@kernel
def release(spins, labels, coins, ghosts, field_sign):
    """Take the coin from every cluster that is bound to the ghost: 1 of the spins agrees with the field's sign.

    Args:
        spins: uint8 (sites), 0 or 1.
        labels: uint32 (sites), the smallest site of every site's cluster.
        coins: uint64, one bit per site; changed in place at the smallest sites.
        ghosts: uint64, one bit per site, of `draw_ghosts`.
        field_sign: uint8, the spin that agrees with the field: 1 where it is positive.
    """
    for site in range(spins.size):
        if spins[site] == field_sign and _bit(ghosts, uint64(site)):
            root = uint64(labels[site])
            coins[root >> uint64(6)] &= ~(uint64(1) << (root & uint64(63)))


@kernel
def flip_clusters(spins, labels, coins):
    """Flip every cluster whose random bit, that of its smallest site, is 1."""
    for site in range(spins.size):
        spins[site] ^= uint8(_bit(coins, uint64(labels[site])))
