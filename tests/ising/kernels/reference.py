"""What the kernel of a GPU does, one site after the other on the processor, with the same updates."""

import numpy as np
from numba import njit

from veridical.ising.kernels import local, multispin
from veridical.ising.kernels.blocks import Sweeps
from veridical.ising.kernels.cuda import GROUP, key_of
from veridical.ising.law import Law


@njit
def sweep(spins, shape, age, sweeps, period, metropolis, heat_bath, key):
    height, half = shape
    for group in range(len(spins)):
        for half_sweep in range(2 * age, 2 * (age + sweeps)):
            quick = period > 0 and (half_sweep >> 1) % period != 0
            for row in range(height):
                for column in range(half):
                    site, a, b, c, d = multispin.places(height, half, half_sweep & 1, row, column)
                    above, below, left, right = spins[group, a], spins[group, b], spins[group, c], spins[group, d]
                    counter = (site, half_sweep, group)
                    if quick:
                        new = multispin.metropolis_spin(
                            spins[group, site], above, below, left, right, metropolis, counter, key
                        )
                    else:
                        new = multispin.heat_bath_spin(above, below, left, right, heat_bath, counter, key)
                    spins[group, site] = new


class Reference:
    """The chains of `CudaBlock`."""

    def __init__(self, law: Law, seed: int, groups: int) -> None:
        self.original, (self.law, self.turned) = law, law.staggered()
        self.period = local.PERIOD if Sweeps(self.law).use_metropolis else 0
        self.metropolis = multispin.thresholds(local.metropolis_probabilities(max(self.law.horizontal, 0.0)))
        self.heat_bath = multispin.thresholds(
            local.heat_bath_probabilities(self.law.horizontal, self.law.vertical, self.law.field)
        )
        self.key, self.age = key_of(seed), 0
        self.spins = np.full((groups, law.sites), 0x5555555555555555, np.uint64)

    def advance(self, sweeps: int) -> None:
        shape = self.law.height, self.law.width // 2
        tables = self.metropolis, self.heat_bath, self.key
        sweep(self.spins, shape, self.age, sweeps, self.period, *tables)
        self.age += sweeps

    def configurations(self) -> np.ndarray:
        """(64 * groups, height, width) of 0 and 1."""
        height, width = self.law.height, self.law.width
        row, column = np.divmod(np.arange(height * width), width)
        place = (row + column) % 2 * height * (width // 2) + row * (width // 2) + column // 2
        sites = self.spins[:, place]  # (groups, sites)
        if self.law.field == 0:
            signs = [multispin.random_signs(group, self.age, self.key) for group in range(len(sites))]
            sites = sites ^ np.array(signs, np.uint64)[:, None]
        bits = sites[:, None, :] >> np.arange(GROUP, dtype=np.uint64)[:, None] & np.uint64(1)
        return bits.reshape(-1, height, width).astype(np.uint8) ^ self.turned


def draw(law: Law, seed: int, groups: int, burn_in: int, thinning: int, records: int) -> np.ndarray:
    source, found = Reference(law, seed, groups), []
    source.advance(burn_in)
    for _ in range(records):
        source.advance(thinning)
        found.append(source.configurations())
    return np.concatenate(found)
