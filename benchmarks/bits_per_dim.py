"""Every family with a likelihood on the same 28 x 28 images of 256 levels: bits per dimension after minutes.

    OMP_NUM_THREADS=1 python benchmarks/bits_per_dim.py --data fashion-mnist --seconds 120
    OMP_NUM_THREADS=1 python benchmarks/bits_per_dim.py --data mnist --seconds 60 --only made glow
    python benchmarks/bits_per_dim.py --table

**Protocol.** The 60,000 training images as they are, 28 x 28 pixels, no padding, no binarisation. Every model trains
for about the same processor seconds on one thread: a few steps are timed first, and the schedule of the learning rate
ends with the budget. Scored once are the averaged weights of the last step, on every tenth test image (1,000 images).
Numbers are bits of the 256 levels, -log2 P / 784, or an upper bound of them. Flows see levels with uniform noise
within each cell, the same for all of them, and are bounded by 16 draws; variational autoencoders by 64 codes.

Nothing is chosen on these data: settings are those of presets, made smaller so that minutes suffice for some passes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from digits_zoo import bound_of

from veridical.config import DataConfig
from veridical.config.families.table import name_of
from veridical.config.training import OptimizerConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.preprocess import log_det
from veridical.data.sources import load
from veridical.evaluation.density import density_of, score
from veridical.families import FAMILIES
from veridical.model import Facts
from veridical.training.fit import State, fit

LOG = Path(__file__).parents[1] / "docs" / "logs" / "bits_per_dim.jsonl"
EVERY = 10
"""Of so many test images, one is scored."""

BASELINE = "independent-pixels"

TIMED = 20
"""Steps of a short run that tells how many fit into the budget, after one that pays for the start."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One model of the table."""

    model: Any
    """Configuration of the family."""

    batch_size: int = 64
    """Examples per step."""

    clip_norm: float | None = None
    """Largest norm of the gradient."""


def entries() -> Mapping[str, Entry]:
    """The models: every family with a likelihood."""
    from veridical.config.families.causal_transformer import CausalTransformerConfig
    from veridical.config.families.flow import FlowConfig
    from veridical.config.families.hierarchical_vae import HierarchicalVAEConfig
    from veridical.config.families.made import MADEConfig
    from veridical.config.families.nade import NADEConfig
    from veridical.config.families.pixelcnn import PixelCNNConfig
    from veridical.config.families.pixelcnn_plus_plus import PixelCNNPlusPlusConfig
    from veridical.config.families.transformer_flow import TransformerFlowConfig
    from veridical.config.families.vae import VAEConfig
    from veridical.config.families.wavenet import WaveNetConfig

    fast = OptimizerConfig(lr=3e-3, schedule="cosine", warmup=30)
    slow = dataclasses.replace(fast, lr=1e-3)
    pixels = PixelCNNConfig(width=32, layers=4, optimizer=fast)
    vae = VAEConfig(likelihood="discretised-logistic", network="mlp", optimizer=slow)
    levels = HierarchicalVAEConfig(likelihood="discretised-logistic", network="mlp", optimizer=slow)
    return {
        "vae": Entry(vae),
        "iwae": Entry(dataclasses.replace(vae, importance_samples=5)),
        "hierarchical-vae": Entry(levels),
        "made": Entry(MADEConfig(width=500, components=5, optimizer=slow)),
        "nade": Entry(NADEConfig(width=100, components=5, optimizer=fast)),
        "gated-pixelcnn": Entry(pixels, 16),
        "pixelcnn": Entry(dataclasses.replace(pixels, network="plain"), 16),
        "pixelcnn++": Entry(PixelCNNPlusPlusConfig(width=24, blocks=1, components=5, optimizer=fast), 16),
        "causal-transformer": Entry(CausalTransformerConfig(width=64, layers=2, optimizer=fast), 8),
        "wavenet": Entry(WaveNetConfig(width=32, layers=6, blocks=2, optimizer=fast), 16),
        "nice": Entry(FlowConfig(layers="nice", units="logit", optimizer=fast), clip_norm=100.0),
        "realnvp": Entry(FlowConfig(layers="realnvp", width=32, optimizer=fast), clip_norm=100.0),
        "glow": Entry(FlowConfig(layers="glow", optimizer=fast), clip_norm=100.0),
        "transformer-flow": Entry(TransformerFlowConfig(blocks=4, width=64, optimizer=fast), clip_norm=100.0),
    }


def trained(entry: Entry, data: ArrayData, steps: int, seed: int) -> tuple[torch.nn.Module, float]:
    """Return a model with its averaged weights, and the processor seconds of its training."""
    torch.manual_seed(seed)
    family = name_of(entry.model)
    assert family is not None
    model = FAMILIES[family](entry.model, Facts(data.space, len(data)))
    state = State(model, steps=steps, ema=1 - 1 / max(2, min(1_000, steps / 20)))
    began = time.process_time()
    fit(state, Loader(data, entry.batch_size, seed=seed), clip_norm=entry.clip_norm, log_every=steps)
    if state.ema is not None:
        state.ema.swap()
    return state.module.eval(), time.process_time() - began


def measure(name: str, source: str, seconds: float, seed: int) -> dict[str, Any]:
    """Train a model for about so many processor seconds, and score it."""
    entry, train = entries()[name], load(DataConfig(source=source))
    each = [trained(entry, train, TIMED, seed)[1] / TIMED for _ in range(2)][-1]
    steps = max(1, round(seconds / each))
    model, used = trained(entry, train, steps, seed)
    density = density_of(model, train.space)  # pyright: ignore[reportArgumentType]
    assert density is not None
    test = load(DataConfig(source=source), "test")
    x, began = test.batch(torch.arange(0, len(test), EVERY), "cpu").x, time.process_time()
    nats = score(density.log_prob, x, torch.device("cpu"), seed) + log_det(test.space)
    bits = -nats / (math.log(2) * test.space.dim)
    row: dict[str, Any] = {"name": name, "data": source, "seed": seed, "budget": seconds, "steps": steps}
    row |= {"epochs": round(steps * entry.batch_size / len(train), 2), "seconds": round(used, 1)}
    row |= {"bits": round(float(bits.mean()), 4), "error": round(float(bits.std()) / math.sqrt(len(bits)), 4)}
    row |= {"images": len(bits), "detail": density.detail, "parameters": sum(p.numel() for p in model.parameters())}
    row |= {"scoring_seconds": round(time.process_time() - began, 1), "torch": torch.__version__}
    return row | {"config": dataclasses.asdict(entry)}


def independent(source: str) -> dict[str, Any]:
    """Score a histogram of each pixel, with a count of one added to every level: what a model has to beat."""
    levels = [level_indices(load(DataConfig(source=source), part)) for part in ("train", "test")]
    train, test = levels[0], levels[1][::EVERY]
    nats = torch.zeros(len(test))
    for pixel in range(train.shape[1]):
        counts = torch.bincount(train[:, pixel], minlength=256) + 1.0
        nats += (counts / counts.sum()).log()[test[:, pixel]]
    bits = -nats / (math.log(2) * train.shape[1])
    row: dict[str, Any] = {"name": BASELINE, "data": source, "seed": 0, "epochs": 1.0, "images": len(bits)}
    row |= {"bits": round(float(bits.mean()), 4), "error": round(float(bits.std()) / math.sqrt(len(bits)), 4)}
    return row | {"parameters": 255 * train.shape[1], "detail": {"likelihood": "exact"}}


def level_indices(data: ArrayData) -> torch.Tensor:
    """Return (n, D) levels 0..255."""
    x = data.batch(torch.arange(len(data)), "cpu").x.flatten(1)
    return ((x + 1) * 127.5).round().long()


def table(rows: list[dict[str, Any]]) -> str:
    """One line per model and data set, best first on the first."""
    newest = {(row["name"], row["data"]): row for row in rows}
    sources = list(dict.fromkeys(source for _, source in newest))
    lines = [f"| model | bound | parameters | {' | '.join(f'{source} | epochs' for source in sources)} |"]
    lines.append("|" + "---|" * (3 + 2 * len(sources)))
    of_first = [row for row in newest.values() if row["data"] == sources[0]]
    for first in sorted(of_first, key=lambda row: row["bits"]):
        found = [newest.get((first["name"], source)) for source in sources]
        cells = [f"{row['bits']:.2f} ± {row['error']:.2f} | {row['epochs']:.2f}" if row else "– | –" for row in found]
        lines.append(
            f"| {first['name']} | {bound_of(first['detail'])} | {first['parameters']:,} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what is asked for, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion-mnist", help="a named set of grey 28 x 28 images of 256 levels")
    parser.add_argument("--only", nargs="+", choices=[BASELINE, *entries()], help="models of the table; all if omitted")
    parser.add_argument("--seconds", type=float, default=120, help="processor seconds of the training of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in [] if options.table else options.only or [BASELINE, *entries()]:
        source, seconds = options.data, options.seconds
        row = independent(source) if name == BASELINE else measure(name, source, seconds, options.seed)
        print(
            {key: row.get(key) for key in ("name", "data", "bits", "error", "steps", "seconds", "scoring_seconds")},
            flush=True,
        )
        with options.log.open("a") as out:
            out.write(json.dumps(row) + "\n")
    print(table([json.loads(line) for line in options.log.read_text().splitlines()]))


if __name__ == "__main__":
    main()
