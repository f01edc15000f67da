"""What the monitors of health cost: processor time inside their callbacks, over that of the same training without it.

    python benchmarks/health_overhead.py

Both numbers are of one run, step by step, so that other programs on the machine change neither; the settings are the
defaults (a row every 50 steps, a probe every 500). The smallest networks are the worst case: their steps cost least.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from veridical.config import DataConfig, GANConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.health.callback import Health
from veridical.training.movement import Movement
from veridical.workflows.probe import Probe
from veridical.workflows.start import train

SMALL: dict[str, Any] = {"network": "mlp", "width": 16, "depth": 1}
CASES = {
    "vae, 16 units, points": (VAEConfig(**SMALL, latent_dim=2), "ring", 3_000),
    "vae, default, digits of 8x8": (VAEConfig(), "digits", 1_000),
    "gan, 16 units, points": (
        GANConfig(**SMALL, discriminator_depth=1, latent_dim=2, fourier_octaves=0),
        "ring",
        2_000,
    ),
    "gan, default, points": (GANConfig(latent_dim=8), "ring", 1_000),
    "gan, default, digits of 8x8": (GANConfig(), "digits", 1_000),
}


def timed(spent: dict[str, float], kind: type, name: str) -> Any:
    """Replace a method by one that adds up its processor time; return the original."""
    original = getattr(kind, name)

    def call(self: Any, *arguments: Any) -> Any:
        started = time.process_time()
        try:
            return original(self, *arguments)
        finally:
            spent[kind.__name__] = spent.get(kind.__name__, 0.0) + time.process_time() - started

    setattr(kind, name, call)
    return original


def main() -> None:
    """Print one line for each case."""
    torch.set_num_threads(1)
    for name, (model, source, steps) in CASES.items():
        spent: dict[str, float] = {}
        replaced = [
            (kind, m, timed(spent, kind, m)) for kind in (Movement, Probe, Health) for m in ("on_log", "on_step")
        ]
        training = TrainingConfig(
            steps=steps, device="cpu", sample_every=10**6, checkpoint_every=10**6, spectrum_every=0
        )
        with tempfile.TemporaryDirectory() as folder:
            started = time.process_time()
            train(
                RunConfig(model, DataConfig(source=source), training), out=Path(folder) / "run", say=lambda line: None
            )
            total = time.process_time() - started
        for kind, method, original in replaced:
            setattr(kind, method, original)
        inside = sum(spent.values())
        parts = ", ".join(f"{part} {seconds / (total - inside):.2%}" for part, seconds in spent.items())
        print(
            f"| {name} | {1e3 * (total - inside) / steps:.2f} ms | {inside / (total - inside):.2%} | {parts} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
