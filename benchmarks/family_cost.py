"""Milliseconds of one training step of every family with its defaults: digits (or the data it needs), batch 64, fp32.

    OMP_NUM_THREADS=1 python benchmarks/family_cost.py

Processor time of one thread; the median of 20 steps after 3. The page "Which family should I use?" shows
docs/logs/family_cost.json, which is written anew.
"""

import json
import statistics
import time
from importlib import import_module
from pathlib import Path

import torch

import veridical as vd
from veridical.config.families.table import FAMILIES, find_family, module_name
from veridical.model import StartsFromData

LOG = Path(__file__).parents[1] / "docs" / "logs" / "family_cost.json"
STEPS, WARM = 20, 3


def milliseconds(name: str, kind: str) -> float:
    """Return the median time of a step of a family."""
    family = find_family(name)
    source = "categorical-bits" if "few-levels" in family.needs else "digits"
    data = vd.load_data(vd.DataConfig(source=source), "train")
    torch.manual_seed(0)
    built = getattr(import_module(f"veridical.families.{module_name(name)}"), kind)
    model = built(family.config(), vd.Facts(data.space, len(data)))
    loader, state = vd.Loader(data, 64), vd.State(model, steps=1, ema=0.999)
    if isinstance(model, StartsFromData):
        model.start_from(data)
    times = []
    for step in range(1, STEPS + WARM + 1):
        state.steps = step
        began = time.process_time()
        vd.fit(state, loader)
        times.append(time.process_time() - began)
    return 1e3 * statistics.median(times[WARM:])


if __name__ == "__main__":
    torch.set_num_threads(1)
    costs = {name: round(milliseconds(name, kind), 1) for name, kind in FAMILIES.items()}
    LOG.write_text(json.dumps(costs, indent=2) + "\n")
    print(LOG.read_text())
