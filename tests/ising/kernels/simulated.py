"""Draws by numba's simulator of a GPU, in a process with NUMBA_ENABLE_CUDASIM=1; writes them to a file.

python simulated.py OUT
"""

import sys

import numpy as np

from veridical.ising import sample
from veridical.ising.kernels.cuda import CudaBlock
from veridical.ising.law import law

CASES = {
    "metropolis": ((4, 6), (0.4, 0.4), 0.0),
    "heat bath": ((4, 4), (0.2, 0.5), 0.15),
    "staggered": ((2, 4), (-0.3, 0.4), 0.0),
}


def rows(source: CudaBlock, n: int) -> np.ndarray:
    out = np.empty((n, -(-source.law.sites // 64)), np.uint64)
    source.record(out)
    return out


if __name__ == "__main__":
    found = {}
    for name, (size, coupling, field) in CASES.items():
        source = CudaBlock(law(size, coupling, field), 7, 2)
        source.advance(17)
        first = rows(source, 128)
        source.advance(2)
        found[name] = np.stack([first, rows(source, 128)])
    found["sample"] = sample(4, 1280, 0.2, seed=3, device="cuda", burn_in=10, thinning=1, packed=True)
    np.savez(sys.argv[1], **found)
