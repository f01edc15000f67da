"""Short runs that the tests of starting, jobs and resuming share."""

from __future__ import annotations

import os
import signal
from typing import Any

import torch
from safetensors.torch import load_file

from veridical.config import DataConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.fit import Callback, State

QUICK = TrainingConfig(steps=12, batch_size=16, log_every=5, sample_every=6, checkpoint_every=6, precision="fp32")
VAE = RunConfig(VAEConfig(network="mlp", width=16, latent_dim=2), DataConfig(source="digits"), QUICK)


def silent(line: str) -> None:
    pass


def digest(run: Run) -> dict[str, torch.Tensor]:
    newest = checkpoint.newest(run.checkpoints, silent)
    return load_file(newest / checkpoint.WEIGHTS) | {
        f"ema.{k}": v for k, v in load_file(newest / checkpoint.AVERAGE).items()
    }


def lines(run: Run) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()]


class Press(Callback):
    """Sends this process a signal at a step."""

    def __init__(self, step: int, number: int = signal.SIGINT) -> None:
        self.step, self.number = step, number

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            os.kill(os.getpid(), self.number)
