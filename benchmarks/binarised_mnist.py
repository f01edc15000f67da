"""Models with a likelihood on the fixed binarised MNIST of Salakhutdinov & Murray: test nats per image.

    OMP_NUM_THREADS=1 python benchmarks/binarised_mnist.py --data FILE.npz --runs runs --only made vae
    python benchmarks/binarised_mnist.py --table

**Data.** One fixed binarisation of MNIST, drawn by Salakhutdinov & Murray (2008) for the likelihood of their RBM
(https://www.cs.toronto.edu/~rsalakhu/rbm_ais.html), known by the hash of the file: other files that are called "fixed
binarised MNIST", and binarisations drawn anew at every epoch, give other nats. The file holds `train` (60,000, 98) and
`test` (10,000, 98), bits packed to bytes, pixels column by column; here images are turned so that "as stored" is the
order of reading. The first 50,000 images train, the last 10,000 of `train` validate, the 10,000 of `test` test.

**Protocol.** Settings were chosen by short runs on the validation part. A run has a fixed number of epochs and one
thread; of its epochs, the averaged weights with the best validation nats are kept, and score the test part once.
`minutes` are processor time of the training with its validation. Bounds (`vae`) are validated by a bound of 10 codes
and tested by one of 500 codes per image. A run that was interrupted goes on from its last epoch.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import hashlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veridical.config.families.table import name_of
from veridical.config.presets import find_preset
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.families import FAMILIES
from veridical.families.variational import Variational
from veridical.model import ExactLikelihood, Facts
from veridical.training import checkpoint
from veridical.training.arithmetic import Arithmetic
from veridical.training.callbacks import averaged, seeded
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State, fit

LOG = Path(__file__).parents[1] / "docs" / "logs" / "binarised_mnist.jsonl"
SHA256 = "ec2ca4fe494f2801f51c0df811ab65c928d1f1e22e05c5911c59e436437ad12e"
TRAIN, VALIDATION = slice(0, 50_000), slice(50_000, 60_000)
CODES = {"validation": 10, "test": 500}
"""Codes per image of a bound."""


@dataclass(frozen=True)
class Entry:
    """One model of the table."""

    model: Any
    """Configuration of the family."""

    epochs: int
    """Passes over the training part."""

    batch_size: int = 100
    """Examples per step."""

    ema: float = 0.999
    """Decay of the average of the weights."""

    clip_norm: float | None = None
    """Largest norm of the gradient."""

    precision: str = "fp32"
    """Precision of the products in training, and in the decoder of a bound; exact likelihoods are scored in fp32."""

    watched: int = 10_000
    """Validation images that are scored after an epoch."""

    published: float | None = None
    """Nats of the same family in the literature, on this or another fixed binarisation."""


def entries() -> dict[str, Entry]:
    """The models, from the simplest."""
    from veridical.config.families.made import MADEConfig
    from veridical.config.training import OptimizerConfig

    return {
        "made": Entry(
            MADEConfig(width=4_000, masks=8, order="random", optimizer=OptimizerConfig(lr=1e-3, schedule="cosine")),
            epochs=60,
            batch_size=200,
            watched=1_000,
            precision="bf16",
            published=88.40,
        ),
        "nade": of_preset("nade-bits", published=88.33, watched=2_000),
        "hierarchical-vae": of_preset("hierarchical-bits", published=88.71, watched=2_000),
        "gated-pixelcnn": of_preset("gated-pixelcnn-bits", published=81.30, watched=2_000),
    }


def of_preset(name: str, *, published: float, watched: int = 10_000) -> Entry:
    """Return the entry of a preset, which states its training too."""
    preset = find_preset(name)
    training = preset.training
    size, examples = training.batch_size, TRAIN.stop - TRAIN.start
    return Entry(
        preset.model,
        epochs=training.steps * size // examples,
        batch_size=size,
        ema=training.ema,
        clip_norm=training.clip_norm,
        precision=training.precision,
        watched=watched,
        published=published,
    )


def read(path: Path) -> dict[str, Tensor]:
    """Return the three parts, (n, 1, 28, 28) uint8 of zeros and ones.

    Raises:
        ValueError: it is another file.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} has the SHA-256 {found}; expected {SHA256}.")
    with np.load(path, allow_pickle=False) as archive:
        train, test = (unpacked(archive[name]) for name in ("train", "test"))
    return {"train": train[TRAIN], "validation": train[VALIDATION], "test": test}


def unpacked(rows: np.ndarray) -> Tensor:
    """Return images (n, 1, 28, 28) for packed bits (n, 98), column by column."""
    images = np.unpackbits(rows, axis=1).reshape(-1, 1, 28, 28).transpose(0, 1, 3, 2)
    return torch.from_numpy(np.ascontiguousarray(images))


@torch.no_grad()
def nats(model: torch.nn.Module, x: Tensor, codes: int, precision: str = "fp32", seed: int = 0) -> Tensor:
    """Return (n,) negative log probabilities of images (n, 1, 28, 28) in data space, or bounds by so many codes.

    A bound holds for the decoder in the precision in which it is run.
    """
    found = []
    for i, part in enumerate(x.split(100)):
        if isinstance(model, Variational):
            half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")
            with seeded(seed + i, torch.device("cpu")), half:
                found.append(-model.iwae(part, codes, decodes=400))
        else:
            assert isinstance(model, ExactLikelihood)
            found.append(-model.log_prob(part))
    return torch.cat(found)


class Best(Callback):
    """Keeps the averaged weights of the best epoch on the validation part, and writes a checkpoint at every epoch."""

    def __init__(self, valid: Tensor, epoch: int, precision: str, run: Path | None) -> None:
        self.valid, self.epoch, self.precision, self.run = valid, epoch, precision, run
        self.nats, self.at = math.inf, 0
        self.curve: list[float] = []
        self.weights: dict[str, Tensor] = {}
        self.spent, self.began = 0.0, time.process_time()

    def on_step(self, state: State) -> None:
        """Score at the end of an epoch."""
        if state.step % self.epoch:
            return
        with averaged(state):
            now = float(nats(state.module, self.valid, CODES["validation"], self.precision).mean())
            self.curve.append(round(now, 3))
            if now < self.nats:
                self.nats, self.at = now, len(self.curve)
                self.weights = copy.deepcopy(state.module.state_dict())
        print(f"epoch {len(self.curve)}: {now:.3f} nats, {self.seconds / 60:.1f} minutes", flush=True)
        if self.run is not None:
            checkpoint.save(self.run, state, {"best": self}, [checkpoint.of_this_process(state)], 1)

    @property
    def seconds(self) -> float:
        """Processor time so far, of all processes that have worked on the run."""
        return self.spent + time.process_time() - self.began

    def state_dict(self) -> dict[str, Any]:
        """Return what is kept."""
        return {"nats": self.nats, "at": self.at, "curve": self.curve, "weights": self.weights, "spent": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what was kept."""
        self.nats, self.at, self.curve, self.weights = (state[key] for key in ("nats", "at", "curve", "weights"))
        self.spent, self.began = state["spent"], time.process_time()


def train(entry: Entry, parts: dict[str, Tensor], seed: int, run: Path | None) -> tuple[torch.nn.Module, Best]:
    """Train a model; return it with the averaged weights of its best epoch, and what `Best` found.

    Args:
        entry: of the table.
        parts: of the data.
        seed: of the weights and the order.
        run: folder of the checkpoints, from whose newest the training goes on; None: none are written.
    """
    torch.manual_seed(seed)
    data = ArrayData(parts["train"], levels=2, name="binarised-mnist")
    valid = ArrayData(parts["validation"][: entry.watched], space=data.space)
    family = name_of(entry.model)
    assert family is not None
    model = FAMILIES[family](entry.model, Facts(data.space, len(data)))
    arithmetic = Arithmetic(entry.precision, channels_last=entry.precision == "bf16")
    engine = Engine("cpu", arithmetic=arithmetic)
    engine.place(model)
    epoch = math.ceil(len(data) / entry.batch_size)
    state = State(model, steps=entry.epochs * epoch, ema=entry.ema)
    best = Best(images(valid), epoch, entry.precision, run)
    if run is not None and checkpoint.complete(run):
        checkpoint.load(checkpoint.newest(run, print), state, {"best": best}, seed=seed)
    elif run is not None:
        run.mkdir(parents=True, exist_ok=True)
    loader = Loader(data, entry.batch_size, seed=seed)
    fit(state, loader, engine, clip_norm=entry.clip_norm, log_every=10**6, callbacks=[best])
    model.load_state_dict(best.weights)
    return model.eval(), best


def images(data: ArrayData) -> Tensor:
    """Return all examples in data space."""
    return data.batch(torch.arange(len(data)), "cpu").x


def measure(name: str, parts: dict[str, Tensor], seed: int, run: Path) -> dict[str, Any]:
    """Train an entry of the table and score its validation and test parts."""
    entry = entries()[name]
    model, best = train(entry, parts, seed, run)
    minutes, space = best.seconds / 60, ArrayData(parts["train"], levels=2).space
    row: dict[str, Any] = {"name": name, "seed": seed, "config": dataclasses.asdict(entry)}
    row |= {"family": name_of(entry.model), "parameters": sum(p.numel() for p in model.parameters())}
    row |= {"epoch": best.at, "minutes": round(minutes, 1), "curve": best.curve}
    began = time.process_time()
    for part in ("validation", "test"):
        found = nats(model, images(ArrayData(parts[part], space=space)), CODES[part], entry.precision, seed)
        row[part] = [round(float(found.mean()), 3), round(float(found.std()) / math.sqrt(len(found)), 3)]
    row["is"] = f"bound ({CODES['test']} codes)" if isinstance(model, Variational) else "exact"
    row["scoring_minutes"] = round((time.process_time() - began) / 60, 1)
    return row | {"sha256": SHA256, "torch": torch.__version__}


def table(rows: list[dict[str, Any]]) -> str:
    """One line per run, best first."""
    lines = [
        "| model | seed | test nats | s.e. | is | validation | published | parameters | best epoch | CPU minutes |"
    ]
    lines.append("|" + "---|" * 10)
    for row in sorted(rows, key=lambda row: row["test"][0]):
        lines.append(
            f"| {row['name']} | {row['seed']} | {row['test'][0]:.2f} | {row['test'][1]:.2f} | {row['is']} "
            f"| {row['validation'][0]:.2f} | {row['config']['published'] or '–'} | {row['parameters']:,} "
            f"| {row['epoch']} of {len(row['curve'])} | {row['minutes']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what is asked for, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the file described above")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the checkpoints")
    parser.add_argument("--only", nargs="+", choices=[*entries()], help="models of the table; all if omitted")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--table", action="store_true", help="only print the table of what was measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.table:
        if options.data is None:
            parser.error("--data is missing: the file to train on")
        parts = read(options.data)
        for seed in options.seeds:
            for name in options.only or entries():
                row = measure(name, parts, seed, options.runs / f"{name}-{seed}")
                with options.log.open("a") as out:
                    out.write(json.dumps(row) + "\n")
    print(table([json.loads(line) for line in options.log.read_text().splitlines()]))


if __name__ == "__main__":
    main()
