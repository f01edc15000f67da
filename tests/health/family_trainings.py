"""How often the monitors speak on the families as they are shipped, on data in the package.

    python tests/health/family_trainings.py 10 [PART OF A NAME]

prints lines of the table of docs/health.md (10 seeds from 100 on, 1,500 steps each).
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from veridical.config import DataConfig, GANConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.run import Run
from veridical.training.terms import NonFiniteError
from veridical.workflows.start import train

BARE: dict[str, Any] = {"network": "mlp", "relativistic": False, "r1": 0.0, "r2": 0.0}
MLP: dict[str, Any] = {"network": "mlp"}

CASES: dict[str, tuple[Any, str, float, set[str]]] = {
    "gan on digits": (GANConfig(**MLP), "digits", 1.0, set()),
    "gan on ring": (GANConfig(latent_dim=8), "ring", 1.0, set()),
    "gan, hinge, on digits": (GANConfig(**MLP, objective="hinge", relativistic=False), "digits", 1.0, set()),
    "gan, Wasserstein with gradient penalty, on digits": (
        GANConfig(**BARE, objective="wasserstein", gradient_penalty=10.0),
        "digits",
        1.0,
        set(),
    ),
    "vae on digits": (VAEConfig(**MLP), "digits", 1.0, set()),
    "iwae on digits": (VAEConfig(**MLP, importance_samples=5), "digits", 1.0, set()),
    "gan, minimax, no penalty, 5 turns of D, on digits": (
        GANConfig(**BARE, objective="minimax", discriminator_turns=5),
        "digits",
        1.0,
        {"discriminator-saturation", "gradient-vanishing"},
    ),
    "gan on digits, steps 300 times too large": (
        GANConfig(**MLP),
        "digits",
        300.0,
        {"gradient-explosion", "loss-divergence"},
    ),
    "vae on digits, KL weight 50": (VAEConfig(**MLP, kl_weight=50.0), "digits", 1.0, {"posterior-collapse"}),
    "vae on digits, steps 100 times too large": (VAEConfig(**MLP), "digits", 100.0, {"posterior-collapse"}),
}
"""Name -> model, data, factor on the step size, findings that are right (none: healthy)."""


def findings(model: Any, data: str, lr_scale: float, seed: int) -> list[str]:
    """Train, and return the names of the findings."""
    every: dict[str, Any] = {"log_every": 25, "sample_every": 10**6, "checkpoint_every": 10**6}
    training = TrainingConfig(steps=1500, seed=seed, lr_scale=lr_scale, device="cpu", precision="fp32", **every)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        try:
            train(RunConfig(model, DataConfig(source=data), training), out=out, say=lambda line: None)
        except NonFiniteError:
            pass  # it is among the findings
        return [row["name"] for row in Run(out).health()]


def main(seeds: int, part: str) -> None:
    torch.set_num_threads(1)
    for name, (model, data, lr_scale, wanted) in CASES.items():
        if part not in name:
            continue
        said = [set(findings(model, data, lr_scale, seed)) for seed in range(100, 100 + seeds)]
        hits = sum(bool(names & wanted) if wanted else bool(names) for names in said)
        looked_for = " or ".join(sorted(wanted)) or "any: a false alarm"
        print(f"| {name}{'' if wanted else ' (healthy)'} | {looked_for} | {hits}/{seeds} |", flush=True)
        print("    ", [sorted(names) for names in said if names], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
