"""From lanes to configurations: 512 lattices site by site become 512 rows of packed bits.

A row holds one lattice in the order of `numpy.packbits`: row by row, the first site in the highest bit of the first
byte, padded with zero bits to whole 64-bit words.
"""

from numba import uint64

from veridical.ising.kernels.compilation import inlined, kernel
from veridical.ising.kernels.lanes import LANES, WORDS, load, shift_left, shift_right, spread, store
from veridical.ising.kernels.randomness import load_generators, random_bits, store_generators


@inlined
def _transpose(square):
    """Transpose eight squares of 64 x 64 bits that lie side by side in 64 vectors (Warren, Hacker's Delight, 7-3)."""
    width, mask = 32, uint64(0x00000000FFFFFFFF)
    while width:
        keep = spread(mask)
        for block in range(0, 64, 2 * width):
            for row in range(block, block + width):
                upper, lower = load(square, row), load(square, row + width)
                swapped = (shift_right(upper, width) ^ lower) & keep
                store(square, row, upper ^ shift_left(swapped, width))
                store(square, row + width, lower ^ swapped)
        width >>= 1
        mask ^= mask << uint64(width)


@kernel
def record(spins, sites, pattern, random_sign, state, square, out):
    """Write every lane as a row of packed bits.

    Args:
        spins: vectors of all sites.
        sites: number of sites.
        pattern: one word per site, all ones where its spin is to be turned over, else 0.
        random_sign: whether each lattice is turned over as a whole with probability one half.
        state: generators for that.
        square: working space of 64 vectors.
        out: (512, words) rows to be written.
    """
    first, second = load_generators(state)
    sign, first = random_bits(first)
    store_generators(state, first, second)
    if not random_sign:
        sign = spread(uint64(0))
    for group in range(out.shape[1]):
        for place in range(64):
            site = 64 * group + (place ^ 7)
            if site < sites:
                store(square, place, load(spins, site) ^ sign ^ spread(pattern[site]))
            else:
                store(square, place, spread(uint64(0)))
        _transpose(square)
        for lane in range(LANES):
            out[lane, group] = square[WORDS * (lane & 63) + (lane >> 6)]


@kernel
def unpack(packed, down, up, out):
    """Write packed bits as bytes, eight at a time.

    Args:
        packed: (rows, bytes), at least as many bytes as `out` has words.
        down: byte for a bit that is 0.
        up: byte for a bit that is 1.
        out: (rows, words) whose bytes are the spins.
    """
    every = uint64(0x0101010101010101)
    background, difference = every * uint64(down), uint64(down ^ up)
    for row in range(out.shape[0]):
        for place in range(out.shape[1]):
            chosen = every * uint64(packed[row, place]) & uint64(0x0102040810204080)
            bits = (chosen + uint64(0x7F7F7F7F7F7F7F7F)) >> uint64(7) & every
            out[row, place] = background ^ bits * difference
