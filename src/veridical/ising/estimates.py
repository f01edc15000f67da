"""The coupling of configurations, estimated from their energy by inverting the exact one."""

from dataclasses import dataclass

from veridical.ising import exact
from veridical.ising.comparisons import Order
from veridical.ising.measurements import Measured
from veridical.statistics import mean_interval

STRONGEST = 3.0
"""Couplings are estimated up to this one."""


@dataclass(frozen=True)
class CouplingEstimate:
    """The coupling at which the exact mean energy is the measured one, with its 95 % interval."""

    coupling: float
    low: float
    high: float

    def __str__(self) -> str:
        """K = value (low to high)."""
        if self.coupling >= STRONGEST:
            return f"K of {STRONGEST:g} or more (nearly all spins aligned)"
        if self.coupling <= -STRONGEST:
            return f"K of {-STRONGEST:g} or less (nearly all neighbours opposed)"
        temperature = f", T = {1 / self.coupling:.4g}" if self.coupling else ""
        return f"K = {self.coupling:.5f} ({self.low:.5f} to {self.high:.5f}){temperature}"


def estimate_coupling(m: Measured, order: Order) -> CouplingEstimate:
    """Return the coupling whose exact mean energy is the measured one, between -3 and 3 (0 and 3 on odd sides)."""
    low, high = mean_interval(m.energy / m.sites, tau=order.tau(m.energy))
    energies = (float(m.energy.mean() / m.sites), high, low)
    return CouplingEstimate(*(coupling_of(m.height, m.width, energy) for energy in energies))


def coupling_of(height: int, width: int, energy: float) -> float:
    """Return the coupling of a mean energy per spin, by bisection: the energy falls as the coupling grows."""
    low, high = (-STRONGEST if height % 2 == width % 2 == 0 else 0.0), STRONGEST
    while high - low > 1e-9:
        middle = (low + high) / 2
        if float(exact.energy_per_site(height, width, middle)) > energy:
            low = middle
        else:
            high = middle
    return round((low + high) / 2, 8)
