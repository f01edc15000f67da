r"""Exact polynomials with large integer coefficients, from their values modulo many primes.

A polynomial of degree below $M$ is known modulo a prime $p$ from its values at the $M$-th roots of unity of the field
$\mathbb F_p$, which exist when $M\mid p-1$. Enough primes determine each integer coefficient by the Chinese remainder
theorem. Everything is integer arithmetic: there is no rounding error.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

_LARGEST = 2**31  # products of two residues, and sums of two such products, stay below 2^64


class Field(NamedTuple):
    """A prime field with a primitive root of unity of a wanted order."""

    prime: int
    root: int


def fields(order: int, bits: int) -> list[Field]:
    """Find primes of 31 bits whose product exceeds $2^{bits}$, each with a root of unity of exactly this order."""
    found, product = [], 1
    for prime in _primes(order):
        found.append(Field(prime, _root(prime, order)))
        product *= prime
        if product.bit_length() > bits + 1:
            return found
    raise ValueError(
        f"only {len(found)} primes below 2^31 have roots of unity of order {order}, too few for integers of {bits} "
        "bits. Take sides with smaller odd factors, or `energy_distribution`, which needs no exact integers."
    )


def powers(
    base: Sequence[int], prime: UInt64[np.ndarray, "fields 1"], count: int
) -> UInt64[np.ndarray, "fields count"]:
    r"""Return $1, b, \dots, b^{\mathrm{count}-1}$ modulo each prime, by doubling."""
    out = np.ones((len(base), 1), dtype=np.uint64)
    step = np.array(base, dtype=np.uint64)[:, None]
    while out.shape[1] < count:
        out = np.concatenate([out, out * step % prime], axis=1)
        step = step * step % prime
    return out[:, :count]


def lucas(
    trace: UInt64[np.ndarray, "fields points"],
    norm: UInt64[np.ndarray, "fields points"],
    prime: UInt64[np.ndarray, "fields 1"],
    index: int,
) -> UInt64[np.ndarray, "fields points"]:
    r"""Return $V_m=\alpha^m+\beta^m$ for $\alpha+\beta$ = trace and $\alpha\beta$ = norm, by binary powering.

    $V_{2k}=V_k^2-2Q^k$ and $V_{2k+1}=V_kV_{k+1}-PQ^k$, starting from $V_0=2$, $V_1=P$.

    Args:
        trace: P, modulo each prime.
        norm: Q, modulo each prime.
        prime: modulus of every row.
        index: m.

    References:
        Lucas, Théorie des fonctions numériques simplement périodiques, Am. J. Math. 1, 184 (1878).
    """
    low, high = np.full_like(trace, 2), trace  # V_k, V_{k+1}
    power = np.ones_like(norm)  # Q^k
    for bit in bin(index)[2:]:
        cross = (low * high + (prime - trace) * power) % prime
        square = power * power % prime
        if bit == "1":
            next_power = power * norm % prime
            low, high = cross, (high * high + 2 * (prime - next_power)) % prime
            power = square * norm % prime
        else:
            low, high = (low * low + 2 * (prime - power)) % prime, cross
            power = square
    return low


def power(
    base: UInt64[np.ndarray, "fields points"], prime: UInt64[np.ndarray, "fields 1"], exponent: int
) -> UInt64[np.ndarray, "fields points"]:
    """Raise residues to a power."""
    out = np.ones_like(base)
    for bit in bin(exponent)[2:]:
        out = out * out % prime
        if bit == "1":
            out = out * base % prime
    return out


def coefficients(
    values: UInt64[np.ndarray, "fields points"], root: Sequence[int], prime: UInt64[np.ndarray, "fields 1"]
) -> UInt64[np.ndarray, "fields points"]:
    r"""Return the coefficients $c_k$ of a polynomial from its values at $1,\omega,\omega^2,\dots$.

    A number-theoretic transform, decimated in frequency (Gentleman & Sande 1966); the number of points is a power
    of 2, and `root` holds $\omega$ of that order for each prime.
    """
    count = values.shape[1]
    inverse = [pow(w, -1, int(p)) for w, p in zip(root, prime[:, 0], strict=True)]
    twiddle = powers(inverse, prime, max(count // 2, 1))
    blocks, out = 1, values[:, None, :]
    while blocks < count:
        half = out.shape[2] // 2
        first, second = out[:, :, :half], out[:, :, half:]
        difference = (first + prime[:, :, None] - second) * twiddle[:, None, ::blocks] % prime[:, :, None]
        # blocks stay in bit-reversed order until the end
        out = np.stack([(first + second) % prime[:, :, None], difference], axis=2)
        blocks *= 2
        out = out.reshape(len(values), blocks, half)
    order = _bit_reversed(count)
    scale = np.array([[pow(count, -1, int(p))] for p in prime[:, 0]], dtype=np.uint64)
    return out[:, order, 0] * scale % prime


def chinese_remainder(residues: UInt64[np.ndarray, "fields numbers"], primes: Sequence[int]) -> list[int]:
    """Return the integers in [0, product of the primes) with these residues."""
    product = math.prod(primes)
    basis = [product // p * pow(product // p, -1, p) for p in primes]
    return [sum(r * b for r, b in zip(column, basis, strict=True)) % product for column in residues.T.tolist()]


def _bit_reversed(count: int) -> np.ndarray:
    order = np.zeros(1, dtype=np.int64)
    while len(order) < count:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def _primes(order: int) -> Iterator[int]:
    """Yield primes p = 1 modulo the order, downward from 2^31."""
    for candidate in range((_LARGEST - 2) // order * order + 1, order, -order):
        if _is_prime(candidate):
            yield candidate


def _is_prime(n: int) -> bool:
    """Test primality by Miller-Rabin, whose bases 2, 3, 5, 7 decide every n < 3.2e9 (Jaeschke 1993)."""
    if n < 11:
        return n in (2, 3, 5, 7)
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7):
        x = pow(base, odd, n)
        if x not in (1, n - 1) and all((x := x * x % n) != n - 1 for _ in range(twos - 1)):
            return False
    return True


def _root(prime: int, order: int) -> int:
    """Find an element of exactly this multiplicative order, by trial."""
    factors = _prime_factors(order)
    for base in range(2, prime):
        root = pow(base, (prime - 1) // order, prime)
        if all(pow(root, order // q, prime) != 1 for q in factors):
            return root
    raise ArithmeticError(f"no root of unity of order {order} modulo {prime}; is it prime?")


def _prime_factors(n: int) -> list[int]:
    factors, q = [], 2
    while q * q <= n:
        if n % q == 0:
            factors.append(q)
            while n % q == 0:
                n //= q
        q += 1
    return factors + [n] * (n > 1)
