r"""How a law is sampled: the method, how long it is run in, and how far apart configurations are taken.

Local updates move the *sign* of a critical lattice slowly, everything even in the spins thirty times faster. Without a
field, turning each recorded lattice over with probability one half is an exact symmetry move, so only even quantities
count: the time $\tau$ here is the larger of those of the energy and of $M^2$ (of $M$ in a field), in steps of the
method. Configurations are taken $2\tau$ apart: that many carry the information of independent ones.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from veridical.ising.law import CRITICAL_COUPLING, Law, law

Method = Literal["auto", "metropolis", "cluster", "wolff", "swendsen-wang", "tempering", "perfect"]
"""How configurations are drawn; see `docs/ising-sampling.md`."""

LANES = 512
"""Lattices that the bit-sliced methods carry at once."""

SIDES = (8, 16, 32, 64, 128, 256)
"""Sides at which the times of the tables were measured."""


@dataclass(frozen=True)
class _Cost:
    tau: tuple[float, ...]
    nanoseconds: float
    together: int


# Times at the critical coupling, from `benchmarks/ising.py --times`; nanoseconds per spin and step on one core.
_MEASURED: dict[Method, _Cost] = {
    "metropolis": _Cost((2.0, 9.4, 37.0, 163.0, 730.0, 3100.0), 0.035, LANES),
    "cluster": _Cost((1.3, 1.8, 2.1, 2.4, 3.0, 3.5), 0.16, LANES),
    "wolff": _Cost((1.8, 2.6, 3.9, 5.8, 7.9, 11.0), 0.12, LANES),
    "swendsen-wang": _Cost((2.6, 3.3, 4.0, 4.9, 5.9, 7.0), 6.0, 1),
}


@dataclass(frozen=True)
class SamplingPlan:
    """What `sample` does, and why."""

    law: Law
    """What is sampled."""

    method: Method
    """The method, never "auto"."""

    burn_in: int
    """Steps before the first configuration."""

    thinning: int
    """Steps from one configuration of a lattice to its next."""

    tau: float
    """Integrated autocorrelation time in steps, of the slower of energy and squared magnetization; nan if unknown."""

    together: int
    """Independent lattices in one block."""

    local_sweeps: int
    """Metropolis or heat-bath sweeps in a step, for methods that flip clusters too."""

    seeds: int
    """Sites whose clusters are flipped in a step."""

    reason: str
    """One sentence: why this method, and where the time comes from."""

    def blocks(self, n: int) -> int:
        """Return how many blocks deliver n configurations: enough for many cores, few enough to share a burn-in."""
        return max(min(math.ceil(n / self.together), 4), min(n // (64 * self.together), 64))


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
    replaces the side beyond $8\xi$. Laws outside the table (a field, unequal or frustrated couplings) are timed by a
    pilot run, unless both burn-in and thinning are given.

    Args:
        size: side, or (height, width), at least 2 each.
        coupling: $K$, or (horizontal, vertical); negative ones are antiferromagnetic.
        method: "auto", or one of `Method`.
        field: $h$, in units of kT.
        n: number of configurations wanted; a few large lattices are drawn in another way than many.
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
        why = f"{method} as asked"
    draft = replace(_draft(wanted, method), burn_in=burn_in or 0, thinning=thinning or 1)
    if burn_in is not None and thinning is not None:
        return replace(draft, tau=math.nan, reason=f"{why}; burn-in and thinning as given")
    timed = _timed(draft, why)
    return replace(
        timed,
        burn_in=timed.burn_in if burn_in is None else burn_in,
        thinning=timed.thinning if thinning is None else thinning,
    )


def check(wanted: Law, method: Method) -> None:
    """Raise `ValueError` if a method cannot sample a law."""
    free, _ = wanted.staggered()
    if method == "perfect" and (free.horizontal < 0 or free.vertical < 0):
        raise ValueError(
            "coupling from the past needs couplings of no negative sign, up to turning over every other row or column; "
            f"got {wanted}. Use method='cluster', or even sides and no field."
        )
    if method == "wolff" and wanted.horizontal == wanted.vertical == 0:
        raise ValueError("Wolff's chain is periodic where both couplings are 0. Use method='metropolis'.")


def _choose(wanted: Law, n: int) -> tuple[Method, str]:
    candidates: tuple[Method, ...] = ("metropolis", "cluster", "swendsen-wang")
    seconds = {method: _seconds(wanted, method, n) for method in candidates}
    best = min(candidates, key=lambda method: seconds[method])
    told = ", ".join(f"{method} {time:.2g} s" for method, time in seconds.items())
    return best, f"{best} is the fastest for {n} configurations (estimates for one core: {told})"


def _seconds(wanted: Law, method: Method, n: int) -> float:
    cost = _MEASURED[method]
    timed = _with_time(_draft(wanted, method), _tabulated(wanted, method), "")
    steps = timed.blocks(n) * timed.burn_in + math.ceil(n / cost.together) * timed.thinning
    return steps * cost.together * wanted.sites * cost.nanoseconds * 1e-9


def _timed(draft: SamplingPlan, why: str) -> SamplingPlan:
    """A draft with its time: none for independent draws, from the table where it holds, else from a pilot run."""
    wanted, method = draft.law, draft.method
    if method == "perfect":
        return replace(draft, reason=f"{why}; draws are independent")
    if method in _MEASURED and wanted.isotropic and wanted.field == 0 and not wanted.frustrated:
        return _with_time(draft, _tabulated(wanted, method), f"{why}; time from the table of measured ones")
    from veridical.ising.autocorrelation import pilot

    tau, steps = pilot(draft)
    return _with_time(draft, tau, f"{why}; time from a pilot run of {steps} steps")


def _draft(wanted: Law, method: Method) -> SamplingPlan:
    """A plan of which the time is still unknown."""
    return SamplingPlan(
        law=wanted,
        method=method,
        burn_in=0,
        thinning=1,
        tau=0.5,
        together=1 if method == "swendsen-wang" else LANES,
        local_sweeps=1 if method == "cluster" else 0,
        seeds=4 if method == "cluster" and wanted.field == 0 else 1,
        reason="",
    )


def _with_time(draft: SamplingPlan, tau: float, reason: str) -> SamplingPlan:
    return replace(draft, tau=tau, thinning=math.ceil(2 * tau), burn_in=math.ceil(20 * tau) + 20, reason=reason)


def _tabulated(wanted: Law, method: Method) -> float:
    """Time at the critical coupling, at a side that is cut at eight correlation lengths."""
    from veridical.ising.exact import correlation_length

    side = max(wanted.height, wanted.width)
    if wanted.isotropic and wanted.field == 0 and not wanted.frustrated:
        side = min(side, 8 * float(correlation_length(abs(wanted.horizontal))) if wanted.horizontal else 1)
    times = _MEASURED[method].tau
    slope = math.log(times[-1] / times[-2]) / math.log(2)
    if side > SIDES[-1]:
        return times[-1] * (side / SIDES[-1]) ** slope
    return float(np.exp(np.interp(math.log(max(side, 1)), np.log(SIDES), np.log(times))))
