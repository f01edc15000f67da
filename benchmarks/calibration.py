"""False alarms and power of the verdicts of a whole table.

    python benchmarks/calibration.py                    # measures, appends to the log, prints the table
    python benchmarks/calibration.py --table            # prints the table of what was measured
    python benchmarks/calibration.py --workers 16       # as many processes

**False alarms.** Samples, held-out and training examples are drawn from one distribution, so the model is perfect. All
metrics of features that `veridical evaluate` measures by default are measured and judged as one table; an alarm is a
table with any verdict "short of perfect" or "suspicious". Six distributions, 1,000 repetitions each at 200 samples, 200
held-out and 400 training examples, 199 exchanges: at most 5 % of tables may be alarms.

**Memorisation.** The same at 2,000, 8,000 and 10,000 samples with 10,000 training and 4,000 held-out examples, from
random features of the size of those of images, and only the two shares of copies.

**Power.** The share of tables in which a planted fault is found: one of 25 modes at half its weight at 2,500 samples,
counted; one of 8 modes on data without labels or known modes; 64 dimensions shrunk by 3 %, both at 2,500 samples.

**Every fault of the court of metrics** (`veridical experiment metric-court`) in 2, 32 and 256 dimensions at 10,000
samples, held-out and training examples, the default of an evaluation: `--court 2` measures two tables of each (about a
processor minute per table, with 999 exchanges). Margin: the largest difference of the table, in units of what its
metric shows with power .8 at the level of the table; 1.2 means a power above .9.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from veridical.config.data import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.sources import load
from veridical.evaluation.c2st import measure_c2st
from veridical.evaluation.cells import measure_shares
from veridical.evaluation.clipped import measure_clipped
from veridical.evaluation.coverage import measure_modes
from veridical.evaluation.exchange import exchange
from veridical.evaluation.extractors import Values, extractor_for
from veridical.evaluation.features import FeatureSets, extract_data
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.multiple import adjusted
from veridical.evaluation.two_sample import measure_frechet, measure_kernel, measure_manifold, measure_memorisation
from veridical.experiments import court_faults
from veridical.statistics import wilson_interval
from veridical.targets import correlated, grid, heavy_tailed, ring, simplex

LOG = Path(__file__).parents[1] / "docs" / "logs" / "calibration.jsonl"
SMALL, DRAWS = (200, 200, 400), 199
LARGE = (2_500, 2_500, 2_500)
DEFAULT, DEFAULT_DRAWS = 10_000, 999
"""Samples and exchanges of an evaluation without options."""

BLOCK = 25
"""Tables measured by one task."""

FAULTS = ("short of perfect", "suspicious")

Draw = Callable[[int, torch.Generator], Tensor]


def measured(features: FeatureSets) -> list[Measurement]:
    """All default metrics of features, judged as one table."""
    measures = (
        measure_frechet,
        measure_kernel,
        measure_manifold,
        measure_clipped,
        lambda sets: measure_shares(sets, None, 0),
        measure_c2st,
        measure_memorisation,
    )
    return adjusted([m for measure in measures for m in measure(features)])


@cache
def images() -> Tensor:
    """Features of all 12,000 images of the shipped data."""
    config = DataConfig(source="fashion-mnist-10k")
    parts: list[ArrayData] = [load(config, split) for split in ("train", "test")]
    extractor = extractor_for(parts[0].space, None, torch.device("cpu"))
    return torch.cat([extract_data(part, extractor) for part in parts])


@cache
def lattice() -> tuple[Tensor, Tensor]:
    """All states of a 4 x 4 lattice at the critical coupling, with their probabilities."""
    bits = (torch.arange(2**16)[:, None] >> torch.arange(16)) & 1
    spins = (2.0 * bits - 1).reshape(-1, 4, 4)
    energy = -(spins * spins.roll(1, 1) + spins * spins.roll(1, 2)).sum(dim=(1, 2))
    return spins.flatten(1), torch.softmax(-math.log(1 + math.sqrt(2)) / 2 * energy.double(), dim=0)


def of(target: object) -> Draw:
    """Draws of a law."""
    return lambda n, generator: target.sample(n, generator, torch.float32)  # type: ignore[attr-defined]


def draw_images(n: int, generator: torch.Generator) -> Tensor:
    """Rows without repetition."""
    return images()[torch.randperm(len(images()), generator=generator)[:n]]


def draw_spins(n: int, generator: torch.Generator) -> Tensor:
    """Independent states."""
    states, shares = lattice()
    return states[torch.multinomial(shares, n, replacement=True, generator=generator)]


DISTRIBUTIONS: dict[str, Draw] = {
    "ring, 2-D": of(ring()),
    "mixture, 32-D": of(simplex()),
    "correlated, 64-D": of(correlated()),
    "heavy-tailed, 8-D": of(heavy_tailed()),
    "features of images, 64-D": draw_images,
    "spins, 4 x 4": draw_spins,
}


def drawn(draw: Draw, sizes: tuple[int, int, int], seed: int) -> list[Tensor]:
    """Samples, held-out and training examples of one distribution."""
    return list(draw(sum(sizes), torch.Generator().manual_seed(seed)).split(sizes))


def sets_of(parts: list[Tensor], seed: int, draws: int = DRAWS) -> FeatureSets:
    """The features of one table, with fewer exchanges than by default."""
    generated, held_out, train = parts
    features = FeatureSets(Values(tuple(train.shape[1:]), "coordinates"), generated, train, held_out, seed)
    n = len(generated)
    features.__dict__["exchange"] = exchange(n, len(features.pool) - n, seed, draws)
    return features


def perfect(name: str, seed: int) -> list[Measurement]:
    """One table of a perfect model."""
    return measured(sets_of(drawn(DISTRIBUTIONS[name], SMALL, seed), seed))


def copies(n: int, seed: int) -> list[Measurement]:
    """The shares of copies of a perfect model of images: features of 12,000 images with noise of a tenth of a sd."""
    generator = torch.Generator().manual_seed(seed)
    rows = images()[torch.randint(0, len(images()), (n + 14_000,), generator=generator)]
    rows = rows + 0.1 * rows.std(dim=0) * torch.randn(rows.shape, generator=generator)
    return adjusted(measure_memorisation(sets_of(list(rows.split((n, 4_000, 10_000))), seed)))


def halved_of_25(_: str, seed: int) -> list[Measurement]:
    """Known modes, counted."""
    target, generator = grid(), torch.Generator().manual_seed(seed)
    mode = torch.multinomial(halved(target.weights, 7), LARGE[0], replacement=True, generator=generator)
    noise = torch.randn(LARGE[0], 2, generator=generator, dtype=torch.float64)
    return adjusted(measure_modes(target.modes[mode] + target.sigma * noise, target, seed))


def halved_of_8(_: str, seed: int) -> list[Measurement]:
    """Unlabelled data in two dimensions."""
    target, generator = ring(), torch.Generator().manual_seed(seed)
    parts = drawn(of(target), LARGE, seed)
    mode = torch.multinomial(halved(target.weights, 3), LARGE[0], replacement=True, generator=generator)
    noise = torch.randn(LARGE[0], 2, generator=generator, dtype=torch.float64)
    parts[0] = (target.modes[mode] + target.sigma * noise).float()
    return measured(sets_of(parts, seed))


def shrunk(_: str, seed: int) -> list[Measurement]:
    """A normal distribution in 64 dimensions, 3 % too narrow."""
    generated, held_out, train = torch.randn(sum(LARGE), 64, generator=torch.Generator().manual_seed(seed)).split(LARGE)
    return measured(sets_of([0.97 * generated, held_out, train], seed))


def halved(weights: Tensor, mode: int) -> Tensor:
    """Weights with one mode at half its own; not normalised."""
    weights = weights.clone()
    weights[mode] /= 2
    return weights


def of_the_court(name: str, seed: int) -> list[Measurement]:
    """A fault of the court of metrics, at the default size of an evaluation."""
    fault, d = name.rsplit(", ", 1)
    distribution = court_faults.law(int(d.removesuffix("-D")))
    generator = torch.Generator().manual_seed(seed)
    train = distribution.sample(DEFAULT, generator, torch.float32)
    world = court_faults.World(distribution, train, generator)
    parts = [FAULTS_OF_THE_COURT[fault](world, DEFAULT), court_faults.none(world, DEFAULT), train]
    return measured(sets_of(parts, seed, DEFAULT_DRAWS))


def margin(table: list[Measurement]) -> float:
    """The largest difference of a table, in units of what its metric shows with power .8."""
    tests = [m.test for m in table if m.test is not None and m.test.detectable]
    return max(abs(test.difference) / (test.detectable or math.inf) for test in tests)


FAULTS_OF_THE_COURT = {"none": court_faults.none, **court_faults.FAULTS}
COURT = [f"{fault}, {d}-D" for fault in FAULTS_OF_THE_COURT for d in (2, 32, 256)]
POWER = {"one of 25 modes halved": halved_of_25, "one of 8 modes halved": halved_of_8, "64-D shrunk by 3 %": shrunk}


def tasks(repetitions: int, power: int, court: int) -> Iterator[tuple[str, str, int]]:
    """What is measured: kind, name and number of the block of seeds."""
    yield from (("court", name, block) for block in range(court) for name in COURT)
    yield from (("perfect", name, block) for block in range(repetitions // BLOCK) for name in DISTRIBUTIONS)
    yield from (("power", name, block) for block in range(power // BLOCK) for name in POWER)
    yield from (("copies", str(n), block) for block in range(power // BLOCK) for n in (2_000, 8_000, 10_000))


def run(task: tuple[str, str, int]) -> dict[str, object]:
    """Measure the tables of a block of seeds; returns how many have a fault, and of which metrics."""
    torch.set_num_threads(1)
    kind, name, block = task
    began, alarms, metrics, margins = time.process_time(), 0, Counter(), []
    size = 1 if kind == "court" else BLOCK
    for seed in range(block * size, (block + 1) * size):
        found = table_of(kind, name, seed)
        faults = [m.name for m in found if m.verdict in FAULTS]
        alarms += bool(faults)
        metrics.update(faults)
        if kind == "court":
            margins.append(round(margin(found), 2))
    seconds = round(time.process_time() - began, 1)
    row: dict[str, object] = {"kind": kind, "name": name, "block": block, "tables": size}
    row |= {"alarms": alarms, "metrics": metrics, "seconds": seconds}
    return row | {"margin": margins} if margins else row


def table_of(kind: str, name: str, seed: int) -> list[Measurement]:
    """The table of one seed."""
    if kind == "copies":
        return copies(int(name), seed)
    measure = {"perfect": perfect, "court": of_the_court}.get(kind) or POWER[name]
    return measure(name, seed)


def table(log: Path) -> None:
    """Print the rates with 95 % intervals."""
    found: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for line in log.read_text().splitlines():
        row = json.loads(line)
        found[row["kind"], row["name"]].append(row)
    print("| tables | of | with a fault | 95 % interval | seconds each | most often | least margin |")
    print("|---|---|---|---|---|---|---|")
    for (kind, name), rows in found.items():
        tables, alarms, seconds = (sum(row[key] for row in rows) for key in ("tables", "alarms", "seconds"))
        low, high = wilson_interval(alarms, tables)
        often = sum((Counter(row["metrics"]) for row in rows), Counter()).most_common(3)
        shares = ", ".join(f"{metric} {count / tables:.2f}" for metric, count in often)
        least = min((m for row in rows for m in row.get("margin", ())), default="")
        print(
            f"| {kind}: {name} | {tables} | {alarms / tables:.3f} | {low:.3f} to {high:.3f} | {seconds / tables:.2f} "
            f"| {shares} | {least} |"
        )


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    parser.add_argument("--repetitions", type=int, default=1000, help="tables of each distribution")
    parser.add_argument("--power", type=int, default=25, help="tables of each planted fault")
    parser.add_argument("--court", type=int, default=0, help="tables of each fault of the court, at 10,000 samples")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--log", type=Path, default=LOG)
    given = parser.parse_args()
    if not given.table:
        done = set()
        if given.log.exists():
            rows = [json.loads(line) for line in given.log.read_text().splitlines()]
            done = {(row["kind"], row["name"], row["block"]) for row in rows}
        left = [task for task in tasks(given.repetitions, given.power, given.court) if task not in done]
        context = multiprocessing.get_context("spawn")
        with given.log.open("a") as out, context.Pool(given.workers) as pool:
            for row in pool.imap_unordered(run, left):
                out.write(json.dumps(row) + "\n")
                out.flush()
    table(given.log)


if __name__ == "__main__":
    main()
