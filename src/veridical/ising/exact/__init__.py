r"""Exact results of the two-dimensional Ising model.

| question | functions | exact for |
|---|---|---|
| thermodynamics of a torus | `log_partition`, `energy_per_site`, `specific_heat`, `entropy_per_site` | any sides |
| law of its energy | `density_of_states`, `energy_distribution` | any sides |
| its two-point function | `torus_correlation`, `magnetization_squared`, `structure_factor` | any sides |
| law of its magnetisation | `magnetization_distribution` | a side up to 10 |
| the infinite lattice | `onsager_*`, `spontaneous_magnetization`, `diagonal_correlation`, `row_correlation` | |
| any couplings, free boundaries | `kac_ward_log_partition`, `kac_ward_bond_correlations` (PyTorch) | any sides |
| any couplings and fields | `transfer_log_partition`, `transfer_expectation` | narrow strips |
| the same, one by one | `enumerate_lattice`, `enumerate_density_of_states` | up to 22 spins |
| continuum limit at criticality | `critical_finite_size_term`, `conformal_torus_correlation` | an approximation |

All is float64, in nats and in units of $J$, with $K=\beta J$; how bonds are counted, and what a side of 1 or 2 means,
is described in `veridical.ising.exact.lattice`.
Only the Kac-Ward functions import torch, at their first use.
"""

from typing import TYPE_CHECKING, Any

from veridical.ising.exact.conformal import conformal_torus_correlation, critical_finite_size_term
from veridical.ising.exact.correlations import (
    CRITICAL_AMPLITUDE,
    diagonal_correlation,
    nearest_neighbour_correlation,
    row_correlation,
)
from veridical.ising.exact.energy import (
    EnergyDistribution,
    density_of_states,
    energy_distribution,
    energy_levels,
)
from veridical.ising.exact.enumeration import (
    Enumeration,
    enumerate_density_of_states,
    enumerate_lattice,
    enumerate_spins,
)
from veridical.ising.exact.kaufman import (
    ExactRow,
    bond_correlations,
    energy_per_site,
    entropy_per_site,
    exact_table,
    free_energy_per_site,
    log_partition,
    specific_heat,
)
from veridical.ising.exact.lattice import CRITICAL_COUPLING, uniform_couplings
from veridical.ising.exact.onsager import (
    correlation_length,
    onsager_energy_per_site,
    onsager_entropy_per_site,
    onsager_free_energy_per_site,
    onsager_specific_heat,
    spontaneous_magnetization,
)
from veridical.ising.exact.torus import (
    magnetization_squared,
    second_moment_correlation_length,
    structure_factor,
    torus_correlation,
    torus_work,
)
from veridical.ising.exact.transfer import (
    MagnetizationDistribution,
    magnetization_distribution,
    transfer_expectation,
    transfer_log_partition,
)

if TYPE_CHECKING:
    from veridical.ising.exact.kac_ward import kac_ward_bond_correlations, kac_ward_log_partition

__all__ = [
    "CRITICAL_AMPLITUDE",
    "CRITICAL_COUPLING",
    "EnergyDistribution",
    "Enumeration",
    "ExactRow",
    "MagnetizationDistribution",
    "bond_correlations",
    "conformal_torus_correlation",
    "correlation_length",
    "critical_finite_size_term",
    "density_of_states",
    "diagonal_correlation",
    "energy_distribution",
    "energy_levels",
    "energy_per_site",
    "entropy_per_site",
    "enumerate_density_of_states",
    "enumerate_lattice",
    "enumerate_spins",
    "exact_table",
    "free_energy_per_site",
    "kac_ward_bond_correlations",
    "kac_ward_log_partition",
    "log_partition",
    "magnetization_distribution",
    "magnetization_squared",
    "nearest_neighbour_correlation",
    "onsager_energy_per_site",
    "onsager_entropy_per_site",
    "onsager_free_energy_per_site",
    "onsager_specific_heat",
    "row_correlation",
    "second_moment_correlation_length",
    "specific_heat",
    "spontaneous_magnetization",
    "structure_factor",
    "torus_correlation",
    "torus_work",
    "transfer_expectation",
    "transfer_log_partition",
    "uniform_couplings",
]


def __getattr__(name: str) -> Any:
    """Import the Kac-Ward functions, and with them torch, when first used."""
    if name in ("kac_ward_log_partition", "kac_ward_bond_correlations"):
        from veridical.ising.exact import kac_ward

        return getattr(kac_ward, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
