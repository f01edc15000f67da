r"""Local updates of many lattices on a GPU, each group of 64 kept on chip through all sweeps between two recordings.

A block of threads carries 64 lattices, one bit of every word each: it loads their words into shared memory, sweeps, and
writes them back once. Sites of one colour of the checkerboard are updated side by side, so both sides must be even.
Random words come from a counter (`philox`): a seed gives the same configurations on every GPU, with any number of
threads, and in numba's simulator, where the tests run.

Shared memory is 8 bytes per spin, 48 KiB at most: up to `MOST_SITES` spins.
"""

import math
from typing import Any

import numba.cuda
import numpy as np
from numba import uint64

from veridical.ising.kernels import local, multispin
from veridical.ising.kernels.blocks import Block, Rows, Sweeps
from veridical.ising.law import Law

cuda: Any = numba.cuda
"""Without types of its own: it declares for the host what only kernels have."""

GROUP = 64
"""Lattices of a block of threads: bits of a word."""

MOST_GROUPS = 1024
"""Groups that run side by side: as many as the largest GPUs hold at once at side 32."""

MOST_SITES = 48 * 1024 // 8
"""Spins of a lattice that fit into shared memory."""

_MOST_SWEEPS = 4096  # of one launch, so that none takes seconds
_LAST_SWEEP = 2**31  # counters of half sweeps have 32 bits


@cuda.jit
def _sweep(spins, shape, age, sweeps, period, metropolis, heat_bath, key):
    """Sweep every group: with the heat bath where `period` is 0 or divides the age, else with the Metropolis rule."""
    shared = cuda.shared.array(0, uint64)
    height, half = shape
    group, words = cuda.blockIdx.x, 2 * height * half
    thread = cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    threads = cuda.blockDim.x * cuda.blockDim.y
    for i in range(thread, words, threads):
        shared[i] = spins[group, i]
    cuda.syncthreads()
    for half_sweep in range(2 * age, 2 * (age + sweeps)):
        quick = period > 0 and (half_sweep >> 1) % period != 0
        row = cuda.threadIdx.y
        while row < height:
            column = cuda.threadIdx.x
            while column < half:
                site, a, b, c, d = multispin.places(height, half, half_sweep & 1, row, column)
                counter = (site, half_sweep, group)
                above, below, left, right = shared[a], shared[b], shared[c], shared[d]
                if quick:
                    new = multispin.metropolis_spin(shared[site], above, below, left, right, metropolis, counter, key)
                else:
                    new = multispin.heat_bath_spin(above, below, left, right, heat_bath, counter, key)
                shared[site] = new
                column += cuda.blockDim.x
            row += cuda.blockDim.y
        cuda.syncthreads()
    for i in range(thread, words, threads):
        spins[group, i] = shared[i]


@cuda.jit
def _record(spins, places, turned, random_sign, age, key, out):
    """Write every lattice as a row of packed bits, in the order of `numpy.packbits`, one word per turn of a thread."""
    group, words = cuda.blockIdx.x, out.shape[1]
    sign = multispin.random_signs(group, age, key) if random_sign else uint64(0)
    for i in range(cuda.threadIdx.x, GROUP * words, cuda.blockDim.x):
        lattice, word = i % GROUP, i // GROUP
        packed = turned[word]
        for place in range(64):
            site = 64 * word + (place ^ 7)
            if site < places.size:
                bit = (spins[group, places[site]] ^ sign) >> uint64(lattice) & uint64(1)
                packed = packed ^ bit << uint64(place)
        out[GROUP * group + lattice, word] = packed


class CudaBlock(Block):
    """Groups of 64 lattices on a GPU; a step is a sweep.

    Args:
        law: what is sampled.
        seed: seed of all random numbers.
        groups: of 64 lattices.

    Raises:
        ValueError: an odd side, or too many sites for a GPU's shared memory.
        RuntimeError: numba finds no GPU.
    """

    def __init__(self, law: Law, seed: int, groups: int) -> None:
        require_fit(law)
        require_gpu()
        self.law, turned = law.staggered()
        self.rows, self.age = GROUP * groups, 0
        self.random_sign = self.law.field == 0
        rules = Sweeps(self.law)
        self.period = local.PERIOD if rules.use_metropolis else 0
        self.shape = law.height, law.width // 2
        self.grid, self.threads = groups, threads_of(self.shape)
        heat_bath = local.heat_bath_probabilities(self.law.horizontal, self.law.vertical, self.law.field)
        self.metropolis = multispin.thresholds(local.metropolis_probabilities(max(self.law.horizontal, 0.0)))
        self.heat_bath = multispin.thresholds(heat_bath)
        self.key = key_of(seed)
        self.places = cuda.to_device(places_of(law.height, law.width))
        self.turned = cuda.to_device(packed_words(turned))
        self.spins = cuda.to_device(np.full((groups, law.sites), 0x5555555555555555, np.uint64))
        self.out = cuda.to_device(np.zeros((self.rows, math.ceil(law.sites / 64)), np.uint64))

    def advance(self, steps: int) -> None:
        """Sweep."""
        launch = _sweep[self.grid, self.threads, 0, 8 * self.law.sites]
        if self.age + steps > _LAST_SWEEP:
            raise ValueError(f"{self.age + steps} sweeps; expected at most {_LAST_SWEEP}. Use device='cpu'.")
        tables = self.metropolis, self.heat_bath, self.key
        for start in range(self.age, self.age + steps, _MOST_SWEEPS):
            sweeps = min(_MOST_SWEEPS, self.age + steps - start)
            launch(self.spins, self.shape, start, sweeps, self.period, *tables)
        self.age += steps

    def record(self, out: Rows) -> None:
        """Write the current configuration of the first lattices, each turned over at random if there is no field."""
        launch = _record[self.grid, GROUP]
        launch(self.spins, self.places, self.turned, self.random_sign, self.age, self.key, self.out)
        out[:] = self.out[: len(out)].copy_to_host()


def groups_of(n: int) -> int:
    """Return the groups that draw n configurations: they depend on n alone, so that a seed gives the same everywhere.

    Examples:
        >>> groups_of(100), groups_of(10**7)
        (2, 1024)
    """
    return min(math.ceil(n / GROUP), MOST_GROUPS)


def require_fit(law: Law) -> None:
    """Raise `ValueError` if the kernel cannot hold a lattice."""
    if law.height % 2 or law.width % 2:
        raise ValueError(f"{law.height} x {law.width}: device 'cuda' needs even sides. Use device='cpu'.")
    if law.sites > MOST_SITES:
        raise ValueError(
            f"{law.height} x {law.width} has {law.sites} spins; device 'cuda' holds at most {MOST_SITES} on chip. "
            "Use device='cpu', whose cluster updates are faster there in any case."
        )


def require_gpu() -> None:
    """Raise `RuntimeError` if numba finds no GPU."""
    if not cuda.is_available():
        raise RuntimeError(
            "device='cuda', but numba finds no CUDA device or no CUDA toolkit; `numba -s` shows which. "
            "Use device='cpu'."
        )


def threads_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the threads of a block along a row of one colour and over rows, 256 at most.

    Examples:
        >>> threads_of((32, 16)), threads_of((4, 2))
        ((16, 16), (2, 4))
    """
    across = min(shape[1], 32)
    return across, min(shape[0], 256 // across)


def key_of(seed: int) -> tuple[np.uint32, np.uint32]:
    """Return the key of a seed."""
    low, high = np.random.SeedSequence(seed).generate_state(2, np.uint32)
    return low, high


def places_of(height: int, width: int) -> np.ndarray:
    """Return where each site lies among the words of `multispin.places`: (sites,) int32, site by site in rows.

    Examples:
        >>> places_of(2, 4)
        array([0, 4, 1, 5, 6, 2, 7, 3], dtype=int32)
    """
    row, column = np.divmod(np.arange(height * width), width)
    colour, half = (row + column) % 2, width // 2
    return (colour * height * half + row * half + column // 2).astype(np.int32)


def packed_words(sites: np.ndarray) -> np.ndarray:
    """Return sites that are set as words of a packed row."""
    packed = np.packbits(sites.ravel())
    words = np.zeros(math.ceil(sites.size / 64), np.uint64)
    words.view(np.uint8)[: len(packed)] = packed
    return words
