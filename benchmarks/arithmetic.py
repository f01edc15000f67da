"""Precision and memory layout: the table from which the rule of `veridical.training.arithmetic` is read.

    python benchmarks/arithmetic.py [--threads 2] [--rounds 6] [--device cpu] [--only vae,gan-2d]

For every network, width and batch size, losses and gradients of all players are computed in each candidate in turn, in
one process; the ratio to plain fp32 is taken round by round, so that other load on the machine falls on all alike.
Printed are the median milliseconds of plain fp32, and for each candidate how many times as fast it is (median of the
ratios); the last column is what the rule takes. A row in which plain fp32 itself varied by more than a factor of 2 is
marked as disturbed by other load.
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from veridical.config.presets import find_preset
from veridical.data.batch import Batch
from veridical.data.space import Space
from veridical.model import GenerativeModel
from veridical.training.arithmetic import Arithmetic, cpu_flags
from veridical.training.engine import Engine
from veridical.workflows.load import build_model

CANDIDATES = (
    Arithmetic("fp32", channels_last=False),
    Arithmetic("fp32", channels_last=True),
    Arithmetic("bf16", channels_last=False),
    Arithmetic("bf16", channels_last=True),
)
SIZES = {"dcgan": 32, "gan": 28, "sngan": 32, "vae": 28}
CASES = [
    *[("dcgan", width, batch) for width in (16, 32, 64) for batch in (16, 64)],
    *[("gan", width, batch) for width in (8, 16, 24, 32, 48) for batch in (16, 64)],
    *[("sngan", width, batch) for width in (16, 32, 64) for batch in (8, 32)],
    *[("vae", width, batch) for width in (8, 16, 32, 64) for batch in (16, 128)],
    *[("gan-2d", width, batch) for width in (64, 512) for batch in (64, 512)],
]
"""Preset, width, batch size."""

PATIENCE = 4.0
"""Seconds after which a case gets no further rounds; three are the least."""


def build(name: str, width: int, batch: int) -> tuple[GenerativeModel, Batch]:
    """Return a model of a preset at another width, and a batch for it."""
    torch.manual_seed(0)
    if name in SIZES:
        channels = 1 if name in ("gan", "vae") else 3
        space = Space((channels, SIZES[name], SIZES[name]))
        x = torch.randint(0, 256, (batch, *space.shape)) / 127.5 - 1
    else:
        space = Space((2,), kind="vector", support=None, levels=None)
        x = torch.randn(batch, 2)
    config = find_preset(name)
    config = replace(config, model=replace(config.model, width=width))
    return build_model(config, space), Batch(x, torch.arange(batch), None)


def stepper(model: GenerativeModel, batch: Batch, device: str, arithmetic: Arithmetic) -> Callable[[], float]:
    """Return what takes losses and gradients of all players once and returns the seconds."""
    engine = Engine(device, arithmetic=arithmetic)
    twin = copy.deepcopy(model)
    engine.place(twin)
    prepared = engine.prepare(Batch(batch.x.to(engine.device), batch.index.to(engine.device), None))

    def step() -> float:
        if engine.device.type == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        for player in twin.players:
            with engine.autocast():
                loss = twin.loss(prepared, player=player, step=0).loss
            loss.backward()
        if engine.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    return step


def measure(name: str, width: int, batch: int, rounds: int, device: str) -> str:
    """Return one line of the table."""
    model, given = build(name, width, batch)
    chosen, _ = Engine(device).choose_arithmetic(model, given.x.shape)
    images = given.x.dim() == 4
    candidates = [c for c in CANDIDATES if images or not c.channels_last]
    steps = {candidate: stepper(model, given, device, candidate) for candidate in candidates}
    seconds: dict[Arithmetic, list[float]] = {candidate: [] for candidate in candidates}
    started = time.perf_counter()
    for number in range(rounds + 1):
        if number > 3 and time.perf_counter() - started > PATIENCE:
            break
        for candidate, step in steps.items():
            seconds[candidate].append(step())
    plain = seconds[CANDIDATES[0]][1:]
    ratios = {
        candidate: statistics.median([a / b for a, b in zip(plain, times[1:], strict=True)])
        for candidate, times in seconds.items()
    }
    faster = " | ".join(f"{ratios[c]:.2f}" if c in ratios else "–" for c in CANDIDATES[1:])
    disturbed = " (disturbed)" if max(plain) > 2 * min(plain) else ""
    milliseconds = f"{1e3 * statistics.median(plain):.1f}{disturbed}"
    return f"| {name} | {width} | {batch} | {milliseconds} | {faster} | {chosen} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="names of networks, separated by commas")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    where = torch.cuda.get_device_name() if given.device.startswith("cuda") else platform.processor()
    flags = ", ".join(sorted(cpu_flags() & {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}))
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(f"{where}; flags {flags}; {given.threads} threads; {versions}")
    print("| network | width | batch | plain fp32, ms | fp32, channels last | bf16 | bf16, channels last | taken |")
    print("|---|---|---|---|---|---|---|---|")
    only = [name for name in given.only.split(",") if name]
    for name, width, batch in (case for case in CASES if not only or case[0] in only):
        print(measure(name, width, batch, given.rounds, given.device), flush=True)


if __name__ == "__main__":
    main()
