r"""Random words from a counter: Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011).

A word depends on key and counter alone, not on what was drawn before. So no generator lies in memory, and the same
words result in any order of drawing: with any number of threads, on a GPU, or on the CPU in a test.
"""

from numba import uint32, uint64

from veridical.ising.kernels.compilation import inlined

ROUNDS = 10

_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85


@inlined
def philox(first, second, third, fourth, low, high):
    """Four random words of 32 bits.

    Args:
        first: lowest word of the counter; all six are uint32.
        second: of the counter.
        third: of the counter.
        fourth: highest word of the counter.
        low: word of the key.
        high: word of the key.
    """
    for _ in range(ROUNDS):
        a, b = uint64(first) * uint64(_MULTIPLIERS[0]), uint64(third) * uint64(_MULTIPLIERS[1])
        first = uint32(uint32(b >> uint64(32)) ^ second ^ low)
        third = uint32(uint32(a >> uint64(32)) ^ fourth ^ high)
        second, fourth = uint32(b), uint32(a)
        low, high = uint32(low + uint32(_WEYL[0])), uint32(high + uint32(_WEYL[1]))
    return first, second, third, fourth


@inlined
def two_words(first, others, key):
    """Two random words of 64 bits.

    Args:
        first: lowest word of the counter.
        others: the other three.
        key: its two words.
    """
    second, third, fourth = others
    a, b, c, d = philox(uint32(first), uint32(second), uint32(third), uint32(fourth), uint32(key[0]), uint32(key[1]))
    return uint64(a) | uint64(b) << uint64(32), uint64(c) | uint64(d) << uint64(32)
