"""The kernel of a GPU against the compiled kernels and the sampler in torch: configurations per second of one law.

    python benchmarks/ising_cuda.py [--sizes 16 32 64] [--n 2000000] [--threads 2]

Needs a CUDA device, its driver and a toolkit that numba finds (`numba -s`). First the draws of every sampler are held
against the exact law (`veridical.ising.check`): a rate counts only where that passes. Then each draws n critical
configurations as packed bits, twice, and the second time counts, which holds burn-in and copies to the host but no
compilation. Flips per nanosecond are of the sweeps between recordings alone, on the device.
"""

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
from numba import cuda

from veridical.ising import plan, sample, unpack
from veridical.ising.check import check
from veridical.ising.kernels.cuda import MOST_GROUPS, CudaBlock
from veridical.ising.torch_sampler import sample_torch

Draw = Callable[[int, int, int], np.ndarray]


def seconds(draw: Draw, size: int, n: int) -> float:
    """Of the second of two draws."""
    draw(size, n, 1)
    start = time.perf_counter()
    draw(size, n, 2)
    return time.perf_counter() - start


def verdict(draw: Draw, size: int) -> str:
    """What the exact law says of 20,000 configurations."""
    return check(unpack(draw(size, 20_000, 3), size)).outcome


def torch_packed(size: int, n: int, seed: int) -> np.ndarray:
    return np.packbits(sample_torch(size, n, seed=seed).cpu().numpy().reshape(n, -1), axis=1)


def flips_per_nanosecond(size: int, sweeps: int = 200) -> float:
    """Of the sweeps alone, all groups at work, the best of five."""
    source = CudaBlock(plan(size, method="metropolis").law, 0, MOST_GROUPS)
    source.advance(sweeps)
    cuda.synchronize()
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        source.advance(sweeps)
        cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return source.rows * source.law.sites * sweeps / best / 1e9


def run(sizes: list[int], n: int, threads: int) -> None:
    name = cuda.get_current_device().name  # bytes in older versions of numba
    name = name.decode() if isinstance(name, bytes) else name
    print(f"{name}; compiled kernels on {threads} threads; {n:,} configurations\n")
    draws: dict[str, Draw] = {
        f"kernels, {threads} threads": lambda size, n, seed: sample(size, n, seed=seed, packed=True, threads=threads),
        "torch": torch_packed,
        "cuda kernel": lambda size, n, seed: sample(size, n, seed=seed, packed=True, device="cuda"),
    }
    print("| side | sampler | against the exact law | configurations / s | flips / ns |")
    print("|---|---|---|---|---|")
    for size in sizes:
        for name, draw in draws.items():
            flips = f"{flips_per_nanosecond(size):,.0f}" if name == "cuda kernel" else ""
            rate = n / seconds(draw, size, n)
            print(f"| {size} | {name} | {verdict(draw, size)} | {rate:,.0f} | {flips} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--n", type=int, default=2_000_000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not cuda.is_available():
        raise SystemExit("numba finds no CUDA device or no CUDA toolkit; `numba -s` says which.")
    run(options.sizes, options.n, options.threads)
