"""What presets that generate reach in the same time, on the same data: games, diffusion, flow matching.

    python benchmarks/gan_presets.py --log docs/logs/gan_presets.jsonl
    python benchmarks/gan_presets.py --log fashion.jsonl --budget 600 --precision auto --data fashion-mnist-10k \
        --only gan diffusion flow-matching

Each preset trains for 25 to 50 processor seconds (`--budget`) of one thread in fp32, or in the precision that training
would choose (`--precision auto`): its first steps are timed, and the run is made as long as fits, so that schedules end
where the run does; on `fashion-mnist-10k` for images and on `grid` for vectors. Measured at the last step: the Fréchet
distance of 2,000 samples to the 2,000 test images in the shipped fashion-28 features, precision and recall; on the
grid, PacGAN's count of modes from 2,500 samples. One short run says what a preset does in the first minute, not what it
is worth in the end. Every finished run is a line of the log, and is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from veridical.config import DataConfig, RunConfig
from veridical.config.presets import PRESETS, find_preset
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.evaluation import evaluate
from veridical.families import FAMILIES
from veridical.model import GenerativeModel, Sampler
from veridical.training.arithmetic import Arithmetic, choose_arithmetic
from veridical.training.engine import Engine
from veridical.training.fit import State, fit
from veridical.training.terms import NonFiniteError

IMAGES = [
    "gan", "dcgan", "dcgan-paper", "gan-2014", "lsgan", "wgan", "wgan-gp", "dragan", "sngan", "pacgan", "improved-gan",
    "infogan", "cgan", "acgan", "projection", "biggan-32", "progressive", "proinfogan", "semisupervised", "noise-level",
    "diffusion", "flow-matching",
]  # fmt: skip
POINTS = [
    "gan-2d",
    "gan",
    "gan-2014",
    "wgan-gp",
    "dragan",
    "pacgan",
    "pacgan-2d",
    "unrolled",
    "noise-level",
    "diffusion-2d",
]
POINTS += ["flow-matching-2d"]
NARROWED = {"biggan-32": {"width": 16}}
"""What is changed of a preset, since its own size is out of reach."""
BATCH = {"biggan-32": 64}
DEFAULTS = {"precision": "fp32", "lr_scale": 1.0}
"""What a line of the log had where it does not say."""
CHOSEN = {"fashion-mnist-10k": ["fid", "prdc"], "grid": ["coverage"]}


def configure(preset: str, steps: int, precision: str = "fp32", lr_scale: float = 1.0) -> RunConfig:
    """Return the preset with so many steps."""
    config = find_preset(preset)
    size = BATCH.get(preset, config.training.batch_size)
    training = replace(config.training, steps=steps, batch_size=size, precision=precision, lr_scale=lr_scale)
    return replace(config, model=replace(config.model, **NARROWED.get(preset, {})), training=training)


def train(config: RunConfig, data: ArrayData, seed: int) -> tuple[GenerativeModel, float, Arithmetic]:
    """Train with the averaged weights in place; return model, processor seconds it took, and arithmetic."""
    torch.manual_seed(seed)
    model = FAMILIES[config.family](config.model, data.space)  # type: ignore[call-arg, arg-type]
    training, shape = config.training, (config.training.batch_size, *data.space.shape)
    arithmetic, _ = choose_arithmetic(torch.device("cpu"), model, shape, training.precision)
    engine = Engine("cpu", arithmetic=arithmetic)
    engine.place(model)
    state = State(model, steps=training.steps, ema=training.ema, lr_scale=training.lr_scale)
    started = time.process_time()
    fit(state, Loader(data, training.batch_size, seed=seed), engine, clip_norm=training.clip_norm)
    seconds = time.process_time() - started
    if state.ema is not None:
        state.ema.swap()
    return model.eval(), seconds, arithmetic


def run(preset: str, source: str, budget: float, seed: int, **choices: Any) -> dict[str, Any]:
    """Train for about the budget, measure.

    Args:
        preset: name of a preset.
        source: data set.
        budget: processor seconds of training.
        seed: of weights and examples.
        choices: precision, and factor on the learning rates.
    """
    data, test = (load(DataConfig(source=source), split) for split in ("train", "test"))
    turns = getattr(PRESETS[preset].model, "discriminator_turns", 1)
    _, first, _ = train(configure(preset, 2 * turns, **choices), data, seed)
    _, longer, arithmetic = train(configure(preset, 12 * turns, **choices), data, seed)
    steps = max(20, int(budget / ((longer - first) / (10 * turns))))
    row: dict[str, Any] = {"preset": preset, "data": source, "seed": seed, "steps": steps, "settings": choices}
    row["arithmetic"] = str(arithmetic)
    try:
        model, seconds, _ = train(configure(preset, steps, **choices), data, seed)
    except NonFiniteError as error:
        return row | {"ended": str(error)}
    assert isinstance(model, Sampler)
    n = 2_500 if source == "grid" else 2_000
    started = time.process_time()
    found = evaluate(model, data, test, n=n, seed=0, metrics=CHOSEN[source])
    values = {m.name: [m.value, *(m.interval or ()), m.reference] for m in found.measurements}
    return (
        row
        | {"seconds": round(seconds, 1), "batch": configure(preset, 1).training.batch_size, **values}
        | {"evaluation_seconds": round(time.process_time() - started, 1)}
    )


def main() -> None:
    """Run what the log lacks, then print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--budget", type=float, default=45.0, help="seconds of training")
    parser.add_argument("--only", nargs="+", default=None, help="presets")
    parser.add_argument("--data", nargs="+", default=list(CHOSEN), choices=list(CHOSEN))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "auto"])
    parser.add_argument("--lr-scale", type=float, default=1.0, help="factor on the learning rates")
    given = parser.parse_args()
    torch.set_num_threads(1)
    done = [json.loads(line) for line in given.log.read_text().splitlines()] if given.log.exists() else []
    choices = {"precision": given.precision, "lr_scale": given.lr_scale}
    plan = [(name, "fashion-mnist-10k") for name in IMAGES] + [(name, "grid") for name in POINTS]
    for seed, (preset, source) in [(seed, pair) for seed in given.seeds for pair in plan]:
        asked = (preset, source, seed, choices)
        known = any((r["preset"], r["data"], r["seed"], r.get("settings", DEFAULTS)) == asked for r in done)
        if known or source not in given.data or (given.only and preset not in given.only):
            continue
        row = run(preset, source, given.budget, seed, **choices)
        done.append(row)
        with given.log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)
    for source, names in (("fashion-mnist-10k", ["fid", "precision", "recall"]), ("grid", ["modes", "high_quality"])):
        print(
            f"\n| preset on {source} | steps | seconds | "
            + " | ".join(names)
            + " |\n|---"
            + "|---" * (2 + len(names))
            + "|"
        )
        for row in (row for row in done if row["data"] == source):
            values = [f"{row[name][0]:.3g}" if name in row else "did not end finite" for name in names]
            print(f"| {row['preset']} | {row['steps']:,} | {row.get('seconds', '')} | " + " | ".join(values) + " |")


if __name__ == "__main__":
    main()
