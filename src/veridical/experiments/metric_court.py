r"""Which metric sees which fault, at which number of examples and in which dimension?

QUESTION  A score that does not move when a mode is missing cannot tell that one is. Every metric is shown the same
          planted faults: with what probability does it notice each, and how often does it accuse a model without fault?
COMMAND   veridical experiment metric-court
TIME      30 minutes on two cores (one processor hour, two thirds of it at n = 5,000)
EXPECTED  no metric sees every fault; at n = 5,000 cells (shares of modes), clipped density (widths, junk, blur), c2st
          or KID (shift) and memorised (copies) together see all of them with power .9 and more

Ten Gaussians in d = 2, 32 and 256 dimensions (`court_faults`), n = 250, 1,000 and 5,000 training, held-out and
generated examples each; 400 repetitions, 100 at n = 5,000. In every repetition all three are drawn anew; each fault is
planted in a sample of its own. A metric's statistic is its value for the samples minus its value for the held-out
examples, against the same training examples, as in an evaluation. Its null distribution are the repetitions of a model
without fault: the statistic is significant outside of their central 95 %. Power is the share of significant repetitions
with a fault, the false-alarm rate that of a second model without fault. A metric alone is judged, without correction
for many metrics.

A run that was stopped continues where it was, if it is started again in the same folder with the same seed.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from veridical.experiments.court_faults import FAULTS
from veridical.experiments.experiment import BLOCKS, Experiment, Outcome, Say

BLOCK = 20
"""Repetitions that are computed and stored together."""

NULL, INNOCENT = "null", "innocent"
"""Two models without fault: of the null distribution, and of the false alarms."""

LEVEL = 0.05


@dataclass(frozen=True)
class Preset:
    """Sizes of the experiment."""

    repetitions: Mapping[int, int] = field(default_factory=lambda: {250: 400, 1_000: 400, 5_000: 100})
    """By number of examples; multiples of `BLOCK`."""

    dimensions: tuple[int, ...] = (2, 32, 256)


FULL = Preset()
QUICK = Preset({60: 20}, (2,))


@dataclass(frozen=True)
class Cell:
    """One number of examples in one dimension."""

    n: int
    d: int


def run(folder: Path, seed: int, quick: bool, say: Say) -> Outcome:
    """Judge all metrics.

    Args:
        folder: folder of the figures, and of the blocks of a run that was stopped.
        seed: seed of all random numbers.
        quick: run a small version of a few seconds.
        say: called with each line of progress.
    """
    from veridical.experiments.court_figures import draw

    preset = QUICK if quick else FULL
    rows = []
    for (n, repetitions), d in itertools.product(preset.repetitions.items(), preset.dimensions):
        rows += judged(Cell(n, d), scores_of(Cell(n, d), repetitions, seed, folder / BLOCKS))
        say(line_of(Cell(n, d), rows))
    draw(rows, folder / "power.png")
    say(table(rows))
    return Outcome(verdict(rows), {"preset": asdict(preset), "rows": rows})


def scores_of(cell: Cell, repetitions: int, seed: int, folder: Path) -> np.ndarray:
    """Return the statistics (repetition, model, metric) of one cell; blocks that lie in the folder are not repeated.

    Args:
        cell: number of examples and dimension.
        repetitions: a multiple of `BLOCK`.
        seed: seed of all random numbers.
        folder: of the blocks.
    """
    folder.mkdir(exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(min(os.cpu_count() or 1, 8), context) as pool:
        jobs = [pool.submit(block, cell, i, seed, folder) for i in range(repetitions // BLOCK)]
        return np.concatenate([job.result() for job in jobs])


def block(cell: Cell, number: int, seed: int, folder: Path) -> np.ndarray:
    """Return the statistics of one block of repetitions, computed or read.

    Args:
        cell: number of examples and dimension.
        number: of the block.
        seed: seed of the experiment.
        folder: where blocks are stored.
    """
    path = folder / f"n{cell.n}-d{cell.d}-{number:03d}-seed{seed}.npy"
    if path.is_file():
        return np.load(path, allow_pickle=False)
    import torch

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(
        int(np.random.SeedSequence([seed, cell.n, cell.d, number]).generate_state(1)[0])
    )
    found = np.array([list(repetition(cell, generator)) for _ in range(BLOCK)], np.float32)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with open(temporary, "wb") as file:
        np.save(file, found)
    os.replace(temporary, path)
    return found


def repetition(cell: Cell, generator: Any) -> Iterator[list[float]]:
    """Yield the statistics of every model, in the order of `models`, from new training and held-out examples.

    Args:
        cell: number of examples and dimension.
        generator: of all random numbers.
    """
    from veridical.experiments.court_faults import World, law, none
    from veridical.experiments.court_scores import Judge

    of = law(cell.d)
    world = World(of, of.sample(cell.n, generator), generator)
    judge = Judge(world.train, none(world, cell.n))
    for name in models():
        yield judge.statistics(FAULTS.get(name, none)(world, cell.n))


def models() -> list[str]:
    """Return the names of the models: two without fault, then one for each fault."""
    return [NULL, INNOCENT, *FAULTS]


def judged(cell: Cell, scores: np.ndarray) -> list[dict[str, Any]]:
    """Return for every metric and model the share of significant repetitions, with its 95 % interval.

    Args:
        cell: number of examples and dimension.
        scores: (repetition, model, metric).
    """
    from veridical.experiments.court_scores import METRICS
    from veridical.statistics import wilson_interval

    low, high = np.quantile(scores[:, 0], [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    seen = (scores[:, 1:] < low) | (scores[:, 1:] > high)
    rows = []
    for (m, model), (k, metric) in itertools.product(enumerate(models()[1:]), enumerate(METRICS)):
        count = int(seen[:, m, k].sum())
        rows.append(
            {
                "n": cell.n,
                "d": cell.d,
                "metric": metric,
                "fault": model,
                "power": count / len(seen),
                "interval": list(wilson_interval(count, len(seen))),
            }
        )
    return rows


def line_of(cell: Cell, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a line of progress: which metric sees each fault best."""
    best: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if (row["n"], row["d"]) == (cell.n, cell.d) and row["power"] > best.get(row["fault"], {"power": -1})["power"]:
            best[row["fault"]] = row
    found = ", ".join(f"{fault} {best[fault]['power']:.2f} ({best[fault]['metric']})" for fault in FAULTS)
    return f"n = {cell.n:,}, d = {cell.d}: {found}"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the power of every metric against every fault as text, a part for every cell."""
    lines = []
    for cell in dict.fromkeys((row["n"], row["d"]) for row in rows):
        of = [row for row in rows if (row["n"], row["d"]) == cell]
        faults = list(dict.fromkeys(row["fault"] for row in of))
        lines += [f"n = {cell[0]:,}, d = {cell[1]}", f"{'':<18}" + " ".join(f"{fault:>12}" for fault in faults)]
        for metric in dict.fromkeys(row["metric"] for row in of):
            power = {row["fault"]: row["power"] for row in of if row["metric"] == metric}
            lines.append(f"{metric:<18}" + " ".join(f"{power[fault]:12.2f}" for fault in faults))
        lines.append("")
    return "\n".join(lines)


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the smallest set of metrics, the faults that none sees at the largest n, and the false alarms."""
    n = max(row["n"] for row in rows)
    largest = [row for row in rows if row["n"] == n and row["fault"] != INNOCENT]
    chosen = smallest_set(largest)
    alarms = [row["power"] for row in rows if row["fault"] == INNOCENT]
    best = {(row["d"], row["fault"]): 0.0 for row in largest}
    for row in largest:
        best[row["d"], row["fault"]] = max(best[row["d"], row["fault"]], row["power"])
    unseen = [f"{fault} in {d} dimensions ({power:.2f})" for (d, fault), power in best.items() if power < 0.9]
    return (
        f"{', '.join(chosen)} together see what any metric sees at n = {n:,} with power .9. "
        + (f"Seen by none with power .9: {', '.join(unseen)}. " if unseen else "")
        + f"False alarms of single metrics: {min(alarms):.3f} to {max(alarms):.3f}."
    )


def smallest_set(rows: Sequence[Mapping[str, Any]], power: float = 0.9) -> list[str]:
    """Return few metrics that together see whatever any metric sees, chosen greedily.

    Args:
        rows: of one n.
        power: with which a fault counts as seen.
    """
    sees: dict[str, set[tuple[int, str]]] = {}
    for row in rows:
        if row["power"] >= power:
            sees.setdefault(row["metric"], set()).add((row["d"], row["fault"]))
    left, chosen = set().union(*sees.values()) if sees else set(), []
    while left:
        best = max(sees, key=lambda metric: (len(sees[metric] & left), metric))
        chosen.append(best)
        left -= sees[best]
    return chosen


EXPERIMENT = Experiment(
    name="metric-court",
    question="Which metric sees which fault, at which number of examples and in which dimension?",
    minutes=30,
    expected=(
        "no metric sees every fault; cells, clipped density, c2st or KID, and memorised together see all at n = 5,000"
    ),
    run=run,
    resumable=True,
)
