"""Milliseconds of one training step of every family with its defaults: digits (or the data it needs), batch 64, fp32.

    python benchmarks/family_cost.py > docs/logs/family_cost.json

One thread; the median of 30 steps after 5. The page "Which family should I use?" shows the table.
"""

import json
import statistics
import time
from importlib import import_module

import torch

import veridical as vd
from veridical.config.families.table import FAMILIES, find_family, module_name

STEPS, WARM = 30, 5


def milliseconds(name: str, kind: str) -> float:
    """Return the median time of a step of a family."""
    family = find_family(name)
    source = "categorical-bits" if "few-levels" in family.needs else "digits"
    data = vd.load_data(vd.DataConfig(source=source), "train")
    torch.manual_seed(0)
    model = getattr(import_module(f"veridical.families.{module_name(name)}"), kind)(family.config(), data.space)
    loader, state = vd.Loader(data, 64), vd.State(model, steps=1, ema=0.999)
    times = []
    for step in range(1, STEPS + WARM + 1):
        state.steps = step
        began = time.perf_counter()
        vd.fit(state, loader)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times[WARM:])


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({name: round(milliseconds(name, kind), 1) for name, kind in FAMILIES.items()}, indent=2))
