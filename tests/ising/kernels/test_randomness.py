"""Random bits and events against big-integer arithmetic."""

import numpy as np
from scipy import stats

from veridical.ising.kernels import randomness
from veridical.ising.kernels.compilation import kernel
from veridical.ising.kernels.lanes import LANES, aligned, spread, store


def bits(vectors: np.ndarray) -> np.ndarray:
    """(vectors, lanes) of booleans."""
    return np.unpackbits(vectors.view(np.uint8), bitorder="little").reshape(-1, LANES).astype(bool)


@kernel
def draw_events(table, state, out, draws):
    first, second = randomness.load_generators(state)
    zero = spread(np.uint64(0))
    for draw in range(draws):
        (a, b, c), first, second = randomness.events(first, second, table, (zero, zero, zero))
        store(out, 3 * draw, a)
        store(out, 3 * draw + 1, b)
        store(out, 3 * draw + 2, c)
    randomness.store_generators(state, first, second)


class Xoroshiro:
    """xoroshiro128++ on eight words, written down once more."""

    def __init__(self, a: np.ndarray, b: np.ndarray) -> None:
        self.a, self.b = a.copy(), b.copy()

    def bits(self) -> np.ndarray:
        def rotate(x: np.ndarray, k: int) -> np.ndarray:
            return x << np.uint64(k) | x >> np.uint64(64 - k)

        out = rotate(self.a + self.b, 17) + self.a
        self.b ^= self.a
        self.a = rotate(self.a, 49) ^ self.b ^ self.b << np.uint64(21)
        self.b = rotate(self.b, 28)
        return np.unpackbits(out.view(np.uint8), bitorder="little").astype(object)


def test_events_compare_one_uniform_number_with_every_threshold():
    probabilities = [0.171572875253809902, 1 / 3, 0.9999]
    state, draws = randomness.generators(0, 0), 300
    turns = [Xoroshiro(state[0:8], state[8:16]), Xoroshiro(state[16:24], state[24:32])]
    out = aligned(3 * draws)
    draw_events(randomness.thresholds(probabilities), state, out, draws)
    scaled = [round(p * 2**randomness.DIGITS) for p in probabilities]
    longer = 0
    for observed in bits(out).reshape(draws, 3, LANES):
        u, known = np.zeros(LANES, object), 0
        while known == 0 or (
            known < randomness.DIGITS and any((u == p >> randomness.DIGITS - known).any() for p in scaled)
        ):
            size = randomness.NEXT_CHUNK if known else randomness.FIRST_CHUNK
            chunk = sum(turns[k % 2].bits() * 2**k for k in range(size))
            u, known = u * 2**size + chunk, known + size
        longer += known > randomness.FIRST_CHUNK
        for p, event in zip(scaled, observed, strict=True):
            assert np.array_equal(event, u < p >> randomness.DIGITS - known)
    assert longer > 5  # the rare branch was taken


def test_probabilities_are_exact_to_a_part_in_a_trillion():
    for p in (0.0, 1e-9, 3 - 2 * 2**0.5, 0.5, 2 - 2**0.5, 1 - 1e-9, 1.0):
        table = randomness.thresholds([p]) != 0
        chunks = np.split(table, range(randomness.FIRST_CHUNK, randomness.DIGITS, randomness.NEXT_CHUNK))
        digits = np.concatenate([chunk[::-1] for chunk in chunks])
        assert abs(sum(2.0 ** -(k + 1) for k in np.flatnonzero(digits)) - p) < 1e-12


def test_every_lane_has_random_bits_of_its_own():
    out = aligned(3 * 4000)
    draw_events(randomness.thresholds([0.5, 0.5, 0.5]), randomness.generators(1, 0), out, 4000)
    half = bits(out)[::3].astype(np.float64) * 2 - 1
    correlation = half.T @ half / 4000
    np.fill_diagonal(correlation, 0)
    pairs = LANES * (LANES - 1) / 2
    assert np.abs(correlation).max() < stats.norm.isf(1e-6 / pairs / 2) / np.sqrt(4000)  # false alarm 1e-6


def test_seeds_and_blocks_have_streams_of_their_own():
    words = np.concatenate([randomness.generators(seed, block)[:34] for seed in range(4) for block in range(4)])
    assert len(np.unique(words)) == len(words)
