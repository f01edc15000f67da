r"""Configurations of the Ising model on a torus, drawn as fast as two cores allow, from a law that is proven.

`sample` returns an array, `stream` yields the same configurations piece by piece. Lattices run in blocks of 512, one
bit of every machine word each; the blocks are shared out among threads, and each has its own random numbers, so that
a seed gives the same configurations however many threads there are.
"""

import logging
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int8, UInt8, UInt64

from veridical.ising.law import CRITICAL_COUPLING, Law
from veridical.ising.planning import Method, SamplingPlan, plan

if TYPE_CHECKING:
    from veridical.ising.kernels.blocks import Block

log = logging.getLogger("veridical.ising")

Configurations = UInt8[np.ndarray, "n height width"] | Int8[np.ndarray, "n height width"] | UInt8[np.ndarray, "n bytes"]
"""Sites 0 or 1; spins -1 or 1; or packed bits as of `numpy.packbits`, one row per configuration."""


def sample(
    size: int | tuple[int, int],
    n: int,
    coupling: float | tuple[float, float] = CRITICAL_COUPLING,
    method: Method = "auto",
    seed: int = 0,
    *,
    field: float = 0.0,
    spins: bool = False,
    packed: bool = False,
    threads: int | None = None,
    burn_in: int | None = None,
    thinning: int | None = None,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Configurations:
    r"""Draw configurations of the Ising model.

    Row `k` of block `b` at its `t`-th recording is configuration `(t * blocks + b) * 512 + k`: neighbours in the array
    are independent lattices, and the same lattice comes back `512 * blocks` later, two autocorrelation times on.

    Args:
        size: side of a square torus, or (height, width); at least 2 each, odd sides too.
        n: number of configurations.
        coupling: $K = J/kT$, critical if left out, or (horizontal, vertical); negative ones are antiferromagnetic.
        method: "auto" takes the fastest; see `plan`, and `docs/ising-sampling.md` for the others.
        seed: seed of all random numbers.
        field: $h$ in units of kT.
        spins: return spins -1 and 1 (int8) in place of 0 and 1 (uint8).
        packed: return rows of packed bits (see `unpack`) in place of bytes.
        threads: threads to use; every core this process may use if left out.
        burn_in: steps before the first configuration, in place of the plan's.
        thinning: steps between configurations, in place of the plan's.
        device: "kernels" for the compiled kernels of this package; a torch device ("cuda", "cpu") for the local sampler
            in torch, whose configurations are others; "auto" for a CUDA device where one is present and the local
            sampler is the one to take (see `gpu_serves`), else the kernels.
        progress: called with (configurations drawn, n) now and then, from any thread.

    Returns:
        Array (n, height, width), or (n, bytes) if packed.

    Raises:
        ValueError: if the method cannot sample this law, or an argument is out of range.

    Examples:
        >>> sample(8, 1000, method="metropolis").shape
        (1000, 8, 8)
    """
    if device == "auto":
        asked = method == "auto" and threads is None and progress is None
        device = "cuda" if asked and gpu_serves(size, n) and gpu_present() else "kernels"
    if device != "kernels":
        if method not in ("auto", "metropolis") or threads is not None or progress is not None:
            raise ValueError("a torch device runs method 'metropolis' only, without threads and progress.")
        return _on_device(device, size, n, coupling, seed, field, spins, packed, burn_in, thinning)
    chosen = _planned(size, n, coupling, method, field, burn_in, thinning)
    out = _Output(chosen.law, n, spins, packed)
    blocks = chosen.blocks(n)
    report = _Progress(n, progress)

    def run(number: int) -> None:
        source = _started(chosen, seed, number)
        for start in range(number * chosen.together, n, blocks * chosen.together):
            if report.stopped:
                return
            report.add(_fill(out, chosen, source, start))

    with ThreadPoolExecutor(_threads(threads)) as pool:
        try:
            list(pool.map(run, range(blocks)))
        except BaseException:  # also an interrupt: the other blocks would go on to their end
            report.stopped = True
            raise
    return out.array


def stream(
    size: int | tuple[int, int],
    coupling: float | tuple[float, float] = CRITICAL_COUPLING,
    method: Method = "auto",
    seed: int = 0,
    *,
    n: int | None = None,
    blocks: int = 4,
    field: float = 0.0,
    spins: bool = False,
    packed: bool = False,
    threads: int | None = None,
    burn_in: int | None = None,
    thinning: int | None = None,
) -> Iterator[Configurations]:
    """Draw configurations without end, or n of them, in pieces of one recording of all blocks.

    Memory is bounded by the blocks and one piece. Where `sample` uses as many blocks, its array is what the pieces
    make when they are put together.

    Args:
        size: as for `sample`.
        coupling: as for `sample`.
        method: as for `sample`.
        seed: as for `sample`.
        n: number of configurations; without end if left out.
        blocks: blocks that run side by side, 512 lattices each (one with method "swendsen-wang").
        field: as for `sample`.
        spins: as for `sample`.
        packed: as for `sample`.
        threads: as for `sample`.
        burn_in: as for `sample`.
        thinning: as for `sample`.

    Yields:
        Arrays as `sample` returns them, of `blocks * 512` configurations; the last may be shorter.
    """
    if blocks < 1:
        raise ValueError(f"blocks is {blocks}; expected at least 1.")
    chosen = _planned(size, 2**30 if n is None else n, coupling, method, field, burn_in, thinning)
    return _pieces(chosen, seed, n, blocks, spins, packed, _threads(threads))


def _pieces(
    chosen: SamplingPlan, seed: int, n: int | None, blocks: int, spins: bool, packed: bool, threads: int
) -> Iterator[Configurations]:
    done, piece = 0, blocks * chosen.together
    with ThreadPoolExecutor(threads) as pool:
        sources = list(pool.map(lambda number: _started(chosen, seed, number), range(blocks)))
        while n is None or done < n:
            rows = piece if n is None else min(piece, n - done)
            out = _Output(chosen.law, rows, spins, packed)
            fill = partial(_fill, out, chosen)
            list(pool.map(fill, sources, range(0, rows, chosen.together)))
            yield out.array
            done += rows


def unpack(
    packed: UInt8[np.ndarray, "n bytes"], size: int | tuple[int, int], spins: bool = False
) -> UInt8[np.ndarray, "n height width"] | Int8[np.ndarray, "n height width"]:
    """Return packed configurations as bytes 0 and 1, or as spins -1 and 1.

    Examples:
        >>> unpack(np.array([[0b1010_0000]], np.uint8), 2)
        array([[[1, 0],
                [1, 0]]], dtype=uint8)
    """
    height, width = (size, size) if isinstance(size, int) else size
    bits = np.unpackbits(packed, axis=1, count=height * width).reshape(-1, height, width)
    return 2 * bits.view(np.int8) - 1 if spins else bits


def _planned(
    size: int | tuple[int, int],
    n: int,
    coupling: float | tuple[float, float],
    method: Method,
    field: float,
    burn_in: int | None,
    thinning: int | None,
) -> SamplingPlan:
    chosen = plan(size, coupling, method, field=field, n=n, burn_in=burn_in, thinning=thinning)
    log.info(
        "%s: burn-in %d steps, thinning %d, tau %.2f; %s",
        chosen.method,
        chosen.burn_in,
        chosen.thinning,
        chosen.tau,
        chosen.reason,
    )
    return chosen


def gpu_serves(size: int | tuple[int, int], n: int) -> bool:
    """Tell whether local sweeps on a GPU are the method to take: many configurations of a small lattice.

    On larger ones the clusters of the kernels gain more than a GPU's speed; few configurations leave it idle.

    Examples:
        >>> gpu_serves(32, 10**6), gpu_serves(32, 100), gpu_serves(256, 10**6)
        (True, False, False)
    """
    longest = max(size) if isinstance(size, tuple) else size
    return longest <= 64 and n >= 16_384


def gpu_present() -> bool:
    """Tell whether torch would find a CUDA device; torch is imported only where there is a driver."""
    if not os.path.exists("/dev/nvidiactl"):
        return False
    import torch

    return torch.cuda.is_available()


def _on_device(
    device: str,
    size: int | tuple[int, int],
    n: int,
    coupling: float | tuple[float, float],
    seed: int,
    field: float,
    spins: bool,
    packed: bool,
    burn_in: int | None,
    thinning: int | None,
) -> Configurations:
    from veridical.ising.torch_sampler import sample_torch

    if spins and packed:
        raise ValueError("spins and packed are both set; packed bits have no signs. Unset one of them.")
    x = sample_torch(
        size, n, coupling, seed, field=field, spins=spins, device=device, burn_in=burn_in, thinning=thinning
    )
    out = x.cpu().numpy()
    return np.packbits(out.reshape(n, -1), axis=1) if packed else out


def _threads(threads: int | None) -> int:
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise ValueError(f"threads is {threads}; expected at least 1.")
    return threads


def _started(chosen: SamplingPlan, seed: int, number: int) -> "Block":
    from veridical.ising.kernels.methods import block

    source = block(chosen, seed, number)
    source.advance(chosen.burn_in)
    return source


def _fill(out: "_Output", chosen: SamplingPlan, source: "Block", start: int) -> int:
    """Let a block draw its next configurations, write them from row `start` on, and say how many there was room for."""
    rows = min(chosen.together, len(out.array) - start)
    words = np.empty((rows, math.ceil(chosen.law.sites / 64)), np.uint64)
    source.advance(chosen.thinning)
    source.record(words)
    out.write(start, words)
    return rows


class _Output:
    """An array of configurations that is filled from packed rows."""

    def __init__(self, law: Law, n: int, spins: bool, packed: bool) -> None:
        if spins and packed:
            raise ValueError("spins and packed are both set; packed bits have no signs. Unset one of them.")
        self.law, self.spins, self.packed = law, spins, packed
        self.bytes = math.ceil(law.sites / 8)
        shape = (n, self.bytes) if packed else (n, law.height, law.width)
        self.array = np.empty(shape, np.int8 if spins else np.uint8)

    def write(self, start: int, words: UInt64[np.ndarray, "rows words"]) -> None:
        packed = words.view(np.uint8)[:, : self.bytes]
        rows = slice(start, start + len(words))
        if self.packed:
            self.array[rows] = packed
        elif self.law.sites % 8:
            self.array[rows] = unpack(packed, (self.law.height, self.law.width), self.spins)
        else:
            from veridical.ising.kernels import packing

            flat = self.array[rows].reshape(len(words), -1).view(np.uint64)
            packing.unpack(packed, 255 if self.spins else 0, 1, flat)


class _Progress:
    """Adds up what the threads have drawn, and tells them when to stop."""

    stopped = False

    def __init__(self, n: int, report: Callable[[int, int], None] | None) -> None:
        self.n, self.report, self.done, self.lock = n, report, 0, Lock()

    def add(self, rows: int) -> None:
        if self.report is not None:
            with self.lock:
                self.done += rows
                self.report(self.done, self.n)
