"""MADE and NADE on the binary data sets of their papers (UCI and NIPS 0-12), with the papers' splits.

    python benchmarks/binary_vectors.py --data dna.npz mushrooms.npz nips.npz

A file holds `train_data`, `valid_data` and `test_data`, (n, D) of zeros and ones, as in the repository of the MADE
paper (https://github.com/mgermain/MADE). Every setting of the grid is trained until the nats of the validation part
have not improved for `--patience` epochs; the averaged weights of the best epoch of the best setting are scored once on
the test part. Published figures: Germain et al. 2015, Table 4 (nats, higher is better).
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.table import find_family
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.space import Space
from veridical.families import FAMILIES
from veridical.model import ExactLikelihood, GenerativeModel
from veridical.training.callbacks import averaged
from veridical.training.fit import Callback, State, fit

PUBLISHED = {
    "dna": {"made": -83.63, "made-masks": -79.66, "nade": -84.81},
    "mushrooms": {"made": -9.68, "made-masks": -9.69, "nade": -9.81},
    "nips": {"made": -280.25, "made-masks": -277.28, "nade": -273.08},
}

GRID: dict[str, list[dict[str, Any]]] = {
    "made": [{"width": 500, "order": "random", "decay": decay} for decay in (0.0, 0.1, 1.0, 3.0, 10.0)],
    "made-masks": [{"width": 500, "order": "random", "masks": 16, "decay": decay} for decay in (0.1, 1.0, 3.0, 10.0)],
    "nade": [{"width": 200, "decay": decay} for decay in (0.1, 1.0)],
}
"""Settings of each model: fields of its configuration, and the decoupled weight decay."""


def read(path: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three parts (n, D), of zeros and ones."""
    with np.load(path, allow_pickle=False) as archive:
        parts = [
            torch.from_numpy(np.array(archive[f"{part}_data"], dtype=np.float32)) for part in ("train", "valid", "test")
        ]
    return parts[0], parts[1], parts[2]


@torch.no_grad()
def nats(model: GenerativeModel, x: Tensor) -> Tensor:
    """Return (n,) log probabilities, in evaluation mode."""
    assert isinstance(model, ExactLikelihood)
    model.eval()
    found = torch.cat([model.log_prob(part) for part in x.split(500)])
    model.train()
    return found


class Best(Callback):
    """Keeps the averaged weights of the best epoch on the validation part, and stops when it is long past."""

    def __init__(self, valid: Tensor, epoch: int, patience: int) -> None:
        self.valid, self.epoch, self.patience = valid, epoch, patience
        self.nats, self.at = -math.inf, 0
        self.weights: dict[str, Any] = {}

    def on_step(self, state: State) -> None:
        """Score at the end of an epoch."""
        if state.step % self.epoch:
            return
        with averaged(state):
            assert isinstance(state.model, GenerativeModel)
            now = float(nats(state.model, self.valid).mean())
            if now > self.nats:
                self.nats, self.at, self.weights = now, state.step, copy.deepcopy(state.model.state_dict())
        if state.step - self.at > self.patience * self.epoch:
            state.stop = "the validation part has not improved"


def train(
    name: str, setting: dict[str, Any], parts: tuple[Tensor, Tensor, Tensor], chosen: argparse.Namespace
) -> tuple[GenerativeModel, Best]:
    """Train one setting; return the model with the weights of its best epoch, and what `Best` found."""
    train_x, valid, _ = parts
    torch.manual_seed(chosen.seed)
    fields = {key: value for key, value in setting.items() if key != "decay"}
    optimizer = OptimizerConfig(name="adamw", lr=chosen.lr, weight_decay=setting["decay"])
    family = name.split("-")[0]
    config = replace(find_family(family).config(), optimizer=optimizer, **fields)
    space = Space((train_x.shape[1],), kind="vector", support=(0.0, 1.0), levels=2)
    data = ArrayData(train_x.to(torch.uint8), space=space)
    model = FAMILIES[family](config, space)
    epoch = math.ceil(len(train_x) / chosen.batch_size)
    best = Best(valid, epoch, chosen.patience)
    state = State(model, steps=chosen.epochs * epoch, ema=0.99)
    fit(state, Loader(data, chosen.batch_size, seed=chosen.seed), log_every=10**6, callbacks=[best])
    model.load_state_dict(best.weights)
    return model, best


def measure(path: Path, name: str, chosen: argparse.Namespace) -> dict[str, object]:
    """Train all settings of a model, choose by the validation part, score the test part once."""
    parts, began = read(path), time.process_time()
    tried = [(*train(name, setting, parts, chosen), setting) for setting in GRID[name]]
    model, best, setting = max(tried, key=lambda found: found[1].nats)
    test = nats(model, parts[2])
    return {
        "data": path.stem,
        "model": name,
        "setting": setting,
        "epoch": round(best.at / best.epoch, 1),
        "valid": round(best.nats, 3),
        "test": round(float(test.mean()), 3),
        "error": round(float(test.std()) / math.sqrt(len(test)), 3),
        "published": PUBLISHED.get(path.stem, {}).get(name),
        "parameters": sum(p.numel() for p in model.parameters()),
        "settings": len(tried),
        "seed": chosen.seed,
        "seconds": round(time.process_time() - began, 1),
    }


def main() -> None:
    """Print one line of JSON for each data set and model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="files as described above")
    parser.add_argument("--models", nargs="+", default=list(GRID), choices=list(GRID))
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--patience", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="file to which the lines are added")
    chosen = parser.parse_args()
    for path in chosen.data:
        for name in chosen.models:
            line = json.dumps(measure(path, name, chosen))
            print(line, flush=True)
            if chosen.log is not None:
                with chosen.log.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
