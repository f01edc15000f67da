"""`veridical ising sample`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from veridical.cli.ising import Coupling, parse_size
from veridical.cli.options import Mark, Positional
from veridical.cli.parse import parse, say
from veridical.config import checks

MOST = 10**10


@dataclass(frozen=True, kw_only=True)
class Sample(Coupling):
    """Draw configurations of the Ising model on a torus into an npz file: x (n, height, width), True for spin up."""

    size: Positional[str]
    """Side, or height x width: 64, 64x32."""

    n: Annotated[int, Mark(alias="-n")] = 10_000
    """Number of configurations."""

    out: Annotated[Path | None, Mark(alias="-o")] = None
    """New file; ising-SIZE-nN-seedSEED.npz if omitted."""

    method: Literal["auto", "metropolis", "cluster", "wolff", "swendsen-wang", "tempering", "perfect"] = "auto"
    """Sampling method; auto chooses the fastest."""

    seed: int = 0
    """The same seed gives the same file."""

    packed: bool = False
    """Store eight spins per byte: array packed (n, bytes), as from numpy.packbits, and array size."""

    threads: int | None = None
    """Number of threads; one per core if omitted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_size(self.size)
        checks.at_least("n", self.n, 1, MOST)
        checks.at_least("threads", self.threads, 1, 1_024)
        checks.seed("seed", self.seed)


def run(arguments: list[str]) -> int:
    """Draw configurations into a file."""
    o = parse(Sample, "ising sample", arguments)
    from veridical.workflows.ising import sample_to_file

    out = o.out or Path(f"ising-{o.size}-n{o.n}-seed{o.seed}.npz")
    size = parse_size(o.size)
    sample_to_file(out, size, o.n, o.chosen, o.method, o.seed, packed=o.packed, threads=o.threads, say=say)
    say(f"Next: veridical ising check {out}")
    return 0
