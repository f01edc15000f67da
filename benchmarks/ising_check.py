"""What `veridical ising check` sees: files with a planted fault that it rejects, and true ones, of 30 files each.

    python benchmarks/ising_check.py [--files 30] [--side 16] [-n 1000]

Configurations are those of `veridical.ising.sample`, at the critical coupling. The figures are in docs/ising.md; 30
files take a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from veridical.ising import CRITICAL_COUPLING, sample
from veridical.ising.check import check

Fault = Callable[[int, int, int], np.ndarray]


def drawn(side: int, n: int, seed: int, factor: float = 1.0) -> np.ndarray:
    """Draw independent configurations at a multiple of the critical coupling."""
    return sample(side, n, factor * CRITICAL_COUPLING, seed=seed, threads=1)


def twice(side: int, n: int, seed: int) -> np.ndarray:
    """Write every configuration twice in a row."""
    return drawn(side, n // 2, seed).repeat(2, 0)


def flipped(side: int, n: int, seed: int) -> np.ndarray:
    """Add every configuration with all spins flipped, in any order."""
    x = drawn(side, n // 2, seed)
    return np.random.default_rng(seed).permutation(np.concatenate([x, ~x.astype(bool)]))


def shifted(side: int, n: int, seed: int) -> np.ndarray:
    """Add every configuration moved by any number of rows and columns, in any order."""
    rng, x = np.random.default_rng(seed), drawn(side, n // 2, seed)
    moved = np.array([np.roll(one, rng.integers(0, side, 2), (0, 1)) for one in x])
    return rng.permutation(np.concatenate([x, moved]))


def few_copies(side: int, n: int, seed: int) -> np.ndarray:
    """Replace 1 % by copies of others, in any order."""
    x = drawn(side, n, seed).copy()
    x[: n // 100] = x[-(n // 100) :]
    return np.random.default_rng(seed).permutation(x)


def mixture(side: int, n: int, seed: int) -> np.ndarray:
    """Draw half at a coupling 2 % larger and half at one 2 % smaller, in any order."""
    halves = [drawn(side, n // 2, 2 * seed + i, factor) for i, factor in enumerate((0.98, 1.02))]
    return np.random.default_rng(seed).permutation(np.concatenate(halves))


FAULTS: dict[str, Fault] = {
    "none": drawn,
    "written twice in a row": twice,
    "flipped copies": flipped,
    "shifted copies": shifted,
    "1 % of copies": few_copies,
    "mixture of K - 2 % and K + 2 %": mixture,
}


def main() -> None:
    """Count the rejected files of every fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=30)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("-n", type=int, default=1000)
    given = parser.parse_args()
    for name, fault in FAULTS.items():
        outcomes = [check(fault(given.side, given.n, seed), threads=1).outcome for seed in range(given.files)]
        print(f"{name:<34}{outcomes.count('inconsistent')} of {given.files} rejected", flush=True)


if __name__ == "__main__":
    main()
