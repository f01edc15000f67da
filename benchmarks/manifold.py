"""Seconds and memory of precision, recall, density and coverage, beside prdc on the same features.

    python benchmarks/manifold.py [--n 50000] [--d 1280] [--threads 2] [--peer]

Each program runs in a process of its own, so that the peak of its memory is its own; prdc holds three n x n matrices of
float64 (and copies), 60 GB at n = 50,000.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import time


def measure(which: str, n: int, d: int, threads: int) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    real, fake = (rng.standard_normal((n, d), dtype=np.float32) * scale for scale in (1.0, 0.98))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if which == "prdc":
        from prdc import compute_prdc

        began, processor = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            found = compute_prdc(real, fake, 5)
        values = [float(found[name]) for name in ("precision", "recall", "density", "coverage")]
    else:
        import torch

        from veridical.evaluation.manifold import Sample, manifold

        torch.set_num_threads(threads)
        began, processor = time.perf_counter(), time.process_time()
        values = list(manifold(*(Sample(torch.from_numpy(x), 5, 5) for x in (real, fake))))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - began,
                "processor": time.process_time() - processor,
                "peak_gb": after / 1e6,
                "with_features_alone_gb": before / 1e6,
                "values": values,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--d", type=int, default=1280)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", action="store_true", help="run prdc too")
    parser.add_argument("--one", choices=["ours", "prdc"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one, options.n, options.d, options.threads)
        return
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(options.threads))}
    for which in ("ours", "prdc") if options.peer else ("ours",):
        sizes = (f"--{name}={getattr(options, name)}" for name in ("n", "d", "threads"))
        command = [sys.executable, __file__, "--one", which, *sizes]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
        r = json.loads(answer.splitlines()[-1])
        print(
            f"{which:5} n {options.n:,} d {options.d}: {r['wall']:8.1f} s, {r['processor']:8.1f} processor s, "
            f"peak {r['peak_gb']:.2f} GB ({r['with_features_alone_gb']:.2f} with the features alone); "
            f"{[round(v, 4) for v in r['values']]}"
        )


if __name__ == "__main__":
    main()
