"""Independent critical configurations per second: this package and others, side by side in one run.

    python -m venv /tmp/ising-peers
    /tmp/ising-peers/bin/pip install mcising==1.1.0 peapods==0.2.0 dwave-samplers==1.8.0
    python benchmarks/ising.py --peers /tmp/ising-peers/bin/python [--sizes 16 32 64 128] [--seconds 4]

A configuration taken counts as 1/(2 tau), at most 1, where tau is the integrated autocorrelation time between
configurations taken, of the slower of energy and squared magnetization, measured in the same run. All run on two cores:
ours with two threads, each peer as two processes at once. Rates are per second of wall time, and per second of
processor time times two: the second is what counts on a machine that does other work too. Peers are
given the squared magnetization even where their local chains keep a sign, and the faster of their algorithms.

    python benchmarks/ising.py --perfect      perfect samples per second
    python benchmarks/ising.py --times        the autocorrelation times of `veridical.ising.planning`
"""

import argparse
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from veridical.ising import Method, plan, sample, stream, unpack
from veridical.ising.autocorrelation import measure
from veridical.ising.kernels.methods import block
from veridical.ising.observables import hamiltonian, magnetization
from veridical.statistics import autocorrelation_time

PEERS = {
    "mcising": ("wolff", "swendsen-wang", "metropolis"),
    "peapods": ("wolff", "swendsen-wang", "metropolis"),
    "dwave": ("metropolis",),
}
OURS: tuple[tuple[Method, bool], ...] = (("metropolis", False), ("cluster", False), ("cluster", True), ("wolff", False))
"""Methods, and whether their bits are left packed."""

SLOW = {("dwave", 128), ("dwave", 64)}
"""Peers that would not take a hundred configurations in the time."""


def ours(size: int, method: Method, seconds: float, packed: bool) -> dict[str, float]:
    """Stream configurations through two threads, then measure the time between those of one lattice."""
    pieces = stream(size, method=method, seed=1, blocks=2, packed=packed, threads=2)
    next(pieces)
    taken, wall, processor, energies, squares = 0, 0.0, 0.0, [], []
    while wall < seconds:
        start, clock = time.perf_counter(), time.process_time()
        piece = next(pieces)
        wall, processor = wall + time.perf_counter() - start, processor + time.process_time() - clock
        taken += len(piece)
        if len(energies) < 80:
            x = unpack(piece, size) if packed else piece
            energies.append(hamiltonian(x))
            squares.append(magnetization(x) ** 2)
    tau = max(autocorrelation_time(np.stack(series, axis=1)) for series in (energies, squares))
    return {"taken": taken, "wall": wall, "processor": processor, "tau": tau}


def peer(python: str, package: str, algorithm: str, size: int, seconds: float) -> dict[str, float]:
    """Run two processes at once; times add up, the slower tau counts."""
    script = Path(__file__).with_name("ising_peers.py")

    def run(seed: int) -> dict[str, float]:
        command = [python, str(script), package, algorithm, str(size), str(seconds), str(seed)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(run, (0, 1))
    total = {name: a[name] + b[name] for name in a}
    return {**total, "wall": total["wall"] / 2, "tau": max(a["tau"], b["tau"])}


def rates(found: dict[str, float]) -> tuple[float, float]:
    """Independent configurations per second of wall time, and per two seconds of processor time."""
    independent = found["taken"] * min(1.0, 1 / (2 * found["tau"]))
    return independent / found["wall"], 2 * independent / found["processor"]


def row(size: int, name: str, found: dict[str, float]) -> float:
    wall, processor = rates(found)
    taken = 2 * found["taken"] / found["processor"]
    print(f"| {size} | {name} | {taken:,.0f} | {found['tau']:.2f} | {wall:,.0f} | {processor:,.0f} |", flush=True)
    return processor


def compare(sizes: list[int], seconds: float, python: str | None) -> None:
    print("| side | sampler | taken / s | tau between them | independent / s, wall | independent / s, 2 cores |")
    print("|---|---|---|---|---|---|")
    for size in sizes:
        best = {}
        for method, packed in OURS:
            if method == "metropolis" and size > 64:
                continue
            name = f"veridical {method}" + (", packed" if packed else "")
            best[name] = row(size, name, ours(size, method, seconds, packed))
        if python is None:
            continue
        theirs = {}
        for package, algorithms in PEERS.items():
            for algorithm in algorithms:
                if (package, size) not in SLOW and not (algorithm == "metropolis" and size > 64):
                    found = peer(python, package, algorithm, size, seconds)
                    theirs[f"{package} {algorithm}"] = row(size, f"{package} {algorithm}", found)
        leader = max(theirs, key=lambda name: theirs[name])
        print(f"| {size} | best of ours / best peer ({leader}) | | | | {max(best.values()) / theirs[leader]:.0f} x |")


def perfect(sizes: list[int], seconds: float) -> None:
    for size in sizes:
        n = 1024
        began, clock = time.perf_counter(), time.process_time()
        sample(size, n, method="perfect", threads=2)
        wall, processor = time.perf_counter() - began, time.process_time() - clock
        print(f"side {size}: {n} perfect samples in {wall:.2f} s, {2 * n / processor:,.0f} per second on two cores")


TIMED: dict[Method, dict[int, tuple[int, int, int]]] = {
    "metropolis": {
        8: (1000, 100, 1),
        16: (1000, 300, 1),
        32: (1000, 1000, 5),
        64: (400, 4000, 20),
        128: (300, 15000, 60),
    },
    "cluster": {8: (1000, 60, 1), 16: (1000, 60, 1), 32: (600, 60, 1), 64: (300, 60, 1), 128: (150, 60, 1)},
    "wolff": {8: (1000, 100, 1), 16: (1000, 100, 1), 32: (600, 100, 1), 64: (300, 100, 1), 128: (150, 150, 1)},
    "swendsen-wang": {
        8: (20000, 99, 1),
        16: (20000, 99, 1),
        32: (20000, 99, 1),
        64: (20000, 99, 1),
        128: (4000, 99, 1),
    },
}
"""Observations, burn-in and stride for each method and side."""


def times(sizes: list[int]) -> None:
    print("| method | side | tau energy | tau M^2 | ns per spin and step |")
    print("|---|---|---|---|---|")
    for method, settings in TIMED.items():
        for size in sizes:
            chosen = plan(size, method=method)
            found = measure(chosen, *settings[size])
            cost = step_nanoseconds(chosen)
            print(f"| {method} | {size} | {found.energy:.2f} | {found.magnetization:.2f} | {cost:.4f} |", flush=True)


def step_nanoseconds(chosen) -> float:
    """Best of several: processor time per spin and step on one core."""
    source, steps = block(chosen, 0, 0), max(2, int(3e5 / chosen.law.sites))
    source.advance(steps)
    best = np.inf
    for _ in range(8):
        clock = time.thread_time()
        source.advance(steps)
        best = min(best, time.thread_time() - clock)
    return best * 1e9 / (steps * chosen.law.sites * source.rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="interpreter in which the peers are installed")
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--perfect", action="store_true")
    parser.add_argument("--times", action="store_true")
    options = parser.parse_args()
    if options.times:
        times(options.sizes)
    elif options.perfect:
        perfect(options.sizes, options.seconds)
    else:
        compare(options.sizes, options.seconds, options.peers)
