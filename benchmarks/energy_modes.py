r"""Which modes does a flow keep that learns a distribution from its energy alone, by either divergence?

    OMP_NUM_THREADS=1 python benchmarks/energy_modes.py --log docs/logs/energy_modes.jsonl [--seeds 0 1 2]
    python benchmarks/energy_modes.py --log docs/logs/energy_modes.jsonl --report

A RealNVP learns `forty` (40 Gaussians in the plane) and `many-well` (16 independent double wells in 32 dimensions, 2^16
modes, log Z known) by KL(q||p) and by the divergence of order 2 with annealed importance sampling (FAB). Every run is
made as long as fits in `--budget` processor seconds of one thread: its first steps are timed. Batches of 256, a
learning rate that falls to 0, the averaged weights of the last step. With `--beta` the density is flatter at the start.
The law is drawn to measure, never to train.

From `SAMPLES` samples and as many exact draws:

- modes: of `forty`, those that have at least a tenth of their share of the samples; of `many-well`, double wells of
  which the less likely well has at least a tenth of its share;
- KL in both directions;
- log Z from the weights of the samples, less the exact one (0 where nothing is lost), with its 95 % interval;
- effective share of the samples, and of exact draws, E_p[p/q]^-1: a lost mode is seen by the second alone.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.flow import FlowConfig
from veridical.config.training import EnergyConfig, FromEnergy
from veridical.data.source import EnergySource
from veridical.evaluation.divergence import measure_divergence
from veridical.evaluation.target import Target
from veridical.families.flow import Flow
from veridical.model import Space
from veridical.sampling import draw
from veridical.targets.mixtures import GaussianMixture
from veridical.targets.wells import ManyWell, forty
from veridical.training.energy import EnergyGame
from veridical.training.fit import State, fit

LAWS = {"forty": forty, "many-well": lambda: ManyWell(32)}
DIVERGENCES: tuple[FromEnergy, ...] = ("reverse-kl", "alpha-2")
SAMPLES = 10_000
BATCH = 256


def trained(
    law: GaussianMixture | ManyWell, divergence: FromEnergy, steps: int, seed: int, beta: float
) -> tuple[Flow, float]:
    """Return a flow with its averaged weights, and the processor seconds of its training."""
    x = law.sample(20_000, torch.Generator().manual_seed(5))
    space = Space((law.dim,), "vector", None, None, mean=float(x.mean()), std=float(x.std()))
    torch.manual_seed(seed)
    optimizer = OptimizerConfig(lr=1e-3, schedule="cosine", warmup=min(100, steps // 2))
    model = Flow(FlowConfig(layers="realnvp", width=64, couplings=8, optimizer=optimizer), space)
    energy = EnergyConfig(beta=beta, anneal=0 if beta == 1 else steps // 2)
    state = State(model, game=EnergyGame(model, law.log_prob, divergence, energy), steps=steps, ema=0.99)
    began = time.process_time()
    fit(state, EnergySource(space, BATCH), clip_norm=10.0, log_every=steps)
    assert state.ema is not None
    state.ema.swap()
    return model.eval(), time.process_time() - began


def modes(law: GaussianMixture | ManyWell, x: Tensor) -> int:
    """Count the modes that samples do not leave out (module docstring)."""
    if isinstance(law, ManyWell):
        less = 1 - law.deep_share
        return int(((x[:, 0::2] < 0).double().mean(0) > 0.1 * less).sum())
    nearest = torch.cdist(x.double(), law.means).argmin(1)
    return int((nearest.bincount(minlength=len(law.means)) > 0.1 * len(x) / len(law.means)).sum())


@torch.no_grad()
def measure(name: str, divergence: FromEnergy, seed: int, budget: float, beta: float) -> dict[str, Any]:
    """Train for the budget and measure."""
    law = LAWS[name]()
    with torch.enable_grad():
        trained(law, divergence, 5, seed, beta)
        _, short = trained(law, divergence, 5, seed, beta)
        _, longer = trained(law, divergence, 45, seed, beta)
        steps = int(budget / ((longer - short) / 40))
        model, seconds = trained(law, divergence, steps, seed, beta)
    x = draw(model, SAMPLES, seed=1)
    found = {m.name: m for m in measure_divergence(model, Target(law, model.space), x, SAMPLES, seed=2)}
    exact = law.sample(SAMPLES, torch.Generator().manual_seed(3)).float()
    log_w = (law.log_prob(exact) - model.log_prob(exact)).double()
    row: dict[str, Any] = {"law": name, "divergence": divergence, "seed": seed, "beta": beta, "steps": steps}
    row |= {"seconds": seconds, "modes": modes(law, x), "share_of_draws": float(len(log_w) / log_w.exp().sum())}
    for key in ("kl_forward", "kl_reverse", "effective_share", "log_partition"):
        if key in found:
            row[key] = [found[key].value, *(found[key].interval or ()), found[key].reference]
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return one line for every run."""
    lines = ["| law | divergence | first β | seed | steps | modes | KL(p‖q) | KL(q‖p) | log Z off by | of draws | s |"]
    lines.append("|---" * 11 + "|")
    for row in sorted(rows, key=lambda row: (row["law"], DIVERGENCES.index(row["divergence"]), row["seed"])):
        z = row.get("log_partition")
        off = "" if z is None else f"{z[0] - z[3]:.3f} ({z[1] - z[3]:.3f} to {z[2] - z[3]:.3f})"
        lines.append(
            f"| `{row['law']}` | `{row['divergence']}` | {row['beta']:g} | {row['seed']} | {row['steps']:,} "
            f"| {row['modes']} | {row['kl_forward'][0]:.3g} | {row['kl_reverse'][0]:.3g} "
            f"| {off} | {row['share_of_draws']:.3g} | {row['seconds']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what the log lacks, then print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--budget", type=float, default=120.0, help="processor seconds of training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--beta",
        type=float,
        default=1.0,
        help="power of the density at the start, which rises to 1 over half of the run",
    )
    parser.add_argument("--only", nargs="+", default=list(LAWS), choices=list(LAWS))
    parser.add_argument("--report", action="store_true", help="only print the table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in given.log.read_text().splitlines()] if given.log.exists() else []
    done = {(row["law"], row["divergence"], row["seed"], row["beta"]) for row in rows}
    plan: list[tuple[str, FromEnergy, int]] = [
        (law, how, seed) for seed in given.seeds for law in given.only for how in DIVERGENCES
    ]
    for law, how, seed in [] if given.report else plan:
        if (law, how, seed, given.beta) in done:
            continue
        rows.append(measure(law, how, seed, given.budget, given.beta))
        with given.log.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(rows[-1], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
