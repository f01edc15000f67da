"""Check configurations of any origin against the exact law of the Ising model on a torus.

    report = check(numpy.load("mine.npy"), coupling=0.44)
    print(report.verdict)

Thirteen tests (`veridical.ising.comparisons`, `repeats`, `sets`) each give a p-value; all are corrected for their
number, so that true configurations are rejected with a probability of at most `level`, for any set of tests. The
verdict is one sentence: the plainest cause of what failed (`veridical.ising.explanations`).
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Num
from scipy.special import ndtri

from veridical.ising.comparisons import (
    Comparison,
    Order,
    Solution,
    compare,
    entropy_from_above,
    find_order,
    holm,
    is_solvable,
    solve,
)
from veridical.ising.estimates import CouplingEstimate, estimate_coupling
from veridical.ising.explanations import Evidence, explain
from veridical.ising.files import Configurations, ConfigurationsError, as_configurations
from veridical.ising.law import CRITICAL_COUPLING
from veridical.ising.measurements import Measured, measure
from veridical.ising.repeats import repeats
from veridical.ising.sets import one_set

FEWEST = 20
"""Smallest number of configurations for a verdict."""

_FEWEST_CORRELATED = 100  # effective ones of a chain; of a shorter one the autocorrelation time is not known


@dataclass(frozen=True)
class CheckReport:
    """What a check found."""

    height: int
    width: int
    n: int
    coupling: float
    outcome: Literal["consistent", "inconsistent", "undecided"]
    verdict: str
    """One sentence."""
    effective: float
    """Independent configurations of as much information, for the slower of energy and squared magnetisation."""
    tau_energy: float
    """Integrated autocorrelation time of the energy, in configurations of one chain; 1/2 where independent."""
    tau_magnetization_squared: float
    chains: int
    """Chains that were written in turn."""
    estimate: CouplingEstimate
    level: float
    """Probability of refusing configurations that do follow the law."""
    tests: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    """The metadata of the file."""

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; numbers that are not finite become None."""
        return _plain(asdict(self))


def check(
    configurations: Num[np.ndarray, "n height width"] | Configurations,
    coupling: float = CRITICAL_COUPLING,
    *,
    level: float = 0.01,
    threads: int = 2,
    progress: Callable[[int], None] | None = None,
) -> CheckReport:
    """Test whether configurations follow the exact law of their torus.

    Args:
        configurations: (n, height, width) of two values, such as -1 and 1, 0 and 1 or booleans; or what
            `veridical.ising.files.read` read.
        coupling: $K=J/kT$ of the law.
        level: probability of refusing configurations that do follow it.
        threads: that measure side by side.
        progress: called with the number of configurations measured so far.

    Raises:
        ConfigurationsError: shapes or values that are no configurations, or fewer than 20 of them.
        ValueError: a law that is not solved: a negative coupling on a side of odd length.
    """
    x = configurations if isinstance(configurations, Configurations) else as_configurations(configurations)
    if len(x) < FEWEST:
        last = f" Is the last axis their number ({x.width})? Then pass numpy.moveaxis(x, -1, 0)." * (len(x) == x.height)
        raise ConfigurationsError(f"{len(x)} configurations; expected at least {FEWEST} to test a law with.{last}")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a probability between 0 and 1.")
    law = solve(x.height, x.width, coupling)
    m = measure(x, threads, progress)
    order = find_order(m.energy)
    cut = one_set(m)
    more = [entropy_from_above(x, law, order), repeats(x, m, law, order), None if cut is None else cut[0]]
    tests = holm([*compare(m, law, order), *filter(None, more)])
    tau_energy, tau_squared = order.tau(m.energy), order.tau(m.magnetization.astype(float) ** 2)
    estimate = estimate_coupling(m, order)
    effective = m.n / (2 * max(tau_energy, tau_squared))
    evidence = Evidence(x, m, coupling, estimate, order, level, None if cut is None else cut[1])
    outcome, verdict = _judge(evidence, tests, effective)
    return CheckReport(
        m.height,
        m.width,
        m.n,
        coupling,
        outcome,
        verdict,
        effective,
        tau_energy,
        tau_squared,
        order.stride,
        estimate,
        level,
        tuple(tests),
        (*_notes(m, law, order, max(tau_energy, tau_squared)), *_power(tests, law, level)),
        x.metadata,
    )


def _judge(
    e: Evidence, tests: list[Comparison], effective: float
) -> tuple[Literal["consistent", "inconsistent", "undecided"], str]:
    """Return the meaning of the tests in one sentence.

    Args:
        e: what is known of the configurations.
        tests: all that were made.
        effective: independent configurations of as much information.
    """
    m = e.m
    law = f"the exact law of the {m.height} x {m.width} torus at {describe(e.asked)}"
    failed = {t.name: t for t in tests if t.corrected < e.level}
    if failed:
        return "inconsistent", f"These configurations do not follow {law}: {explain(e, failed)}"
    if effective < FEWEST or (effective < _FEWEST_CORRELATED and m.n > 2 * effective):
        return "undecided", (
            f"Too few to judge: {m.n} configurations carry as much information as {effective:.0f} independent ones. "
            "Record them further apart in their chain, or record more."
        )
    least = min(t.corrected for t in tests)
    return "consistent", (
        f"These configurations follow {law}, to the precision of {effective:,.0f} independent ones: "
        f"all {len(tests)} tests pass (smallest corrected p = {least:.2g})."
    )


def _notes(m: Measured, law: Solution, order: Order, tau: float) -> list[str]:
    notes = []
    if order.stride > 1:
        notes.append(f"every {order.stride}th configuration is correlated: taken as {order.stride} chains in turn")
    if tau > 1:
        notes.append(
            f"successive configurations are correlated (tau = {tau:.1f}); errors count {m.n} as {m.n / (2 * tau):.0f}"
        )
    if not is_solvable(law.height, law.width):
        notes.append(
            "beyond 256 x 256 spins, and in long strips, only energies, directions, edges, the local law and entropies "
            "are tested"
        )
    return notes


def _power(tests: list[Comparison], law: Solution, level: float) -> list[str]:
    """Say which mixture of couplings this number of configurations shows with probability .8."""
    test = next((t for t in tests if t.name == "one coupling" and t.error is not None), None)
    if test is None or test.error is None or not law.coupling:
        return []
    excess = test.error * (ndtri(1 - level / len(tests)) + ndtri(0.8))
    share = math.sqrt(excess / law.energy_variance) / abs(law.coupling)
    return [f"a mixture of couplings that differ by {100 * share:.1f} % (standard deviation) would probably be seen"]


def describe(coupling: float) -> str:
    """Name a coupling.

    Examples:
        >>> describe(CRITICAL_COUPLING), describe(0.5)
        ('K = 0.440687 (critical)', 'K = 0.5')
    """
    critical = math.isclose(coupling, CRITICAL_COUPLING, rel_tol=1e-6)
    return f"K = {coupling:.6g}{' (critical)' if critical else ''}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
