"""How many operators a step calls, of every preset: what a small network's step costs before any arithmetic.

    python benchmarks/operator_calls.py [preset ...]

Counted are all calls of `aten` that torch's profiler sees, nested ones included, in eight steps after two; the data are
digits of 8x8, points of the grid for presets of vectors, words of bits for discrete ones, and fashion-mnist-10k for
`gan`. The number depends neither on the machine nor on the size of the batch (of at least 16).
"""

from __future__ import annotations

import dataclasses
import sys

import torch
from torch.profiler import ProfilerActivity, profile

from veridical.config import DataConfig
from veridical.config.presets import PRESETS, find_preset
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.training.fit import State, fit
from veridical.workflows.load import build_model


def source_of(preset: str) -> str:
    """Return the name of the data on which a preset is counted."""
    if preset == "gan":
        return "fashion-mnist-10k"
    if preset.startswith("discrete"):
        return "categorical-bits"
    return "grid" if preset in ("gan-2d", "pacgan-2d", "unrolled") else "digits"


def calls(preset: str, steps: int = 8) -> float:
    """Return the operator calls per step of a preset."""
    config = find_preset(preset)
    if preset == "biggan-32":
        config = dataclasses.replace(config, model=dataclasses.replace(config.model, width=8))
    data = load(DataConfig(source=source_of(preset)), "train")
    torch.manual_seed(0)
    state = State(build_model(config, data.space), steps=2, ema=config.training.ema)
    loader = Loader(data, 16)
    fit(state, loader, log_every=10**9)
    state.steps += steps
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        fit(state, loader, log_every=10**9)
    return sum(event.name.startswith("aten::") for event in seen.events() or ()) / steps


def main() -> None:
    """Print a line for every preset."""
    torch.set_num_threads(1)
    for preset in sys.argv[1:] or PRESETS:
        print(f"| {preset} | {calls(preset):,.0f} |", flush=True)


if __name__ == "__main__":
    main()
