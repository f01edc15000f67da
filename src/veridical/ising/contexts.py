r"""A code for configurations that predicts each spin from the nearest spins written before it.

Spins are written in raster order; the context of a spin is made of the $k$ nearest ones that come before it. Contexts
of all sizes up to $k$ form a tree, in which context-tree weighting (Willems, Shtarkov & Tjalkens 1995) mixes the
predictions of every depth: a node stops with its own estimate (Krichevsky & Trofimov 1981: half a count added to each)
or leaves it to its children, with prior odds of one to one and the posterior that the counts give. A large context is
therefore used where it has been seen often enough, and never costs much where it has not.

The torus wraps, so in the first rows and columns part of a context has not been written yet. There the part that has
been, of the nearest eight, is the context.

References:
    Willems, Shtarkov & Tjalkens, The Context-Tree Weighting Method, IEEE Trans. Inf. Theory 41, 653 (1995).
    Krichevsky & Trofimov, The Performance of Universal Encoding, IEEE Trans. Inf. Theory 27, 199 (1981).
"""

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt32
from scipy import special

Lattices = Bool[np.ndarray, "n height width"]

LARGEST = 24
"""Spins of the largest context."""

_EDGE = 8  # pixels of the context that is used where a larger one does not exist yet
_CHUNK = 1 << 21


def causal_offsets(k: int) -> tuple[tuple[int, int], ...]:
    """Return the k nearest sites (rows, columns) that come earlier in raster order, nearest first.

    Examples:
        >>> causal_offsets(4)
        ((0, -1), (-1, 0), (-1, 1), (-1, -1))
    """
    reach = math.isqrt(2 * k) + 2
    half_plane = [(dy, dx) for dy in range(-reach, 1) for dx in range(-reach, reach + 1) if (dy, dx) < (0, 0)]
    return tuple(sorted(half_plane, key=lambda d: (d[0] ** 2 + d[1] ** 2, -d[0], -d[1]))[:k])


class ContextCode:
    """A code that predicts each spin from the nearest spins before it, learned by counting.

    Args:
        shape: height and width of the lattices.
        k: number of spins in a context, 1 to 24.

    Examples:
        >>> x = np.random.default_rng(0).random((200, 8, 8)) < 0.5
        >>> code = ContextCode((8, 8), 2).count(x[:100])
        >>> round(float(code.bits(x[100:]).mean()), 2)  # nothing to predict
        1.0
    """

    def __init__(self, shape: tuple[int, int], k: int) -> None:
        if not 1 <= k <= LARGEST:
            raise ValueError(f"k is {k}; expected 1 to {LARGEST} spins of context (a table of 2^k entries).")
        self.k, self.shape = k, shape
        pattern, self._written = _availability(shape, k)
        self._inside, self._pattern = pattern < 0, pattern[pattern >= 0].astype(np.uint32)
        self._bulk = np.zeros(2 << k, np.uint32)
        self._edge = np.zeros(len(self._written) << (_EDGE + 1), np.uint32)

    def count(self, x: Lattices) -> "ContextCode":
        """Learn from configurations; may be called again with more."""
        for part in self._parts(x):
            self.count_contexts(part, context_index(part, max(self.k, _EDGE)))
        return self

    def count_contexts(self, x: Lattices, context: UInt32[np.ndarray, "n height width"]) -> None:
        """Learn from configurations whose `context_index` of at least max(k, 8) spins is known."""
        bulk, edge = self._entries(x, context)
        np.add.at(self._bulk, bulk.ravel(), 1)
        np.add.at(self._edge, edge.ravel(), 1)

    def bits(self, x: Lattices) -> Float64[np.ndarray, " n"]:
        """Bits per spin this code needs for each configuration, its edges included."""
        return self._measure(x, bulk_only=False)

    def bulk_bits(self, x: Lattices) -> Float64[np.ndarray, " n"]:
        """Bits per spin of each configuration, on those sites whose whole context has been written before them."""
        if not self._inside.any():
            raise ValueError(f"no site of a {self.shape} lattice has {self.k} spins of context before it.")
        return self._measure(x, bulk_only=True)

    def lengths(self) -> tuple[Float32[np.ndarray, " bulk"], Float32[np.ndarray, " edge"]]:
        """Code lengths in bits by (context, spin), inside and at the edges."""
        edges = [weighted_lengths(part) for part in self._edge.reshape(-1, 2 << _EDGE)]
        return weighted_lengths(self._bulk), np.concatenate(edges or [np.empty(0, np.float32)])

    def measure_contexts(
        self,
        x: Lattices,
        context: UInt32[np.ndarray, "n height width"],
        lengths: tuple[Float32[np.ndarray, " bulk"], Float32[np.ndarray, " edge"]],
    ) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Return the bits of each configuration inside and at the edges, summed over sites."""
        bulk, edge = self._entries(x, context)
        return lengths[0][bulk].sum(1, dtype=float), lengths[1][edge].sum(1, dtype=float)

    def _measure(self, x: Lattices, bulk_only: bool) -> Float64[np.ndarray, " n"]:
        lengths, out = self.lengths(), []
        for part in self._parts(x):
            inside, edge = self.measure_contexts(part, context_index(part, max(self.k, _EDGE)), lengths)
            out.append(inside / self._inside.sum() if bulk_only else (inside + edge) / self._inside.size)
        return np.concatenate(out)

    def _parts(self, x: Lattices) -> Iterator[Lattices]:
        if x.shape[1:] != self.shape or not len(x):
            raise ValueError(f"x has shape {x.shape}; expected at least one lattice of {self.shape}.")
        yield from parts(x)

    def _entries(
        self, x: Lattices, context: UInt32[np.ndarray, "n height width"]
    ) -> tuple[UInt32[np.ndarray, "n inside"], UInt32[np.ndarray, "n outside"]]:
        """Return the positions of the spins of each configuration in the two tables."""
        mask = np.uint32((1 << self.k) - 1)
        bulk = (context[:, self._inside] & mask) << np.uint32(1) | x[:, self._inside]
        near = self._pattern << np.uint32(_EDGE) | context[:, ~self._inside] & self._written[self._pattern]
        return bulk, near << np.uint32(1) | x[:, ~self._inside]


def context_index(x: Lattices, k: int) -> UInt32[np.ndarray, "n height width"]:
    """Return the k nearest earlier spins of every site as a number, the nearest in its lowest bit; the torus wraps."""
    planes = np.zeros((*x.shape, 4), np.uint8)
    for bit, (dy, dx) in enumerate(causal_offsets(k)):
        planes[..., bit // 8] |= np.roll(x, (-dy, -dx), (1, 2)).view(np.uint8) << np.uint8(bit % 8)
    return planes.view("<u4")[..., 0].astype(np.uint32, copy=False)


def parts(x: Lattices) -> Iterator[Lattices]:
    """Yield configurations in order, a few million spins at a time."""
    step = max(1, _CHUNK // (x.shape[1] * x.shape[2]))
    for start in range(0, len(x), step):
        yield x[start : start + step]


def _availability(shape: tuple[int, int], k: int) -> tuple[Int64[np.ndarray, "h w"], UInt32[np.ndarray, " patterns"]]:
    """Return which part of its context is already written at each site.

    Returns:
        -1 where all k spins are, elsewhere the number of a pattern; the bits that each pattern finds.
    """
    height, width = shape
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    written = np.zeros((max(k, _EDGE), height, width), np.bool_)
    for bit, (dy, dx) in enumerate(causal_offsets(max(k, _EDGE))):
        written[bit] = (y + dy) % height * width + (x + dx) % width < y * width + x
    near = (written[:_EDGE].astype(np.uint32) << np.arange(_EDGE, dtype=np.uint32)[:, None, None]).sum(
        0, dtype=np.uint32
    )
    inside = written[:k].all(0)
    patterns, number = np.unique(near[~inside], return_inverse=True)
    place = np.full(shape, -1)
    place[~inside] = number
    return place, patterns


def weighted_lengths(counts: UInt32[np.ndarray, " m"]) -> Float32[np.ndarray, " m"]:
    r"""Return code lengths in bits from counts of (context, spin), by context-tree weighting.

    Args:
        counts: $2\cdot2^k$ counts, the spin in the lowest bit of their index, the nearest of the context next to it.

    Examples:
        >>> weighted_lengths(np.array([0, 0], np.uint32)).tolist()
        [1.0, 1.0]
    """
    levels = [counts.reshape(-1, 2)]  # from the largest context to none
    while len(levels[-1]) > 1:
        half = len(levels[-1]) // 2
        levels.append(levels[-1][:half] + levels[-1][half:])
    best, stop = _log_evidence(levels[0]), [np.ones(len(levels[0]), np.float32)]
    for level in levels[1:]:
        own, deeper = _log_evidence(level), best[: len(level)] + best[len(level) :]
        best = np.logaddexp(own, deeper) - math.log(2)
        stop.append(np.exp(own - best - math.log(2)).astype(np.float32))
    p, reach = np.zeros((1, 2), np.float32), np.ones(1, np.float32)
    while levels:
        level, weight = levels.pop(), stop.pop()
        if len(level) > 1:
            p, reach = np.concatenate([p, p]), np.concatenate([reach, reach])
        weight *= reach
        p[:, 0] += weight * _estimate(level, 0)
        p[:, 1] += weight * _estimate(level, 1)
        reach -= weight
    return -np.log2(p).ravel()


def _estimate(counts: UInt32[np.ndarray, "m 2"], spin: int) -> Float32[np.ndarray, " m"]:
    return (counts[:, spin] + np.float32(0.5)) / (counts.sum(1, dtype=np.float32) + np.float32(1))


def _log_evidence(counts: UInt32[np.ndarray, "m 2"]) -> Float64[np.ndarray, " m"]:
    """Log probability that Krichevsky and Trofimov give to all spins of each context together."""
    out, total = np.zeros(len(counts)), counts.sum(1, dtype=np.int64)
    seen = total > 0
    a = counts[seen]
    out[seen] = special.gammaln(a + 0.5).sum(1) - special.gammaln(total[seen] + 1) - math.log(math.pi)
    return out
