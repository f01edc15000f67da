r"""What is the entropy per critical spin, and how close are bounds, codes and compressors?

QUESTION  Data with correlations at all distances: do measured lower and upper bounds of their entropy enclose the
          exact value, and how many bits do general compressors need?
COMMAND   veridical experiment information-ladder
TIME      2 minutes on two cores
EXPECTED  bits/spin at L = 64 (256): a site given its neighbours .3617 (.3645), blocks of 12 rows .428 (.432),
          exact .436186 (.440611), contexts of 16 .4430 (.4450), xz .578 (.571), zlib .638 (.642), bz2 .659 (.669)

The Ising model on a torus at its critical coupling, whose entropy is known exactly (Kaufman 1949). Lower bounds: the
entropy of a block given all surrounding spins (`veridical.ising.information`), without the information shared with its
surface: the gap is proportional to one over the number of rows. Upper bounds: codes learned on other configurations,
with contexts of 1 to 24
spins (`veridical.ising.contexts`), and zlib, bz2, xz, PNG. Intervals are 95 %, over configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from veridical.experiments.experiment import Experiment, Outcome, Say


@dataclass(frozen=True)
class Preset:
    """Sizes of the experiment."""

    configurations: dict[int, int]
    """Number of configurations by side; codes are learned on the first half and measured on the second."""

    blocks: dict[int, int]
    """Number of spins used, by the number of rows of a block."""

    contexts: tuple[int, ...]


FULL = Preset(
    {64: 8000, 256: 512},
    {1: 1 << 23, 2: 1 << 23, 3: 1 << 23, 4: 1 << 22, 6: 1 << 21, 8: 1 << 20, 10: 1 << 20, 12: 1 << 20},
    (1, 2, 3, 4, 6, 8, 10, 12, 16, 18, 24),
)
QUICK = Preset({16: 1000}, {1: 1 << 16, 2: 1 << 16, 4: 1 << 16}, (1, 2, 4, 8))


def run(folder: Path, seed: int, quick: bool, say: Say) -> Outcome:
    """Measure all bounds for every side, and draw the figures.

    Args:
        folder: folder of the figures.
        seed: seed of all random numbers.
        quick: run a small version of a few seconds.
        say: called with each line of progress.
    """
    from veridical.experiments.ladder_figures import draw_gaps, draw_ladder

    preset = QUICK if quick else FULL
    ladders = [measure(side, n, preset, seed, say) for side, n in preset.configurations.items()]
    draw_ladder(ladders, folder / "ladder.png")
    draw_gaps(ladders, folder / "gaps.png")
    numbers = {"preset": asdict(preset), "ladders": ladders, "table": table(ladders)}
    say(numbers["table"])
    return Outcome(verdict(ladders), numbers)


def measure(side: int, n: int, preset: Preset, seed: int, say: Say) -> dict[str, Any]:
    """Measure the bounds of one side, from the lowest bound to the worst compressor.

    Args:
        side: side of the lattice.
        n: number of configurations; half of them are used to learn codes.
        preset: blocks and contexts that are measured.
        seed: seed of all random numbers.
        say: called with each line of progress.
    """
    import math

    from veridical.ising import CRITICAL_COUPLING, sample
    from veridical.ising.compressors import COMPRESSORS, compressor_bound
    from veridical.ising.exact import entropy_per_site
    from veridical.ising.information import block_bound, context_bounds, site_bound

    say(f"L = {side}: drawing {n:,} critical configurations, seed {seed}")
    x = sample(side, n, seed=seed).view(bool)
    train, test = x[: n // 2], x[n // 2 :]
    say(f"L = {side}: lower bounds")
    lower = [site_bound(test, CRITICAL_COUPLING)]
    for rows, spins in preset.blocks.items():
        lower.append(block_bound(test[: max(16, spins // side**2)], CRITICAL_COUPLING, rows, seed))
    say(f"L = {side}: codes of {', '.join(map(str, preset.contexts))} spins of context")
    upper = list(context_bounds(train, test, preset.contexts, CRITICAL_COUPLING))
    say(f"L = {side}: {', '.join(COMPRESSORS)}")
    general = sorted((compressor_bound(test, name) for name in COMPRESSORS), key=lambda bound: bound.bits)
    return {
        "side": side,
        "exact": float(entropy_per_site(side, side, CRITICAL_COUPLING)) / math.log(2),
        "lower": [b._asdict() for b in lower],
        "contexts": [b._asdict() for b in upper],
        "compressors": [b._asdict() for b in general],
    }


def verdict(ladders: Sequence[dict[str, Any]]) -> str:
    """Return a sentence on whether the bounds enclose the exact value, and how tightly."""
    parts = []
    for ladder in ladders:
        exact, lower = ladder["exact"], max(ladder["lower"], key=lambda b: b["bits"])
        upper = min(ladder["contexts"], key=lambda b: b["bits"])
        best = ladder["compressors"][0]
        wrong = [b["name"] for b in ladder["lower"] if b["low"] > exact]
        wrong += [b["name"] for b in (*ladder["contexts"], *ladder["compressors"]) if b["high"] < exact]
        holds = "bounds hold" if not wrong else f"BOUNDS FAIL ({', '.join(wrong)})"
        parts.append(
            f"L = {ladder['side']}: {holds}, {lower['bits']:.4f} ({lower['name']}) <= {exact:.6f} (exact) <= "
            f"{upper['bits']:.4f} ({upper['name']}) bits/spin; the best general compressor, {best['name']}, needs "
            f"{best['bits']:.3f}, {100 * (best['bits'] / exact - 1):.0f} % too many"
        )
    return "; ".join(parts) + "."


def table(ladders: Sequence[dict[str, Any]]) -> str:
    """Return the bounds as text, with their intervals."""
    lines = []
    for ladder in ladders:
        lines.append(f"L = {ladder['side']:<20} bits/spin   95 % interval           configurations")
        exact = {"name": "exact", "bits": ladder["exact"], "low": None, "n": ""}
        for b in (*ladder["lower"], exact, *reversed(ladder["contexts"]), *ladder["compressors"]):
            between = "" if b["low"] is None else f"{b['low']:.5f} to {b['high']:.5f}"
            lines.append(f"  {b['name']:<22} {b['bits']:.6f}    {between:<24}{b['n']}")
    return "\n".join(lines)


EXPERIMENT = Experiment(
    name="information-ladder",
    question="Do measured bounds on the entropy of critical data enclose the exact value?",
    minutes=2,
    expected="bits/spin at L = 64 (256): blocks of 12 rows .428 (.432), exact .436186 (.440611), contexts of 16 .4430 "
    "(.4450), xz .578 (.571)",
    run=run,
)
