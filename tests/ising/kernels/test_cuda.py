"""The kernel of a GPU in numba's simulator, and what it refuses. No test here needs a GPU.

The p-value may fall below 1e-6 once in a million runs; the seed is fixed, so a passing test keeps passing.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.ising.kernels.reference import Reference
from tests.ising.kernels.simulated import CASES

from veridical.ising import Law, sample, unpack
from veridical.ising.exact import enumerate_spins
from veridical.ising.kernels import cuda
from veridical.ising.law import law as law_of
from veridical.statistics import chi_square_test

FALSE_ALARM = 1e-6


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    out = tmp_path_factory.mktemp("simulated") / "draws.npz"
    script = Path(__file__).with_name("simulated.py")
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, script, out], env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    return dict(np.load(out))


def rows_of(x: np.ndarray) -> np.ndarray:
    packed = np.packbits(x.reshape(len(x), -1), axis=1)
    words = np.zeros((len(x), -(-x[0].size // 64)), np.uint64)
    words.view(np.uint8)[:, : packed.shape[1]] = packed
    return words


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_does_what_its_updates_do_one_after_the_other(name: str, simulated: dict[str, np.ndarray]) -> None:
    source = Reference(law_of(*CASES[name]), 7, 2)
    source.advance(17)
    first = rows_of(source.configurations())
    source.advance(2)
    assert np.array_equal(simulated[name], np.stack([first, rows_of(source.configurations())]))
    source.advance(1)
    assert not np.array_equal(simulated[name][1], rows_of(source.configurations()))


def energy_and_magnetization(s: np.ndarray) -> np.ndarray:
    """One number per spins (n, 4, 4) that tells the two apart."""
    bonds = (s * np.roll(s, 1, 1)).sum((1, 2)) + (s * np.roll(s, 1, 2)).sum((1, 2))
    return 100 * (bonds + 32) + s.sum((1, 2)) + 16


def chi_square(x: np.ndarray, coupling: float) -> float:
    """P-value of the joint law of energy and magnetization on the 4 x 4 torus, from all 65,536 states."""
    s = enumerate_spins(16).reshape(-1, 4, 4).astype(int)
    bonds = (s * np.roll(s, 1, 1)).sum((1, 2)) + (s * np.roll(s, 1, 2)).sum((1, 2))
    law = np.bincount(energy_and_magnetization(s), np.exp(coupling * bonds), minlength=6500)
    counts = np.bincount(energy_and_magnetization(2 * x.astype(int) - 1), minlength=6500)
    return chi_square_test(counts, law).p_value


def test_the_kernel_draws_from_the_exact_law(simulated: dict[str, np.ndarray]) -> None:
    x = unpack(simulated["sample"], 4)
    assert x.shape == (1280, 4, 4)
    assert chi_square(x, 0.2) > FALSE_ALARM
    assert chi_square(x, 0.3) < FALSE_ALARM, "the test must be able to fail"


def test_without_a_gpu_the_remedy_is_said() -> None:
    with pytest.raises(RuntimeError, match="device='cpu'"):
        sample(4, 10, device="cuda")


@pytest.mark.parametrize("size", [(5, 4), (4, 5), (80, 80)])
def test_lattices_that_do_not_fit_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="device='cpu'"):
        sample(size, 10, device="cuda")


@pytest.mark.parametrize("wrong", [{"method": "cluster"}, {"threads": 2}, {"device": "tpu"}])
def test_what_a_gpu_does_not_do_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        sample(**{"size": 4, "n": 10, "device": "cuda", **wrong})


def test_places_agree_with_the_updates() -> None:
    from veridical.ising.kernels.multispin import places

    height, half = 4, 3
    where = cuda.places_of(height, 2 * half).reshape(height, 2 * half)
    for colour in range(2):
        for row in range(height):
            for column in range(half):
                site, above, below, left, right = places(height, half, colour, row, column)
                (r, c) = np.argwhere(where == site)[0]
                assert (r + c) % 2 == colour and r == row
                assert (above, below) == (where[r - 1, c], where[(r + 1) % height, c])
                assert (left, right) == (where[r, c - 1], where[r, (c + 1) % (2 * half)])


def test_turned_sites_are_packed_as_rows_are() -> None:
    turned = Law(4, 18, -0.3, 0.4).staggered()[1]
    assert np.array_equal(unpack(cuda.packed_words(turned).view(np.uint8)[None, :9], (4, 18))[0], turned)


def test_every_seed_has_a_key_of_its_own() -> None:
    assert len({cuda.key_of(seed) for seed in range(1000)}) == 1000 and cuda.key_of(7) == cuda.key_of(7)
