r"""Configurations of the Ising model on a torus, drawn from its exact law on all cores.

`sample` returns an array, `stream` yields the same configurations piece by piece. Lattices run in blocks of 512, one
bit of every machine word each; the blocks are shared out among threads, and each has its own random numbers, so that
a seed gives the same configurations however many threads there are.
"""

import logging
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from veridical.ising.law import CRITICAL_COUPLING
from veridical.ising.methods import Method, SamplingPlan
from veridical.ising.output import Configurations, Output
from veridical.ising.planning import plan

if TYPE_CHECKING:
    from veridical.ising.kernels.blocks import Block

Device = Literal["cpu", "cuda"]
"""Where configurations are drawn."""

log = logging.getLogger("veridical.ising")


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
    device: Device = "cpu",
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
        device: "cpu" for the compiled kernels, the fastest of what has been measured; "cuda" for local updates on a GPU
            (method "metropolis", even sides, up to 6,144 spins), which have not been run on one.
        progress: called with (configurations drawn, n) now and then, from any thread.

    Returns:
        Array (n, height, width), or (n, bytes) if packed.

    Raises:
        ValueError: if method or device cannot sample this law, or an argument is out of range.
        RuntimeError: if there is no GPU that numba can use.

    Examples:
        >>> sample(8, 1000, method="metropolis").shape
        (1000, 8, 8)
    """
    if device not in get_args(Device):
        raise ValueError(f"device is {device!r}; expected 'cpu' or 'cuda'.")
    if device == "cuda":
        method = _method_on_gpu(method, threads)
    chosen = _planned(plan(size, coupling, method, field=field, n=n, burn_in=burn_in, thinning=thinning))
    out, done = Output(chosen.law, n, spins, packed), _Progress(n, progress)
    if device == "cuda":
        _draw_on_gpu(out, chosen, seed, done)
    else:
        _draw(out, chosen, seed, _threads(threads), done)
    return out.array


def _draw(out: Output, chosen: SamplingPlan, seed: int, threads: int, done: "_Progress") -> None:
    """Fill an array with the configurations of a plan, its blocks shared out among threads."""
    n = len(out.array)
    blocks = chosen.blocks(n)

    def run(number: int) -> None:
        source = _started(chosen, seed, number)
        for start in range(number * chosen.together, n, blocks * chosen.together):
            if done.stopped:
                return
            done.add(_fill(out, chosen, source, start))

    with ThreadPoolExecutor(threads) as pool:
        try:
            list(pool.map(run, range(blocks)))
        except BaseException:  # also an interrupt: the other blocks would go on to their end
            done.stopped = True
            raise


def _draw_on_gpu(out: Output, chosen: SamplingPlan, seed: int, done: "_Progress") -> None:
    """Fill an array with the configurations of as many lattices as a GPU carries at once."""
    from veridical.ising.kernels.cuda import CudaBlock, groups_of

    n = len(out.array)
    source = CudaBlock(chosen.law, seed, groups_of(n))
    source.advance(chosen.burn_in)
    for start in range(0, n, source.rows):
        done.add(_fill(out, replace(chosen, together=source.rows), source, start))


def _method_on_gpu(method: Method, threads: int | None) -> Method:
    """Return the one method that runs on a GPU.

    Raises:
        ValueError: another method, or a number of threads, is given.
    """
    if method not in ("auto", "metropolis"):
        raise ValueError(f"method is {method!r}; device 'cuda' runs 'metropolis' only. Use device='cpu'.")
    if threads is not None:
        raise ValueError(f"threads is {threads}; device 'cuda' has its own. Leave threads out, or use device='cpu'.")
    return "metropolis"


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
    most = 2**30 if n is None else n
    chosen = _planned(plan(size, coupling, method, field=field, n=most, burn_in=burn_in, thinning=thinning))
    return _pieces(chosen, seed, n, blocks, spins, packed, _threads(threads))


def _pieces(
    chosen: SamplingPlan, seed: int, n: int | None, blocks: int, spins: bool, packed: bool, threads: int
) -> Iterator[Configurations]:
    done, piece = 0, blocks * chosen.together
    with ThreadPoolExecutor(threads) as pool:
        sources = list(pool.map(lambda number: _started(chosen, seed, number), range(blocks)))
        while n is None or done < n:
            rows = piece if n is None else min(piece, n - done)
            out = Output(chosen.law, rows, spins, packed)
            fill = partial(_fill, out, chosen)
            list(pool.map(fill, sources, range(0, rows, chosen.together)))
            yield out.array
            done += rows


def _planned(chosen: SamplingPlan) -> SamplingPlan:
    """Log a plan and return it."""
    steps = chosen.burn_in, chosen.thinning, chosen.tau
    log.info("%s: burn-in %d steps, thinning %d, tau %.2f; %s", chosen.method, *steps, chosen.reason)
    return chosen


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


def _fill(out: Output, chosen: SamplingPlan, source: "Block", start: int) -> int:
    """Let a block draw its next configurations, write them from row `start` on, and return the number that fitted."""
    rows = min(chosen.together, len(out.array) - start)
    words = np.empty((rows, math.ceil(chosen.law.sites / 64)), np.uint64)
    source.advance(chosen.thinning)
    source.record(words)
    out.write(start, words)
    return rows


class _Progress:
    """Adds up what the threads have drawn, and stops them."""

    stopped = False

    def __init__(self, n: int, report: Callable[[int, int], None] | None) -> None:
        self.n, self.report, self.done, self.lock = n, report, 0, Lock()

    def add(self, rows: int) -> None:
        if self.report is not None:
            with self.lock:
                self.done += rows
                self.report(self.done, self.n)
