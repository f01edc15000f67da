"""What `veridical ising check` sees: files with a planted fault that it rejects, and true ones, of 30 files each.

    python benchmarks/ising_check.py                                                          # faults, 30 files each
    python benchmarks/ising_check.py --only mixture --files 15 -n 2000
    python benchmarks/ising_check.py --only none --files 100 --side 8 --method perfect
    python benchmarks/ising_check.py --only none --files 60 --side 8 --method perfect --coupling 0.3

Configurations are those of `veridical.ising.sample`, at the critical coupling if no other is given; those of the method
`perfect` (coupling from the past) are independent and exact. The figures are in docs/ising.md; the first line takes a
minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import get_args

import numpy as np

from veridical.ising import CRITICAL_COUPLING, sample
from veridical.ising.check import check
from veridical.ising.methods import Method

Draw = Callable[..., np.ndarray]
"""From n and a seed, and a factor on the coupling, to configurations."""

Fault = Callable[[Draw, int, int], np.ndarray]


def drawn(side: int, coupling: float, method: Method, n: int, seed: int, factor: float = 1.0) -> np.ndarray:
    """Draw configurations without a fault.

    Args:
        side: of the lattice.
        coupling: of its law.
        method: of `veridical.ising.sample`.
        n: number of configurations.
        seed: of all random numbers.
        factor: on the coupling.
    """
    return sample(side, n, factor * coupling, method, seed=seed, threads=1)


def none(draw: Draw, n: int, seed: int) -> np.ndarray:
    """Change nothing."""
    return draw(n, seed)


def twice(draw: Draw, n: int, seed: int) -> np.ndarray:
    """Write every configuration twice in a row."""
    return draw(n // 2, seed).repeat(2, 0)


def flipped(draw: Draw, n: int, seed: int) -> np.ndarray:
    """Add every configuration with all spins flipped, in any order."""
    x = draw(n // 2, seed)
    return np.random.default_rng(seed).permutation(np.concatenate([x, ~x.astype(bool)]))


def shifted(draw: Draw, n: int, seed: int) -> np.ndarray:
    """Add every configuration moved by any number of rows and columns, in any order."""
    rng, x = np.random.default_rng(seed), draw(n // 2, seed)
    moved = np.array([np.roll(one, rng.integers(0, x.shape[1], 2), (0, 1)) for one in x])
    return rng.permutation(np.concatenate([x, moved]))


def few_copies(draw: Draw, n: int, seed: int) -> np.ndarray:
    """Replace 1 % by copies of others, in any order."""
    x = draw(n, seed).copy()
    x[: n // 100] = x[-(n // 100) :]
    return np.random.default_rng(seed).permutation(x)


def mixture(draw: Draw, n: int, seed: int) -> np.ndarray:
    """Draw half at a coupling 2 % larger and half at one 2 % smaller, in any order."""
    halves = [draw(n // 2, 2 * seed + i, factor) for i, factor in enumerate((0.98, 1.02))]
    return np.random.default_rng(seed).permutation(np.concatenate(halves))


FAULTS: dict[str, Fault] = {
    "none": none,
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
    parser.add_argument("--coupling", type=float, default=CRITICAL_COUPLING)
    parser.add_argument("--method", choices=get_args(Method), default="auto")
    parser.add_argument("--only", default="", help="part of the name of a fault")
    given = parser.parse_args()
    draw = partial(drawn, given.side, given.coupling, given.method)
    for name, fault in FAULTS.items():
        if given.only in name:
            seeds = range(given.files)
            outcomes = [check(fault(draw, given.n, seed), given.coupling, threads=1).outcome for seed in seeds]
            print(f"{name:<34}{outcomes.count('inconsistent')} of {given.files} rejected", flush=True)


if __name__ == "__main__":
    main()
