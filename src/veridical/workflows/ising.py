"""Functions behind `veridical ising`: draw configurations to a file, tabulate exact values, check configurations."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.ising import CRITICAL_COUPLING, Method, SamplingPlan, plan, stream

if TYPE_CHECKING:
    from veridical.ising.check import CheckReport
    from veridical.ising.files import Writer
    from veridical.ising.output import Configurations

Say = Callable[[str], None]
Size = tuple[int, int]

_MOST_PACKED = 1 << 26  # bytes of one piece of configurations on the way to the disk
_LARGEST = (128, 128)  # torus up to whose work the table has the magnetisation: two seconds on one core


def sample_to_file(
    out: Path,
    size: Size,
    n: int,
    coupling: float | None = None,
    method: Method = "auto",
    seed: int = 0,
    *,
    packed: bool = False,
    threads: int | None = None,
    say: Say = print,
) -> Path:
    """Draw configurations into an .npz file, in bounded memory; an interrupt leaves no incomplete file.

    Args:
        out: path of the new file.
        size: height and width.
        n: number of configurations.
        coupling: $K$; None: critical.
        method: sampling method; "auto" chooses the fastest.
        seed: the same seed gives the same file.
        packed: store eight spins per byte.
        threads: number of threads; None: one per core.
        say: called with the plan, the progress, and the rate.

    Raises:
        OutputExistsError: something is there; nothing is overwritten.
        ValueError: the coupling or the size cannot be sampled, or the disk has not enough space.
        KeyboardInterrupt: the user interrupted; no file remains.
    """
    from veridical.ising.files import Writer

    coupling = CRITICAL_COUPLING if coupling is None else coupling
    chosen, row = plan(size, coupling, method, n=n), math.ceil(size[0] * size[1] / 8)
    blocks = max(1, min(chosen.blocks(n), _MOST_PACKED // (row * chosen.together)))
    need = n * (row if packed else size[0] * size[1])
    writer = Writer(out, n, size, _provenance(chosen, blocks, seed), packed)
    _require_room(out, need)
    say(_describe_plan(chosen, n, need, seed))
    pace = Pace(n, size[0] * size[1], say)
    pieces = stream(size, coupling, method, seed, n=n, blocks=blocks, packed=True, threads=threads)
    _write(writer, pieces, pace)
    say(f"wrote {out}: {pace.summary()}")
    return out


def _write(writer: Writer, pieces: Iterator[Configurations], pace: Pace) -> None:
    """Write all pieces; an interrupt leaves no file."""
    try:
        with writer:
            for piece in pieces:
                writer.write(piece)
                pace.update(writer.done)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"Interrupted after {writer.done:,} configurations; no file was written.") from error


def _provenance(chosen: SamplingPlan, blocks: int, seed: int) -> dict[str, Any]:
    """Return the metadata of the file: how the configurations were drawn."""
    from veridical.version import __version__

    return {
        "coupling": chosen.law.horizontal,
        "method": chosen.method,
        "burn_in": chosen.burn_in,
        "thinning": chosen.thinning,
        "tau": chosen.tau,
        "blocks": blocks,
        "seed": seed,
        "version": f"veridical {__version__}",
    }


class Pace:
    """Reports progress: a line every few seconds, or one line that is rewritten on a terminal."""

    def __init__(self, n: int, sites: int, say: Say, every: float = 5.0) -> None:
        """Store the number of configurations and of their sites."""
        self.n, self.sites, self.say, self.every = n, sites, say, every
        self.started = self.last = time.monotonic()
        self.live = sys.stderr.isatty()

    def update(self, done: int) -> None:
        """Print the progress if a line is due."""
        now = time.monotonic()
        if now - self.last < (0.25 if self.live else self.every) and not (self.live and done == self.n):
            return
        self.last, elapsed = now, now - self.started
        left = (self.n - done) * elapsed / max(done, 1)
        line = f"{done:,} of {self.n:,} configurations  {done / elapsed:,.0f}/s  left {left:.0f}s"
        if self.live:
            print(f"\r{line:<72}", end="\n" if done == self.n else "", file=sys.stderr, flush=True)
        else:
            self.say(line)

    def summary(self) -> str:
        """Return number, time and rate as text."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = f"{self.n / seconds:,.0f}/s, {self.n * self.sites / seconds / 1e6:,.1f} million spins/s"
        return f"{self.n:,} configurations in {seconds:.1f} s ({rate})"


def exact_rows(sizes: Sequence[Size], coupling: float = CRITICAL_COUPLING) -> list[dict[str, Any]]:
    """Return exact values of each torus, and of the infinite lattice in the last row; None if a value is not known.

    `log_partition` is of the whole lattice in nats; energy (in units of J), specific heat (in units of Boltzmann's
    constant) and entropies are per site.
    """
    from veridical.ising import exact

    rows = []
    for height, width in sizes:
        entropy = float(exact.entropy_per_site(height, width, coupling))
        small = exact.torus_work(height, width) <= exact.torus_work(*_LARGEST)
        rows.append(
            {
                "lattice": f"{height} x {width}",
                "log_partition": float(exact.log_partition(height, width, coupling)),
                "energy": float(exact.energy_per_site(height, width, coupling)),
                "specific_heat": float(exact.specific_heat(height, width, coupling)),
                "entropy_nats": entropy,
                "entropy_bits": entropy / math.log(2),
                "magnetization_squared": exact.magnetization_squared(height, width, coupling) if small else None,
            }
        )
    return [*rows, _infinite(coupling)] if coupling >= 0 else rows


def check_file(
    path: Path, coupling: float | None = None, size: Size | None = None, *, level: float = 0.01, say: Say = print
) -> CheckReport:
    """Check a file of configurations against the exact distribution.

    Args:
        path: .npz or .npy file.
        coupling: coupling of the distribution; None: the coupling recorded in the file, or else the critical one.
        size: height and width, for flat rows or packed bits of other programs.
        level: probability of rejecting correct configurations.
        say: called with a description of the file and with the progress.
    """
    from veridical.ising import exact
    from veridical.ising.check import check
    from veridical.ising.comparisons import is_solvable
    from veridical.ising.files import read

    x = read(path, size)
    recorded = x.metadata.get("coupling")
    if coupling is None:
        coupling = float(recorded) if isinstance(recorded, (int, float)) else CRITICAL_COUPLING
    form = "packed bits" if x.packed else f"{x.raw.dtype} values"
    say(f"{path}: {len(x):,} configurations of {x.height} x {x.width}, {form}")
    if x.metadata:
        say("its metadata: " + ", ".join(f"{key} {value}" for key, value in x.metadata.items()))
    if is_solvable(x.height, x.width) and exact.torus_work(x.height, x.width) > exact.torus_work(*_LARGEST):
        say(f"solving the {x.height} x {x.width} torus: about ten seconds")
    pace = Pace(len(x), x.sites, say)
    return check(x, coupling, level=level, progress=pace.update)


def _require_room(out: Path, need: int) -> None:
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if need > free:
        raise ValueError(f"{need / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free at {folder}. Try --packed.")


def _describe_plan(chosen: SamplingPlan, n: int, need: int, seed: int) -> str:
    lattice = chosen.law
    steps = f"burn-in {chosen.burn_in}, then one configuration every {chosen.thinning} steps (tau = {chosen.tau:.3g})"
    return (
        f"{n:,} configurations of {lattice.height} x {lattice.width} at K = {lattice.horizontal:.6g}, "
        f"{need / 1e6:,.1f} MB\n"
        f"method {chosen.method}: {steps}; seed {seed}\n{chosen.reason}"
    )


def _infinite(coupling: float) -> dict[str, Any]:
    from veridical.ising import exact

    entropy = float(exact.onsager_entropy_per_site(coupling))
    heat = float(exact.onsager_specific_heat(coupling))
    return {
        "lattice": "infinite",
        "log_partition": None,
        "energy": float(exact.onsager_energy_per_site(coupling)),
        "specific_heat": heat if math.isfinite(heat) else None,
        "entropy_nats": entropy,
        "entropy_bits": entropy / math.log(2),
        "magnetization_squared": float(exact.spontaneous_magnetization(coupling)) ** 2,
    }
