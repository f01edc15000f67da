"""One peer, one algorithm, one lattice: run by `ising.py` with the interpreter in which the peers are installed.

    python ising_peers.py PACKAGE ALGORITHM SIDE SECONDS SEED

Prints one line of JSON: how often a configuration was taken in how much processor and wall time, and the integrated
autocorrelation time between them, of the slower of energy and squared magnetization where the package shows both.
"""

import json
import math
import sys
import time

import numpy as np

COUPLING = 0.5 * math.log1p(math.sqrt(2))


def autocorrelation_time(x):
    """Integrated time of one chain, window of six times itself (Sokal)."""
    x = np.asarray(x, float) - np.mean(x)
    size = 1 << (2 * len(x) - 1).bit_length()
    power = np.abs(np.fft.rfft(x, size)) ** 2
    rho = np.fft.irfft(power)[: len(x)]
    tau = np.cumsum(rho / rho[0]) - 0.5
    return float(tau[np.argmax(np.arange(len(tau)) >= 6 * tau)])


def mcising(algorithm, side, seconds, seed):
    """Production sweeps in one call of the compiled engine, configurations stored at each interval."""
    from mcising import IsingSimulation  # pyright: ignore[reportMissingImports]

    name = algorithm.replace("-", "_")
    engine = IsingSimulation(side, 1.0, 0.0, 0.0, 0.0, seed, algorithm=name, lattice_type="square")
    interval = max(1, round(0.005 * side**2.1)) if algorithm == "metropolis" else 1
    engine.sweep((40 * side if algorithm == "wolff" else 200) * interval, temperature=1 / COUPLING)  # hot start

    def take(count):
        out = engine.production_sweeps(count, interval, temperature=1 / COUPLING, store_configs=True)
        return np.asarray(out["energies"]), np.asarray(out["magnetizations"])

    return _measure(take, seconds)


def peapods(algorithm, side, seconds, seed):
    """Its cluster modes come on top of a Metropolis sweep; it shows the time of the squared magnetization only."""
    from peapods import Ising  # pyright: ignore[reportMissingImports]

    model = Ising((side, side), temperatures=np.array([1 / COUPLING]))
    mode = {"wolff": "wolff", "swendsen-wang": "sw"}.get(algorithm)
    lags = max(60, round(0.2 * side**2.1)) if algorithm == "metropolis" else 60
    options = {"sequential": True, "cluster_update_interval": 1 if mode else None, "cluster_mode": mode or "sw"}
    model.sample(200, warmup_ratio=0.1, **options)
    start = time.perf_counter()
    model.sample(200, warmup_ratio=0.1, **options)
    count = max(1000, int(seconds * 200 / (time.perf_counter() - start)))
    start, clock = time.perf_counter(), time.process_time()
    result = model.sample(count, warmup_ratio=0.01, autocorrelation_max_lag=lags, **options)
    return {
        "taken": count,
        "wall": time.perf_counter() - start,
        "processor": time.process_time() - clock,
        "tau": float(result["mags2_tau"][0]),
    }


def dwave(algorithm, side, seconds, seed):
    """Simulated annealing held at one temperature; 64 reads go on from where they were."""
    import dimod  # pyright: ignore[reportMissingImports]
    from dwave.samplers import SimulatedAnnealingSampler  # pyright: ignore[reportMissingImports]

    assert algorithm == "metropolis"
    site = np.arange(side * side).reshape(side, side)
    pairs = [(int(a), int(np.roll(site, -1, axis).flat[a])) for axis in (0, 1) for a in site.flat]
    model = dimod.BinaryQuadraticModel({int(a): 0.0 for a in site.flat}, dict.fromkeys(pairs, -1.0), "SPIN")
    sampler, reads = SimulatedAnnealingSampler(), 64
    interval = max(1, round(0.02 * side**2.1))
    states = np.ones((reads, side * side), np.int8)

    def step(sweeps):
        nonlocal states
        found = sampler.sample(
            model, beta_schedule_type="custom", beta_schedule=[COUPLING], num_sweeps_per_beta=sweeps, num_reads=reads,
            initial_states=(states, list(range(side * side))), initial_states_generator="none", seed=seed + 1,
            proposal_acceptance_criteria="Metropolis", randomize_order=False,
        )  # fmt: skip
        states = found.record.sample[:, np.argsort(found.variables)]
        s = states.reshape(-1, side, side).astype(int)
        return -(s * np.roll(s, 1, 1)).sum((1, 2)) - (s * np.roll(s, 1, 2)).sum((1, 2)), s.mean((1, 2))

    step(50 * interval)
    energies, magnetizations, start, clock = [], [], time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        seed += 1
        e, m = step(interval)
        energies.append(e)
        magnetizations.append(m)
    wall, processor = time.perf_counter() - start, time.process_time() - clock
    e, m = np.array(energies, float).T, np.array(magnetizations).T ** 2
    tau = max(np.mean([autocorrelation_time(x) for x in chains]) for chains in (e, m))
    return {"taken": e.size, "wall": wall, "processor": processor, "tau": float(tau)}


def _measure(take, seconds):
    start = time.perf_counter()
    take(200)
    count = max(500, int(seconds * 200 / (time.perf_counter() - start)))
    start, clock = time.perf_counter(), time.process_time()
    energies, magnetizations = take(count)
    wall, processor = time.perf_counter() - start, time.process_time() - clock
    tau = max(autocorrelation_time(energies), autocorrelation_time(magnetizations**2))
    return {"taken": count, "wall": wall, "processor": processor, "tau": tau}


if __name__ == "__main__":
    package, algorithm, side, seconds, seed = sys.argv[1:]
    print(json.dumps(globals()[package](algorithm, int(side), float(seconds), int(seed))))
