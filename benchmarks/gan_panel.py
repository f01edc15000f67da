"""Does the default recipe hold on distributions on which nobody tuned it?

    python benchmarks/gan_panel.py --log docs/logs/gan_panel.jsonl
    python benchmarks/gan_panel.py --log short.jsonl --steps 3000 --seeds 0 --only ring grid moons
    python benchmarks/gan_panel.py --log short.jsonl --only ring --set penalty_end=1 generator_optimizer.schedule=settle

The preset `gan` on fifteen distributions: it takes the values for vectors where the data are vectors, and those for
images otherwise. It was tuned on the first four; the others are reported apart. One run for every distribution and
seed, fp32, one thread, the averaged weights of the last step. Every finished run is a line of the log, and is not run
again; the tables are printed from it.

Of mixtures whose modes are known, from `--samples` samples (`evaluation.coverage`):

- modes, and the share of high quality, of which a perfect model has 0.989;
- width: standard deviation within modes over that of the law, 1 for a perfect model;
- shares: KL of the shares of the modes over its expectation for a perfect model, (K - 1) / 2n.

Of every distribution, in standard units of the data:

- 1-NN: share of `NEIGHBOURS` samples and as many held-out examples whose nearest other point is of their own kind, 1/2
  for a perfect model;
- uncovered: share of held-out examples that are further from the nearest sample than 99.9 % of them are from the
  nearest training example, of as many; 0.001 for a perfect model.

The last two say nothing of points, at which no continuous sample is exactly. Of those instead, modes: points with a
sample within `NEAR`, in units of the data; high quality: share of samples so near to a point; shares: of the points
nearest to the samples. A perfect model has all of them, 1, and 1.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from veridical.config import DataConfig
from veridical.config.files import on_vectors, preset_origins, with_value
from veridical.config.presets import find_preset
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.evaluation.c2st import nearest_neighbour_accuracy
from veridical.evaluation.coverage import find_modes, kl_of_shares, score_modes
from veridical.evaluation.neighbours import nearest
from veridical.model import Facts, Sampler
from veridical.targets import GaussianMixture
from veridical.targets.law import HasModes
from veridical.training.engine import Engine
from veridical.training.fit import State, fit
from veridical.training.terms import NonFiniteError
from veridical.workflows.load import build_model

EXAMPLES = 100_000
HELD_OUT = 5_000
NEIGHBOURS = 2_000
BLOCK = 5_000
NEAR = 0.01
COLUMNS = ("modes", "high_quality", "width", "shares", "nn", "uncovered")


@dataclass(frozen=True)
class Entry:
    """A distribution of the panel."""

    train: ArrayData
    held_out: Tensor
    """(m, *event) examples that no run sees."""

    places: Tensor | None = None
    """(K, *event) the points that are all there is; None: there are others."""


def named(source: str) -> Entry:
    """Return a data set of the library."""
    test = load(DataConfig(source=source), "test")
    return Entry(load(DataConfig(source=source)), test.batch(torch.arange(min(len(test), HELD_OUT))).x)


def drawn(sample: Callable[[int, torch.Generator], Tensor], name: str, target: GaussianMixture | None = None) -> Entry:
    """Return draws of a law that the library does not have."""
    train = ArrayData(sample(EXAMPLES, torch.Generator().manual_seed(0)).float(), name=name, target=target)
    return Entry(train, sample(HELD_OUT, torch.Generator().manual_seed(1)).float())


def mixture(name: str, means: Tensor, sigma: float, weights: Tensor | None = None) -> Entry:
    """Return draws of a mixture."""
    law = GaussianMixture(means, sigma, weights, name=name)
    return drawn(law.sample, name, law)


def circle(modes: int, radius: float) -> Tensor:
    """Return (modes, 2) points on a circle."""
    angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def cloud(modes: int, dim: int, seed: int) -> Tensor:
    """Return (modes, dim) corners of a cube of side 2, all different."""
    corners = 2.0 * torch.randint(0, 2, (64 * modes, dim), generator=torch.Generator().manual_seed(seed)) - 1
    return torch.unique(corners, dim=0)[:modes].double()


def spirals(n: int, random: torch.Generator) -> Tensor:
    """Return (n, 2) points near two spirals of one and a half turns."""
    t = 3 * math.pi * torch.rand(n, generator=random, dtype=torch.float64).sqrt()
    side = 2.0 * torch.randint(0, 2, (n,), generator=random) - 1
    x = (side * t)[:, None] * torch.stack([t.cos(), t.sin()], dim=1)
    return x + 0.1 * torch.randn(n, 2, generator=random, dtype=torch.float64)


def moons(n: int, random: torch.Generator) -> Tensor:
    """Return (n, 2) points near two half circles that interlock."""
    t = math.pi * torch.rand(n, generator=random, dtype=torch.float64)
    lower = torch.randint(0, 2, (n,), generator=random, dtype=torch.float64)
    x = torch.stack([(1 - 2 * lower) * t.cos() + lower, (1 - 2 * lower) * t.sin() + 0.5 * lower], dim=1)
    return x + 0.05 * torch.randn(n, 2, generator=random, dtype=torch.float64)


PLACES = torch.randn(64, 2, generator=torch.Generator().manual_seed(64), dtype=torch.float64)


def points(n: int, random: torch.Generator) -> Tensor:
    """Return (n, 2) draws of 64 points, each exactly itself."""
    return PLACES[torch.randint(0, len(PLACES), (n,), generator=random)]


def side(n: int) -> Tensor:
    """Return (n * n, 2) places of a square lattice of distance 2 about the origin."""
    line = torch.arange(1 - n, n, 2, dtype=torch.float64)
    return torch.cartesian_prod(line, line)


TUNED: dict[str, Callable[[], Entry]] = {
    "ring": lambda: named("ring"),
    "grid": lambda: named("grid"),
    "grid of 10 x 10": lambda: mixture("grid-100", side(10), 0.05),
    "ring of weights 1 to 16": lambda: mixture("unequal", circle(5, 1.0), 0.02, 2.0 ** torch.arange(5) / 31),
}
UNTUNED: dict[str, Callable[[], Entry]] = {
    "ring of 12, radius 3, width 0.1": lambda: mixture("ring-12", circle(12, 3.0), 0.1),
    "ring of 5, radius 0.1, width 0.002": lambda: mixture("ring-5", circle(5, 0.1), 0.002),
    "32 modes in 8 dimensions": lambda: mixture("corners-8", cloud(32, 8, 0), 0.1),
    "simplex": lambda: named("simplex"),
    "spirals": lambda: drawn(spirals, "spirals"),
    "moons": lambda: drawn(moons, "moons"),
    "heavy-tailed": lambda: named("heavy-tailed"),
    "64 points": lambda: replace(drawn(points, "points"), places=PLACES),
    "digits": lambda: named("digits"),
    "fashion-mnist-10k": lambda: named("fashion-mnist-10k"),
    "ising:8": lambda: named("ising:8"),
}
PANEL = TUNED | UNTUNED


def train(entry: Entry, seed: int, steps: int | None, changes: dict[str, Any]) -> tuple[Sampler, int, float]:
    """Train; return the model with the averaged weights, the number of steps, and the processor seconds."""
    config, origins = find_preset("gan"), preset_origins("gan")
    if entry.train.space.kind == "vector":
        config, _ = on_vectors(config, origins, "gan")
    settings = replace(config.training, steps=steps or config.training.steps)
    for name, value in changes.items():
        config = with_value(config, ["model", *name.split(".")], value)
    torch.manual_seed(seed)
    model = build_model(config, Facts(entry.train.space, len(entry.train)))
    engine = Engine("cpu")
    engine.place(model)
    state = State(model, steps=settings.steps, ema=settings.ema)
    started = time.process_time()
    fit(state, Loader(entry.train, settings.batch_size, seed=seed), engine, log_every=250)
    seconds = time.process_time() - started
    if state.ema is not None:
        state.ema.swap()
    trained = model.eval()
    assert isinstance(trained, Sampler)
    return trained, settings.steps, seconds


def measure(x: Tensor, entry: Entry) -> dict[str, float]:
    """Measure samples (module docstring)."""
    law, found = entry.train.target, {}
    if isinstance(law, HasModes):
        modes, weights = find_modes(x, law), law.weights.numpy()
        score = score_modes(modes, weights)
        found = {
            "modes": score["modes"],
            "high_quality": score["high_quality"],
            "width": score.get("mode_width", 0.0),
            "shares": excess(modes.nearest, weights),
        }
    if entry.places is not None:
        near = nearest(x.flatten(1).double(), entry.places)
        close, k = near.distance < NEAR, len(entry.places)
        found = {
            "modes": float(len(near.index[close].unique())),
            "high_quality": float(close.double().mean()),
            "shares": excess(np.bincount(near.index, minlength=k), np.full(k, 1 / k)),
        }
    unit = entry.train.space.std
    fakes, reals = x.flatten(1).double() / unit, entry.held_out.flatten(1).double() / unit
    nn = nearest_neighbour_accuracy(fakes[:NEIGHBOURS], reals[:NEIGHBOURS])
    return found | {"nn": nn, "uncovered": uncovered(fakes, reals, entry)}


def excess(counts: np.ndarray, weights: np.ndarray) -> float:
    """Return the KL of the shares of K modes over its expectation for a perfect model, (K - 1) / 2n."""
    return float(kl_of_shares(counts, weights)) * 2 * int(counts.sum()) / max(1, len(weights) - 1)


def uncovered(fakes: Tensor, reals: Tensor, entry: Entry) -> float:
    """Return the share of held-out examples far from all samples."""
    n = min(len(fakes), len(entry.train), HELD_OUT)
    train = entry.train.batch(torch.arange(n)).x.flatten(1).double() / entry.train.space.std
    bound = nearest(reals, train).distance.quantile(0.999)
    return float((nearest(reals, fakes[:n]).distance > bound).double().mean())


def run(name: str, seed: int, steps: int | None, samples: int, changes: dict[str, Any]) -> dict[str, Any]:
    """Train and measure; a run that is no longer finite has no figures."""
    entry = PANEL[name]()
    row: dict[str, Any] = {"name": name, "seed": seed, "asked": steps} | ({"set": changes} if changes else {})
    try:
        model, taken, seconds = train(entry, seed, steps, changes)
    except NonFiniteError as error:
        return row | {"ended": f"{error.name} at {error.step}"}
    torch.manual_seed(1_000 + seed)
    x = torch.cat([model.sample(min(BLOCK, samples - start)) for start in range(0, samples, BLOCK)])
    return row | {"steps": taken, "seconds": round(seconds, 1), "samples": samples} | measure(x, entry)


def table(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    """Return the lines of a table: one for every run."""
    lines = ["| distribution | seed | steps | " + " | ".join(COLUMNS) + " | s |", "|---" * (4 + len(COLUMNS)) + "|"]
    for row in (row for name in names for row in rows if row["name"] == name):
        values = [f"{row[column]:.3g}" if column in row else "" for column in COLUMNS]
        title = ", ".join([row["name"], *(f"{key} {value}" for key, value in row.get("set", {}).items())])
        steps = f"{row['steps']:,}" if "steps" in row else row["ended"]
        lines.append(f"| {title} | {row['seed']} | {steps} | " + " | ".join(values) + f" | {row.get('seconds', '')} |")
    return lines


def summary(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    """Return the lines of a table of the preset as it is: means over seeds, with the least and the most."""
    lines = ["| distribution | seeds | " + " | ".join(COLUMNS) + " |", "|---" * (2 + len(COLUMNS)) + "|"]
    for name in names:
        own = [row for row in rows if row["name"] == name and not row.get("set") and row["asked"] is None]
        cells = [spread([row[column] for row in own if column in row]) for column in COLUMNS]
        lines.append(f"| {name} | {len(own)} | " + " | ".join(cells) + " |")
    return lines


def spread(values: list[float]) -> str:
    """Say the mean of some values, the least and the most."""
    if not values or min(values) == max(values):
        return f"{values[0]:.3g}" if values else ""
    return f"{sum(values) / len(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main() -> None:
    """Run what the log lacks, then print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=None, help="default: those of the preset")
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--only", nargs="+", default=list(PANEL), choices=list(PANEL))
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the game to change")
    parser.add_argument("--report", action="store_true", help="only print the tables")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in given.log.read_text().splitlines()] if given.log.exists() else []
    changes = {name: yaml.safe_load(value) for name, _, value in (change.partition("=") for change in given.set)}
    done = [(row["name"], row["seed"], row["asked"], row.get("set", {})) for row in rows]
    for seed, name in [] if given.report else [(seed, name) for seed in given.seeds for name in given.only]:
        if (name, seed, given.steps, changes) in done:
            continue
        rows.append(run(name, seed, given.steps, given.samples, changes))
        with given.log.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(rows[-1], flush=True)
    for title, part in (("tuned on", TUNED), ("not tuned on", UNTUNED)):
        print(f"\n{title}:\n\n" + "\n".join(table(rows, list(part))))
        print("\n" + "\n".join(summary(rows, list(part))))


if __name__ == "__main__":
    main()
