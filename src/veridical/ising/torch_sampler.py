r"""The bit-sliced local sampler in torch, for a GPU.

Lattices lie in the bits of int64 words, as many as `lanes` says; the words of one site are neighbours in memory. Sites
of one colour are updated together, two colours where both sides are even and three elsewhere: neighbours never have the
same colour. The rules are those of the compiled kernels (`veridical.ising.kernels.local`), and so is the comparison of
a uniform number with thresholds, here always with `DIGITS` binary digits: probabilities are exact to $2^{-40}$.

Every word of a colour has its own xoroshiro128++ generator, so that a seed gives the same configurations on every
device. One update is some 500 integer operations without a branch, and each is a pass over memory unless
`torch.compile` makes one pass of every `CHUNK` digits: that is what makes a GPU worth it.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Int, Int8, Int64, UInt8
from torch import Tensor

from veridical.ising.law import CRITICAL_COUPLING, Law
from veridical.ising.planning import plan

DIGITS = 40
"""Binary digits to which a probability is exact."""

CHUNK = 8
"""Digits compared in one pass over memory."""

PERIOD = 16
"""Sweeps from one with the heat bath to the next, where the others follow the Metropolis rule."""

Generator = tuple[Int64[Tensor, "sites words"], Int64[Tensor, "sites words"]]


def sample_torch(
    size: int | tuple[int, int],
    n: int,
    coupling: float | tuple[float, float] = CRITICAL_COUPLING,
    seed: int = 0,
    *,
    field: float = 0.0,
    spins: bool = False,
    device: str | torch.device | None = None,
    lanes: int = 16384,
    compiled: bool | None = None,
    burn_in: int | None = None,
    thinning: int | None = None,
) -> UInt8[Tensor, "n height width"] | Int8[Tensor, "n height width"]:
    """Draw configurations by local updates on a torch device, and leave them there.

    Args:
        size: side of a square torus, or (height, width).
        n: number of configurations.
        coupling: $K$, or (horizontal, vertical).
        seed: seed of all random numbers.
        field: $h$, in units of kT.
        spins: return spins -1 and 1 (int8) in place of 0 and 1 (uint8).
        device: where to run; a CUDA device if there is one, if left out.
        lanes: lattices that run side by side, a multiple of 64.
        compiled: whether to use `torch.compile`; on CUDA devices only, if left out.
        burn_in: sweeps before the first configuration, in place of the plan's.
        thinning: sweeps between configurations of a lattice, in place of the plan's.

    Returns:
        Configurations on the device.
    """
    chosen = plan(size, coupling, "metropolis", field=field, n=n, burn_in=burn_in, thinning=thinning)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    sampler = TorchSampler(chosen.law, lanes, seed, where, where.type == "cuda" if compiled is None else compiled)
    sampler.run(chosen.burn_in)
    pieces = []
    for start in range(0, n, lanes):
        sampler.run(chosen.thinning)
        pieces.append(sampler.configurations()[: n - start])
    x = torch.cat(pieces)
    return 2 * x.to(torch.int8) - 1 if spins else x


class TorchSampler:
    """Independent chains of local updates in the bits of int64 words.

    Args:
        law: what is sampled.
        lanes: number of lattices, a multiple of 64.
        seed: seed of all random numbers.
        device: where they live.
        compiled: whether updates go through `torch.compile`.
    """

    def __init__(self, law: Law, lanes: int, seed: int, device: torch.device, compiled: bool = False) -> None:
        if lanes < 64 or lanes % 64:
            raise ValueError(f"lanes is {lanes}; expected a positive multiple of 64.")
        self.law, turned = law.staggered()
        self.turned = torch.from_numpy(turned.ravel()).to(device)
        self.lanes, self.device = lanes, device
        self.colours = [_neighbourhood(self.law, sites, device) for sites in colouring(law.height, law.width)]
        self.random = np.random.default_rng(seed)
        most = max(len(sites) for sites, _ in self.colours)
        self.generator = self._words(most), self._words(most)
        every_other = torch.full((law.sites, lanes // 64), 0x5555555555555555, dtype=torch.int64)
        self.spins = every_other.to(device)
        self.age = 0
        self.quick = self.law.isotropic and self.law.field == 0 and self.law.horizontal >= 0.2
        rare = math.exp(-4 * self.law.horizontal) if self.quick else 0.0
        self.flips = digits([rare, rare**2]).to(device)
        self.ups = digits(_up_probabilities(self.law)).to(device)
        wrap: Callable = torch.compile if compiled else lambda function: function
        self.compare, self.metropolis, self.heat_bath = wrap(compare), wrap(metropolis), wrap(heat_bath)
        if self.quick:  # the heat bath is rare: not worth the compiler's time
            self.heat_bath = heat_bath

    def run(self, sweeps: int) -> None:
        """Sweep with the Metropolis rule where it holds, and every `PERIOD`-th time with the heat bath."""
        for age in range(self.age, self.age + sweeps):
            for sites, neighbours in self.colours:
                around = self.spins[neighbours]
                if self.quick and age % PERIOD:
                    below = self._events(self.flips, len(sites), self.compare)
                    self.spins[sites] = self.metropolis(self.spins[sites], around, below)
                else:
                    digit_by_digit = compare if self.quick else self.compare
                    self.spins[sites] = self.heat_bath(around, self._events(self.ups, len(sites), digit_by_digit))
        self.age += sweeps

    def _events(
        self, table: Int64[Tensor, "chunks digits thresholds 1 1"], sites: int, compare: Callable
    ) -> Int64[Tensor, "thresholds sites words"]:
        """Whether one fresh uniform number U per bit is below each threshold."""
        below = torch.zeros((table.shape[2], sites, self.lanes // 64), dtype=torch.int64, device=self.device)
        generator = self.generator[0][:sites], self.generator[1][:sites]
        for chunk in table:
            below, generator = compare(below, generator, chunk)
        for state, words in zip(self.generator, generator, strict=True):
            state[:sites] = words
        return below

    def configurations(self) -> UInt8[Tensor, "lanes height width"]:
        """The lattices as sites 0 and 1, each turned over with probability one half if there is no field."""
        shifts = torch.arange(64, device=self.device)
        bits = (self.spins[:, :, None] >> shifts & 1).to(torch.uint8).flatten(1)  # (sites, lanes)
        bits ^= self.turned[:, None].to(torch.uint8)
        if self.law.field == 0:
            signs = (self._words(1)[:, :, None] >> shifts & 1).to(torch.uint8).flatten(1)
            bits ^= signs
        return bits.T.reshape(self.lanes, self.law.height, self.law.width)

    def _words(self, rows: int) -> Int64[Tensor, "rows words"]:
        words = self.random.integers(-(2**63), 2**63, (rows, self.lanes // 64), dtype=np.int64)
        return torch.from_numpy(words).to(self.device)


def colouring(height: int, width: int) -> list[Int[np.ndarray, " sites"]]:
    """Sites of each colour, none of which has a neighbour of its own colour: two classes, or three at an odd side."""
    colours = 3 if height % 2 or width % 2 else 2
    row, column = _ring(height), _ring(width)
    colour = (row[:, None] + column[None, :]) % colours
    return [np.flatnonzero(colour == c) for c in range(colours)]


def _ring(side: int) -> Int[np.ndarray, " side"]:
    colour = np.arange(side) % 2
    if side % 2:
        colour[-1] = 2
    return colour


def _neighbourhood(law: Law, sites: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    row, column = np.divmod(sites, law.width)
    above, below = (row - 1) % law.height, (row + 1) % law.height
    left, right = (column - 1) % law.width, (column + 1) % law.width
    around = np.stack(
        [above * law.width + column, below * law.width + column, row * law.width + left, row * law.width + right]
    )
    return torch.from_numpy(sites).to(device), torch.from_numpy(around).to(device)


def _up_probabilities(law: Law) -> list[float]:
    """P(up) for 0, 1, 2 horizontal neighbours up (slow index) and 0, 1, 2 vertical ones (fast index)."""
    biases = [
        law.horizontal * (2 * across - 2) + law.vertical * (2 * down - 2) + law.field
        for across in range(3)
        for down in range(3)
    ]
    return [1 / (1 + math.exp(-2 * bias)) for bias in biases]


def digits(probabilities: Sequence[float]) -> Int64[Tensor, "chunks digits thresholds 1 1"]:
    """Binary digits of each probability as words of zeros or ones, from the last to the first, in chunks."""
    scaled = [min(round(p * 2**DIGITS), 2**DIGITS - 1) for p in probabilities]
    words = [[-(p >> place & 1) for p in scaled] for place in range(DIGITS)]
    return torch.tensor(words).reshape(-1, CHUNK, len(scaled), 1, 1)


def compare(
    below: Int64[Tensor, "thresholds sites words"],
    generator: Generator,
    chunk: Int64[Tensor, "digits thresholds 1 1"],
) -> tuple[Int64[Tensor, "thresholds sites words"], Generator]:
    """Compare further digits of U, the later ones having spoken.

    Where a threshold's digit is 1, U's digit 0 decides for "below"; where it is 0, U's digit 1 decides against. The
    random words represent the complement of U's digits, so the new verdict is the majority of three.
    """
    for threshold in chunk:
        word, generator = random_bits(generator)
        below = word & threshold | below & (word | threshold)
    return below, generator


def random_bits(generator: Generator) -> tuple[Int64[Tensor, "sites words"], Generator]:
    """One fresh word each, and the generator afterwards (xoroshiro128++, Blackman & Vigna 2021)."""
    a, b = generator
    mixed = a ^ b
    return _rotate(a + b, 17) + a, (_rotate(a, 49) ^ mixed ^ mixed << 21, _rotate(mixed, 28))


def _rotate(x: Int64[Tensor, "sites words"], places: int) -> Int64[Tensor, "sites words"]:
    return x << places | x >> (64 - places) & (1 << places) - 1


def metropolis(
    spin: Int64[Tensor, "sites words"],
    around: Int64[Tensor, "4 sites words"],
    below: Int64[Tensor, "2 sites words"],
) -> Int64[Tensor, "sites words"]:
    """Flip where two neighbours differ at least; by the first event where one does, by the second where none does."""
    a, b, c, d = (spin ^ neighbour for neighbour in around)
    two = a & b | c & d | (a | b) & (c | d)
    return spin ^ (two | (a | b | c | d) & below[0] | below[1])


def heat_bath(
    around: Int64[Tensor, "4 sites words"], up: Int64[Tensor, "9 sites words"]
) -> Int64[Tensor, "sites words"]:
    """Draw spins from their law given the neighbours: the event of the class to which those belong."""
    above, below, left, right = around
    down = [~(above | below), above ^ below, above & below]
    across = [~(left | right), left ^ right, left & right]
    new = torch.zeros_like(above)
    for h in range(3):
        for v in range(3):
            new = new | across[h] & down[v] & up[3 * h + v]
    return new
