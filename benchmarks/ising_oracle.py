"""An exact sampler by other people, on other principles, holds against ours on the same torus.

    python benchmarks/ising_oracle.py --peers /path/to/python

The interpreter is one in which `dwave-samplers` is installed: its TreeDecompositionSampler draws independent, exact
configurations of an 8x8 torus and returns log Z. Compared are log Z with Kaufman's formula, the energies of both
samples with the exact law, and the energies and squared magnetizations of the two with each other.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from veridical.ising import CRITICAL_COUPLING, sample
from veridical.ising.exact import energy_distribution, log_partition
from veridical.ising.observables import hamiltonian, magnetization
from veridical.statistics import chi_square_test

ORACLE = """
import json, sys
import numpy as np
from dwave.samplers import TreeDecompositionSampler
side, n, coupling, out = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
bonds = {}
for r in range(side):
    for c in range(side):
        for other in ((r, (c + 1) % side), ((r + 1) % side, c)):
            pair = (r * side + c, other[0] * side + other[1])
            bonds[pair] = bonds.get(pair, 0.0) - coupling
found = TreeDecompositionSampler().sample_ising({}, bonds, num_reads=n, marginals=False, seed=1)
order = np.argsort(list(found.variables))
np.save(out, found.record.sample[:, order].astype(np.int8).reshape(n, side, side))
print(json.dumps(float(found.info["log_partition_function"])))
"""


def main() -> None:
    """Draw, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True, help="interpreter with dwave-samplers")
    parser.add_argument("--side", type=int, default=8)
    parser.add_argument("-n", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.npy"
        numbers = map(str, (given.side, given.n, CRITICAL_COUPLING))
        done = subprocess.run(
            [given.peers, "-c", ORACLE, *numbers, str(file)], check=True, capture_output=True, text=True
        )
        theirs = np.load(file, allow_pickle=False)
    log_z, ours = json.loads(done.stdout), sample(given.side, given.n, seed=2, spins=True)
    exact = float(log_partition(given.side, given.side, CRITICAL_COUPLING))
    print(f"log Z: theirs {log_z:.14f}, Kaufman {exact:.14f}, difference {log_z - exact:.1e}")
    law = energy_distribution(given.side, given.side, CRITICAL_COUPLING)
    for name, x in (("oracle", theirs), ("veridical", ours)):
        energy = np.rint(np.asarray(hamiltonian(x))).astype(int)
        counts = np.array([(energy == e).sum() for e in law.energies])
        print(f"{name}: exact P(E), chi-square p = {chi_square_test(counts, law.probabilities).p_value:.3f}")
    for name, of in (("energy", hamiltonian), ("m^2", lambda x: np.asarray(magnetization(x)) ** 2)):
        a, b = (np.asarray(of(x), dtype=float) for x in (theirs, ours))
        z = (a.mean() - b.mean()) / math.hypot(a.std() / len(a) ** 0.5, b.std() / len(b) ** 0.5)
        print(f"{name}: oracle {a.mean():.6f}, veridical {b.mean():.6f}, z = {z:.2f} (ours taken as independent)")


if __name__ == "__main__":
    main()
