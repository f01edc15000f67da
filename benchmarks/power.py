"""Whether faults of the sizes that a table states are found in about 80 % of tables.

    python benchmarks/power.py [--tables 60] [--n 500] [--only shrunk] [--log power.jsonl]

Five perfect models give the sizes that `evaluation.power` states (their median); then samples with a planted fault of
that size are measured, and a table counts if any of its verdicts is a fault. Samples, held-out and twice as many
training examples are drawn from one law, with all metrics of features measured by default and 199 exchanges.

- copies: samples replaced by training examples;
- missing: samples without one mode, which is thinned in the data to the stated share (mixtures alone);
- halved, doubled: a mode of the stated share in the data, half or twice as frequent in the samples (mixtures alone);
- unlike: samples replaced by examples moved by five deviations in every feature, in random directions;
- shift: all samples moved by so many deviations of each feature;
- shrunk: all samples moved towards their mean.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import torch
from calibration import DISTRIBUTIONS, FAULTS, measured, sets_of
from torch import Tensor

from veridical.evaluation.measurement import Measurement
from veridical.evaluation.power import smallest_faults
from veridical.statistics import wilson_interval
from veridical.targets import GaussianMixture, ring, simplex

MODES = {"ring, 2-D": ring(), "mixture, 32-D": simplex()}
FACTORS = {"missing": 1e-9, "halved": 0.5, "doubled": 2.0}
"""Of the frequency of a mode."""

LAWS = ("ring, 2-D", "mixture, 32-D", "heavy-tailed, 8-D", "features of images, 64-D")


def table(law: str, n: int, seed: int, kind: str = "", size: float = 0.0) -> list[Measurement]:
    """Measure n samples of a law with a planted fault."""
    generator = torch.Generator().manual_seed(seed)
    if kind in FACTORS:
        parts = with_mode_times(FACTORS[kind], MODES[law], n, size, generator)
    else:
        spare, held_out, train = DISTRIBUTIONS[law](4 * n, generator).split((n, n, 2 * n))
        parts = [planted(kind, size, spare, train, generator) if kind else spare, held_out, train]
    return measured(sets_of(parts, seed, 199))


def with_mode_times(factor: float, target: GaussianMixture, n: int, size: float, g: torch.Generator) -> list[Tensor]:
    """Return samples, held-out and training examples of a mixture whose first mode has another share.

    Args:
        factor: by which the mode is more frequent in the samples than in the data.
        target: the mixture.
        n: samples.
        size: share of the mode in the data.
        g: random numbers.
    """
    first, others = (
        (1 / (1 - size + factor * size) * factor * size, size),
        target.weights[1:] / target.weights[1:].sum(),
    )
    mixed = [
        GaussianMixture(target.means, target.sigma, torch.cat([torch.tensor([p]), (1 - p) * others])) for p in first
    ]
    samples, data = (law.sample(k, g, torch.float32) for law, k in zip(mixed, (n, 3 * n), strict=True))
    return [samples, data[:n], data[n:]]


def planted(kind: str, size: float, x: Tensor, train: Tensor, generator: torch.Generator) -> Tensor:
    """Return samples with a fault; of x as many are used as are needed."""
    mean, spread = train.mean(dim=0), train.std(dim=0)
    if kind == "shift":
        return x + size * spread
    if kind == "shrunk":
        return mean + (1 - size) * (x - mean)
    chosen = torch.rand(len(x), generator=generator) < size
    x = x.clone()
    if kind == "copies":
        x[chosen] = train[torch.randint(len(train), (len(x),), generator=generator)][chosen]
    else:
        x[chosen] += 5 * spread * torch.randn(x.shape, generator=generator).sign()[chosen]
    return x


def faults(found: list[Measurement]) -> list[str]:
    """Names of the measurements whose verdict is a fault."""
    return [m.name for m in found if m.verdict in FAULTS]


def sizes(law: str, n: int) -> dict[str, float]:
    """Median sizes that five tables of a perfect model state."""
    stated = [smallest_faults({m.name: m for m in table(law, n, 10_000 + seed)}) for seed in range(5)]
    kinds = dict.fromkeys(kind for one in stated for kind in one)
    return {kind: statistics.median(one[kind] for one in stated if kind in one) for kind in kinds}


def main() -> None:
    """Print a row per law and kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=60)
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--laws", nargs="*", default=LAWS)
    parser.add_argument("--log", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for law in given.laws:
        for kind, size in sizes(law, given.n).items():
            if (given.only and kind not in given.only) or (kind in FACTORS and law not in MODES):
                continue
            found = [faults(table(law, given.n, seed, kind, size)) for seed in range(given.tables)]
            hits = sum(map(bool, found))
            names = {name: sum(name in one for one in found) for one in found for name in one}
            low, high = wilson_interval(hits, given.tables)
            row = {"law": law, "n": given.n, "kind": kind, "size": size, "found": hits, "of": given.tables, "by": names}
            print(
                f"| {law} | {kind} | {size:.3g} | {hits}/{given.tables} | {low:.2f} to {high:.2f} | {names}", flush=True
            )
            if given.log:
                with given.log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
