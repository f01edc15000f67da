r"""Annealed importance sampling beside `rbms` and NumPy: processor seconds and error, in one run.

    python -m venv /tmp/ais-peers && /tmp/ais-peers/bin/pip install . && /tmp/ais-peers/bin/pip install --no-deps rbms
    /tmp/ais-peers/bin/pip install h5py tqdm
    OMP_NUM_THREADS=1 /tmp/ais-peers/bin/python benchmarks/ais_peers.py FOLDER
    python benchmarks/ais_peers.py --table

FOLDER holds the machine of Salakhutdinov & Murray (2008), 784 and 500 units, and its images (see `benchmarks/rbm.py`);
they state a log Z of 451.28, an estimate itself. The second machine has 20 hidden units and is trained on these images
by persistent chains for some seconds; its log Z is a sum over the states of its hidden units. Every program takes 100
chains from independent units to the machine, in single precision, with one Gibbs step at each temperature:

ours          from the means of the training images, temperatures where the density changes, as `evaluate` places them;
              the chains that find these, and all of the set-up, are in the seconds
population    the same, but chains are drawn anew by their weights at every temperature (`mcmc/population.py`)
numpy         from the same start, equally spaced temperatures: products of matrices, vectorised functions, no loop but
              the one over temperatures; the input of the hidden units is computed once for weight and draw
numpy-placed  the same code at our temperatures, whose finding is not in its seconds: the same estimator as ours
rbms          `rbms.partition_function.ais`, which starts from the visible biases of the machine and has equal spacing

The error is the root of the mean square of the difference from log Z over repeats. Programs take turns, so that what
else the computer does slows all of them. Seconds times squared error is what a program needs for an error of one nat if
its error falls as one over the square root of the seconds, and its ratio to ours compares programs at equal error;
intervals are of 95 %, by bootstrap over repeats.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path as File
from typing import Any

import numpy as np
import torch
from rbm import MNIST, Images, images, published_machine

from veridical.config import OptimizerConfig
from veridical.config.families.rbm import RBMConfig
from veridical.families.rbm import RBM
from veridical.mcmc.annealing import combine, even_ladder, weigh
from veridical.mcmc.path import Path
from veridical.mcmc.population import population
from veridical.model import Facts
from veridical.noise import FreshNoise
from veridical.training.fit import State, fit

LOG = File(__file__).parents[1] / "docs" / "logs" / "ais_peers.jsonl"
PUBLISHED = 451.28
CHAINS, PILOTS = 100, 20

Program = Callable[[RBM, int, int], float]
"""(machine, temperatures, seed) to log Z."""


def small_machine(folder: File, steps: int = 600) -> RBM:
    """Return a machine of 20 hidden units, trained for some seconds, whose log Z is a sum."""
    x = images(folder, "train")
    optimizer = OptimizerConfig("sgd", lr=0.05, schedule="linear")
    torch.manual_seed(0)
    model = RBM(RBMConfig(width=20, negative="pcd", chains=100, optimizer=optimizer), Facts(MNIST, len(x)))
    mean = ((x.sum(0) + 0.5) / (len(x) + 1)).logit()
    model.start.copy_(mean)
    model.visible_bias.data.copy_(mean)
    fit(State(model, steps=steps), Images(x, 100, 0), log_every=steps)
    return model.eval()


# The programs.


def path_of(model: RBM) -> Path[Any]:
    """Return the path from independent units."""
    return model.path()


def ladder(model: RBM, temperatures: int, seed: int) -> list[float]:
    """Return our temperatures."""
    random = torch.Generator().manual_seed(seed)
    return even_ladder(path_of(model), temperatures, FreshNoise(PILOTS, "cpu", random), pilots=min(100, temperatures))


def ours(model: RBM, temperatures: int, seed: int) -> float:
    """Return log Z as `evaluate` estimates it."""
    betas, path = ladder(model, temperatures, seed), path_of(model)
    random = torch.Generator().manual_seed(seed + 1_000_000)
    log_w, _ = weigh(path, betas, FreshNoise(CHAINS, "cpu", random))
    return path.log_z0 + float(combine(log_w))


def resampled(model: RBM, temperatures: int, seed: int) -> float:
    """Return log Z by a population."""
    betas, path = ladder(model, temperatures, seed), path_of(model)
    random = torch.Generator().manual_seed(seed + 2_000_000)
    _, found = population(path, betas[1:], FreshNoise(CHAINS, "cpu", random))
    return path.log_z0 + float(found.log_ratio[-1])


def softplus(x: np.ndarray) -> np.ndarray:
    """Return log(1 + e^x); `np.logaddexp` takes eight times as long."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def with_numpy(model: RBM, betas: np.ndarray, seed: int) -> float:
    """Return log Z by annealing in NumPy."""
    random = np.random.Generator(np.random.SFC64(seed))
    W, b, c, b0 = (p.detach().numpy() for p in (model.weights, model.visible_bias, model.hidden_bias, model.start))

    def draw(field: np.ndarray) -> np.ndarray:
        return (random.random(field.shape, dtype=np.float32) * (1 + np.exp(-field)) < 1).astype(np.float32)

    v, log_w = draw(np.broadcast_to(b0, (CHAINS, len(b0)))), np.zeros(CHAINS)
    for before, beta in itertools.pairwise(betas.astype(np.float32)):
        inner = c + v @ W
        log_w += (beta - before) * (v @ (b - b0)) + (softplus(beta * inner) - softplus(before * inner)).sum(1)
        h = draw(beta * inner)
        v = draw((1 - beta) * b0 + beta * (b + h @ W.T))
    log_z0 = float(softplus(b0).sum() + len(c) * math.log(2))
    return log_z0 + float(np.logaddexp.reduce(log_w)) - math.log(CHAINS)


def with_rbms(model: RBM, temperatures: int, seed: int) -> float:
    """Return log Z by the package."""
    from rbms.bernoulli_bernoulli.classes import BBRBM  # pyright: ignore[reportMissingImports]
    from rbms.partition_function.ais import (  # pyright: ignore[reportMissingImports]
        compute_partition_function_ais,
    )

    torch.manual_seed(seed)
    machine = BBRBM(*(p.detach().clone() for p in (model.weights, model.visible_bias, model.hidden_bias)))
    return float(compute_partition_function_ais(CHAINS, temperatures + 1, machine))


def timed(call: Callable[[], float]) -> tuple[float, float]:
    """Return a value and the processor seconds that it took."""
    began = time.process_time()
    value = call()
    return value, time.process_time() - began


def estimate(name: str, model: RBM, temperatures: int, seed: int) -> tuple[float, float]:
    """Return log Z by a program and its processor seconds; preparations that are not its own are not counted."""
    if name == "numpy-placed":
        betas = np.array(ladder(model, temperatures, seed))
        return timed(lambda: with_numpy(model, betas, seed))
    programs: dict[str, Program] = {
        "ours": ours,
        "population": resampled,
        "numpy": lambda model, steps, seed: with_numpy(model, np.linspace(0, 1, steps + 1), seed),
        "rbms": with_rbms,
    }
    return timed(lambda: programs[name](model, temperatures, seed))


NAMES = ("ours", "population", "numpy", "numpy-placed", "rbms")


@torch.no_grad()
def measure(model: RBM, machine: str, known: float, numbers: list[int], total: int) -> None:
    """Let the programs take turns and log every estimate; repeats have a total of temperatures each."""
    for name in NAMES:
        estimate(name, model, 10, 0)
    with LOG.open("a") as file:
        for seed, temperatures, name in itertools.product(range(total // min(numbers)), numbers, NAMES):
            if seed >= total // temperatures:
                continue
            value, seconds = estimate(name, model, temperatures, seed)
            line = {"machine": machine, "known": known, "program": name, "temperatures": temperatures, "seed": seed}
            line |= {"log_z": round(value, 4), "seconds": round(seconds, 4), "threads": torch.get_num_threads()}
            file.write(json.dumps(line) + "\n")
            file.flush()


def errors_and_costs(rows: list[dict[str, Any]], random: np.random.Generator | None) -> dict[str, float]:
    """Return mean seconds, error and their cost, of all repeats or of a bootstrap sample of them."""
    picked = rows if random is None else [rows[i] for i in random.integers(len(rows), size=len(rows))]
    off = np.array([row["log_z"] - row["known"] for row in picked])
    seconds, square = float(np.mean([row["seconds"] for row in picked])), float(np.mean(off**2))
    return {"seconds": seconds, "mean": float(off.mean()), "error": math.sqrt(square), "cost": seconds * square}


def interval(own: list[dict[str, Any]], other: list[dict[str, Any]], key: str) -> str:
    """Return the ratio of another program's seconds or cost to ours, with its interval."""
    random = np.random.default_rng(0)
    ratio = errors_and_costs(other, None)[key] / errors_and_costs(own, None)[key]
    draws = [errors_and_costs(other, random)[key] / errors_and_costs(own, random)[key] for _ in range(2_000)]
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"{ratio:.2g} ({low:.2g} to {high:.2g})"


def table() -> str:
    """Return what was measured, a line for each machine, number of temperatures and program."""
    rows = [json.loads(line) for line in LOG.read_text().splitlines()]
    lines = [
        "| machine | temperatures | program | repeats | seconds | ms per temperature | mean difference | error | "
        "seconds / ours | seconds x error² / ours |",
        "|" + "---|" * 10,
    ]
    for machine, temperatures in dict.fromkeys((row["machine"], row["temperatures"]) for row in rows):
        here = [row for row in rows if (row["machine"], row["temperatures"]) == (machine, temperatures)]
        by = {name: [row for row in here if row["program"] == name] for name in NAMES}
        for name, some in by.items():
            found = errors_and_costs(some, None)
            numbers = [f"{found['seconds']:.3f}", f"{1e3 * found['seconds'] / temperatures:.2f}"]
            numbers += [f"{found['mean']:+.3f}", f"{found['error']:.3f}"]
            numbers += ["1", "1"] if name == "ours" else [interval(by["ours"], some, k) for k in ("seconds", "cost")]
            lines.append(f"| {machine} | {temperatures} | {name} | {len(some)} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=File, nargs="?")
    parser.add_argument("--total", type=int, default=4_000, help="temperatures of all repeats at a number of them")
    parser.add_argument("--published", type=int, nargs="+", default=[250, 500], help="temperatures")
    parser.add_argument("--small", type=int, nargs="+", default=[100, 400], help="temperatures")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        print(table())
        return
    torch.set_num_threads(1)
    model = small_machine(options.folder)
    exact = model.log_partition()
    assert exact is not None
    measure(model, "small", exact, options.small, options.total)
    measure(published_machine(options.folder), "published", PUBLISHED, options.published, options.total)
    print(table())


if __name__ == "__main__":
    main()
