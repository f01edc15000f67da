r"""Restricted Boltzmann machines where the answer is known: a published log Z, and sets whose best score is known.

    OMP_NUM_THREADS=1 python benchmarks/rbm.py published FOLDER [--temperatures 7500]
    OMP_NUM_THREADS=1 python benchmarks/rbm.py sets [--only bars-3] [--rules pcd temper-centred] [--lr 0.3]
    OMP_NUM_THREADS=1 python benchmarks/rbm.py mnist FOLDER --minutes 60
    python benchmarks/rbm.py table

`published` estimates log Z of the machine of Salakhutdinov & Murray (2008), 784 and 500 units, and bounds the
likelihood of the annealed chains from below; FOLDER holds it and its data, sm2008_rbm_cd25_500.npz (W, visible_bias,
hidden_bias) and sm2008_fixed_binarised_mnist.npz (train, test: packed bits). They state 451.28, and
-86.35 nats on the test images.

`sets` trains on all images of bars and stripes, and on the nine places of a bar on a ring, by every rule, centred or
not. The score is the sum of log p over the equally likely draws, exactly, at the last step; no density exceeds the
bound. All rules have the same optimiser, steps and chains; `table` takes for every rule and set the best of the step
sizes that were tried, and states it.

`mnist` trains 500 hidden units on the same images as the published machine, within minutes of processor time.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.rbm import RBMConfig
from veridical.data.batch import Batch
from veridical.evaluation.normalisation import Effort, annealed
from veridical.families.rbm import RBM
from veridical.model import Facts, Space
from veridical.targets.bars import BarsAndStripes
from veridical.training.fit import State, fit

LOG = Path(__file__).parents[1] / "docs" / "logs" / "rbm.jsonl"
CPU = torch.device("cpu")
MNIST = Space((784,), kind="vector", support=(0.0, 1.0), levels=2)

RULES: dict[str, dict[str, Any]] = {
    f"{negative}{'-centred' if centred else ''}": {"negative": negative, "centred": centred}
    for negative in ("cd", "pcd", "temper")
    for centred in (False, True)
}


def note(line: dict[str, Any]) -> None:
    """Print a result and add it to the log."""
    text = json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in line.items()})
    print(text, flush=True)
    with LOG.open("a") as file:
        file.write(text + "\n")


# A published machine.


def images(folder: Path, part: str) -> Tensor:
    """Return (n, 784) bits."""
    with np.load(folder / "sm2008_fixed_binarised_mnist.npz") as file:
        return torch.from_numpy(np.unpackbits(file[part], axis=1)[:, :784]).float()


def published_machine(folder: Path) -> RBM:
    """Return the machine, with annealing from the means of its training images."""
    model = RBM(RBMConfig(width=500, negative="cd"), MNIST)
    with np.load(folder / "sm2008_rbm_cd25_500.npz") as file, torch.no_grad():
        for parameter, name in (
            (model.weights, "W"),
            (model.visible_bias, "visible_bias"),
            (model.hidden_bias, "hidden_bias"),
        ):
            parameter.copy_(torch.from_numpy(file[name]).squeeze())
    train = images(folder, "train")
    mean = (train.sum(0) + 0.5) / (len(train) + 1)
    model.start.copy_(mean.logit())
    return model.eval()


@torch.no_grad()
def score_estimate(model: RBM, test: Tensor, effort: Effort, seed: int) -> dict[str, Any]:
    """Return log Z, nats of test images, and the lower bound of those of the annealed chains."""
    began, wall = time.process_time(), time.perf_counter()
    found = annealed(model, model.space, CPU, effort, seed)
    forward, forward_wall = time.process_time() - began, time.perf_counter() - wall
    log_f = -model.energy(test).double()
    some = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))[:100]
    assert found.below is not None
    torch.manual_seed(seed)
    reverse = found.below(test[some])
    gap = log_f[some] - found.value - reverse
    return {
        "seed": seed,
        **found.facts,
        "test_nats": float(log_f.mean()) - found.value,
        "reverse_nats": float(reverse.mean()),
        "gap_on_the_same_images": float(gap.mean()),
        "gap_error": float(gap.std()) / 10,
        "cpu_seconds": forward,
        "wall_seconds": forward_wall,
        "cpu_seconds_reverse": time.process_time() - began - forward,
    }


# Sets whose best score is known.


def shifting_bar() -> Tensor:
    """Return the nine images of one bar on a ring of nine."""
    return 2 * torch.eye(9).reshape(9, 1, 1, 9) - 1


def bars(side: int) -> Tensor:
    """Return the 2^(n+1) equally likely draws: images of one value twice."""
    images = BarsAndStripes(side).images.float()
    uniform = images.flatten(1).std(1) == 0
    return torch.cat([images, images[uniform]])


SETS: dict[str, tuple[Any, int]] = {
    "bar-9": (shifting_bar, 16),
    "bars-3": (lambda: bars(3), 16),
    "bars-4": (lambda: bars(4), 24),
    "bars-5": (lambda: bars(5), 24),
}
"""Draws, and hidden units."""


class Whole:
    """The whole set at every step."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def batch(self, step: int) -> Batch:
        """Return all draws."""
        return Batch(self.x, torch.arange(len(self.x)))


def measure_set(name: str, rule: str, seed: int, steps: int, lr: float) -> dict[str, Any]:
    """Train by a rule and score all draws."""
    build, width = SETS[name]
    x = build()
    optimizer = OptimizerConfig("sgd", lr=lr, schedule="linear")
    config = RBMConfig(width=width, chains=100, replicas=8, optimizer=optimizer, **RULES[rule])
    torch.manual_seed(seed)
    model = RBM(config, Facts(Space(tuple(x.shape[1:]), levels=2), len(x)))
    began = time.process_time()
    fit(State(model, steps=steps), Whole(x), log_every=steps)
    seconds = time.process_time() - began
    with torch.no_grad():
        log_z = model.log_partition()
        assert log_z is not None
        total = float((-model.energy(x).double() - log_z).sum())
    bound = -len(x) * math.log(len(x)) + (4 * math.log(2) if name.startswith("bars") else 0.0)
    line = {"set": name, "rule": rule, "lr": lr, "seed": seed, "steps": steps, "width": width, "sum_log_p": total}
    return line | {"bound": bound, "excess": total / bound - 1, "cpu_seconds": seconds}


# Binarised MNIST.


class Images:
    """Batches of images in the order of fresh permutations; a pure function of the step."""

    def __init__(self, x: Tensor, batch_size: int, seed: int) -> None:
        self.x, self.batch_size, self.seed, self.epoch = x, batch_size, seed, -1

    def batch(self, step: int) -> Batch:
        """Return the images of a step."""
        per_epoch = len(self.x) // self.batch_size
        if step // per_epoch != self.epoch:
            self.epoch = step // per_epoch
            random = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            self.order = torch.randperm(len(self.x), generator=random)
        rows = self.order[step % per_epoch * self.batch_size :][: self.batch_size]
        return Batch(self.x[rows], rows)


def train_mnist(folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    """Train within minutes of processor time; the last 10,000 training images are held out and not used."""
    from veridical.data.dataset import ArrayData

    x = images(folder, "train")[:50_000]
    optimizer = OptimizerConfig("sgd", lr=0.05, schedule="linear")
    torch.manual_seed(seed)
    model = RBM(RBMConfig(width=500, negative="pcd", chains=100, optimizer=optimizer), Facts(MNIST, len(x)))
    model.start_from(ArrayData(x.to(torch.uint8), space=MNIST))
    source, began = Images(x, 100, seed), time.process_time()
    fit(State(model, steps=50), source, log_every=50)  # the first steps take longer than others
    warm = time.process_time()
    fit(State(model, steps=250), source, log_every=250)
    steps = int(250 * (60 * minutes - (warm - began)) / (time.process_time() - warm)) - 250
    state = State(model, steps=steps, ema=0.9995)
    fit(state, source, log_every=steps)
    seconds = time.process_time() - began
    assert state.ema is not None
    state.ema.swap()
    line = {"model": "rbm", "steps": steps, "train_cpu_seconds": seconds}
    return line | score_estimate(model.eval(), images(folder, "test"), Effort(temperatures=7_500), seed)


def table() -> str:
    """Return the table of the sets: at the best of the step sizes that were tried, and how far from the bound."""
    rows = [row for row in map(json.loads, LOG.read_text().splitlines()) if "rule" in row]
    names = [name for name in SETS if any(row["set"] == name for row in rows)]
    lines = [f"| rule | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1)]
    for rule in RULES:
        cells = []
        for name in names:
            own = [row for row in rows if (row["set"], row["rule"]) == (name, rule)]
            best = max(own, key=lambda row: row["sum_log_p"], default=None)
            cells.append(f"{best['sum_log_p']:.2f} ({100 * best['excess']:.1f} %; {best['lr']:g})" if best else "")
        lines.append(f"| {rule} | {' | '.join(cells)} |")
    bounds = [next(row["bound"] for row in rows if row["set"] == name) for name in names]
    return "\n".join([*lines, f"| bound | {' | '.join(f'{bound:.3f}' for bound in bounds)} |"])


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["published", "sets", "mnist", "table"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", nargs="+", choices=[*SETS], help="sets; all if omitted")
    parser.add_argument("--rules", nargs="+", choices=[*RULES], default=[*RULES])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--lr", type=float, default=0.3, help="step size of the sets")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--temperatures", type=int, default=7_500)
    options = parser.parse_args()
    if options.what == "published":
        model, effort = published_machine(options.folder), Effort(temperatures=options.temperatures)
        for seed in options.seeds:
            note({"model": "published", **score_estimate(model, images(options.folder, "test"), effort, seed)})
    elif options.what == "sets":
        for name in options.only or SETS:
            for seed in options.seeds:
                for rule in options.rules:
                    note(measure_set(name, rule, seed, options.steps, options.lr))
    elif options.what == "mnist":
        for seed in options.seeds:
            note(train_mnist(options.folder, options.minutes, seed))
    else:
        print(table())


if __name__ == "__main__":
    main()
