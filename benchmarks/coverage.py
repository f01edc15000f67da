"""How often intervals of 95 % contain the expected value, for every metric of samples, on seven distributions.

    nice -n 10 python benchmarks/coverage.py                        # 400 repetitions, resumes where it stopped
    nice -n 10 python benchmarks/coverage.py --repetitions 100 --n 500 --only fid kid
    python benchmarks/coverage.py --table                           # prints the table of what was measured

A repetition draws training data (twice n), n held-out examples and n samples of two models: a perfect one, and one in
which the fifth of the distribution that is largest in one direction is half as frequent, and everything is a little
shrunk. The metrics are those of `veridical.evaluation`, called as an evaluation calls them. The interval of a value
should contain the mean of the values over all repetitions, the expected value at this n, in 95 % of cases.

Metrics whose question is put by the training data (which cells, which classifier, which distance counts as a
collision) are measured on one training set for all repetitions: their intervals hold for those training data. Left
out: `tilting`, whose interval is that of the bound by the function that was fitted, not of the mean over fits; and
metrics of models rather than of samples (codes, decoders, denoisers, discriminators, classifiers).

Distributions: `ring` (2 dimensions), `simplex` (32), `correlated` (64), `heavy-tailed` (8), `images` (the features of
12,000 shipped images of Fashion-MNIST, drawn without replacement), `spins` (lattices of 8 x 8, drawn from 40,000), and
`categorical` (32 outcomes) for the metric that counts outcomes.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.sources import load
from veridical.data.space import Space
from veridical.evaluation.authenticity import measure_authenticity
from veridical.evaluation.birthday import measure_birthday
from veridical.evaluation.c2st import measure_c2st, measure_nearest_neighbour
from veridical.evaluation.cells import measure_ndb, measure_shares
from veridical.evaluation.clipped import measure_clipped
from veridical.evaluation.coverage import measure_modes
from veridical.evaluation.density import Density
from veridical.evaluation.divergence import measure_divergence
from veridical.evaluation.exchange import exchange
from veridical.evaluation.extractors import extractor_for
from veridical.evaluation.extractors.pixels import Values
from veridical.evaluation.features import FeatureSets, extract_data
from veridical.evaluation.inception_score import measure_inception_score
from veridical.evaluation.likelihood import measure_likelihood
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.mmd import measure_mmd
from veridical.evaluation.observables import measure_observables
from veridical.evaluation.outcomes import measure_outcomes
from veridical.evaluation.target import Target
from veridical.evaluation.two_sample import measure_frechet, measure_kernel, measure_manifold, measure_memorisation
from veridical.evaluation.typicality import measure_typicality
from veridical.evaluation.vendi import measure_vendi
from veridical.statistics import wilson_interval
from veridical.targets import Law, correlated, heavy_tailed, ring, simplex
from veridical.targets.categorical import zipf
from veridical.targets.ising import Ising
from veridical.targets.law import HasDensity, HasEntropy, HasModes, HasOutcomes

LOG = Path("coverage.jsonl")
N, REPETITIONS, DRAWS = 1_000, 400, 99
"""Samples, repetitions, relabellings: the tests are not looked at."""

TRAIN = 2
"""Training examples, in multiples of n."""

RARE, FACTOR = 0.2, 0.5
"""The imperfect model has this share of the distribution less often, by this factor."""

Rows = Tensor


@dataclass(frozen=True)
class Source:
    """Draws of a distribution, and of a model that is a little wrong."""

    draw: Callable[[int, torch.Generator], Tensor]
    wrong: Callable[[int, torch.Generator], Tensor]
    law: Law | None = None
    space: Space | None = None
    shrunk: float = 1.0
    classes: int | None = None
    """Number of classes; the last column of the draws is then the class."""


def rarer(x: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return n rows, of which the fifth that is largest in one direction is half as frequent."""
    score = x.flatten(1)[:, 0] if x.shape[1] < 100 and x.ndim == 2 else x.flatten(1).sum(dim=1)
    odd = (score > score.quantile(1 - RARE)) & (torch.rand(len(x), generator=generator) > FACTOR)
    return x[~odd][:n]


def of_law(law: Law, shrunk: float) -> Source:
    """Return draws of a law of vectors."""

    def draw(n: int, generator: torch.Generator) -> Tensor:
        return law.sample(n, generator, torch.float32)

    def wrong(n: int, generator: torch.Generator) -> Tensor:
        return shrunk * rarer(draw(2 * n, generator), n, generator)

    x = draw(10_000, torch.Generator().manual_seed(9))
    space = Space(tuple(x.shape[1:]), "vector", None, None, mean=float(x.mean()), std=float(x.std()))
    return Source(draw, wrong, law, space, shrunk)


def of_pool(pool: Tensor, wrong: Callable[[int, torch.Generator], Tensor], **other: Any) -> Source:
    """Return draws without replacement from a large pool."""
    return Source(lambda n, g: pool[torch.randperm(len(pool), generator=g)[:n]], wrong, **other)


def images() -> Source:
    """Return features of images with their class in the last column; the model has softer, fewer ones."""
    parts = [load(DataConfig(source="fashion-mnist-10k"), split) for split in ("train", "test")]
    extractor = extractor_for(parts[0].space, "fashion-28", torch.device("cpu"))
    rows = torch.cat([extract_data(part, extractor) for part in parts])
    labels = torch.cat([part.labels.cpu() for part in parts])  # type: ignore[union-attr]
    pool, middle = torch.cat([rows, labels[:, None].float()], dim=1), rows.mean(dim=0)

    def wrong(n: int, generator: torch.Generator) -> Tensor:
        x = rarer(pool[torch.randperm(len(pool), generator=generator)[: 2 * n]], n, generator)
        return torch.cat([middle + 0.97 * (x[:, :-1] - middle), x[:, -1:]], dim=1)

    return of_pool(pool, wrong, classes=10)


def spins() -> Source:
    """Return critical lattices; the model is 3 % too hot, and its positive lattices are fewer."""
    law, hot = Ising(8), Ising(8, coupling=0.97 * Ising(8).coupling)
    pool, other = (
        at.sample(40_000, torch.Generator().manual_seed(i), torch.float32) for i, at in enumerate((law, hot))
    )
    space = Space(law.shape, kind="lattice", support=(-1.0, 1.0), levels=2, mean=0.0, std=1.0)

    def wrong(n: int, generator: torch.Generator) -> Tensor:
        return rarer(other[torch.randperm(len(other), generator=generator)[: 2 * n]], n, generator)

    return of_pool(pool, wrong, law=law, space=space)


def outcomes() -> Source:
    """Return draws of a categorical law."""
    return of_law(zipf(), 1.0)


SOURCES: Mapping[str, Callable[[], Source]] = {
    "ring": lambda: of_law(ring(), 0.995),
    "simplex": lambda: of_law(simplex(), 0.97),
    "correlated": lambda: of_law(correlated(), 0.97),
    "heavy-tailed": lambda: of_law(heavy_tailed(), 0.97),
    "images": images,
    "spins": spins,
    "categorical": outcomes,
}


@dataclass
class Repetition:
    """What one repetition measures."""

    source: Source
    train: Tensor
    fixed: Tensor
    """The training data of all repetitions."""
    test: Tensor
    samples: Tensor

    def _rows(self, x: Tensor) -> Tensor:
        return (x[:, :-1] if self.source.classes else x).flatten(1)

    def _sets(self, train: Tensor) -> FeatureSets:
        rows = [self._rows(x) for x in (self.samples, train, self.test)]
        sets = FeatureSets(Values((rows[0].shape[1],), "coordinates"), *rows, seed=0)
        sets.__dict__["exchange"] = exchange(len(rows[0]), len(sets.pool) - len(rows[0]), 0, DRAWS)
        return sets

    @cached_property
    def features(self) -> FeatureSets:
        """Features with the training data of this repetition."""
        return self._sets(self.train)

    @cached_property
    def given(self) -> FeatureSets:
        """Features with the training data of all repetitions."""
        return self._sets(self.fixed)

    @cached_property
    def target(self) -> Target | None:
        """The law, if it is known."""
        law, space = self.source.law, self.source.space
        known = isinstance(law, HasDensity) and not isinstance(law, HasOutcomes)
        return Target(law, space) if known and space is not None else None  # type: ignore[arg-type]

    @property
    def labels(self) -> Tensor | None:
        """Classes of the fixed training data."""
        return self.fixed[:, -1].long() if self.source.classes else None


def modes(r: Repetition) -> list[Measurement]:
    """Count known modes."""
    return measure_modes(r.samples, r.source.law) if isinstance(r.source.law, HasModes) else []


def likelihood(r: Repetition) -> list[Measurement]:
    """Score a model of known density: the law, scaled."""
    if r.target is None or r.source.shrunk == 1.0:
        return []
    scale, dim = 0.97, math.prod(r.samples.shape[1:])
    target = r.target
    density = Density(lambda x: target.log_prob(x / scale) - dim * math.log(scale), "exact")
    model: Any = SimpleNamespace(device=torch.device("cpu"))
    train, test = (ArrayData(x, space=target.space, name="drawn", target=target.law) for x in (r.train, r.test))
    seed = int(r.samples.flatten()[0].abs() * 1e6)
    found = measure_likelihood(model, train, test, len(r.test), seed, density)
    return found + measure_divergence(model, target, scale * r.train[: len(r.samples)], len(r.test), seed, density)


def counted(r: Repetition) -> bool:
    """Whether only outcomes are counted."""
    return isinstance(r.source.law, HasOutcomes)


MEASURED: Mapping[str, Callable[[Repetition], list[Measurement]]] = {
    "fid": lambda r: measure_frechet(r.features),
    "kid": lambda r: measure_kernel(r.features),
    "prdc": lambda r: measure_manifold(r.features),
    "clipped": lambda r: measure_clipped(r.features),
    "shares": lambda r: measure_shares(r.given, r.labels, r.source.classes or 0),
    "c2st": lambda r: measure_c2st(r.features),
    "memorisation": lambda r: measure_memorisation(r.features),
    "ndb": lambda r: measure_ndb(r.given),
    "mmd": lambda r: measure_mmd(r.features),
    "nearest_neighbour": lambda r: measure_nearest_neighbour(r.features),
    "vendi": lambda r: measure_vendi(r.features),
    "birthday": lambda r: measure_birthday(r.given),
    "inception_score": lambda r: (
        [] if r.labels is None else measure_inception_score(r.given, r.labels, r.source.classes or 0)
    ),
    "authenticity": lambda r: measure_authenticity(r.features),
    "modes": modes,
    "outcomes": lambda r: measure_outcomes(r.samples, r.source.law) if counted(r) else [],  # type: ignore[arg-type]
    "observables": lambda r: (
        measure_observables(r.samples, r.test, r.source.space) if isinstance(r.source.law, Ising) else []  # type: ignore[arg-type]
    ),
    "typicality": lambda r: (
        measure_typicality(r.samples, r.target, 0)
        if r.target is not None and isinstance(r.source.law, HasEntropy)
        else []
    ),
    "likelihood": likelihood,
}
"""The metrics by name; those of features first."""


def measure(log: Path, n: int, repetitions: int, laws: Iterable[str], only: Iterable[str]) -> None:
    """Measure what is not in the log yet, one line for each repetition; the distributions take turns."""
    done = {(row["law"], row["repetition"], row["metric"]) for row in read(log) if row["n"] == n}
    log.parent.mkdir(parents=True, exist_ok=True)
    for repetition in range(repetitions):
        for i, name in enumerate(laws):
            wanted = [metric for metric in only if (name, repetition, metric) not in done]
            if wanted:
                rows = _repeat(name, n, 10_000 * i + repetition, wanted)
                with log.open("a") as file:
                    file.writelines(
                        json.dumps({"law": name, "n": n, "repetition": repetition, **row}) + "\n" for row in rows
                    )


@cache
def source_of(name: str) -> Source:
    """Return a distribution, made once."""
    return SOURCES[name]()


@cache
def fixed_of(name: str, n: int) -> Tensor:
    """Return the training data that all repetitions share."""
    return source_of(name).draw(TRAIN * n, torch.Generator().manual_seed(999_999))


def _repeat(name: str, n: int, seed: int, wanted: Iterable[str]) -> list[dict]:
    source, generator = source_of(name), torch.Generator().manual_seed(seed)
    real = source.draw((TRAIN + 2) * n, generator)
    fixed, wrong = fixed_of(name, n), source.wrong(n, generator)
    train, test, perfect = real.split([TRAIN * n, n, n])
    both = {"perfect": perfect, "wrong": wrong}
    made = {model: Repetition(source, train, fixed, test, x) for model, x in both.items()}
    rows = []
    for metric in wanted:
        began, found = time.process_time(), {}
        for model, r in made.items():
            skipped = counted(r) and metric != "outcomes"
            found[model] = {} if skipped else {m.name: _numbers(m) for m in MEASURED[metric](r)}
        rows.append({"metric": metric, "seconds": round(time.process_time() - began, 3), "found": found})
    return rows


def _numbers(m: Measurement) -> list[float] | None:
    """Value and interval, to six digits."""
    low, high = m.interval or (math.nan, math.nan)
    value = m.value
    if m.name in ("memorised", "copied"):  # values are cut at 0; the expected one is not
        value = float(m.detail["share_below"]) - float(m.detail["level"])  # type: ignore[arg-type]
    return [float(f"{x:.6g}") for x in (value, low, high)]


def read(log: Path) -> list[dict]:
    """Return the lines of the log."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def covered(numbers: np.ndarray, least: float = -math.inf) -> tuple[float, float, float, float]:
    """Return the share of intervals that contain the mean, and their width against the spread of the values.

    Args:
        numbers: (repetitions, 3), value and interval.
        least: smallest expected value.

    Returns:
        Coverage, shares that lie wholly above and wholly below, and the median width over 3.92 standard deviations.
    """
    value, low, high = numbers.T
    if np.isinf(value).any():
        mean = float(np.median(value))
    else:
        mean = float(value.mean())
    mean = max(mean, least)
    above, below = float((low > mean).mean()), float((high < mean).mean())
    spread = float(value.std())
    return 1 - above - below, above, below, float(np.median(high - low)) / (3.92 * spread) if spread > 0 else math.nan


def collected(log: Path, n: int) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Return the numbers by measurement and model, then by distribution."""
    found: dict[tuple[str, str], dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for row in read(log):
        if row["n"] == n:
            for model, numbers in row["found"].items():
                for name, triple in numbers.items():
                    if not math.isnan(triple[1]):
                        found[name, model][row["law"]].append(triple)
    return {key: {law: np.array(rows) for law, rows in laws.items()} for key, laws in found.items()}


def table(log: Path, n: int) -> None:
    """Print the coverage of every measurement on every distribution, perfect and imperfect model; and the width."""
    found, laws = collected(log, n), list(SOURCES)
    counts = [len(rows) for of in found.values() for rows in of.values()]
    if not counts:
        print(f"nothing was measured at n = {n}")
        return
    low, high = wilson_interval(0.95 * max(counts), max(counts))
    seconds = sum(row["seconds"] for row in read(log) if row["n"] == n)
    print(f"n = {n:,}, at most {max(counts)} repetitions, {seconds:.0f} processor seconds; of intervals that hold with")
    print(f"probability .95, the share of so many repetitions is between {low:.3f} and {high:.3f} in 95 % of cases.")
    print("Cells: perfect model / imperfect model. All: of both and all distributions, with its 95 % interval; width:")
    print("the median over models and distributions of median width over 3.92 standard deviations of the value.\n")
    print("| measurement | " + " | ".join(laws) + " | all | width |")
    print("|---|" + "---|" * (len(laws) + 2))
    for name in dict.fromkeys(name for name, _ in found):
        print(_row(name, {model: found.get((name, model), {}) for model in ("perfect", "wrong")}, laws))


def _row(name: str, found: Mapping[str, Mapping[str, np.ndarray]], laws: Iterable[str]) -> str:
    least = 0.0 if name in ("memorised", "copied") else -math.inf
    cells, hits, total, widths = [], 0.0, 0, []
    for law in laws:
        both = [(covered(of[law], least), len(of[law])) for of in found.values() if law in of]
        cells.append(" / ".join(f"{at[0]:.2f}" for at, _ in both))
        hits, total = hits + sum(at[0] * n for at, n in both), total + sum(n for _, n in both)
        widths += [at[3] for at, _ in both if math.isfinite(at[3])]
    low, high = wilson_interval(min(hits, total), total)
    width = f"{np.median(widths):.2f}" if widths else ""
    return f"| {name} | " + " | ".join(cells) + f" | {hits / total:.3f} ({low:.3f} to {high:.3f}) | {width} |"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--n", type=int, default=N)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--laws", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--only", nargs="+", default=list(MEASURED), choices=list(MEASURED))
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.table:
        measure(given.log, given.n, given.repetitions, given.laws, given.only)
    table(given.log, given.n)


if __name__ == "__main__":
    main()
