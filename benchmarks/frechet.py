"""How long a Fréchet distance takes, beside the two usual formulae, on the same features in one run.

    python benchmarks/frechet.py [--n 10000] [--d 2048] [--threads 2] [--repeats 3]

Prints the seconds of each part (best of the repeats; the usual formulae once), the distances, and the ratios. The
features are non-negative and correlated, like those of a network.
"""

import argparse
import os
import time
from collections.abc import Callable


def best(repeats: int, work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


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

    from veridical.evaluation.frechet import GaussianFit, Moments, distance_of_fits, frechet_with_error

    torch.set_num_threads(options.threads)
    n, d = options.n, options.d
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(d, d, generator=generator) * torch.logspace(0, -2, d)[:, None] / 3
    x, y = (((torch.randn(n, d, generator=generator) + shift) @ mix).relu() for shift in (0.0, 0.1))

    reference = GaussianFit(y)
    reference.factor  # noqa: B018  # its statistics are made once and kept
    ours = best(options.repeats, lambda: distance_of_fits(reference, GaussianFit(x)))
    both = best(options.repeats, lambda: distance_of_fits(GaussianFit(y), GaussianFit(x)))
    with_error = best(1, lambda: frechet_with_error(reference, GaussianFit(x)))
    value = distance_of_fits(reference, GaussianFit(x))

    def statistics() -> tuple[Moments, Moments]:
        a, b = Moments(d), Moments(d)
        a.update(x)
        b.update(y)
        return a, b

    shared = best(options.repeats, statistics) / 2  # of one sample; the usual formulae need it too
    a, b = statistics()
    product = a.covariance @ b.covariance
    fixed = float((a.mean - b.mean) @ (a.mean - b.mean) + np.trace(a.covariance) + np.trace(b.covariance))

    began = time.perf_counter()
    by_eigvals = fixed - 2 * float(np.real(np.sqrt(np.linalg.eigvals(product).astype(complex))).sum())
    eigvals = time.perf_counter() - began + shared
    began = time.perf_counter()
    by_sqrtm = fixed - 2 * float(np.real(np.trace(np.asarray(scipy.linalg.sqrtm(product)))))
    sqrtm = time.perf_counter() - began + shared

    print(f"{n:,} samples of {d} features, {options.threads} threads; reference statistics kept unless said\n")
    print("| | seconds | distance | times ours |\n|---|---|---|---|")
    for name, seconds, distance in (
        ("veridical: statistics of the samples and distance", ours, value),
        ("veridical: statistics of both and distance", both, value),
        ("veridical: with standard error", with_error, value),
        ("eigenvalues of the product", eigvals, by_eigvals),
        ("matrix root (scipy sqrtm)", sqrtm, by_sqrtm),
    ):
        print(f"| {name} | {seconds:.2f} | {distance:.6f} | {seconds / ours:.1f} |")
    print(f"\nstatistics of one sample alone: {shared:.2f} s")


if __name__ == "__main__":
    main()
