"""Swendsen & Wang's cluster update of one lattice: for lattices so large that few of them are wanted.

The 512 lanes of a machine vector are 512 *sites* here: bonds and coins are drawn as packed bits, a site's bit at place
`site & 63` of word `site >> 6`. Clusters are found row by row with a forest of labels in which every label points to
a smaller one (Hoshen & Kopelman 1976); bonds across the edges are added last. With a field, a cluster that is bound to
the ghost spin keeps its spins.
"""

from numba import uint8, uint64

from veridical.ising.kernels.compilation import inlined, kernel
from veridical.ising.kernels.lanes import spread, store
from veridical.ising.kernels.randomness import events, load_generators, random_bits, store_generators


@kernel
def draw_bonds(table, state, right, down, coins, vectors):
    """Draw, for every site, whether its two bonds open if they are satisfied, and one coin."""
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
    """Draw, for every site, whether it binds to the ghost spin if it agrees with the field."""
    first, second = load_generators(state)
    zero = spread(uint64(0))
    for index in range(vectors):
        (ghost,), first, second = events(first, second, table, (zero,))
        store(ghosts, index, ghost)
    store_generators(state, first, second)


@inlined
def _bit(words, site):
    return uint8(words[site >> 6] >> uint64(site & 63) & uint64(1))


@inlined
def _root(labels, site):
    while labels[site] != site:
        labels[site] = labels[labels[site]]
        site = labels[site]
    return site


@inlined
def _unite(labels, a, b):
    a, b = _root(labels, a), _root(labels, b)
    if a < b:
        labels[b] = a
    else:
        labels[a] = b


@kernel
def find_clusters(spins, right, down, labels, height, width, horizontal_sign, vertical_sign):
    """Label every site with the smallest site of its cluster.

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
    for row in range(height):
        for column in range(width):
            site = row * width + column
            left, above = site - 1, site - width
            joins_left = column > 0 and _bit(right, left) and spins[left] ^ spins[site] == horizontal_sign
            joins_above = row > 0 and _bit(down, above) and spins[above] ^ spins[site] == vertical_sign
            if joins_left:
                labels[site] = labels[left]
                if joins_above and labels[above] != labels[left]:
                    _unite(labels, left, above)
            else:
                labels[site] = labels[above] if joins_above else site
    for row in range(height):
        first, last = row * width, row * width + width - 1
        if _bit(right, last) and spins[first] ^ spins[last] == horizontal_sign:
            _unite(labels, first, last)
    for first in range(width):
        last = (height - 1) * width + first
        if _bit(down, last) and spins[first] ^ spins[last] == vertical_sign:
            _unite(labels, first, last)
    for site in range(height * width):
        labels[site] = labels[labels[site]]


@kernel
def release(spins, labels, coins, ghosts, field_sign):
    """Take the coin from every cluster that is bound to the ghost: 1 of the spins agrees with the field's sign."""
    for site in range(spins.size):
        if spins[site] == field_sign and _bit(ghosts, site):
            root = labels[site]
            coins[root >> 6] &= ~(uint64(1) << uint64(root & 63))


@kernel
def flip_clusters(spins, labels, coins):
    """Flip every cluster whose coin, that of its smallest site, shows heads."""
    for site in range(spins.size):
        spins[site] ^= _bit(coins, labels[site])
