"""How long a Fréchet distance takes, beside the two usual formulae, on the same features in one run.

    python benchmarks/frechet.py [--n 10000] [--d 2048] [--threads 2] [--repeats 3]

Prints the seconds of each part (best of the repeats; the usual formulae once), the processor seconds (which another
program on the machine disturbs less; compare them at one thread), the distances, and the ratios of processor seconds.
The features are non-negative and correlated, like those of a network.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds on the clock, and of the processor."""

    wall: float
    processor: float


def cost(repeats: int, work: Callable[[], object]) -> Cost:
    costs = []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        costs.append(Cost(time.perf_counter() - wall, time.process_time() - processor))
    return min(costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--d", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)  # read when numpy is imported, hence the imports below

    import numpy as np
    import scipy.linalg
    import torch

    from veridical.evaluation.frechet import GaussianFit, Moments, distance_of_fits, frechet_with_interval

    torch.set_num_threads(options.threads)
    n, d = options.n, options.d
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(d, d, generator=generator) * torch.logspace(0, -2, d)[:, None] / 3
    x, y = (((torch.randn(n, d, generator=generator) + shift) @ mix).relu() for shift in (0.0, 0.1))

    reference = GaussianFit(y)
    reference.factor  # noqa: B018  # its statistics are made once and kept
    ours = cost(options.repeats, lambda: distance_of_fits(reference, GaussianFit(x)))
    both = cost(options.repeats, lambda: distance_of_fits(GaussianFit(y), GaussianFit(x)))
    with_error = cost(1, lambda: frechet_with_interval(reference, GaussianFit(x)))
    value = distance_of_fits(reference, GaussianFit(x))

    a, b = Moments(d), Moments(d)
    shared = cost(1, lambda: a.update(x))  # the usual formulae need it too
    b.update(y)
    product = a.covariance @ b.covariance
    fixed = float((a.mean - b.mean) @ (a.mean - b.mean) + np.trace(a.covariance) + np.trace(b.covariance))
    roots: dict[str, float] = {}

    def by_eigenvalues() -> None:
        roots["eigenvalues"] = float(np.real(np.sqrt(np.linalg.eigvals(product).astype(complex))).sum())

    def by_root() -> None:
        roots["root"] = float(np.real(np.trace(np.asarray(scipy.linalg.sqrtm(product)))))

    eigenvalues, root = (
        Cost(c.wall + shared.wall, c.processor + shared.processor) for c in (cost(1, by_eigenvalues), cost(1, by_root))
    )
    print(f"{n:,} samples of {d} features, {options.threads} threads; statistics of the reference kept unless said\n")
    print("| | seconds | processor seconds | distance | times the first |\n|---|---|---|---|---|")
    for name, took, distance in (
        ("veridical: statistics of the samples, distance", ours, value),
        ("veridical: statistics of both, distance", both, value),
        ("veridical: statistics of the samples, distance, standard error", with_error, value),
        ("statistics of the samples, eigenvalues of the product", eigenvalues, fixed - 2 * roots["eigenvalues"]),
        ("statistics of the samples, matrix root (scipy sqrtm)", root, fixed - 2 * roots["root"]),
    ):
        ratio = took.processor / ours.processor
        print(f"| {name} | {took.wall:.2f} | {took.processor:.2f} | {distance:.6f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
