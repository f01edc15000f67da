"""How a run trains: steps, batches, optimisers, precision, logging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from veridical.config import checks


@dataclass(frozen=True)
class OptimizerConfig:
    """One player's optimiser and the schedule of its step size."""

    name: Literal["adam", "adamw", "rmsprop", "sgd", "lion"] = "adam"
    """Update rule."""

    lr: float = 1e-3
    """Step size at the end of the warm-up."""

    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the first and second moment (adam, adamw); of the look-ahead and of the momentum (lion)."""

    momentum: float = 0.0
    """Momentum (sgd, rmsprop)."""

    weight_decay: float = 0.0
    """Decoupled for adamw and lion, L2 otherwise."""

    trust: float | None = None
    """Largest step relative to the size of a layer's weights; then lr is that relative size, whatever the rule, and the
    delay of momentum is taken out. None: lr multiplies the rule's own step."""

    schedule: Literal["constant", "linear", "cosine", "trapezoid"] = "constant"
    """How the step size falls to 0 at the last step; trapezoid: linearly, over the second half."""

    warmup: int = 0
    """Steps over which the step size rises linearly from 0."""

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        for beta in self.betas:
            checks.share("betas", beta)
        checks.share("momentum", self.momentum)
        checks.positive("trust", self.trust)
        checks.positive("weight_decay", self.weight_decay, zero=True)
        checks.positive("warmup", self.warmup, zero=True)


@dataclass(frozen=True)
class TrainingConfig:
    """The loop, whatever the family."""

    steps: int = 5_000
    """Number of steps of the run."""

    batch_size: int = 64
    """Examples per step, over all processes together."""

    seed: int = 0
    """Seed of weights, data order and noise."""

    lr_scale: float = 1.0
    """Multiplies the step size of every player."""

    ema: float = 0.999
    """Decay per step of the moving average of the weights, used for sampling; 0 switches it off."""

    clip_norm: float | None = None
    """Largest norm of a player's gradient; None: no clipping."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the networks; auto: by a fixed rule from device and network, bf16 for wide convolutions where the
    device is fast in it, fp32 otherwise."""

    threads: int | None = None
    """Threads of the processor; None: as many as torch chooses."""

    deterministic: bool | None = None
    """Operations that repeat to the bit, at a cost on CUDA. Left out: wherever there are any, with a warning for an
    operation that has no repeatable form; yes: such an operation is an error; no: the fastest."""

    processes: int = 1
    """Processes on this machine; under torchrun or SLURM their settings are used instead."""

    graphs: bool = True
    """Replay steps as CUDA graphs, on a GPU, for models whose steps can be recorded."""

    log_every: int = 50
    """Steps between lines of metrics.jsonl (each the mean over the steps since the last)."""

    sample_every: int = 500
    """Steps between grids of samples from fixed codes."""

    spectrum_every: int = 500
    """Steps between measurements of the largest singular values of every layer; 0: never."""

    checkpoint_every: int = 500
    """Steps between checkpoints."""

    keep: int = 2
    """Newest checkpoints kept."""

    evaluate_every: int = 0
    """Steps between measurements of the first metric that applies (FID for most data), logged as evaluation/NAME; the
    best checkpoint is kept in best/. 0: never."""

    evaluate_n: int = 1_000
    """Samples of such a measurement."""

    log: Literal["none", "csv", "tensorboard", "both"] = "none"
    """Where the numbers of metrics.jsonl are written besides: metrics.csv, or tensorboard/ for TensorBoard."""

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "batch_size",
            "processes",
            "log_every",
            "sample_every",
            "checkpoint_every",
            "keep",
            "evaluate_n",
        ):
            checks.positive(name, getattr(self, name))
        for name in ("seed", "spectrum_every", "evaluate_every"):
            checks.positive(name, getattr(self, name), zero=True)
        checks.positive("lr_scale", self.lr_scale)
        checks.share("ema", self.ema)
        checks.positive("clip_norm", self.clip_norm)
        checks.positive("threads", self.threads)
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size is {self.batch_size} and processes {self.processes}; every process takes an equal share: "
                f"choose a batch_size that {self.processes} divides."
            )
