r"""Single-spin updates of 64 lattices at once, with random words from a counter: what a GPU does at a site.

The rules are those of `veridical.ising.kernels.local`: Metropolis where four neighbours of one coupling decide and
there is no field, else the heat bath. Here both are one comparison of a uniform number $U$ per lattice with a threshold
that is the lattice's own: the probability of the class to which its neighbours belong. Digits of $U$ and threshold are
compared from the first on; a lattice in which they differ is decided (1 in the threshold: $U < p$), and no more digits
are drawn once all 64 are. After `DIGITS` digits a probability is exact to $2^{-64}$.

The random words of a site come from the counter (pair of digits, site, half sweep, group of 64 lattices).
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numba import int64, uint64

from veridical.ising.kernels.compilation import inlined
from veridical.ising.kernels.philox import two_words

DIGITS = 64
"""Binary digits to which a probability is exact."""

_SIGNS = 2**32 - 1  # first word of the counter where signs of whole lattices are drawn: no pair of digits has it


def thresholds(probabilities: Sequence[float]) -> tuple[np.int64, ...]:
    """Return the first `DIGITS` binary digits of each probability as a word, the first digit in the highest bit."""
    scaled = [min(round(Fraction(p) * 2**DIGITS), 2**DIGITS - 1) for p in probabilities]
    return tuple(np.array(scaled, np.uint64).view(np.int64))


@inlined
def places(height, half, colour, row, column):
    """Where a site, and its neighbours above, below, to the left and to the right, lie among the words of a lattice.

    Sites with even row + column lie first, row by row, then the others: `half` sites of each in every row, so that
    neighbours of one colour are words of the other.

    Args:
        height: rows, even in number.
        half: half of the columns, which are even in number.
        colour: parity of row + column.
        row: of the site.
        column: among the sites of its colour in its row.
    """
    here = colour * height * half
    other = height * half - here
    above = other + (row - 1 if row > 0 else height - 1) * half + column
    below = other + (row + 1 if row + 1 < height else 0) * half + column
    opposite = other + row * half
    if (row + colour) & 1:  # in an odd column the neighbour to the left has the same place in its row
        left, right = opposite + column, opposite + (column + 1 if column + 1 < half else 0)
    else:
        left, right = opposite + (column - 1 if column > 0 else half - 1), opposite + column
    return here + row * half + column, above, below, left, right


@inlined
def decide(yes, waiting, threshold, random):
    """Compare one more digit: the lattices decided for, and those still undecided.

    Args:
        yes: uint64, 1 in the lattices of which U < p is decided.
        waiting: uint64, 1 in the lattices that are undecided.
        threshold: uint64, the next digit of every lattice's p.
        random: uint64, the next digit of every lattice's U.
    """
    return yes | waiting & threshold & ~random, waiting & ~(random ^ threshold)


@inlined
def digit(threshold, place):
    """A digit of a threshold, counted from the first one left, as a word of zeros or ones."""
    return uint64(int64(threshold << place) >> 63)


@inlined
def metropolis_spin(spin, above, below, left, right, table, counter, key):
    """The word of a site after a Metropolis update.

    Args:
        spin: word of the site.
        above: word of a neighbour, as are the next three.
        below: of a neighbour.
        left: of a neighbour.
        right: of a neighbour.
        table: thresholds where one neighbour differs, and where none does.
        counter: site, half sweep, group.
        key: of the random words, two of them.
    """
    a, b, c, d = spin ^ above, spin ^ below, spin ^ left, spin ^ right
    two = a & b | c & d | (a | b) & (c | d)
    some = a | b | c | d
    one, none = some & ~two, ~some
    rare, rarer = table
    flips, waiting = two, ~two
    for pair in range(DIGITS // 2):
        first, second = two_words(pair, counter, key)
        flips, waiting = decide(flips, waiting, one & digit(rare, 0) | none & digit(rarer, 0), first)
        flips, waiting = decide(flips, waiting, one & digit(rare, 1) | none & digit(rarer, 1), second)
        rare, rarer = int64(rare << 2), int64(rarer << 2)
        if waiting == uint64(0):
            break
    return spin ^ flips


@inlined
def heat_bath_spin(above, below, left, right, table, counter, key):
    """The word of a site after a heat-bath update.

    Args:
        above: word of a neighbour, as are the next three.
        below: of a neighbour.
        left: of a neighbour.
        right: of a neighbour.
        table: nine thresholds, for 0, 1, 2 horizontal neighbours up (slow index) and 0, 1, 2 vertical ones.
        counter: site, half sweep, group.
        key: of the random words, two of them.
    """
    rows = ~(above | below), above ^ below, above & below
    columns = ~(left | right), left ^ right, left & right
    up, waiting = uint64(0), ~uint64(0)
    for pair in range(DIGITS // 2):
        first, second = two_words(pair, counter, key)
        up, waiting = decide(up, waiting, heat_bath_digit(rows, columns, table, 2 * pair), first)
        up, waiting = decide(up, waiting, heat_bath_digit(rows, columns, table, 2 * pair + 1), second)
        if waiting == uint64(0):
            break
    return up


@inlined
def heat_bath_digit(rows, columns, table, place):
    """One digit of every lattice's threshold; `rows` and `columns` mark 0, 1 and 2 neighbours up, down and across.

    Args:
        rows: three words that mark the lattices with 0, 1 and 2 of the neighbours above and below up.
        columns: three words that mark those with 0, 1 and 2 of the neighbours to the left and right up.
        table: nine thresholds (int64), as in `heat_bath_spin`.
        place: of the digit, from 0, the highest bit.
    """
    return (
        columns[0]
        & (rows[0] & digit(table[0], place) | rows[1] & digit(table[1], place) | rows[2] & digit(table[2], place))
        | columns[1]
        & (rows[0] & digit(table[3], place) | rows[1] & digit(table[4], place) | rows[2] & digit(table[5], place))
        | columns[2]
        & (rows[0] & digit(table[6], place) | rows[1] & digit(table[7], place) | rows[2] & digit(table[8], place))
    )


@inlined
def random_signs(group, age, key):
    """A random bit per lattice of a group, fresh for every age."""
    return two_words(_SIGNS, (0, 2 * age, group), key)[0]
