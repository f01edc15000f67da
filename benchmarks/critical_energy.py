r"""The critical Ising model learned from its energy alone: nats per lattice in both directions, log Z, effective share.

    OMP_NUM_THREADS=1 python benchmarks/critical_energy.py runs/critical-16 [--side 16] [--steps 5000]
    python benchmarks/critical_energy.py runs/critical-16 --measure      # a finished run alone

The preset `critical-energy` without a data set: the source has no examples at all. KL(model || law) is the mean over
samples of the model of log q - log p, KL(law || model) that over exact draws of log p - log q; log p is exact. A run
that was stopped is resumed. The line that is printed is appended to docs/logs/critical_energy.jsonl with `--log`.

Published at K = 0.44 (all sites, total nats per lattice, four A100; from the logs of Singha et al. 2025): .026 at 16,
.037 at 32, .483 at 64.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import veridical as vd
from veridical.config import RunConfig
from veridical.config.presets import find_preset
from veridical.data.source import EnergySource
from veridical.data.space import Space
from veridical.evaluation.divergence import measure_divergence
from veridical.evaluation.target import Target
from veridical.run import Run
from veridical.sampling import draw
from veridical.targets.ising import Ising

LOG = Path(__file__).parents[1] / "docs" / "logs" / "critical_energy.jsonl"


def main() -> None:
    """Train or resume, measure, print."""
    options = parse()
    law = Ising(options.side)
    space = Space(law.shape, "lattice", (-1.0, 1.0), 2, mean=0.0, std=1.0)
    source = EnergySource(space, options.batch_size, name=law.name.replace(":", "-"), target=law)
    if not options.measure:
        train(options, source)
    row = measure(options.run, Target(law, space), options.samples) | {"choices": chosen(options)}
    print(json.dumps(row), flush=True)
    if options.log:
        with LOG.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def train(options: argparse.Namespace, source: EnergySource) -> None:
    """Train the preset, or go on where it was stopped."""
    if options.run.exists():
        vd.resume(options.run, data=source, steps=options.steps)
    else:
        vd.train(configuration(options), data=source, out=options.run)


def configuration(options: argparse.Namespace) -> RunConfig:
    """Return the preset with the requested length."""
    config = find_preset("critical-energy")
    optimizer = replace(config.model.optimizer, lr=options.lr)
    training = replace(
        config.training,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=options.seed,
        ema=0.99,
        log_every=25,
        checkpoint_every=100,
        spectrum_every=0,
        threads=1,
        energy=replace(config.training.energy, anneal=options.anneal),
    )
    return replace(config, model=replace(config.model, optimizer=optimizer, **chosen(options)), training=training)


def chosen(options: argparse.Namespace) -> dict[str, Any]:
    """Return what differs from the model of the preset."""
    return {name: value for name in ("width", "reach", "period") if (value := getattr(options, name)) is not None}


def measure(path: Path, target: Target, n: int) -> dict[str, Any]:
    """Return the divergences of a run with their standard errors and intervals.

    Args:
        path: run directory.
        target: the law, in the space of the run.
        n: samples, and exact draws.
    """
    model = vd.load(path)
    last = Run.open(path).metrics()[-1]
    with torch.no_grad():
        began = time.perf_counter()
        samples = draw(model, n, seed=1)
        rate = n / (time.perf_counter() - began)
        found = measure_divergence(model, target, samples, n, seed=2)
    row: dict[str, Any] = {"law": target.name, "n": n, "step": last["step"], "seconds": last["seconds"]}
    for m in found:
        row[m.name] = {"value": m.value, "interval": m.interval, "reference": m.reference}
    return row | {"samples_per_second": rate, "threads": torch.get_num_threads()}


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The critical Ising model, learned from its energy.")
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--anneal", type=int, default=150, help="steps in which the inverse temperature rises to 1")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--width", type=int, help="units of a hidden layer; default: those of the preset")
    parser.add_argument("--reach", type=float, help="radius of what a site sees; default: that of the preset")
    parser.add_argument("--period", type=int, help="distance of sites drawn together; default: that of the preset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--measure", action="store_true", help="measure a run, without training")
    parser.add_argument("--log", action="store_true", help="append the line to docs/logs/critical_energy.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    main()
