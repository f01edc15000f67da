r"""Exact KL(p || q) of trained models on distributions that can be summed over all their states.

    OMP_NUM_THREADS=1 python benchmarks/summable_worlds.py [--only made pixelcnn] [--worlds ising-3] [--seeds 0 1]
    python benchmarks/summable_worlds.py --table

**Worlds.** Ising lattices on a torus of 3 x 3 and 4 x 4 sites at the critical coupling, and mixtures of four products
of Bernoulli distributions on 3 x 3 and 4 x 4 sites. All 2^9 or 2^16 states are scored, so

$$ \mathrm{KL}(p\|q) = \sum_x p(x)\,(\log p(x) - \log q(x)) $$

has no sampling error. Every step of a training draws new states from p: there is nothing to overfit, and what remains
is what the model cannot express or has not yet learned. Scored are the averaged weights of the last step.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from veridical.config.families.table import name_of
from veridical.config.training import OptimizerConfig
from veridical.data.batch import Batch
from veridical.data.space import Space
from veridical.families import FAMILIES
from veridical.model import ExactLikelihood, Facts, Tempered
from veridical.targets.ising import Ising
from veridical.training.fit import State, fit

LOG = Path(__file__).parents[1] / "docs" / "logs" / "summable_worlds.jsonl"


@dataclass(frozen=True)
class Entry:
    """One model of the table."""

    model: Any
    """Configuration of the family."""

    steps: int = 1_000
    batch_size: int = 256
    ema: float = 0.998


def entries() -> Mapping[str, Entry]:
    """The models."""
    from veridical.config.families.causal_transformer import CausalTransformerConfig
    from veridical.config.families.made import MADEConfig
    from veridical.config.families.nade import NADEConfig
    from veridical.config.families.pixelcnn import PixelCNNConfig
    from veridical.config.families.pixelcnn_plus_plus import PixelCNNPlusPlusConfig
    from veridical.config.families.rbm import RBMConfig

    falling = OptimizerConfig(lr=5e-3, schedule="cosine", warmup=50)
    pixels = PixelCNNConfig(width=16, layers=3, first_kernel=7, kernel=5, optimizer=falling)
    plus = PixelCNNPlusPlusConfig(width=16, blocks=1, scales=2, components=2, optimizer=falling)
    transformer = CausalTransformerConfig(width=32, layers=2, optimizer=dataclasses.replace(falling, lr=3e-3))
    vectors = OptimizerConfig(lr=1e-2, schedule="cosine")
    deep = OptimizerConfig(lr=3e-3, schedule="cosine", warmup=100)
    chains = OptimizerConfig(lr=5e-3, betas=(0.0, 0.999), schedule="linear")
    machine = RBMConfig(width=64, hidden="spin", negative="temper", chains=256, optimizer=chains)
    return {
        "made": Entry(MADEConfig(width=200, optimizer=vectors), steps=3_000),
        "made-deep": Entry(MADEConfig(width=400, depth=2, optimizer=deep), steps=3_000, batch_size=512),
        "nade": Entry(NADEConfig(width=100, optimizer=vectors), steps=3_000),
        "nade-wide": Entry(NADEConfig(width=150, optimizer=vectors), steps=6_000),
        "gated-pixelcnn": Entry(pixels),
        "pixelcnn": Entry(dataclasses.replace(pixels, network="plain")),
        "pixelcnn-wide": Entry(dataclasses.replace(pixels, network="plain", width=24), steps=3_000),
        "pixelcnn++": Entry(plus, steps=700),
        "causal-transformer": Entry(transformer),
        "rbm": Entry(machine, steps=10_000),
    }


def all_states(side: int) -> Tensor:
    """Return (2^(side * side), 1, side, side) all images of values -1 and 1."""
    sites = side * side
    bits = torch.arange(2**sites)[:, None] >> torch.arange(sites) & 1
    return (2.0 * bits - 1).reshape(-1, 1, side, side)


def ising(side: int) -> tuple[Tensor, Tensor]:
    """Return all states of a lattice and their log-probabilities in double precision."""
    x = all_states(side)
    log_p = Ising(side).log_prob(x).double()
    return x, log_p - log_p.logsumexp(0)  # the energies are in single precision


def mixture(side: int, components: int = 4) -> tuple[Tensor, Tensor]:
    """Return all states, and their log-probabilities under a mixture of products of Bernoulli distributions."""
    x, random = all_states(side), torch.Generator().manual_seed(side)
    logits = 2 * torch.randn(components, side * side, generator=random, dtype=torch.float64)
    log_p = torch.nn.functional.logsigmoid(x.flatten(1).double()[:, None] * logits).sum(-1)
    return x, log_p.logsumexp(1) - math.log(components)


WORLDS = {
    "ising-3": (ising, 3),
    "mixture-3": (mixture, 3),
    "ising-4": (ising, 4),
    "mixture-4": (mixture, 4),
}


class Draws:
    """Batches of independent states; a pure function of the step.

    Args:
        x: all states.
        log_p: of every state.
        batch_size: states of a batch.
        seed: of the draws.
    """

    def __init__(self, x: Tensor, log_p: Tensor, batch_size: int, seed: int) -> None:
        self.x, self.ends, self.batch_size, self.seed = x, log_p.exp().cumsum(0), batch_size, seed

    def batch(self, step: int) -> Batch:
        """Return the states of a step."""
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        u = torch.rand(self.batch_size, generator=random, dtype=torch.float64) * self.ends[-1]
        index = torch.searchsorted(self.ends, u).clamp(max=len(self.x) - 1)
        return Batch(self.x[index], index)


@torch.no_grad()
def divergence(model: ExactLikelihood | Tempered, x: Tensor, log_p: Tensor) -> tuple[float, float]:
    """Return KL(p || q) in nats, and the sum of q over all states, which for an energy tests its log Z."""
    if isinstance(model, Tempered):
        log_z = model.log_partition()
        assert log_z is not None
        log_q = torch.cat([-model.energy(part) for part in x.split(4_096)]).double() - log_z
    else:
        log_q = torch.cat([model.log_prob(part) for part in x.split(4_096)]).double()
    return float((log_p.exp() * (log_p - log_q)).sum()), float(log_q.exp().sum())


def measure(name: str, world: str, seed: int) -> dict[str, Any]:
    """Train a model on a world and score all its states."""
    entry, (build, side) = entries()[name], WORLDS[world]
    x, log_p = build(side)
    space = Space((1, side, side), kind="lattice", levels=2)
    torch.manual_seed(seed)
    family = name_of(entry.model)
    assert family is not None
    model = FAMILIES[family](entry.model, Facts(space))
    state, began = State(model, steps=entry.steps, ema=entry.ema), time.process_time()
    fit(state, Draws(x, log_p, entry.batch_size, seed), log_every=entry.steps)
    seconds = time.process_time() - began
    if state.ema is not None:
        state.ema.swap()
    nats, total = divergence(model.eval(), x, log_p)
    return {
        "name": name,
        "world": world,
        "seed": seed,
        "kl": nats,
        "sum": total,
        "entropy": float(-(log_p.exp() * log_p).sum()),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(seconds, 1),
        "config": dataclasses.asdict(entry),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """One line per model: the largest KL over seeds in every world."""
    newest = {(row["name"], row["world"], row["seed"]): row for row in rows}
    worlds = [world for world in WORLDS if any(key[1] == world for key in newest)]
    lines = [f"| model | {' | '.join(worlds)} | seeds | CPU seconds |", "|" + "---|" * (len(worlds) + 3)]
    for name in dict.fromkeys(key[0] for key in newest):
        own = [row for row in newest.values() if row["name"] == name]
        cells = [max((row["kl"] for row in own if row["world"] == world), default=math.nan) for world in worlds]
        seeds = len({row["seed"] for row in own})
        time_each = max(row["seconds"] for row in own)
        lines.append(f"| {name} | {' | '.join(f'{kl:.4f}' for kl in cells)} | {seeds} | at most {time_each:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is asked for, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*entries()], help="models of the table; all if omitted")
    parser.add_argument("--worlds", nargs="+", choices=[*WORLDS], default=[*WORLDS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.table:
        with options.log.open("a") as out:
            for seed in options.seeds:
                for world in options.worlds:
                    for name in options.only or entries():
                        row = measure(name, world, seed)
                        print(
                            f"{name} {world} seed {seed}: KL {row['kl']:.5f} nats, {row['seconds']:.0f} s", flush=True
                        )
                        out.write(json.dumps(row) + "\n")
                        out.flush()
    print(table([json.loads(line) for line in options.log.read_text().splitlines()]))


if __name__ == "__main__":
    main()
