"""Run directories as training leaves them, written by hand: no torch, no training."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from veridical.config import GANConfig, RunConfig, VAEConfig
from veridical.config.data import DataConfig
from veridical.config.files import flatten, to_yaml
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.health import Monitors
from veridical.run import Run, append_lines

Make = Callable[..., Path]


def gan_row(t: float, noise: np.random.Generator, saturated: bool) -> dict[str, float]:
    """Terms of a GAN at share t of its training."""
    js = 0.69 if saturated and t > 0.3 else 0.12 + 0.35 * math.exp(-6 * t) + 0.02 * noise.normal()
    return {
        "discriminator/loss": 1.39 - 2 * js + 0.02 * noise.normal(),
        "discriminator/logit_real": 4 * js + 0.1 * noise.normal(),
        "discriminator/logit_fake": -4 * js + 0.1 * noise.normal(),
        "discriminator/accuracy": 1.0 if js > 0.68 else min(1.0, 0.5 + 0.7 * js),
        "discriminator/js": js,
        "discriminator/diversity": 1 - 0.8 * math.exp(-20 * t),
        "discriminator/penalty_r1": 0.05 + 0.01 * noise.random(),
        "discriminator/grad_norm": 10 ** (-0.5 - t + 0.1 * noise.normal()),
        "generator/loss": 0.7 + 2 * js + 0.05 * noise.normal(),
        "generator/grad_norm": 10 ** (0.5 - 2 * t + 0.1 * noise.normal()),
        "discriminator/lr": 2e-4,
        "generator/lr": 2e-4,
    }


def vae_row(t: float, noise: np.random.Generator, collapsed: bool) -> dict[str, float]:
    """Terms of a VAE at share t of its training."""
    kl = 0.01 if collapsed else 18 * (1 - math.exp(-12 * t)) + 0.2 * noise.normal()
    reconstruction = 900 * math.exp(-15 * t) - 1200 + 5 * noise.normal()
    return {
        "model/loss": reconstruction + kl,
        "model/reconstruction": reconstruction,
        "model/kl": kl,
        "model/active_units": 0.0 if collapsed else round(14 * (1 - math.exp(-10 * t))),
        "model/sigma": 0.1 + 0.5 * math.exp(-10 * t),
        "model/grad_norm": 10 ** (2 - t + 0.1 * noise.normal()),
        "model/lr": 1e-3 * 0.5 * (1 + math.cos(math.pi * t)),
    }


def blobs(rows: int, columns: int, cell: int, share: float, seed: int) -> Image.Image:
    """A grid of soft blobs that sharpen as `share` goes to 1."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[0:cell, 0:cell] / cell - 0.5
    sheet = np.full((rows * (cell + 2) - 2, columns * (cell + 2) - 2), 255.0)
    for i in range(rows * columns):
        cx, cy, a, b = noise.uniform(-0.2, 0.2, 2).tolist() + noise.uniform(0.06, 0.3, 2).tolist()
        image = np.exp(-((((x - cx) / a) ** 2 + ((y - cy) / b) ** 2) ** 2))
        image = share * image + (1 - share) * noise.random((cell, cell))
        top, left = (i // columns) * (cell + 2), (i % columns) * (cell + 2)
        sheet[top : top + cell, left : left + cell] = 255 * image
    return Image.fromarray(sheet.astype(np.uint8))


def measurement(name: str, value: float, half: float, reference: float | None, spread: float, **more: Any) -> dict:
    found = {
        "name": name,
        "value": value,
        "unit": "1",
        "n": 10_000,
        "interval": [value - half, value + half],
        "method": "bootstrap",
        "reference": reference,
        "reference_kind": None if reference is None else "null",
        "reference_interval": None if reference is None else [reference - spread, reference + spread],
        "higher_is_better": True,
        "seconds": 3.2,
        "detail": {"k": 5},
    }
    return found | more


def evaluation(seed: int) -> dict[str, Any]:
    noise = np.random.default_rng(seed)
    fd = 12.0 + 4 * noise.random()
    return {
        "data": "fashion-mnist-10k",
        "extractor": "random-features",
        "n": 10_000,
        "seed": 0,
        "summary": [
            "Samples differ from the data more than held-out data do: 2 of 5 measurements fall short.",
            "No sign of memorised training data.",
        ],
        "measurements": [
            measurement("frechet_distance", fd, 0.4, 1.31, 0.08, higher_is_better=False, reference_kind="floor"),
            measurement("precision", 0.81 + 0.02 * noise.random(), 0.012, 0.842, 0.01, unit="share"),
            measurement("recall", 0.62 + 0.05 * noise.random(), 0.015, 0.836, 0.01, unit="share"),
            measurement("coverage", 0.967, 0.004, 0.9689, 0.003, unit="share", reference_kind="ceiling"),
            measurement("memorised_share", 0.004, 0.003, 0.0, 0.004, unit="share", higher_is_better=False),
            measurement("elapsed_entropy", 3.21, 0.05, None, 0.0, unit="nats"),
        ],
    }


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a writer of run directories."""

    def write(name: str = "0000-gan-fashion-mnist-10k", **options: Any) -> Path:
        return write_run(tmp_path / name, **options)

    return write


def write_run(
    path: Path,
    *,
    family: str = "gan",
    state: str = "finished",
    steps: int = 5000,
    done: int | None = None,
    sick: bool = False,
    measured: bool = True,
    grids: int = 6,
    cell: int = 56,
    seed: int = 0,
    message: str = "",
    **model: Any,
) -> Path:
    """Write a run as training would have left it."""
    run, done, noise = Run.create(path), done or steps, np.random.default_rng(seed)
    config = RunConfig(
        model=GANConfig(**model) if family == "gan" else VAEConfig(**model),
        data=DataConfig(source="fashion-mnist-10k"),
    )
    origins = {**dict.fromkeys(flatten(config), "default"), "data.source": "command line"}
    origins |= {f"model.{key}": "command line" for key in model}
    run.config_file.write_text(to_yaml(config, origins))
    run.write_json("environment.json", ENVIRONMENT)
    run.set_status(state, done, message)
    row_of = gan_row if family == "gan" else vae_row
    monitors = Monitors(GAN.term_kinds if family == "gan" else VAE.term_kinds)
    for step in range(50, done + 1, 50):
        row = {"step": step, "seconds": round(step * 0.021, 3), **row_of(step / steps, noise, sick)}
        append_lines(run.metrics_file, [row])
        append_lines(run.health_file, [finding.to_json() for finding in monitors.judge(row)])
    if grids:
        blobs(8, 8, cell, 1.0, seed + 100).save(run.samples / "reals.png")
    for i in range(grids):
        step = round(i * done / max(1, grids - 1) / 50) * 50
        blobs(8, 8, cell, i / max(1, grids - 1), seed).save(run.samples / f"step-{step:08d}.png")
    (run.checkpoints / f"step-{done // 500 * 500:08d}").mkdir()
    if measured:
        run.write_json("evaluation.json", evaluation(seed))
        blobs(10, 5, cell, 1.0, seed).save(run.samples / "nearest.png")
    return path


ENVIRONMENT = {
    "command": "veridical train gan --data fashion-mnist-10k",
    "python": "3.11.2",
    "platform": "Linux-6.1-x86_64",
    "processor": "A processor",
    "cores": 2,
    "memory_gb": 16.6,
    "versions": {"veridical": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "data": {"name": "fashion-mnist-10k", "digest": "ab" * 32, "n": 10_000, "source": "fashion-mnist-10k"},
    "space": {"shape": [1, 28, 28], "kind": "image", "support": [-1.0, 1.0], "levels": 256},
    "papers": ["Goodfellow et al., Generative Adversarial Nets (2014), https://arxiv.org/abs/1406.2661"],
    "arithmetic": {"precision": "fp32", "channels_last": True},
    "device": "cpu",
}


def crash(path: Path) -> Path:
    """Turn a run into what a power failure leaves behind: half a line, nothing measured, no samples yet."""
    for file in (path / "evaluation.json", path / "samples" / "nearest.png"):
        file.unlink(missing_ok=True)
    for grid in (path / "samples").glob("step-*.png"):
        grid.unlink()
    metrics = path / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-40])
    (path / "status.json").write_text(json.dumps({"state": "running", "step": 1000, "message": ""}))
    return path


@pytest.fixture
def crashed(make: Make) -> Path:
    return crash(make("crashed", done=1200))
