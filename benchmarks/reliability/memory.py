"""Watch the memory of a long training.

    OMP_NUM_THREADS=1 python benchmarks/reliability/memory.py --steps 200000

A training of the 2-D MLP GAN runs as a process of its own, with everything that a training writes; from outside, its
resident memory (VmRSS) and the size of its run directory are read at every checkpoint. After the warm-up, a tenth of
the steps, the memory must stay within 5 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import commands
import numpy as np

WITHIN = 5e6


def main(arguments: list[str] | None = None) -> int:
    """Train, print a table, return 1 if the memory is not flat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--every", type=int, help="steps between checkpoints, lines, grids; a two-hundredth if omitted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the numbers, as JSON")
    options = parser.parse_args(arguments)
    commands.warm()
    folder = Path(tempfile.mkdtemp(prefix="memory-"))
    try:
        readings = watch(folder, options.steps, options.every or max(1, options.steps // 200), options.seed)
    finally:
        shutil.rmtree(folder)
    return show(readings, options.steps, options.out)


def watch(folder: Path, steps: int, every: int, seed: int) -> list[tuple[int, int, int]]:
    """Train and return (step, resident bytes, bytes of the run directory) at every checkpoint."""
    np.save(folder / "ring.npy", np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32))
    words = ["train", "gan-2d", "--data", "ring.npy", "--out", "run", "--steps", str(steps), "--batch-size", "16"]
    words += [
        "--width",
        "8",
        "--depth",
        "1",
        "--no-relativistic",
        "--r1",
        "0",
        "--r2",
        "0",
        "--lr-scale",
        "0.01",
        "--threads",
        "1",
    ]
    words += ["--checkpoint-every", str(every), "--sample-every", str(every), "--spectrum-every", str(every)]
    words += ["--log-every", "50", "--seed", str(seed), "--device", "cpu"]
    process = commands.start(words, folder / "output.txt", folder=folder)
    readings: list[tuple[int, int, int]] = []
    while commands.session(process):
        step = newest(folder / "run")
        if step is not None and (not readings or step > readings[-1][0]):
            try:
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
            except (OSError, IndexError):
                break
            if pages:
                readings.append((step, pages * 4096, size(folder / "run")))
        time.sleep(0.05 if steps < 10_000 else 0.3)
    ended = commands.wait(process, folder / "output.txt", 60)
    if ended.outcome != "ok":
        raise SystemExit(ended.output)
    return readings


def newest(run: Path) -> int | None:
    """Return the step of the newest checkpoint."""
    folder = run / "checkpoints"
    steps = [int(name[5:]) for name in os.listdir(folder) if name.startswith("step-")] if folder.is_dir() else []
    return max(steps, default=None)


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    total = 0
    for place, _, names in os.walk(folder):  # passes over what is removed meanwhile
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def show(readings: list[tuple[int, int, int]], steps: int, out: Path | None) -> int:
    """Print twenty of the readings and the verdict."""
    print(f"{'step':>9}{'memory, MB':>12}{'run, MB':>10}")
    for step, memory, run in readings[:: max(1, len(readings) // 20)]:
        print(f"{step:>9,}{memory / 1e6:>12.2f}{run / 1e6:>10.2f}")
    after = [memory for step, memory, _ in readings if step >= steps / 10]
    spread = max(after) - min(after)
    slope = np.polyfit(range(len(after)), after, 1)[0] * len(after) if len(after) > 1 else 0.0
    print(
        f"after step {steps // 10:,}: {len(after)} readings within {spread / 1e6:.2f} MB; trend {slope / 1e6:+.2f} MB"
    )
    if out is not None:
        out.write_text(json.dumps({"spread": spread, "trend": slope, "readings": readings}))
    return int(spread > WITHIN)


if __name__ == "__main__":
    sys.exit(main())
