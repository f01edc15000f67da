"""Models with a likelihood on scikit-learn's digits (`entries`): nats per image on the same 447 test images.

    OMP_NUM_THREADS=1 python benchmarks/digits_zoo.py --workers 2           # trains, logs, prints the table
    OMP_NUM_THREADS=1 python benchmarks/digits_zoo.py --only vae realnvp --seeds 1 2
    python benchmarks/digits_zoo.py --table --figure docs/assets/digits-zoo.png

**Protocol.** 1,797 images of 8 x 8 pixels with 17 levels, in the order of the file: rows [:1000] train, [1000:1350]
validation, [1350:] test (other writers). Settings and numbers of steps were chosen on the validation rows; the test
rows are scored once, with the averaged weights of the last step. Every number is a log probability of the levels or a
lower bound of one, in nats per image: a density of noisy levels enters with 64 log(bin width). What is a bound, and by
how many draws, stands in the table.

The protocol is that of J. Tomczak's intro_dgm (https://github.com/jmtomczak/intro_dgm), the only published table of
several families on one small data set. Its numbers are best validation values, read off its figures; three of its
entries are no likelihoods (uniform noise of half a cell; a loss of noise levels; a loss of velocities).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import multiprocessing
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from veridical.config.families.table import name_of
from veridical.config.presets import find_preset
from veridical.config.training import OptimizerConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.preprocess import log_det
from veridical.data.space import Space
from veridical.evaluation.density import density_of, score
from veridical.families import FAMILIES
from veridical.model import Facts
from veridical.training.fit import State, fit

LOG = Path(__file__).parents[1] / "docs" / "logs" / "digits_zoo.jsonl"
TRAIN, VALIDATION, TEST = slice(0, 1_000), slice(1_000, 1_350), slice(1_350, None)


@dataclass(frozen=True)
class Entry:
    """One model of the table."""

    model: Any
    """Configuration of the family."""

    steps: int
    """Steps of the training, chosen on the validation rows."""

    batch_size: int = 64
    """Examples per step."""

    ema: float = 0.999
    """Decay of the average of the weights."""

    clip_norm: float | None = None
    """Largest norm of the gradient."""

    published: float | None = None
    """Nats of the same family in the published table, where that is a likelihood."""


def entries() -> Mapping[str, Entry]:
    """The models, from the simplest."""
    from veridical.config.families.causal_transformer import CausalTransformerConfig
    from veridical.config.families.flow import FlowConfig
    from veridical.config.families.flow_matching import FlowMatchingConfig
    from veridical.config.families.made import MADEConfig
    from veridical.config.families.nade import NADEConfig
    from veridical.config.families.pixelcnn import PixelCNNConfig
    from veridical.config.families.pixelcnn_plus_plus import PixelCNNPlusPlusConfig
    from veridical.config.families.transformer_flow import TransformerFlowConfig
    from veridical.config.families.wavenet import WaveNetConfig

    noise: Any = {"dequantisation": "variational", "noise_width": 16, "margin": 1e-3}
    nice = FlowConfig(layers="nice", width=128, optimizer=falling(1e-2, decay=1.0, warmup=50), **noise)
    glow = FlowConfig(layers="glow", width=32, optimizer=falling(2e-3, warmup=50), **noise)
    tokens = TransformerFlowConfig(blocks=2, width=48, dropout=0.1, optimizer=falling(2e-3, warmup=100), **noise)
    turned: Any = {"dropout": 0.3, "directions": 8, "optimizer": falling(3e-3, warmup=50)}
    plain = PixelCNNConfig(network="plain", width=48, layers=5, first_kernel=5, **turned)
    plus = PixelCNNPlusPlusConfig(width=24, blocks=1, components=5, **turned)
    attention = CausalTransformerConfig(layers=3, dropout=0.2, optimizer=falling(3e-3, decay=0.1, warmup=50))
    masks = MADEConfig(order="random", masks=8, optimizer=falling(2e-3, decay=1.0))
    line = WaveNetConfig(width=48, layers=5, blocks=1, optimizer=falling(3e-3, decay=0.3))
    steps = OptimizerConfig(lr=3e-3, betas=(0.9, 0.99), schedule="cosine", warmup=100)
    lines = FlowMatchingConfig(network="unet", width=24, dropout=0.1, sigma_min=0.083, optimizer=steps)
    return {
        "nice": Entry(nice, steps=500, ema=0.99, clip_norm=100.0),
        "nade": Entry(NADEConfig(width=300, optimizer=falling(5e-3, decay=0.3)), steps=400, ema=0.99),
        "made": Entry(masks, steps=600, ema=0.99),
        "vae": of_preset("vae-levels", published=100.5),
        "iwae": of_preset("iwae-levels", published=100.5),
        "hierarchical-vae": of_preset("hierarchical-levels", published=100.4),
        "glow": Entry(glow, steps=480, ema=0.998, clip_norm=100.0, published=137.6),
        "realnvp": of_preset("realnvp-levels", published=137.6),
        "transformer-flow": Entry(tokens, steps=420, ema=0.998, clip_norm=100.0),
        "wavenet": Entry(line, steps=600, ema=0.99, published=88.7),
        "pixelcnn": Entry(plain, steps=600, ema=0.99),
        "pixelcnn++": Entry(plus, steps=350, ema=0.99),
        "causal-transformer": Entry(attention, steps=400, ema=0.99),
        "gated-pixelcnn": of_preset("gated-pixelcnn-8x8", published=88.7),
        "diffusion": of_preset("diffusion-levels", published=None),
        "flow-matching": Entry(lines, steps=600, ema=0.998),
    }


def falling(lr: float, *, decay: float = 0.0, warmup: int = 0) -> OptimizerConfig:
    """Return an optimiser whose learning rate falls to 0, with decoupled weight decay."""
    name = "adamw" if decay else "adam"
    return OptimizerConfig(name=name, lr=lr, weight_decay=decay, schedule="cosine", warmup=warmup)


def of_preset(name: str, published: float | None) -> Entry:
    """Return the entry of a preset, which states its training too."""
    preset = find_preset(name)
    training = preset.training
    return Entry(preset.model, training.steps, training.batch_size, training.ema, training.clip_norm, published)


def digits() -> dict[str, ArrayData]:
    """The three parts of the file."""
    from sklearn.datasets import load_digits

    x, _ = load_digits(return_X_y=True)
    images = torch.from_numpy(x).float().reshape(-1, 1, 8, 8) / 8 - 1
    train = images[TRAIN]
    space = Space((1, 8, 8), levels=17, mean=float(train.mean()), std=float(train.std()))
    parts = {"train": train, "validation": images[VALIDATION], "test": images[TEST]}
    return {name: ArrayData(part, name=f"digits/{name}", space=space) for name, part in parts.items()}


def trained(entry: Entry, data: ArrayData, seed: int) -> tuple[torch.nn.Module, float]:
    """Return a model with its averaged weights, and the processor seconds of its training."""
    torch.manual_seed(seed)
    family = name_of(entry.model)
    assert family is not None
    model = FAMILIES[family](entry.model, Facts(data.space, len(data)))
    state = State(model, steps=entry.steps, ema=entry.ema)
    began = time.process_time()
    fit(state, Loader(data, entry.batch_size, seed=seed), clip_norm=entry.clip_norm, log_every=entry.steps)
    if state.ema is not None:
        state.ema.swap()
    return state.module.eval(), time.process_time() - began


def measure(name: str, entry: Entry, seed: int, parts: tuple[str, ...]) -> dict[str, Any]:
    """Train a model and score the parts; nats are negative log probabilities of the levels."""
    data = digits()
    model, seconds = trained(entry, data["train"], seed)
    density = density_of(model, data["train"].space)  # pyright: ignore[reportArgumentType]
    assert density is not None
    row: dict[str, Any] = {"name": name, "seed": seed, "config": dataclasses.asdict(entry)}
    row |= {"family": name_of(entry.model), "kind": density.kind, "detail": density.detail}
    row |= {"parameters": sum(p.numel() for p in model.parameters()), "seconds": round(seconds, 1)}
    began = time.process_time()
    for part in parts:
        x = data[part].batch(torch.arange(len(data[part])), "cpu").x
        nats = -(score(density.log_prob, x, torch.device("cpu"), seed) + log_det(data[part].space))
        row[part] = [round(float(nats.mean()), 3), round(float(nats.std()) / math.sqrt(len(nats)), 3), len(nats)]
    return row | {"scoring_seconds": round(time.process_time() - began, 1), "torch": torch.__version__}


def run(task: tuple[str, int, bool]) -> dict[str, Any]:
    """Measure one entry of the table with one seed, on one thread."""
    torch.set_num_threads(1)
    name, seed, final = task
    return measure(name, entries()[name], seed, ("train", "validation", "test") if final else ("train", "validation"))


def table(rows: list[dict[str, Any]]) -> str:
    """One line per model: the mean over seeds of test nats, best first."""
    lines = ["| model | test nats | seeds | bound | validation | training | published | parameters | CPU s |"]
    lines.append("|" + "---|" * 9)
    for name, found in sorted(of_name(rows).items(), key=lambda item: mean(item[1], "test")):
        first = found[-1]
        least, most = min(row["test"][0] for row in found), max(row["test"][0] for row in found)
        seeds = f"{len(found)} ({least:.1f}–{most:.1f})" if len(found) > 1 else "1"
        lines.append(
            f"| {name} | {mean(found, 'test'):.1f} ± {first['test'][1]:.1f} | {seeds} "
            f"| {bound_of(first['detail'])} | {mean(found, 'validation'):.1f} | {mean(found, 'train'):.1f} "
            f"| {first['config']['published'] or '–'} | {first['parameters']:,} "
            f"| {sum(row['seconds'] for row in found) / len(found):.0f} |"
        )
    return "\n".join(lines)


def bound_of(detail: dict[str, Any]) -> str:
    """Say whether the density is exact, or by how many draws it is bounded."""
    if detail["likelihood"] == "exact":
        return "exact"
    if "draws" in detail:
        return "1 draw" if detail["draws"] == 1 else f"{detail['draws']} draws"
    return detail["source"].split(", ")[-1].split(" per ")[0]


def of_name(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The newest rows of every model and seed, by model."""
    newest = {(row["name"], row["seed"]): row for row in rows if "test" in row}
    return {name: [row for (other, _), row in newest.items() if other == name] for name, _ in newest}


def mean(rows: list[dict[str, Any]], part: str) -> float:
    """Mean over seeds of the nats of a part."""
    return sum(row[part][0] for row in rows) / len(rows)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw test nats with two standard errors, and the published numbers."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    models = sorted(of_name(rows).items(), key=lambda item: -mean(item[1], "test"))
    figure, axes = plt.subplots(figsize=(7.5, 0.38 * len(models) + 1.2), layout="constrained")
    for y, (_, found) in enumerate(models):
        exact = found[-1]["kind"] == "exact"
        axes.errorbar(
            mean(found, "test"),
            y,
            xerr=2 * found[-1]["test"][1],
            marker="o",
            color="tab:blue",
            markerfacecolor="tab:blue" if exact else "white",
            capsize=3,
        )
        axes.plot([row["test"][0] for row in found], [y] * len(found), "|", color="tab:blue")
        if (published := found[-1]["config"]["published"]) is not None:
            axes.plot(published, y, "x", color="tab:red")
    axes.set_yticks(range(len(models)), [name for name, _ in models])
    axes.set_xlabel("nats per image on 447 test images (left is better)")
    axes.plot([], [], "o", color="tab:blue", label="exact log probability")
    axes.plot([], [], "o", color="tab:blue", markerfacecolor="white", label="bound")
    axes.plot([], [], "x", color="tab:red", label="published, same family (validation)")
    axes.legend(frameon=False, fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Train what is asked for, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*entries()], help="models of the table; all if omitted")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--validation", action="store_true", help="do not score the test rows: for choosing settings")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    parser.add_argument("--figure", type=Path, help="draw the table into this PNG")
    options = parser.parse_args()
    if not options.table:
        tasks = [(name, seed, not options.validation) for seed in options.seeds for name in options.only or entries()]
        context = multiprocessing.get_context("spawn")
        with options.log.open("a") as out, context.Pool(min(options.workers, os.cpu_count() or 1)) as pool:
            for row in pool.imap_unordered(run, tasks, chunksize=1):
                print(row["name"], row["seed"], {part: row[part] for part in ("validation", "test") if part in row})
                out.write(json.dumps(row) + "\n")
                out.flush()
    rows = [json.loads(line) for line in options.log.read_text().splitlines()]
    print(table(rows))
    if options.figure:
        draw(rows, options.figure)


if __name__ == "__main__":
    main()
