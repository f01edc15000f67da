"""`veridical ising`: sample, exact, check."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from functools import partial

from veridical.cli.parse import run_verb

VERBS = {
    "sample": "draw configurations into a file",
    "exact": "print exact values of a torus",
    "check": "check configurations from any program against the exact distribution",
}
"""Every verb with a description; its module is `veridical.cli.ising.<verb>`."""

LARGEST_SIDE = 65_536


@dataclass(frozen=True, kw_only=True)
class Coupling:
    """Options of all three verbs."""

    coupling: float | None = None
    """K = J/kT; the critical coupling 0.440687 if omitted."""

    temperature: float | None = None
    """T = 1/K, instead of the coupling."""

    def __post_init__(self) -> None:
        if self.coupling is not None and self.temperature is not None:
            raise ValueError(f"got a coupling ({self.coupling}) and a temperature ({self.temperature}); expected one.")
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature is {self.temperature}; expected above 0 (antiferromagnets: --coupling).")
        if self.coupling is not None and not math.isfinite(self.coupling):
            raise ValueError(f"coupling is {self.coupling}; expected a finite number.")

    @property
    def chosen(self) -> float | None:
        """The requested coupling; None if neither option is given."""
        return self.coupling if self.temperature is None else 1 / self.temperature


def parse_size(text: str) -> tuple[int, int]:
    """Read a side or height x width.

    Examples:
        >>> parse_size("64"), parse_size("64x32")
        ((64, 64), (64, 32))
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(_is_side(side) for side in sides):
        raise ValueError(
            f"size is {text[:40]!r}; expected a side, 64, or height x width, 64x32, each at least 2 and at most "
            f"{LARGEST_SIDE:,}."
        )
    return int(sides[0]), int(sides[-1])


def _is_side(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and 1 < int(text) <= LARGEST_SIDE


def run(arguments: list[str]) -> int:
    """Sample, solve or check."""
    lines = ["usage: veridical ising VERB [options]      (veridical ising VERB --help shows its options)", ""]
    lines += [f"  {verb:<8} {what}" for verb, what in VERBS.items()]
    lines += ["", "  veridical ising sample 64 -n 100000 -o tc64.npz"]
    lines += ["  veridical ising exact 16 32 64", "  veridical ising check tc64.npz"]
    verbs = {verb: partial(_run, verb) for verb in VERBS}
    return run_verb("ising", verbs, "\n".join(lines), arguments)


def _run(verb: str, arguments: list[str]) -> int:
    return importlib.import_module(f"veridical.cli.ising.{verb}").run(arguments)
