import math
import random

import numpy as np
import pytest

from veridical.ising.exact import modular


def _columns(values: list[list[int]]) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


FIELDS = modular.fields(order=96, bits=120)
PRIMES = _columns([[f.prime] for f in FIELDS])


def test_fields_have_roots_of_the_wanted_order_and_enough_primes() -> None:
    assert math.prod(f.prime for f in FIELDS) > 2**120
    assert len({f.prime for f in FIELDS}) == len(FIELDS)
    for f in FIELDS:
        assert f.prime < 2**31 and all(f.prime % q for q in range(2, 50_000))
        assert [d for d in range(1, 97) if pow(f.root, d, f.prime) == 1] == [96]


def test_scarce_primes_are_reported() -> None:
    with pytest.raises(ValueError, match="smaller odd factors"):
        modular.fields(order=2**20 * 243, bits=4096)


def test_powers() -> None:
    got = modular.powers([f.root for f in FIELDS], PRIMES, 13)
    assert got.tolist() == [[pow(f.root, i, f.prime) for i in range(13)] for f in FIELDS]
    exponents = modular.power(got, PRIMES, 37)
    assert exponents.tolist() == [[pow(f.root, 37 * i, f.prime) for i in range(13)] for f in FIELDS]


@pytest.mark.parametrize("index", [0, 1, 2, 3, 7, 8, 33, 64])
def test_lucas_sequence_is_a_sum_of_powers(index: int) -> None:
    alpha, beta = 1_234_567, 7_654_321
    trace, norm = (np.full_like(PRIMES, v) % PRIMES for v in (alpha + beta, alpha * beta))
    got = modular.lucas(trace, norm, PRIMES, index)
    assert got[:, 0].tolist() == [(pow(alpha, index, f.prime) + pow(beta, index, f.prime)) % f.prime for f in FIELDS]


@pytest.mark.parametrize("count", [1, 2, 8, 32])
def test_coefficients_invert_evaluation(count: int) -> None:
    rng = random.Random(5)
    wanted = [[rng.randrange(f.prime) for _ in range(count)] for f in FIELDS]
    roots = [pow(f.root, 96 // count, f.prime) for f in FIELDS]
    values = [
        [sum(c * pow(w, i * j, f.prime) for j, c in enumerate(row)) % f.prime for i in range(count)]
        for f, w, row in zip(FIELDS, roots, wanted, strict=True)
    ]
    assert modular.coefficients(_columns(values), roots, PRIMES).tolist() == wanted


def test_chinese_remainder_restores_large_integers() -> None:
    rng = random.Random(6)
    wanted = [rng.randrange(2**120) for _ in range(20)]
    residues = _columns([[n % f.prime for n in wanted] for f in FIELDS])
    assert modular.chinese_remainder(residues, [f.prime for f in FIELDS]) == wanted
