r"""How a law is sampled: the method, how long it is run in, and how far apart configurations are taken.

Local updates move the *sign* of a critical lattice slowly, everything even in the spins thirty times faster. Without a
field, turning each recorded lattice over with probability one half is an exact symmetry move, so only even quantities
count: the time $\tau$ here is the larger of those of the energy and of $M^2$ (of $M$ in a field), in steps of the
method. Configurations are taken $2\tau$ apart: that many carry the information of independent ones.
"""

import math
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from veridical.ising.law import CRITICAL_COUPLING, Law, law
from veridical.ising.methods import LANES, Method, SamplingPlan, check

SIDES = (8, 16, 32, 64, 128, 256)
"""Sides at which the times of the tables were measured."""


@dataclass(frozen=True)
class _Cost:
    """Times in steps and nanoseconds per spin and step, at each of the sides; lattices carried together."""

    tau: tuple[float, ...]
    nanoseconds: tuple[float, ...]
    together: int


# Times at the critical coupling, by `benchmarks/ising.py --times`; nanoseconds per spin and step on one core.
_MEASURED: dict[Method, _Cost] = {
    "metropolis": _Cost((2.9, 9.7, 40.0, 160.0, 750.0, 3000.0), (0.037,) * 6, LANES),
    "cluster": _Cost((1.26, 1.56, 1.94, 2.36, 2.99, 3.7), (0.23, 0.17, 0.16, 0.16, 0.20, 0.28), LANES),
    "wolff": _Cost((1.7, 2.6, 3.8, 5.8, 7.6, 11.0), (0.17, 0.13, 0.12, 0.13, 0.18, 0.25), LANES),
    "swendsen-wang": _Cost((2.6, 3.2, 4.2, 4.8, 6.1, 7.8), (26.0, 12.0, 9.0, 7.3, 6.8, 6.7), 1),
}


def plan(
    size: int | tuple[int, int],
    coupling: float | tuple[float, float] = CRITICAL_COUPLING,
    method: Method = "auto",
    *,
    field: float = 0.0,
    n: int = 100_000,
    burn_in: int | None = None,
    thinning: int | None = None,
) -> SamplingPlan:
    r"""Choose how a law is sampled.

    Times are tabulated for the critical coupling and shortened off criticality, where the correlation length $\xi$
    replaces the side beyond $5\xi$. Rectangles have the time of their longer side, which is a
    bound. Laws outside the table (a field, unequal or frustrated couplings) are timed by a pilot run, unless both
    burn-in and thinning are given.

    Args:
        size: side, or (height, width), at least 2 each.
        coupling: $K$, or (horizontal, vertical); negative ones are antiferromagnetic.
        method: "auto", or one of `Method`.
        field: $h$, in units of kT.
        n: number of configurations wanted; a few large lattices are drawn differently from many.
        burn_in: steps before the first configuration, in place of twenty times $\tau$ and twenty more.
        thinning: steps between configurations of a lattice, in place of $2\tau$.

    Returns:
        The plan.

    Raises:
        ValueError: if the method cannot sample this law.

    Examples:
        >>> plan(32).method
        'cluster'
    """
    wanted = law(size, coupling, field)
    for name, value, least in (("n", n, 1), ("burn_in", burn_in, 0), ("thinning", thinning, 1)):
        if value is not None and (int(value) != value or value < least):
            raise ValueError(f"{name} is {value!r}; expected a whole number, at least {least}.")
    if method not in get_args(Method):
        raise ValueError(f"method is {method!r}; expected one of {', '.join(get_args(Method))}.")
    check(wanted, method)
    if method == "auto":
        method, why = _choose(wanted, n)
    else:
        why = f"{method} as requested"
    draft = replace(_draft(wanted, method), burn_in=burn_in or 0, thinning=thinning or 1)
    if burn_in is not None and thinning is not None:
        return replace(draft, tau=math.nan, reason=f"{why}; burn-in and thinning as given")
    timed = _timed(draft, why)
    return replace(
        timed,
        burn_in=timed.burn_in if burn_in is None else burn_in,
        thinning=timed.thinning if thinning is None else thinning,
    )


def _choose(wanted: Law, n: int) -> tuple[Method, str]:
    candidates: tuple[Method, ...] = ("cluster", "swendsen-wang", "metropolis")
    if not _in_table(wanted):
        candidates = candidates[:2]  # local updates may not cross from one magnetization to the other
    seconds = {method: _seconds(wanted, method, n) for method in candidates}
    best = min(candidates, key=lambda method: seconds[method])
    estimates = ", ".join(f"{method} {time:.2g} s" for method, time in seconds.items())
    return best, f"{best} is the fastest for {n} configurations (estimates for one core: {estimates})"


def _seconds(wanted: Law, method: Method, n: int) -> float:
    cost = _MEASURED[method]
    timed = _with_time(_draft(wanted, method), _tabulated(wanted, method), "")
    steps = timed.blocks(n) * timed.burn_in + math.ceil(n / cost.together) * timed.thinning
    nanoseconds = np.interp(math.log(max(wanted.height, wanted.width)), np.log(SIDES), cost.nanoseconds)
    return steps * cost.together * wanted.sites * float(nanoseconds) * 1e-9


def _timed(draft: SamplingPlan, why: str) -> SamplingPlan:
    """A draft with its time: none for independent draws, from the table where it holds, else from a pilot run."""
    wanted, method = draft.law, draft.method
    if method == "perfect":
        return replace(draft, reason=f"{why}; draws are independent")
    slow = method == "wolff" and abs(wanted.horizontal) < CRITICAL_COUPLING  # its clusters are small there
    if method in _MEASURED and _in_table(wanted) and not slow:
        return _with_time(draft, _tabulated(wanted, method), f"{why}; time from the table of measured ones")
    from veridical.ising.autocorrelation import pilot

    tau, steps = pilot(draft)
    return _with_time(draft, tau, f"{why}; time from a pilot run of {steps} steps")


def _draft(wanted: Law, method: Method) -> SamplingPlan:
    """A plan whose time is still unknown."""
    return SamplingPlan(
        law=wanted,
        method=method,
        burn_in=0,
        thinning=1,
        tau=0.5,
        together=1 if method == "swendsen-wang" else LANES,
        local_sweeps=1 if method == "cluster" else 0,
        seeds=_seeds(wanted) if method == "cluster" else 1,
        reason="",
    )


def _seeds(wanted: Law) -> int:
    r"""Three; in the disordered phase three for every patch that is correlated, $2.5\,\xi$ wide; one in a field."""
    if wanted.field != 0:
        return 1
    if not wanted.isotropic or wanted.frustrated or abs(wanted.horizontal) >= CRITICAL_COUPLING:
        return 3
    patch = max(2, 2.5 * _correlation_length(wanted))
    return max(3, math.ceil(3 * wanted.sites / patch**2))


def _in_table(wanted: Law) -> bool:
    return wanted.isotropic and wanted.field == 0 and not wanted.frustrated


def _with_time(draft: SamplingPlan, tau: float, reason: str) -> SamplingPlan:
    return replace(draft, tau=tau, thinning=math.ceil(2 * tau), burn_in=math.ceil(20 * tau) + 20, reason=reason)


def _tabulated(wanted: Law, method: Method) -> float:
    """Time at the critical coupling, at a side that is cut at five correlation lengths."""
    side = max(wanted.height, wanted.width)
    if _in_table(wanted):
        side = min(side, 5 * _correlation_length(wanted))
    times = _MEASURED[method].tau
    slope = math.log(times[-1] / times[-2]) / math.log(2)
    if side > SIDES[-1]:
        return times[-1] * (side / SIDES[-1]) ** slope
    return float(np.exp(np.interp(math.log(max(side, 1)), np.log(SIDES), np.log(times))))


def _correlation_length(wanted: Law) -> float:
    from veridical.ising.exact import correlation_length

    return float(correlation_length(abs(wanted.horizontal))) if wanted.horizontal else 0.0
