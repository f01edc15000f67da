"""Configuration of training: steps, batches, optimisers, precision, logging."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks

_MOST_THREADS = 1_024


@dataclass(frozen=True)
class OptimizerConfig:
    """One player's optimiser and its learning-rate schedule."""

    name: Literal["adam", "adamw", "rmsprop", "sgd", "lion"] = "adam"
    """Update rule."""

    lr: float = 1e-3
    """Learning rate at the end of the warm-up."""

    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the first and second moment (adam, adamw), or of the look-ahead and the momentum (lion)."""

    momentum: float = 0.0
    """Momentum (sgd, rmsprop)."""

    weight_decay: float = 0.0
    """Weight decay; decoupled for adamw and lion, an L2 penalty otherwise."""

    trust: float | None = None
    """Largest step relative to the norm of a layer's weights. If it is set, lr is this relative step for every update
    rule, and the delay of momentum is corrected. None: lr is the usual learning rate of the rule."""

    schedule: Literal["constant", "linear", "cosine", "trapezoid", "settle"] = "constant"
    """How the learning rate falls to 0 at the last step; trapezoid: linearly, over the second half; settle: the same,
    but at three quarters the weights are set to their average, and the rate falls from a quarter, quadratically."""

    warmup: int = 0
    """Number of steps in which the learning rate rises linearly from 0."""

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        for beta in self.betas:
            checks.share("betas", beta)
        checks.share("momentum", self.momentum)
        checks.positive("trust", self.trust)
        checks.positive("weight_decay", self.weight_decay, zero=True)
        checks.positive("warmup", self.warmup, zero=True)


@dataclass(frozen=True)
class EnergyConfig:
    """Training from the log density of the distribution of the data, without examples (`training/energy.py`)."""

    beta: float = 1.0
    """Inverse temperature at the first step: the target is p^beta, broader than p below 1."""

    anneal: int = 0
    """Number of steps in which beta rises linearly to 1; 0: beta is 1 from the start."""

    bridges: int | None = None
    """Steps of annealed importance sampling from the model towards p^2/q (alpha-2). None: 8 on continuous data, 0 on
    data with levels, on which there are no other numbers."""

    def __post_init__(self) -> None:
        checks.positive("beta", self.beta)
        checks.positive("anneal", self.anneal, zero=True)
        checks.positive("bridges", self.bridges, zero=True, most=checks.MOST_TURNS)
        if self.beta > 1:
            raise ValueError(f"beta is {self.beta}; expected at most 1: at the end the target is p itself.")
        if self.beta < 1 and not self.anneal:
            raise ValueError(f"beta is {self.beta} and anneal 0; give the number of steps in which beta rises to 1.")


FromEnergy = Literal["reverse-kl", "alpha-2"]
"""Losses that need the log density of the target, and no examples."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of the training loop, the same for all families."""

    steps: int = 5_000
    """Number of steps of the run."""

    batch_size: int = 64
    """Examples per step, over all processes together."""

    seed: int = 0
    """Seed of weights, data order and noise."""

    from_energy: FromEnergy | None = None
    """Learn from the known log density of the distribution of the data, without examples, instead of by the loss of
    the family. reverse-kl: KL(model||distribution), which may lose modes; alpha-2: the divergence of order 2, which
    covers them."""

    energy: EnergyConfig = field(default_factory=EnergyConfig)

    lr_scale: float = 1.0
    """Factor on the learning rate of every player."""

    ema: float = 0.999
    """Decay per step of the moving average of the weights, which is used for sampling; 0 switches it off."""

    clip_norm: float | None = None
    """Largest norm of a player's gradient; None: no clipping."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the networks; auto: bf16 for wide convolutions on devices with fast bf16, fp32 otherwise."""
    threads: int | None = None
    """Number of CPU threads; None: the choice of torch."""

    deterministic: bool | None = None
    """Bit-exact repeatability, which costs time on CUDA. yes: an operation without a deterministic version is an error.
    no: the fastest operations. Omitted: deterministic versions if they exist, with a warning otherwise."""

    processes: int = 1
    """Number of processes on this machine; torchrun and SLURM set it themselves."""

    graphs: bool = True
    """On a GPU, replay steps as CUDA graphs if the steps of the model can be recorded."""

    log_every: int = 50
    """Steps between lines of metrics.jsonl; each line is the mean over the steps since the last. The distance doubles
    after 20,000 lines, and again whenever the number of steps has doubled."""

    sample_every: int = 500
    """Steps between grids of samples, which always use the same latent codes. About a hundred of them are kept."""

    spectrum_every: int = 500
    """Steps between measurements of the largest singular values of every layer; 0: never."""

    probe_every: int = 500
    """Steps between short looks at held-out examples and at the averaged weights, for the monitors of health; 0: never.
    """

    checkpoint_every: int = 500
    """Steps between checkpoints."""

    keep: int = 2
    """Newest checkpoints kept."""

    evaluate_every: int = 0
    """Steps between evaluations with the first applicable metric (FID for most data), logged as evaluation/NAME; the
    best checkpoint is kept in best/. 0: never."""

    evaluate_n: int = 1_000
    """Number of samples of such an evaluation."""

    log: Literal["none", "csv", "tensorboard", "both"] = "none"
    """Additional log of the numbers in metrics.jsonl: metrics.csv, or tensorboard/ for TensorBoard."""

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "sample_every", "checkpoint_every", "keep"):
            checks.positive(name, getattr(self, name))
        for name in ("spectrum_every", "probe_every", "evaluate_every"):
            checks.positive(name, getattr(self, name), zero=True)
        checks.positive("batch_size", self.batch_size, most=checks.MOST_BATCH)
        checks.positive("evaluate_n", self.evaluate_n, most=checks.MOST_SAMPLES)
        checks.positive("processes", self.processes, most=_MOST_THREADS)
        checks.seed("seed", self.seed)
        checks.positive("lr_scale", self.lr_scale)
        checks.share("ema", self.ema)
        checks.positive("clip_norm", self.clip_norm)
        checks.positive("threads", self.threads, most=_MOST_THREADS)
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size is {self.batch_size} and processes {self.processes}; every process takes an equal share. "
                f"Choose a batch_size that is a multiple of {self.processes}, or another number of processes."
            )
