"""How often intervals of 95 % contain the expected value, for every metric of samples, on seven distributions.

    nice -n 10 python benchmarks/coverage.py                        # 400 repetitions, resumes where it stopped
    nice -n 10 python benchmarks/coverage.py --repetitions 100 --n 500 --only fid kid
    python benchmarks/coverage.py --table                           # prints the table of what was measured
    python benchmarks/coverage.py --table --log docs/logs/coverage.jsonl.gz    # of what the documentation shows
    python benchmarks/coverage.py --check                           # the numbers are those of an evaluation

A repetition draws training data (twice n), n held-out examples and n samples of two models: a perfect one, and one in
which the fifth of the distribution that is largest in one direction is half as frequent, and everything is a little
shrunk. The interval of a value should contain the mean of the values over all repetitions, the expected value at this
n, in 95 % of cases. For `memorised` and `copied` the second model is a perfect one of whose samples 3 % are copies, so
that the expected share is not at the end of its range.

The metrics are those of `veridical.evaluation`. Where their tests cost more than their intervals, only value and
interval are computed, by the same functions; `--check` compares them with those of whole measurements.

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
import gzip
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from coverage_sources import SOURCES, Source
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.evaluation import authenticity as authenticity_page
from veridical.evaluation import clipped as clipped_page
from veridical.evaluation import coverage as of_modes
from veridical.evaluation import manifold as manifold_of_samples
from veridical.evaluation import manifold_intervals as manifold_page
from veridical.evaluation import mmd as mmd_page
from veridical.evaluation import neighbours
from veridical.evaluation.authenticity import authentic, authenticity_interval, measure_authenticity
from veridical.evaluation.birthday import measure_birthday
from veridical.evaluation.c2st import measure_c2st, measure_nearest_neighbour
from veridical.evaluation.cells import measure_ndb, measure_shares
from veridical.evaluation.clipped import clipped, measure_clipped
from veridical.evaluation.clipped_calibration import K, calibrated
from veridical.evaluation.clipped_intervals import clipped_intervals
from veridical.evaluation.coverage import measure_modes
from veridical.evaluation.density import Density
from veridical.evaluation.divergence import measure_divergence
from veridical.evaluation.exchange import exchange
from veridical.evaluation.extractors.pixels import Values
from veridical.evaluation.features import K_COVERAGE, K_PRECISION, FeatureSets
from veridical.evaluation.frechet import GaussianFit, frechet_with_interval
from veridical.evaluation.inception_score import measure_inception_score
from veridical.evaluation.kernel import KernelSample, kernel_distance
from veridical.evaluation.likelihood import measure_likelihood
from veridical.evaluation.manifold import Sample, manifold
from veridical.evaluation.manifold_intervals import LISTED, manifold_intervals
from veridical.evaluation.measurement import Interval, Measurement
from veridical.evaluation.mmd import (
    discrepancy_interval,
    gaussian_kernel,
    kernel_discrepancies,
    measure_mmd,
    median_distance,
)
from veridical.evaluation.observables import measure_observables
from veridical.evaluation.outcomes import measure_outcomes
from veridical.evaluation.target import Target
from veridical.evaluation.two_sample import measure_frechet, measure_kernel, measure_manifold, measure_memorisation
from veridical.evaluation.typicality import measure_typicality
from veridical.evaluation.vendi import measure_vendi
from veridical.statistics import wilson_interval
from veridical.targets.ising import Ising
from veridical.targets.law import HasDensity, HasEntropy, HasModes, HasOutcomes

LOG = Path("coverage.jsonl")
MODELS = ("perfect", "wrong")
N, REPETITIONS, DRAWS = 1_000, 400, 99
"""Samples, repetitions, relabellings: the tests are not looked at."""

TRAIN = 2
"""Training examples, in multiples of n."""

COPIED = 0.03
"""Share of copies in the samples of the model that memorises."""

FEWEST, MOST = 0.93, 0.97
"""Coverage that intervals of 95 % should have."""

of_modes._simulated_references = cache(of_modes._simulated_references)  # the same in all repetitions
neighbours._BLOCK_VALUES = mmd_page._BLOCK_VALUES = 1 << 18  # stay in the cache


_KNOWN: dict[tuple[float, float, int], neighbours.Neighbours] = {}


def once(x: Tensor, k: int) -> neighbours.Neighbours:
    """Return the neighbours of rows, found once for all metrics and both models."""
    key = (float(x.double().sum()), float(x[-1].double().sum()), len(x))
    if key not in _KNOWN or _KNOWN[key].distance.shape[1] < k:
        while len(_KNOWN) > 3:
            del _KNOWN[next(iter(_KNOWN))]
        _KNOWN[key] = neighbours.neighbours(x, max(k, min(LISTED + 1, len(x) - 1)))
    return neighbours.Neighbours(_KNOWN[key].distance[:, :k], _KNOWN[key].index[:, :k])


for page in (clipped_page, manifold_of_samples, manifold_page, authenticity_page):
    page.neighbours = once  # type: ignore[attr-defined]


@dataclass
class Repetition:
    """What one repetition measures."""

    source: Source
    train: Tensor
    fixed: Tensor
    """The training data of all repetitions."""
    test: Tensor
    samples: Tensor
    perfect: Tensor
    """Samples of the perfect model."""
    model: str

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


class Found(NamedTuple):
    """A value with its interval."""

    name: str
    value: float
    interval: Interval | None


def fid(r: Repetition) -> list[Found]:
    """Fréchet distance."""
    found = frechet_with_interval(GaussianFit(r.features.reference), GaussianFit(r.features.generated))
    return [Found("fid", found.value, found.interval)]


def kid(r: Repetition) -> list[Found]:
    """Kernel distance."""
    found = kernel_distance(KernelSample(r.features.reference), KernelSample(r.features.generated))
    return [Found("kid", found.value, found.interval)]


def prdc(r: Repetition) -> list[Found]:
    """Precision, recall, density, coverage."""
    real, generated = r.features.reference[: len(r.samples)], r.features.generated
    values = manifold(*(Sample(x, K_PRECISION, K_COVERAGE) for x in (real, generated)))
    intervals = manifold_intervals(real, generated, values, K_PRECISION, K_COVERAGE)
    return [Found(name, getattr(values, name), getattr(intervals, name)) for name in values._fields]


def clipped_shares(r: Repetition) -> list[Found]:
    """Clipped density and coverage."""
    real, x = r.features.reference, r.features.generated
    found = clipped(real, x, torch.ones(1, len(x), dtype=torch.bool))
    values = float(found.scores.double().mean()), float(calibrated(found.covered.numpy(), len(x), len(real))[0])
    intervals = clipped_intervals(real, x, *values, K) or (None, None)
    names = ("clipped_density", "clipped_coverage")
    return [Found(*found) for found in zip(names, values, intervals, strict=True)]


def mmd(r: Repetition) -> list[Found]:
    """Discrepancy under Gaussian kernels."""
    pool, e = r.features.pool, r.features.exchange
    kernel = gaussian_kernel(median_distance(pool, r.features.seed))
    values = kernel_discrepancies(pool, e, kernel)
    value, null = float(values[0]), float(values[1:].var())
    return [Found("mmd", value, discrepancy_interval(pool, value, null, e, kernel))]


def authenticity(r: Repetition) -> list[Found]:
    """Share of authentic samples."""
    real, x = r.features.reference, r.features.generated
    value = int(authentic(x, real).sum()) / len(x)
    return [Found("authenticity", value, authenticity_interval(real, x, value))]


def memorisation(r: Repetition) -> list[Measurement]:
    """Measure memorised and copied shares; the second model copies."""
    if r.model == "perfect":
        return measure_memorisation(r.features)
    generator = torch.Generator().manual_seed(int(r.train.double().sum().abs() * 1e3))
    copies = int((torch.rand(len(r.samples), generator=generator) < COPIED).sum())  # of independent samples
    samples = torch.cat([r.train[:copies], r.test[: len(r.samples) - copies]])
    return measure_memorisation(replace(r, samples=samples, test=r.perfect).features)


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


MEASURED: Mapping[str, Callable[[Repetition], Sequence[Found | Measurement]]] = {
    "fid": fid,
    "kid": kid,
    "prdc": prdc,
    "clipped": clipped_shares,
    "shares": lambda r: measure_shares(r.given, r.labels, r.source.classes or 0),
    "c2st": lambda r: measure_c2st(r.features),
    "memorisation": memorisation,
    "ndb": lambda r: measure_ndb(r.given),
    "mmd": mmd,
    "nearest_neighbour": lambda r: measure_nearest_neighbour(r.features),
    "vendi": lambda r: measure_vendi(r.features),
    "birthday": lambda r: measure_birthday(r.given),
    "inception_score": lambda r: (
        [] if r.labels is None else measure_inception_score(r.given, r.labels, r.source.classes or 0)
    ),
    "authenticity": authenticity,
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

WHOLE: Mapping[str, Callable[[FeatureSets], list[Measurement]]] = {
    "fid": measure_frechet,
    "kid": measure_kernel,
    "prdc": measure_manifold,
    "clipped": measure_clipped,
    "mmd": measure_mmd,
    "authenticity": measure_authenticity,
}
"""The whole measurements of those of which only value and interval are computed here."""


def measure(log: Path, n: int, repetitions: int, laws: Iterable[str], only: Iterable[str]) -> None:
    """Measure what is not in the log yet, one line for each repetition; the distributions take turns."""
    rows = [row for row in read(log) if row["n"] == n]
    done = {(row["law"], row["repetition"], row["metric"], model) for row in rows for model in row["found"]}
    log.parent.mkdir(parents=True, exist_ok=True)
    for repetition in range(repetitions):
        for name in laws:
            wanted = [(m, model) for m in only for model in MODELS if (name, repetition, m, model) not in done]
            if wanted:
                rows = _repeat(name, n, 10_000 * list(SOURCES).index(name) + repetition, wanted)
                with opened(log, "at") as file:
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


def drawn(name: str, n: int, seed: int) -> dict[str, Repetition]:
    """Draw a repetition of both models."""
    source, generator = source_of(name), torch.Generator().manual_seed(seed)
    real = source.draw((TRAIN + 2) * n, generator)
    fixed, wrong = fixed_of(name, n), source.wrong(n, generator)
    train, test, perfect = real.split([TRAIN * n, n, n])
    both = {"perfect": perfect, "wrong": wrong}
    return {model: Repetition(source, train, fixed, test, x, perfect, model) for model, x in both.items()}


def _repeat(name: str, n: int, seed: int, wanted: Iterable[tuple[str, str]]) -> list[dict]:
    made, rows = drawn(name, n, seed), []
    for metric, model in wanted:
        began, r = time.process_time(), made[model]
        skipped = counted(r) and metric != "outcomes"
        found = {} if skipped else {m.name: _numbers(m) for m in MEASURED[metric](r)}
        seconds = round(time.process_time() - began, 3)
        rows.append({"metric": metric, "seconds": seconds, "found": {model: found}})
    return rows


def check(laws: Iterable[str], n: int = 400) -> None:
    """Compare values and intervals with those of whole measurements.

    Raises:
        ValueError: a number differs.
    """
    for law in laws:
        for model, r in drawn(law, n, 0).items():
            for metric, whole in WHOLE.items() if not counted(r) else ():
                found = {m.name: _numbers(m) for m in MEASURED[metric](r)}
                expected = {m.name: _numbers(m) for m in whole(r.features)}
                if found != expected:
                    raise ValueError(f"{metric} of the {model} model of {law}: {found}; expected {expected}.")
    print("values and intervals are those of whole measurements")


def _numbers(m: Found | Measurement) -> list[float]:
    """Value and interval, to six digits."""
    low, high = m.interval or (math.nan, math.nan)
    value = m.value
    if isinstance(m, Measurement) and m.name in ("memorised", "copied"):  # values are cut at 0; the expected one is not
        value = float(m.detail["share_below"]) - float(m.detail["level"])  # type: ignore[arg-type]
    return [float(f"{x:.6g}") for x in (value, low, high)]


def opened(log: Path, mode: str) -> IO[Any]:
    """Open a log, compressed where its name says so."""
    file: Any = gzip.open(log, mode) if log.suffix == ".gz" else log.open(mode)
    return file


def read(log: Path) -> list[dict]:
    """Return the lines of the log."""
    if not log.exists():
        return []
    with opened(log, "rt") as file:
        return [json.loads(line) for line in file]


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
    spread = float(value[np.isfinite(value)].std())
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
    print("the median over models and distributions of median width over 3.92 standard deviations of the value. The")
    print("mean of R repetitions in place of the expected value adds .12 / R to a coverage of .95.\n")
    print("| measurement | " + " | ".join(laws) + " | all | width | repetitions |")
    print("|---|" + "---|" * (len(laws) + 3))
    for name in dict.fromkeys(name for name, _ in found):
        print(_row(name, {model: found.get((name, model), {}) for model in MODELS}, laws))
    outside(found)


def outside(found: Mapping[tuple[str, str], Mapping[str, np.ndarray]]) -> None:
    """Print the cells that are shown to cover less than 93 % or more than 97 %."""
    total = sum(len(of) for of in found.values())
    print(f"\nOf {total} cells, those whose 95 % interval lies below {FEWEST} or above {MOST}:\n")
    print("| measurement | model | distribution | coverage | expected value lies above / below | repetitions |")
    print("|---|---|---|---|---|---|")
    for (name, model), of in found.items():
        for law, rows in of.items():
            share, above, below, _ = covered(rows, _least(name))
            low, high = wilson_interval(min(share * len(rows), len(rows)), len(rows))
            if high < FEWEST or low > MOST:
                cells = f"{share:.3f} ({low:.3f} to {high:.3f}) | {below:.3f} / {above:.3f} | {len(rows)}"
                print(f"| {name} | {model} | {law} | {cells} |")


def _least(name: str) -> float:
    return 0.0 if name in ("memorised", "copied") else -math.inf


def _row(name: str, found: Mapping[str, Mapping[str, np.ndarray]], laws: Iterable[str]) -> str:
    least = _least(name)
    cells, hits, total, widths = [], 0.0, 0, []
    for law in laws:
        both = [(covered(of[law], least), len(of[law])) for of in found.values() if law in of]
        cells.append(" / ".join(f"{at[0]:.2f}" for at, _ in both))
        hits, total = hits + sum(at[0] * n for at, n in both), total + sum(n for _, n in both)
        widths += [at[3] for at, _ in both if math.isfinite(at[3])]
    low, high = wilson_interval(min(hits, total), total)
    width = f"{np.median(widths):.2f}" if widths else ""
    most = max((len(of[law]) for of in found.values() for law in of), default=0)
    share = f"{hits / total:.3f} ({low:.3f} to {high:.3f})"
    return f"| {name} | " + " | ".join(cells) + f" | {share} | {width} | {most} |"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    parser.add_argument("--check", action="store_true", help="compare the numbers with those of an evaluation")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--n", type=int, default=N)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--laws", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--only", nargs="+", default=list(MEASURED), choices=list(MEASURED))
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.check:
        check(given.laws)
        return
    if not given.table:
        measure(given.log, given.n, given.repetitions, given.laws, given.only)
    table(given.log, given.n)


if __name__ == "__main__":
    main()
