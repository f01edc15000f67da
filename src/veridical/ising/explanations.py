"""Why configurations fail their tests, plainest cause first, in one sentence.

Before the sampler is blamed, the file is: whether it holds copies, several sets one after the other, another coupling,
rows and columns exchanged, another boundary, or several couplings in no order.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from veridical.ising import exact
from veridical.ising.comparisons import Comparison, Order, compare, holm, solve
from veridical.ising.estimates import STRONGEST, CouplingEstimate, coupling_of
from veridical.ising.files import Configurations
from veridical.ising.measurements import Measured, measure
from veridical.ising.sets import Parts

_MOST_TRIED = 2000  # configurations of another arrangement
_SHOWN = 6
_GRID, _REACH, _ROUNDS = 21, 3.0, 300  # couplings of a mixture
_SIGMAS = 5.0


@dataclass(frozen=True)
class Evidence:
    """What is known of the configurations of a file, without the tests that they failed."""

    x: Configurations
    """As they were read."""
    m: Measured
    """Their measurements."""
    asked: float
    """Coupling of the law."""
    estimate: CouplingEstimate
    """Coupling by the energy."""
    order: Order
    """Of the file."""
    level: float
    """Of the tests."""
    parts: Parts | None = None
    """Of the file, if it was cut."""


def explain(e: Evidence, failed: dict[str, Comparison]) -> str:
    """Name the plainest cause of what failed.

    Args:
        e: what is known of the configurations.
        failed: the tests that failed, by name.
    """
    coupling = e.estimate.coupling
    if "copies" in failed:
        return f"{failed['copies'].says}."
    if "one set" in failed and e.parts is not None:
        return _sets(e.m, e.parts)
    if "energy" in failed and fits(e.m, coupling, e.order, e.level):
        return f"they look like {e.estimate}{_ratio(coupling, e.asked)}"
    other = next(_arrangements(e), None)
    if other is not None:
        return f"they follow the law with {other}."
    if "boundaries" in failed:
        return f"the edge is not like the rest ({failed['boundaries'].says}); {_boundary(e.m)}."
    if set(failed) == {"both signs"}:
        return f"the two signs are not equally frequent ({failed['both signs'].says})."
    return _mixture(e.m, coupling, e.order, e.level) or _rest(failed, e.estimate)


def fits(m: Measured, coupling: float, order: Order, level: float) -> bool:
    """Return whether the configurations follow the law at another coupling.

    Args:
        m: measurements.
        coupling: of the law.
        order: of the file.
        level: of the tests.
    """
    if abs(coupling) >= STRONGEST:
        return True
    found = holm(compare(m, solve(m.height, m.width, coupling), order))
    return all(t.corrected >= level for t in found)


def _rest(failed: dict[str, Comparison], estimate: CouplingEstimate) -> str:
    names = ", ".join(sorted(failed, key=lambda name: failed[name].p_value))
    if "energy" in failed:
        return f"they fit no coupling (their energy is that of {estimate}); failed: {names}."
    return f"failed: {names}; {min(failed.values(), key=lambda t: t.p_value).says}."


def _ratio(coupling: float, asked: float) -> str:
    """Return the end of the sentence, with the usual slip behind twice or half the coupling."""
    for factor, what in ((2.0, "twice the expected coupling. Is every bond counted twice?"), (0.5, "half of it.")):
        if asked and math.isclose(coupling, factor * asked, rel_tol=0.03):
            return f", {what}"
    return "."


def _sets(m: Measured, parts: Parts) -> str:
    """Describe sets that follow each other."""
    couplings = [coupling_of(m.height, m.width, float(energy)) for energy in parts.energies]
    length = m.n // len(couplings)
    shown = ", ".join(f"{k:.4f}" for k in couplings[:_SHOWN]) + (", ..." if len(couplings) > _SHOWN else "")
    return (
        f"the file is not one set: its {len(couplings)} parts of {length} look like K = {shown}. Check every set by "
        "itself; a chain must be in equilibrium before it is recorded."
    )


def _mixture(m: Measured, coupling: float, order: Order, level: float) -> str:
    """Describe several couplings in no order; empty where these do not explain what was measured."""
    if abs(coupling) >= STRONGEST:
        return ""
    law = solve(m.height, m.width, coupling)
    test = next((t for t in holm(compare(m, law, order)) if t.name == "one coupling"), None)
    if test is None or test.corrected >= level or test.measured is None:
        return ""
    spread = math.sqrt((test.measured - 1) / law.energy_variance)
    if not _explains(m, *_weights(m, coupling, spread), order):
        return ""
    about = f"{100 * spread / abs(coupling):.1f} %" if coupling else f"{spread:.3f}"
    return (
        f"{test.says}: they look like a mixture of couplings that differ by {about} (standard deviation) about "
        f"K = {coupling:.5f}. Does the file hold several sets?"
    )


def _weights(m: Measured, coupling: float, spread: float) -> tuple[list[float], Float64[np.ndarray, " couplings"]]:
    """Fit a mixture of couplings to the energies, by expectation maximisation.

    Args:
        m: measurements.
        coupling: in the middle.
        spread: standard deviation of the couplings.

    Returns:
        Couplings, and the weight of each.
    """
    odd = m.height % 2 or m.width % 2
    grid = np.linspace(coupling - _REACH * spread, coupling + _REACH * spread, _GRID)
    couplings = [float(k) for k in grid if abs(k) < STRONGEST and (k > 0 or not odd)]
    laws = np.stack([exact.energy_distribution(m.height, m.width, k).probabilities for k in couplings])
    likely = laws[:, (m.energy + 2 * m.sites) // 4] + 1e-300
    weights = np.full(len(couplings), 1 / len(couplings))
    for _ in range(_ROUNDS):
        weights = (weights[:, None] * likely / (weights @ likely)).mean(1)
    return couplings, weights


def _explains(m: Measured, couplings: list[float], weights: Float64[np.ndarray, " couplings"], order: Order) -> bool:
    """Return whether a mixture that has the energies also has the magnetisation and the correlations.

    Args:
        m: measurements.
        couplings: of the mixture.
        weights: of each.
        order: of the file.
    """
    kept = [(k, w) for k, w in zip(couplings, weights, strict=True) if w > 1e-3]
    share = np.array([w for _, w in kept])
    two_point = np.average([exact.torus_correlation(m.height, m.width, k) for k, _ in kept], axis=0, weights=share)
    observed = np.column_stack([(m.magnetization / m.sites) ** 2, m.correlation])
    expected = np.array([two_point.mean(), *(two_point[r] for r in m.displacements)])
    errors = [column.std() / math.sqrt(order.effective(column)) for column in observed.T]
    return bool((np.abs(observed.mean(0) - expected) <= _SIGMAS * np.maximum(errors, 1e-9)).all())


def _arrangements(e: Evidence) -> Iterator[str]:
    """Yield other ways to read the same numbers under which all tests pass, at the expected coupling or another."""
    x = e.x
    others = []
    if x.height != x.width and not x.packed:
        flat = replace(x, raw=x.raw.reshape(len(x), x.width, x.height), height=x.width, width=x.height)
        others.append((f"rows and columns exchanged (--size {x.width}x{x.height})", flat))
    if x.packed:
        table = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), axis=1)
        others.append(("the bits of every byte in the other order", replace(x, raw=table[:, 0][x.raw])))
    for name, other in others:
        m = measure(replace(other, raw=other.raw[:_MOST_TRIED]), 1)
        for k in (e.asked, e.estimate.coupling):
            if abs(k) < STRONGEST and fits(m, k, e.order, e.level):
                yield f"{name}, at K = {k:.6g}"


def _boundary(m: Measured) -> str:
    """Return the boundaries that agree with the bonds over the edge."""
    sides = np.array([m.height, m.width, m.height, m.width])
    seam = m.seam.mean(0) / sides
    inside = np.array([m.across.mean(), m.down.mean()]) / m.sites
    for i, (shifted, bonds) in enumerate((("rows", inside[0]), ("columns", inside[1]))):
        if seam[2 + i] > seam[i] and abs(seam[2 + i] - bonds) < 0.3 * abs(seam[i] - bonds):
            return f"they look like helical boundaries, shifted by one over {shifted}; the law has periodic ones"
        rest = (bonds * m.sites - seam[i] * sides[i]) / (m.sites - sides[i])
        if abs(seam[i] + rest) < 0.3 * abs(rest):
            return f"they look like antiperiodic boundaries over {shifted}; the law has periodic ones"
    return "they look like free or fixed boundaries; the law has periodic ones"
