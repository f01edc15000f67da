r"""Random numbers of samples: every example has its own stream.

A sampler takes all its random numbers from one `Noise` of n rows. `FreshNoise` reads torch's global generator, as
training does. `SampleNoise` gives example $i$ of seed $s$ the counter-based stream Philox4x64-10 with the key
$(s, i)$: its numbers depend neither on the number of examples drawn together nor on the device. They are drawn on the
CPU and then moved. A stream continues while a block is drawn, so that a chain gets new numbers at every step.

Uniform numbers are $(k + \tfrac12) 2^{-b}$ with $b$ bits of the stream (23 in single, 52 in double precision), inside
$(0, 1)$ and symmetric about ½; normal ones are $\Phi^{-1}$ of them in double precision, so they end at 8.2. NumPy
guarantees equal streams of its bit generators in all versions, but not equal normal numbers.

**Speed.** 784 normals for each example, in blocks of 64: 38,000 examples a second on one busy core.

References:
    Salmon, Moraes, Dror & Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (2011).
        https://doi.org/10.1145/2063384.2063405
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

_WORD = 2**64


class Noise(ABC):
    """Random numbers for n examples, one row each."""

    n: int
    """Number of rows."""

    device: torch.device
    """Device of the numbers."""

    @abstractmethod
    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) standard normal numbers; of torch's default type if left out."""

    @abstractmethod
    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) uniform numbers in [0, 1)."""

    @abstractmethod
    def integers(self, high: int) -> Tensor:
        """Return (n,) int64, equally likely from 0 to high - 1."""

    def symmetric(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) uniform numbers in [-1, 1)."""
        return 2 * self.uniform(*shape, dtype=dtype) - 1

    def bernoulli(self, p: Tensor) -> Tensor:
        """Return ones with the probabilities p (n, *shape), zeros otherwise."""
        u = self.uniform(*p.shape[1:], dtype=p.dtype)
        return torch.lt(u, p.detach(), out=u)  # no second tensor, which would take room in the cache


class FreshNoise(Noise):
    """Numbers of torch's global generator; every call gives new ones.

    Args:
        n: rows.
        device: of the numbers.
        generator: another generator; the numbers are drawn on its device.

    Raises:
        ValueError: a negative number of rows.
    """

    def __init__(self, n: int, device: torch.device | str = "cpu", generator: torch.Generator | None = None) -> None:
        if n < 0:
            raise ValueError(f"n is {n}; expected at least 0.")
        self.n, self.device, self.generator = n, torch.device(device), generator
        self._made_on = self.device if generator is None else generator.device

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return `torch.randn(n, *shape)`."""
        drawn = torch.randn(self.n, *shape, generator=self.generator, dtype=dtype, device=self._made_on)
        return drawn.to(self.device)

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return `torch.rand(n, *shape)`."""
        drawn = torch.rand(self.n, *shape, generator=self.generator, dtype=dtype, device=self._made_on)
        return drawn.to(self.device)

    def integers(self, high: int) -> Tensor:
        """Return `torch.randint(high, (n,))`."""
        return torch.randint(high, (self.n,), generator=self.generator, device=self._made_on).to(self.device)


class SampleNoise(Noise):
    """Numbers of the examples `first`, `first + 1`, ... of a seed; see the module docstring.

    Args:
        seed: any integer, taken modulo 2^64.
        first: index of the first example, at least 0.
        n: rows.
        device: where the numbers are moved to.

    Raises:
        ValueError: a negative index.

    Examples:
        >>> bool((SampleNoise(0, 2, 1).normal(3) == SampleNoise(0, 0, 4).normal(3)[2]).all())
        True
    """

    def __init__(self, seed: int, first: int, n: int, device: torch.device | str = "cpu") -> None:
        if first < 0 or n < 0:
            raise ValueError(f"first is {first} and n is {n}; expected at least 0.")
        self.seed, self.first, self.n, self.device = seed, first, n, torch.device(device)
        self._streams = [
            np.random.Philox(key=np.array([seed % _WORD, (first + i) % _WORD], dtype=np.uint64)) for i in range(n)
        ]

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) standard normal numbers."""
        return torch.special.ndtri(self._open(shape, 52)).to(dtype or torch.get_default_dtype()).to(self.device)

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) uniform numbers, inside (0, 1)."""
        dtype = dtype or torch.get_default_dtype()
        bits = round(-math.log2(torch.finfo(dtype).eps))
        return self._open(shape, bits).to(dtype).to(self.device)

    def integers(self, high: int) -> Tensor:
        """Return (n,) int64, equally likely from 0 to high - 1, up to 2^-52."""
        return (high * self._open((), 52)).long().to(self.device)

    def _open(self, shape: tuple[int, ...], bits: int) -> Tensor:
        """Return (n, *shape) float64 (k + 1/2) / 2^bits on the CPU, from the leading bits of the streams."""
        count = math.prod(shape)
        words = np.empty((self.n, count), dtype=np.uint64)
        for row, stream in zip(words, self._streams, strict=True):
            row[:] = stream.random_raw(count)
        leading = (words >> np.uint64(64 - bits)).astype(np.float64)
        return torch.from_numpy((leading + 0.5) * 2.0**-bits).reshape(self.n, *shape)


class TruncatedNoise(Noise):
    r"""Numbers whose normal ones are truncated to [-limit, limit], whose symmetric ones to that part of [-1, 1).

    Each is moved by the monotone map $z \mapsto \sqrt2\,\operatorname{erf}^{-1}(\operatorname{erf}(z/\sqrt2)
    \operatorname{erf}(a/\sqrt2))$, which turns a normal number into one of the normal distribution truncated at $a$:
    the cost does not depend on the limit, and an example stays similar, closer to the mean.

    Args:
        noise: to truncate.
        limit: $a$, above 0.

    Raises:
        ValueError: a limit that is not a number above 0.

    References:
        Brock, Donahue & Simonyan, Large Scale GAN Training (2019), Sec. 3.1, which draws again until all are inside.
            https://arxiv.org/abs/1809.11096
    """

    def __init__(self, noise: Noise, limit: float) -> None:
        if not 0 < limit < math.inf:
            raise ValueError(f"truncation is {limit}; expected a number above 0, in standard deviations of the code.")
        self.noise, self.limit = noise, limit
        self.n, self.device = noise.n, noise.device

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) truncated normal numbers."""
        z = self.noise.normal(*shape, dtype=dtype)
        share = torch.erf(z.cpu().double() / math.sqrt(2)) * math.erf(self.limit / math.sqrt(2))
        moved = math.sqrt(2) * torch.erfinv(share)
        return moved.clamp(-self.limit, self.limit).to(z.dtype).to(z.device)

    def symmetric(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) uniform numbers of absolute value up to the limit, or to 1."""
        return min(self.limit, 1.0) * self.noise.symmetric(*shape, dtype=dtype)

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return the uniform numbers as they are."""
        return self.noise.uniform(*shape, dtype=dtype)

    def integers(self, high: int) -> Tensor:
        """Return the integers as they are."""
        return self.noise.integers(high)


def noise_for(n: int, device: torch.device, noise: Noise | None) -> Noise:
    """Return the noise of a call for n examples: what was passed, or fresh noise.

    Raises:
        ValueError: it has another number of rows.
    """
    if noise is None:
        return FreshNoise(n, device)
    if noise.n != n:
        raise ValueError(f"noise has {noise.n} rows; expected {n}, one for each example.")
    return noise
