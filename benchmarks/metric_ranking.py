"""How well each metric ranks models: its rank correlation with the exact divergence.

    python benchmarks/metric_ranking.py            # measures, resumes where it stopped, prints the table
    python benchmarks/metric_ranking.py --table    # prints the table of what was measured

Five distributions of known density stand for data. Of each, versions that are wrong in one respect, by little and by
much, stand for models: modes or the whole too narrow or too wide, shifted, modes too rare, junk mixed in, another
correlation, other tails, noise added. Their densities are known too, so that KL(data || model) and KL(model || data)
are means of exact differences over 20,000 draws. Every metric of `veridical.evaluation.METRICS` that needs no model is
measured on samples of each version, as `veridical evaluate` does it.

The table has Spearman's correlation between the metric and the divergence over the versions of a distribution, averaged
over the distributions, with a 95 % interval from resampling versions; 1 is the order of the divergence itself. A metric
is turned so that larger is worse: `value` takes it as it is, `difference` its distance from a perfect model's score in
either direction.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.data.drawn import drawn_digits
from veridical.data.space import Space
from veridical.evaluation.evaluate import evaluate_samples
from veridical.evaluation.metrics import COSTLY, METRICS, Subject
from veridical.targets import CorrelatedMixture, GaussianMixture, Student, correlated, heavy_tailed, ring, simplex

LOG = Path(__file__).parents[1] / "docs" / "logs" / "metric_ranking.jsonl"
N, TRAIN, TEST, EXACT, RESAMPLES = 2_000, 4_000, 2_000, 20_000, 500
DIVERGENCES = ("forward", "reverse")


class Known(Protocol):
    """A distribution that can be drawn from, with its density."""

    def sample(self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Draw (n, *event) examples."""
        ...

    def log_prob(self, x: Tensor) -> Tensor:
        """Return (n,) nats."""
        ...


@dataclass(frozen=True)
class Moved:
    """A distribution scaled about 0 and then shifted."""

    base: Known
    scale: float = 1.0
    shift: float = 0.0

    def sample(self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Draw (n, *event) examples."""
        return self.scale * self.base.sample(n, generator, dtype) + self.shift

    def log_prob(self, x: Tensor) -> Tensor:
        """Return (n,) nats."""
        dim = math.prod(self.base.sample(1).shape[1:])
        return self.base.log_prob((x - self.shift) / self.scale) - dim * math.log(self.scale)


@dataclass(frozen=True)
class Mixed:
    """A share of junk in a distribution."""

    base: Known
    junk: Known
    share: float

    def sample(self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Draw (n, *event) examples."""
        x, y = self.base.sample(n, generator, dtype), self.junk.sample(n, generator, dtype)
        odd = torch.rand(n, generator=generator) < self.share
        return torch.where(odd.reshape(-1, *[1] * (x.ndim - 1)), y, x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return (n,) nats."""
        parts = [math.log1p(-self.share) + self.base.log_prob(x), math.log(self.share) + self.junk.log_prob(x)]
        return torch.logsumexp(torch.stack(parts), 0)


def modes(law: GaussianMixture) -> Iterator[tuple[str, Known]]:
    """Versions of a mixture of equally wide modes."""
    for factor in (0.5, 0.7, 0.85, 0.95, 1.05, 1.15, 1.4, 1.8):
        yield f"width {factor}", GaussianMixture(law.means, factor * law.sigma)
    for shift in (0.2, 0.5, 1.0):
        yield f"shift {shift}", Moved(law, shift=shift * law.sigma / math.sqrt(law.dim))
    few = len(law.means) // 4
    for factor in (0.5, 0.2, 0.05, 0.01):
        weights = torch.ones(len(law.means), dtype=torch.float64)
        weights[:few] = factor
        yield f"rare {factor}", GaussianMixture(law.means, law.sigma, weights / weights.sum())
    yield from junk(law)


def junk(law: Known) -> Iterator[tuple[str, Known]]:
    """Versions with samples of a wider distribution."""
    for share in (0.01, 0.03, 0.1, 0.3):
        yield f"junk {share}", Mixed(law, Moved(law, scale=2.0), share)


def whole(law: Known, unit: float) -> Iterator[tuple[str, Known]]:
    """Versions of a distribution about 0, scaled and shifted as a whole."""
    for factor in (0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.2):
        yield f"scale {factor}", Moved(law, scale=factor)
    for shift in (0.05, 0.1, 0.3):
        yield f"shift {shift}", Moved(law, shift=shift * unit)
    yield from junk(law)


def of_correlated() -> Iterator[tuple[str, Known]]:
    """Versions of the Gaussian with correlated components."""
    yield from whole(correlated(), 1.0)
    for c in (0.8, 0.86, 0.88, 0.92, 0.94):
        yield f"correlation {c}", correlated(64, c)


def of_tails() -> Iterator[tuple[str, Known]]:
    """Versions of the t distribution."""
    yield from whole(heavy_tailed(), 1.0)
    for dof in (2, 3, 4, 7, 12, 50):
        yield f"dof {dof}", Student(8, dof)


def of_digits() -> Iterator[tuple[str, Known]]:
    """Versions of the images of digits."""
    law = drawn_digits()

    def like(covariances: Tensor = law.covariances, weights: Tensor = law.weights) -> CorrelatedMixture:
        return CorrelatedMixture(law.means, covariances, weights, shape=law.shape)

    for factor in (0.7, 0.85, 0.95, 1.05, 1.15, 1.4):
        yield f"width {factor}", like(factor**2 * law.covariances)
    for noise in (0.03, 0.06, 0.1, 0.2):
        yield f"noise {noise}", like(law.covariances + noise**2 * torch.eye(64, dtype=torch.float64))
    for factor in (0.5, 0.2, 0.05, 0.01):
        weights = law.weights.clone()
        weights[:3] *= factor
        yield f"rare {factor}", like(weights=weights / weights.sum())
    for shift in (0.02, 0.05, 0.1):
        yield f"shift {shift}", Moved(law, shift=shift)
    yield from junk(law)


LAWS: dict[str, tuple[Callable[[], Known], Callable[[], Iterator[tuple[str, Known]]]]] = {
    "ring": (ring, lambda: modes(ring())),
    "simplex": (simplex, lambda: modes(simplex())),
    "correlated": (correlated, of_correlated),
    "heavy-tailed": (heavy_tailed, of_tails),
    "drawn-digits": (drawn_digits, of_digits),
}


def exact(p: Known, q: Known) -> dict[str, float]:
    """Return KL(p || q) and KL(q || p) in nats."""
    x, y = (law.sample(EXACT, torch.Generator().manual_seed(9), torch.float64) for law in (p, q))
    forward, reverse = (p.log_prob(x) - q.log_prob(x)).mean(), (q.log_prob(y) - p.log_prob(y)).mean()
    return {"forward": float(forward), "reverse": float(reverse)}


def data(law: Known, n: int, seed: int, name: str) -> ArrayData:
    """Draw data whose distribution is known."""
    x = law.sample(n, torch.Generator().manual_seed(seed), torch.float32)
    kind = "image" if x.ndim == 4 else "vector"
    space = Space(tuple(x.shape[1:]), kind, None, None, mean=float(x.mean()), std=float(x.std()))
    return ArrayData(x, space=space, name=name, target=law)  # type: ignore[arg-type]


def measure(log: Path, every: int) -> None:
    """Measure what is not in the log yet: versions, and metrics that are new in the table; one line each.

    Args:
        log: where measurements are kept.
        every: measure each version of this number only: fewer, in less time.
    """
    done = {(row["law"], row["version"]): set(row["metrics"]) for row in read(log)}
    for name, (make, versions) in LAWS.items():
        law = make()
        train, test = data(law, TRAIN, 0, name), data(law, TEST, 1, name)
        for i, (version, q) in enumerate(versions()):
            began = time.process_time()
            samples = q.sample(N, torch.Generator().manual_seed(100 + i), torch.float32)
            subject = Subject(None, samples, train, test, N, 0, None, lambda line: None)
            before = done.get((name, version), set())
            possible = [key for key, metric in METRICS.items() if metric.on_request != COSTLY]
            possible = [key for key in possible if not METRICS[key].unmet(subject)]
            chosen = [key for key in possible if key not in before]
            if not chosen or i % every:
                continue
            found = evaluate_samples(samples, train, test, metrics=chosen)
            values = {
                m.name: [m.value, m.reference, m.higher_is_better] for m in found.measurements if math.isfinite(m.value)
            }
            row = {"law": name, "version": version, **exact(law, q), "metrics": chosen, "values": values}
            row["seconds"] = round(time.process_time() - began, 2)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name}, {version}: {row['forward']:.4f}, {row['reverse']:.4f} nats, {row['seconds']} s", flush=True)


def read(log: Path) -> list[dict]:
    """Return the rows of the log, one for each version, with the metrics of all its lines."""
    rows: dict[tuple[str, str], dict] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        row = json.loads(line)
        known = rows.setdefault((row["law"], row["version"]), row)
        if known is not row:
            known["metrics"] += row["metrics"]
            known["values"] |= row["values"]
            known["seconds"] += row["seconds"]
    return list(rows.values())


def worse(value: float, reference: float | None, higher_is_better: bool, turned: str) -> float:
    """Return how bad a value is."""
    if turned == "difference" and reference is not None:
        return abs(value - reference)
    return -value if higher_is_better else value


def correlations(
    rows: list[dict], metric: str, divergence: str, turned: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return badness and divergence of the versions of every distribution that a metric applies to."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if metric in row["values"]:
            found[row["law"]].append((worse(*row["values"][metric], turned=turned), row[divergence]))
    return {law: tuple(np.array(pairs).T) for law, pairs in found.items() if len(pairs) >= 5}  # type: ignore[misc]


def mean_correlation(pairs: dict, rng: np.random.Generator | None, kendall: bool = False) -> float:
    """Return the correlation averaged over distributions, of the versions or of a resample of them."""
    of_laws = []
    for bad, kl in pairs.values():
        rows = np.arange(len(kl)) if rng is None else rng.integers(len(kl), size=len(kl))
        if len(set(bad[rows])) > 1 and len(set(kl[rows])) > 1:
            correlation = scipy.stats.kendalltau if kendall else scipy.stats.spearmanr
            of_laws.append(correlation(bad[rows], kl[rows])[0])
        else:
            of_laws.append(0.0)
    return float(np.mean(of_laws))


def table(log: Path) -> None:
    """Print the table, the best metric first."""
    rows, lines = read(log), []
    for name in sorted({name for row in rows for name in row["values"]}):
        cells, means = [], []
        for divergence in DIVERGENCES:
            as_it_is = mean_correlation(correlations(rows, name, divergence, "value"), None)
            pairs, rng = correlations(rows, name, divergence, "difference"), np.random.default_rng(0)
            mean = mean_correlation(pairs, None)
            low, high = np.quantile([mean_correlation(pairs, rng) for _ in range(RESAMPLES)], [0.025, 0.975])
            means.append(mean)
            cells += [f"{as_it_is:.2f}", f"{mean:.2f} ({low:.2f} to {high:.2f})"]
        kendall = mean_correlation(correlations(rows, name, "forward", "difference"), None, kendall=True)
        number = sum(len(kl) for _, kl in correlations(rows, name, "forward", "value").values())
        lines.append((sum(means), f"| {name} | {number} | " + " | ".join(cells) + f" | {kendall:.2f} |"))
    print(f"{len(rows)} versions of {len({row['law'] for row in rows})} distributions, {N:,} samples each")
    print(f"{sum(row['seconds'] for row in rows):.0f} processor seconds\n")
    forward, reverse = "KL(data \\|\\| model)", "KL(model \\|\\| data)"
    print(f"| metric | versions | {forward}: value | difference | {reverse}: value | difference | Kendall |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(line for _, line in sorted(lines, key=lambda pair: -pair[0])))


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--every", type=int, default=1, help="measure each k-th version only")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.table:
        measure(given.log, given.every)
    table(given.log)


if __name__ == "__main__":
    main()
