r"""Tests of measured configurations against the exact law of their torus, one number with a p-value each.

Errors are those of correlated configurations: with $\tau$ the integrated autocorrelation time of an observable in the
order of the file, n configurations count as $n/2\tau$ (`veridical.statistics.autocorrelation_time`). Files that were
written by many chains in turn, one configuration of each, are recognised by a peak of the autocorrelation far away.

| test | null hypothesis | error from |
|---|---|---|
| energy | $\langle E\rangle$ | the exact variance |
| energy distribution | $P(E)$, from the density of states; $\chi^2$ of configurations $2\tau$ apart | the law itself |
| magnetization | $\langle m^2\rangle$ | the spread |
| both signs | $\langle m\rangle = 0$ | the exact $\langle m^2\rangle$ |
| correlation | $\langle s_0s_r\rangle$ along both axes and the diagonal, jointly (Hotelling's $T^2$) | batch means |
| directions | bonds across against bonds down | the spread |
| boundaries | bonds between last and first row or column, against all others | the spread |
| local law | $P(s \mid \text{neighbours}) = 1/(1+e^{-2K\sum s'})$ on sites that are not neighbours | the law itself |
| entropy from above | a code learned on one half needs at least the entropy on the other (one-sided) | the spread |
| one coupling | the energy varies no more than at one coupling (one-sided) | the exact fourth moment |
| entropy from below | a spin given its neighbours holds at most the entropy per spin (one-sided) | the spread |

Two more have pages of their own: "copies" (`veridical.ising.repeats`) and "one set" (`veridical.ising.sets`).

"Boundaries" and, on squares, "directions" hold at any coupling. "Local law" needs no solution of the model, only that
its weights are Boltzmann's.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Num
from scipy import special

from veridical.ising import exact
from veridical.ising.contexts import ContextCode
from veridical.ising.files import Configurations
from veridical.ising.measurements import Measured
from veridical.statistics import autocorrelation_time, chi_square_test

MOST_SITES = 1 << 16
"""Largest lattice whose energy distribution and two-point function are computed: seconds on one core."""

_CODE_SPINS = 1 << 23
_FEWEST_FOR_VARIANCE = 100


@dataclass(frozen=True)
class Comparison:
    """One test."""

    name: str
    says: str
    """What was found, in a few words."""
    p_value: float
    """Probability of something as far off, if the configurations follow the law."""
    measured: float | None = None
    exact: float | None = None
    error: float | None = None
    """Standard error of `measured`, autocorrelation included."""
    corrected: float = 1.0
    """The p-value, corrected for the number of tests (Holm 1979)."""


class Solution(NamedTuple):
    """What is known exactly of a torus at one coupling."""

    height: int
    width: int
    coupling: float
    log_partition: float
    energy: float
    """Mean energy of the lattice in units of J."""
    energy_variance: float
    across: float
    """Mean of $ss'$ over the bonds across."""
    down: float
    entropy_bits: float
    """Entropy per spin."""
    probabilities: Float64[np.ndarray, " levels"] | None
    """Distribution of the energy; None where it would take too long."""
    magnetization_squared: float | None
    correlation: Float64[np.ndarray, "height width"] | None

    @property
    def sites(self) -> int:
        """Number of spins."""
        return self.height * self.width


def is_solvable(height: int, width: int) -> bool:
    """Return whether energy distribution and two-point function of a torus are computed; long strips cost more."""
    largest = math.isqrt(MOST_SITES)
    return height * width <= MOST_SITES and exact.torus_work(height, width) <= exact.torus_work(largest, largest)


@functools.lru_cache(maxsize=4)
def solve(height: int, width: int, coupling: float) -> Solution:
    """Compute what is known exactly of a torus: seconds on large ones, so that the last few are kept.

    Raises:
        ValueError: a negative coupling along an odd side, where the torus is frustrated.
    """
    sites = height * width
    across, down = (float(c) for c in exact.bond_correlations(height, width, coupling))
    heat = float(exact.specific_heat(height, width, coupling))
    small = is_solvable(height, width)
    two_point = exact.torus_correlation(height, width, coupling) if small else None
    return Solution(
        height,
        width,
        coupling,
        float(exact.log_partition(height, width, coupling)),
        energy=-sites * (across + down),
        energy_variance=sites * heat / coupling**2 if coupling else 2.0 * sites,
        across=across,
        down=down,
        entropy_bits=float(exact.entropy_per_site(height, width, coupling)) / math.log(2),
        probabilities=exact.energy_distribution(height, width, coupling).probabilities if small else None,
        magnetization_squared=None if two_point is None else float(two_point.mean()),
        correlation=two_point,
    )


@dataclass(frozen=True)
class Order:
    """How the configurations of a file follow each other."""

    stride: int
    """Chains that were written in turn; 1 where neighbours in the file are neighbours in a chain, or independent."""

    def tau(self, x: Num[np.ndarray, " n"]) -> float:
        """Autocorrelation time of an observable, in configurations of one chain; at most half of their number."""
        length = len(x) // self.stride
        if length < 2:  # no chain comes back within these
            return 0.5
        chains = np.asarray(x[: length * self.stride], np.float64).reshape(length, self.stride).T
        return min(autocorrelation_time(chains), len(x) / 2)

    def effective(self, x: Num[np.ndarray, " n"]) -> float:
        """Number of independent configurations that would carry as much information about the mean of an observable."""
        return len(x) / (2 * self.tau(x))

    def thin(self, x: Num[np.ndarray, " n"]) -> Num[np.ndarray, " m"]:
        r"""Return observations of each chain that are $2\tau$ apart; all where that is below 3/2."""
        step = round(2 * self.tau(x))
        return x[np.arange(len(x)) // self.stride % step == 0] if step > 1 else x

    def batches(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "batches d"]:
        r"""Return means over $20\tau$ successive observations of a chain, or over all where it is shorter."""
        tau = max(self.tau(column) for column in x.T)
        length = len(x) // self.stride
        if tau < 0.75 or length < 2:
            return x
        size = min(length, math.ceil(20 * tau))
        kept = x[: length // size * size * self.stride]
        return kept.reshape(-1, size, self.stride, x.shape[1]).mean(1).reshape(-1, x.shape[1])


def find_order(energy: Int64[np.ndarray, " n"]) -> Order:
    """Recognise chains that were written in turn, by the first significant peak of the autocorrelation beyond 1."""
    n = len(energy)
    x = energy - energy.mean()
    if n < 100 or not x.any():
        return Order(1)
    spectrum = np.abs(np.fft.rfft(x, 2 * n)) ** 2
    lags = np.arange(n // 2 + 1)
    rho = np.fft.irfft(spectrum)[: len(lags)] / (x @ x) * n / (n - lags)
    rho[1:] -= np.median(rho[1:])  # sets one after the other are alike at all lags
    significant = np.abs(rho) * np.sqrt(n - lags) > 6
    if significant[1] or not significant[2:].any():
        return Order(1)
    return Order(int(2 + np.argmax(np.where(significant[2:], rho[2:], -1))))


def compare(m: Measured, law: Solution, order: Order) -> list[Comparison]:
    """Run the tests that need no more than the measurements."""
    tests: list[Callable[[Measured, Solution, Order], Comparison | None]] = [
        _energy,
        _energy_distribution,
        _magnetization,
        _both_signs,
        _correlation,
        _directions,
        _boundaries,
        _local_law,
        _entropy_from_below,
        _one_coupling,
    ]
    return [found for test in tests if (found := test(m, law, order)) is not None]


def entropy_from_above(x: Configurations, law: Solution, order: Order) -> Comparison | None:
    """Test that no code needs less than the entropy: learned on the first half, measured on the second."""
    half = min(len(x) // 2, max(1, _CODE_SPINS // x.sites))
    if half < 20:
        return None
    k = int(np.clip(math.log2(half * x.sites / 1000), 1, 10))
    code = ContextCode((x.height, x.width), k).count(x.rows(0, half))
    bits = code.bits(x.rows(len(x) - half, len(x)))
    mean, error, freedom = _mean(bits, order)
    p = float(special.stdtr(freedom, (mean - law.entropy_bits) / error)) if error else float(mean >= law.entropy_bits)
    says = f"a code of {k} spins of context needs {mean:.5f} bits/spin, the entropy is {law.entropy_bits:.5f}"
    return Comparison("entropy from above", says, p, mean, law.entropy_bits, error)


def holm(found: list[Comparison]) -> list[Comparison]:
    """Correct p-values for their number: the smallest of m is multiplied by m, the next by m - 1, ... (Holm 1979)."""
    order = np.argsort([c.p_value for c in found], kind="stable")
    corrected, largest = {}, 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(found) - rank) * found[i].p_value))
        corrected[i] = largest
    return [Comparison(**{**vars(c), "corrected": corrected[i]}) for i, c in enumerate(found)]


def _energy(m: Measured, law: Solution, order: Order) -> Comparison:
    error = math.sqrt(law.energy_variance / order.effective(m.energy))
    mean = float(m.energy.mean())
    return _z("energy", mean / m.sites, law.energy / m.sites, error / m.sites, "per spin")


def _energy_distribution(m: Measured, law: Solution, order: Order) -> Comparison | None:
    if law.probabilities is None:
        return None
    counts = np.bincount((order.thin(m.energy) + 2 * m.sites) // 4, minlength=m.sites + 1)
    likely = law.probabilities > 1e-11  # below, the inverted law is rounding
    observed, expected = (np.append(v[likely], v[~likely].sum()) for v in (counts, law.probabilities))
    expected[-1] += 1e-11
    try:
        test = chi_square_test(observed, expected)
    except ValueError:  # too few to fill two bins
        return None
    says = f"chi2 = {test.statistic:.1f} on {test.dof} degrees of freedom, against the exact P(E)"
    return Comparison("energy distribution", says, test.p_value, test.statistic, test.dof)


def _magnetization(m: Measured, law: Solution, order: Order) -> Comparison | None:
    if law.magnetization_squared is None:
        return None
    mean, error, freedom = _mean((m.magnetization / m.sites) ** 2, order)
    return _z("magnetization", mean, law.magnetization_squared, error, "squared", freedom)


def _both_signs(m: Measured, law: Solution, order: Order) -> Comparison | None:
    if law.magnetization_squared is None:
        return None
    magnetization = m.magnetization / m.sites
    error = math.sqrt(law.magnetization_squared / order.effective(magnetization))
    return _z("both signs", float(magnetization.mean()), 0.0, error, "mean magnetization")


def _correlation(m: Measured, law: Solution, order: Order) -> Comparison | None:
    if law.correlation is None or not m.displacements:
        return None
    means = order.batches(m.correlation)
    most = min(len(m.displacements), len(means) // 10)
    if most < 1:
        return None
    chosen = np.unique(np.linspace(0, len(m.displacements) - 1, most).round().astype(int))
    expected = np.array([law.correlation[m.displacements[i]] for i in chosen])
    means = means[:, chosen]
    difference = means.mean(0) - expected
    worst = int(np.argmax(np.abs(difference)))
    says = f"largest difference {difference[worst]:+.5f} at (rows, columns) = {m.displacements[chosen[worst]]}"
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(means.T)))
    kept = values > 1e-10
    if not kept.any():
        return Comparison("correlation", says, float(np.allclose(difference, 0)))
    t2 = len(means) * float(((vectors[:, kept].T @ difference) ** 2 / values[kept]).sum())
    d, rest = int(kept.sum()), len(means) - int(kept.sum())
    p = float(special.fdtrc(d, rest, t2 * rest / (d * (len(means) - 1))))
    return Comparison("correlation", says, p, t2, float(d))


def _directions(m: Measured, law: Solution, order: Order) -> Comparison:
    mean, error, freedom = _mean((m.across - m.down) / m.sites, order)
    return _z("directions", mean, law.across - law.down, error, "bonds across minus down", freedom)


def _boundaries(m: Measured, law: Solution, order: Order) -> Comparison | None:
    """Compare the bonds over the edge with the others, in both directions."""
    found = []
    for seam, inside, length, name in (
        (m.seam[:, 0], m.across - m.seam[:, 0], m.height, "columns"),
        (m.seam[:, 1], m.down - m.seam[:, 1], m.width, "rows"),
    ):
        edge, rest = seam / length, inside / (m.sites - length)
        mean, error, freedom = _mean(edge - rest, order)
        if error:
            p = min(1.0, 2 * _two_sided(mean / error, freedom))
            says = f"last and first {name}: <ss'> = {edge.mean():.4f}, elsewhere {rest.mean():.4f}"
            found.append(Comparison("boundaries", says, p, float(edge.mean()), float(rest.mean()), error))
    return min(found, key=lambda c: c.p_value, default=None)


def _local_law(m: Measured, law: Solution, order: Order) -> Comparison | None:
    up = special.expit(2 * law.coupling * (2.0 * np.arange(5) - 4))
    residual = m.up - m.total * up
    variance = m.total.sum(0) * up * (1 - up)
    kept = variance >= 5
    if not kept.any():
        return None
    taus = np.array([order.tau(residual[:, k]) if kept[k] else 0.5 for k in range(5)])
    z = np.where(kept, residual.sum(0) / np.sqrt(np.maximum(variance * 2 * taus, 1)), 0)
    worst = int(np.argmax(np.abs(z)))
    share = m.up[:, worst].sum() / max(1, m.total[:, worst].sum())
    says = f"{share:.5f} up where {worst} of 4 neighbours are (exact {up[worst]:.5f})"
    chi2 = float((z**2).sum())
    return Comparison("local law", says, float(special.chdtrc(kept.sum(), chi2)), chi2, float(kept.sum()))


def _entropy_from_below(m: Measured, law: Solution, order: Order) -> Comparison:
    total, up = m.total.sum(0), m.up.sum(0)
    p = np.clip(up / np.maximum(total, 1), 1e-12, 1 - 1e-12)
    bits = -(m.up @ np.log2(p) + (m.total - m.up) @ np.log2(1 - p)) / m.total.sum(1)
    mean, error, freedom = _mean(bits, order)
    p_value = float(special.stdtr(freedom, (law.entropy_bits - mean) / error)) if error else 1.0
    says = f"a spin given its neighbours holds {mean:.5f} bits, the entropy per spin is {law.entropy_bits:.5f}"
    return Comparison("entropy from below", says, p_value, mean, law.entropy_bits, error)


def _one_coupling(m: Measured, law: Solution, order: Order) -> Comparison | None:
    """Compare the variance of the energy with the exact one: a mixture of couplings has a larger one.

    The energy is all that a configuration tells about the coupling, so no test of unordered ones sees more.
    """
    if law.probabilities is None or m.n < _FEWEST_FOR_VARIANCE:
        return None
    energies = 4.0 * np.arange(m.sites + 1) - 2 * m.sites
    mean = float(law.probabilities @ energies)
    variance, fourth = (float(law.probabilities @ (energies - mean) ** power) for power in (2, 4))
    if variance < 1e-9:
        return None
    squares = (m.energy - m.energy.mean()) ** 2
    ratio = float(squares.sum() / (m.n - 1) / variance)
    error = math.sqrt((fourth / variance**2 - 1) / order.effective(squares))
    says = f"the energy varies {ratio:.3f} times as much as at one coupling"
    return Comparison("one coupling", says, float(special.ndtr((1 - ratio) / error)), ratio, 1.0, error)


def _mean(x: Float64[np.ndarray, " n"], order: Order) -> tuple[float, float, float]:
    """Return mean, standard error and degrees of freedom."""
    effective = max(2.0, order.effective(x))
    return float(x.mean()), float(x.std(ddof=1) / math.sqrt(effective)), effective - 1


def _two_sided(z: float, freedom: float = math.inf) -> float:
    tail = special.ndtr(-abs(z)) if math.isinf(freedom) else special.stdtr(freedom, -abs(z))
    return float(2 * tail)


def _z(name: str, measured: float, expected: float, error: float, what: str, freedom: float = math.inf) -> Comparison:
    p = _two_sided((measured - expected) / error, freedom) if error else float(measured == expected)
    says = f"{what}: {measured:.5f} +- {error:.5f}, exact {round(expected, 5) + 0.0:.5f}"
    return Comparison(name, says, p, measured, expected, error)
