r"""Repeats: configurations that occur again, as they are or flipped, shifted, turned or mirrored.

Every coupling gives equal weight to all states of one energy. Given the energies $E_i$ of n independent configurations,
the expected number of equal pairs is therefore $\sum_E \binom{n_E}{2} / g(E)$ with the exact number of states $g(E)$,
at any coupling and for any mixture of couplings. The symmetries of the torus (flips of all spins, translations,
rotations of squares, reflections) map a state to at most $|G|$ states of equal energy: up to a symmetry $|G|$ times as
many pairs are expected. Energies at which repeats are common (near the ground state, or on small lattices) are left
out: beyond, a single pair is evidence, by Markov's inequality.

Configurations of one chain repeat the one before where it has not moved yet. Pairs within 20 autocorrelation times of
one chain are not counted; of neighbours in a chain two things are tested:

- Where those that differ do so in d spins or more (in nine of ten cases), at least d moves are usual between two
  records, and the Poisson probability of none is below $e^{-d}$.
- A chain does not stand still in time with the numbering of its file: repeats at every second (third, ...) place were
  written.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy import special

from veridical.ising import exact
from veridical.ising.comparisons import Comparison, Order, Solution
from veridical.ising.files import Configurations
from veridical.ising.measurements import Measured

_CHANCE = (1e-5, 1e-3, 1e-1)
"""Expected pairs among the energies that count: with one pair the p-value is below; tried in turn."""

_EXACT_SITES = 1024
_LIKELY = 1e-11  # probabilities below are rounding
_MOST_CHECKED = 20_000
_MOST_NEIGHBOURS = 2_000
_PERIODS = range(2, 9)
_FEWEST_REGULAR = 8
_APART = 20  # autocorrelation times


class _Found(NamedTuple):
    """Equal pairs, and the probability of as many."""

    pairs: int
    expected: float
    p_value: float
    copies: int
    """Configurations that repeat an earlier one, at the energies that count."""


def repeats(x: Configurations, m: Measured, law: Solution, order: Order) -> Comparison:
    """Test that no more configurations are equal, also up to a symmetry, than must be by chance.

    Args:
        x: configurations.
        m: their measurements.
        law: of which only the number of states of each energy is used.
        order: of the file.
    """
    states = log_states(m, law)
    energy = (m.energy + 2 * m.sites) // 4
    rows = _counted(energy, states, 0.0, _CHANCE[-1])
    plain = np.unique(m.fingerprint, return_inverse=True)[1].astype(np.int64)
    turned = symmetry_classes(x, m, rows)
    window = _window(m, order)
    found = [
        _distant(energy, states, plain, window, 0.0),
        _distant(energy, states, turned, window, math.log(symmetries(m.height, m.width))),
    ]
    tests = [found[0].p_value, found[1].p_value, *_neighbours(x, m, turned, rows, order)]
    return Comparison("copies", _words(m, *found), min(1.0, len(tests) * min(tests)), max(f.pairs for f in found))


def symmetries(height: int, width: int) -> int:
    """Return the number of symmetries of a torus: flip of all spins, translations, rotations and reflections."""
    return 2 * height * width * (8 if height == width else 4)


def log_states(m: Measured, law: Solution) -> Float64[np.ndarray, " levels"]:
    """Return the logarithm of the number of states at every energy -2N, -2N + 4, ...; -inf: none, or not known."""
    if m.sites <= _EXACT_SITES:
        return np.array([math.log(g) if g else -math.inf for g in exact.density_of_states(m.height, m.width)])
    energies = 4.0 * np.arange(m.sites + 1) - 2 * m.sites
    if law.probabilities is None:  # lattices this large never repeat; their states are counted by the entropy
        return np.full(m.sites + 1, m.sites * law.entropy_bits * math.log(2))
    known = law.probabilities > _LIKELY
    with np.errstate(divide="ignore"):
        logs = np.log(law.probabilities) + law.coupling * energies + law.log_partition
    return np.where(known, logs, -math.inf)


def symmetry_classes(x: Configurations, m: Measured, rows: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " n"]:
    """Number all configurations so that those of `rows` that are equal up to a symmetry have one number.

    Candidates have equal invariants (magnetisation up to its sign, correlations along the axes); each is compared with
    the first of its class at all translations at once.
    """
    classes = np.arange(m.n)
    if len(rows) < 2:
        return classes
    _, group = np.unique(_invariants(m)[rows], axis=0, return_inverse=True)
    by_group = np.argsort(group.ravel(), kind="stable")
    starts = np.flatnonzero(np.diff(group.ravel()[by_group], prepend=-1))
    checked = 0
    for members in np.split(rows[by_group], starts[1:]):
        first: list[tuple[int, Float64[np.ndarray, "height width"]]] = []
        for i in members if len(members) > 1 else ():
            if checked > _MOST_CHECKED:
                return classes
            spins = 2.0 * x.rows(int(i), int(i) + 1)[0] - 1
            checked += len(first)
            same = next((k for k, other in first if equal_by_symmetry(spins, other)), None)
            classes[i] = i if same is None else same
            first += [(int(i), spins)] if same is None else []
    return classes


def equal_by_symmetry(a: Float64[np.ndarray, "height width"], b: Float64[np.ndarray, "height width"]) -> bool:
    """Return whether spins (-1 and 1) are equal after a flip, translation, rotation or reflection.

    Examples:
        >>> a = np.array([[1.0, 1.0, -1.0], [1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
        >>> equal_by_symmetry(a, -np.roll(a.T, 1, 0)), equal_by_symmetry(a, np.abs(a))
        (True, False)
    """
    turned = [b, b[::-1], b[:, ::-1], b[::-1, ::-1]]
    turned += [t.T for t in turned] if b.shape[0] == b.shape[1] else []
    spectrum = np.conj(np.fft.rfft2(a))
    overlap = np.fft.irfft2(np.fft.rfft2(np.stack(turned)) * spectrum, a.shape)
    return bool(np.abs(overlap).max() > a.size - 0.5)


def _invariants(m: Measured) -> Int64[np.ndarray, "n invariants"]:
    """Return numbers that no symmetry changes."""
    sums = np.rint(m.correlation * m.sites).astype(np.int64)
    across = [i for i, (dy, _) in enumerate(m.displacements) if dy == 0]
    down = [i for i, (_, dx) in enumerate(m.displacements) if dx == 0]
    one = np.column_stack([m.across, sums[:, across]])
    two = np.column_stack([m.down, sums[:, down]])
    if m.height == m.width:  # a quarter turn exchanges the axes: the smaller comes first
        differ = one != two
        at = np.argmax(differ, axis=1)
        swap = (np.take_along_axis(one, at[:, None], 1) > np.take_along_axis(two, at[:, None], 1))[:, 0]
        one, two = np.where(swap[:, None], two, one), np.where(swap[:, None], one, two)
    return np.column_stack([np.abs(m.magnetization), one, two])


def _counted(
    energy: Int64[np.ndarray, " n"], states: Float64[np.ndarray, " levels"], log_group: float, chance: float
) -> Int64[np.ndarray, " rows"]:
    """Return the configurations at the energies with the most states, as long as few pairs are expected there.

    Args:
        energy: number of the level of each configuration.
        states: logarithm of the number of states of each level.
        log_group: logarithm of the number of symmetries.
        chance: most expected pairs.
    """
    levels, counts = np.unique(energy, return_counts=True)
    expected = counts * (counts - 1) / 2 * np.exp(np.minimum(0.0, log_group - states[levels]))
    expected[np.isneginf(states[levels])] = math.inf
    order = np.argsort(-states[levels], kind="stable")
    kept = levels[order[np.cumsum(expected[order]) <= chance]]
    return np.flatnonzero(np.isin(energy, kept))


def _distant(
    energy: Int64[np.ndarray, " n"],
    states: Float64[np.ndarray, " levels"],
    classes: Int64[np.ndarray, " n"],
    window: int,
    log_group: float,
) -> _Found:
    """Count equal pairs that are not close in a chain, and bound the probability of as many by Markov's inequality.

    Args:
        energy: number of the level of each configuration.
        states: logarithm of the number of states of each level.
        classes: numbers of the configurations, alike where they are equal.
        window: places within which pairs of a chain are not counted.
        log_group: logarithm of the number of symmetries.
    """
    found = []
    for chance in _CHANCE:
        rows = _counted(energy, states, log_group, chance)
        pairs = _pairs(classes[rows], rows, window)
        p = min(1.0, len(_CHANCE) * chance / pairs) if pairs else 1.0
        found.append(_Found(pairs, chance, p, len(rows) - len(np.unique(classes[rows]))))
    return min(found, key=lambda f: f.p_value)


def _window(m: Measured, order: Order) -> int:
    """Return how far apart in the file configurations of a chain are independent; 0 where all are."""
    tau = max(order.tau(m.energy), order.tau(m.magnetization.astype(float) ** 2))
    return 0 if tau <= 0.75 and order.stride == 1 else math.ceil(_APART * tau) * order.stride


def _pairs(classes: Int64[np.ndarray, " rows"], rows: Int64[np.ndarray, " rows"], window: int) -> int:
    """Count pairs of one class whose places differ by more than the window."""
    order = np.lexsort((rows, classes))
    classes, rows = classes[order], rows[order]
    ends = np.searchsorted(classes, classes, side="right")
    span = int(rows.max(initial=0)) + window + 2
    keys = np.unique(classes, return_inverse=True)[1] * span + rows
    near = np.searchsorted(keys, keys + window, side="right")
    return int((ends - np.minimum(near, ends)).sum())


def _neighbours(
    x: Configurations,
    m: Measured,
    classes: Int64[np.ndarray, " n"],
    rows: Int64[np.ndarray, " rows"],
    order: Order,
) -> tuple[float, float]:
    """Return the probabilities of so many repeats in a row, and of so regular ones."""
    counts = np.zeros(m.n, bool)
    counts[rows] = True
    first = np.flatnonzero(counts[: -order.stride] & counts[order.stride :])
    equal = classes[first] == classes[first + order.stride]
    k = int(equal.sum())
    if not k or equal.all():
        return 1.0, 1.0
    others = first[~equal]
    some = others[:: max(1, len(others) // _MOST_NEIGHBOURS)]
    moved = np.array([_distance(x, int(i), int(i) + order.stride) for i in some])
    still = min(1.0, len(first) / k * math.exp(-float(np.quantile(moved, 0.1))))
    return still, _regular(first // order.stride, equal)


def _distance(x: Configurations, i: int, j: int) -> int:
    """Return the number of spins that differ, or that agree if those are fewer."""
    differ = int((x.rows(i, i + 1) ^ x.rows(j, j + 1)).sum())
    return min(differ, x.sites - differ)


def _regular(places: Int64[np.ndarray, " pairs"], equal: Bool[np.ndarray, " pairs"]) -> float:
    """Return the probability that repeats prefer one remainder of their place modulo 2, 3, ..."""
    total, smallest, tried = int(equal.sum()), 1.0, 0
    if total < _FEWEST_REGULAR:
        return 1.0
    for period in _PERIODS:
        for remainder in range(period):
            here = places % period == remainder
            p = float(special.bdtrc(int((equal & here).sum()) - 1, total, float(here.mean()))) if here.any() else 1.0
            tried += 1
            smallest = min(smallest, p)
    return min(1.0, tried * smallest)


def _words(m: Measured, plain: _Found, turned: _Found) -> str:
    """Say how many are copies, and of what kind."""
    most = max(plain.copies, turned.copies)
    text = f"{most} of {m.n} configurations are copies of others"
    if turned.copies > plain.copies:
        text += f", {turned.copies - plain.copies} of them flipped, shifted, turned or mirrored"
    best = min(plain, turned, key=lambda found: found.p_value)
    return f"{text}; {best.pairs} pairs, {best.expected:.2g} expected at most"
