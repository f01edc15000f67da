r"""Random bits, and events of any probability in 512 lanes at once.

**Bits.** Two vectors of xoroshiro128++ generators (Blackman & Vigna 2021) take turns: sixteen independent 64-bit
streams per block of lanes, seeded through `numpy.random.SeedSequence`. A scalar one serves what is drawn rarely.

**Events.** One uniform number $U$ per lane is compared with any number of thresholds $p_1, p_2, \dots$ A chunk of
its binary digits is compared from the last to the first: where digit and threshold agree, the verdict of the digits
behind stands; where they differ, the threshold's digit is the verdict (1: $U < p$). A lane whose digits all agree is
undecided, and the next chunk decides it. After 14 digits that is one lane in 16384; after `DIGITS` the probability of
the event is $p$ rounded to 62 binary digits. Every lane has its own digits, and none is used twice.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from llvmlite import ir
from numba import types, uint64
from numpy.typing import NDArray

from veridical.ising.kernels.compilation import inlined, intrinsic
from veridical.ising.kernels.lanes import (
    WORDS,
    aligned,
    any_set,
    lanes,
    load,
    rotate_left,
    shift_left,
    splat,
    store,
)

FIRST_CHUNK = 14
"""Binary digits compared at once in all lanes; even, since two generators take turns."""

NEXT_CHUNK = 8
"""Further digits compared while any lane is undecided; even."""

DIGITS = FIRST_CHUNK + 6 * NEXT_CHUNK
"""Binary digits to which a probability is exact."""

_SCALAR = 4 * WORDS


def generators(seed: int, *key: int) -> NDArray[np.uint64]:
    """Fresh generators: independent of those of every other seed or key."""
    state = aligned(5)
    words = np.random.SeedSequence(seed, spawn_key=key).generate_state(_SCALAR + 2, np.uint64)
    state[: len(words)] = words
    return state


def thresholds(probabilities: Sequence[float]) -> NDArray[np.uint64]:
    """The table that `events` compares with: masks of the digits, chunk by chunk, from last to first in each."""
    scaled = [min(round(Fraction(p) * 2**DIGITS), 2**DIGITS - 1) for p in probabilities]
    ends = range(FIRST_CHUNK, DIGITS + 1, NEXT_CHUNK)
    sizes = [FIRST_CHUNK] + [NEXT_CHUNK] * (len(ends) - 1)
    places = [DIGITS - end + k for end, size in zip(ends, sizes, strict=True) for k in range(size)]
    return np.array([(2**64 - 1) * (p >> place & 1) for place in places for p in scaled], np.uint64)


@inlined
def load_generators(state):
    """The two vector generators, to be kept in registers."""
    return (load(state, 0), load(state, 1)), (load(state, 2), load(state, 3))


@inlined
def store_generators(state, first, second):
    """Put the vector generators back."""
    store(state, 0, first[0])
    store(state, 1, first[1])
    store(state, 2, second[0])
    store(state, 3, second[1])


@inlined
def random_bits(generator):
    """One fresh bit per lane, and the generator after it (xoroshiro128++)."""
    a, b = generator
    mixed = a ^ b
    return rotate_left(a + b, 17) + a, (rotate_left(a, 49) ^ mixed ^ shift_left(mixed, 21), rotate_left(mixed, 28))


@inlined
def random_word(state):
    """64 fresh bits from the scalar generator (xoroshiro128++)."""
    a, b = state[_SCALAR], state[_SCALAR + 1]
    total = a + b
    mixed = a ^ b
    state[_SCALAR] = (a << uint64(49) | a >> uint64(15)) ^ mixed ^ mixed << uint64(21)
    state[_SCALAR + 1] = mixed << uint64(28) | mixed >> uint64(36)
    return (total << uint64(17) | total >> uint64(47)) + a


@inlined
def random_site(state, sites):
    """A site drawn with 32 bits: uniform to one part in 2^32 / sites."""
    return (random_word(state) >> uint64(32)) * uint64(sites) >> uint64(32)


@inlined
def events(first, second, table, none):
    """Whether U is below each threshold of the table, in every lane, for one fresh U per lane.

    Args:
        first: a vector generator.
        second: another one.
        table: made by `thresholds`.
        none: a tuple of as many empty vectors as there are thresholds.

    Returns:
        One vector per threshold, and the generators after them.
    """
    below, decided, first, second = _chunk(first, second, table, 0, FIRST_CHUNK, none)
    start = FIRST_CHUNK
    while start < DIGITS and any_set(_undecided(decided)):
        more, settled, first, second = _chunk(first, second, table, start, NEXT_CHUNK, none)
        below, decided = _join(below, decided, more, settled)
        start += NEXT_CHUNK
    return below, first, second


@inlined
def _chunk(first, second, table, start, size, none):
    below, decided = none, none
    for position in range(start, start + size, 2):
        digit, first = random_bits(first)
        below, decided = _compare(digit, table, position, below, decided)
        digit, second = random_bits(second)
        below, decided = _compare(digit, table, position + 1, below, decided)
    return below, decided, first, second


@intrinsic
def _compare(typing_context, digit, table, position, below, decided):
    """One binary digit of U against the same digit of every threshold: here the later digits have already spoken."""
    count = len(below)

    def generate(context, builder, signature, args):
        digit, _, _, below, decided = args
        data = context.make_array(signature.args[1])(context, builder, args[1]).data
        position = context.cast(builder, args[2], signature.args[2], types.int64)
        row = builder.mul(position, ir.Constant(position.type, count))
        for t in range(count):
            word = builder.load(builder.gep(data, [builder.add(row, ir.Constant(row.type, t))]))
            threshold = splat(builder, word)
            differs = builder.xor(digit, threshold)
            verdict = builder.and_(differs, threshold)
            kept = builder.and_(builder.not_(differs), builder.extract_value(below, t))
            below = builder.insert_value(below, builder.or_(kept, verdict), t)
            decided = builder.insert_value(decided, builder.or_(differs, builder.extract_value(decided, t)), t)
        return context.make_tuple(builder, signature.return_type, [below, decided])

    return types.Tuple((below, decided))(digit, table, position, below, decided), generate


@intrinsic
def _join(typing_context, below, decided, more, settled):
    """The verdicts of a chunk and of the next one: the earlier digits go first."""

    def generate(context, builder, signature, args):
        below, decided, more, settled = args
        for t in range(len(signature.args[0])):
            open_ = builder.not_(builder.extract_value(decided, t))
            verdict = builder.and_(open_, builder.extract_value(more, t))
            below = builder.insert_value(below, builder.or_(builder.extract_value(below, t), verdict), t)
            both = builder.or_(builder.extract_value(decided, t), builder.extract_value(settled, t))
            decided = builder.insert_value(decided, both, t)
        return context.make_tuple(builder, signature.return_type, [below, decided])

    return types.Tuple((below, decided))(below, decided, more, settled), generate


@intrinsic
def _undecided(typing_context, decided):
    """Lanes that any of the thresholds still waits for."""

    def generate(context, builder, signature, args):
        total = builder.extract_value(args[0], 0)
        for t in range(1, len(decided)):
            total = builder.and_(total, builder.extract_value(args[0], t))
        return builder.not_(total)

    return lanes(decided), generate
