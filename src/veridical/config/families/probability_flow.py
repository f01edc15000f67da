"""Configuration shared by the families that integrate an equation from noise to data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks
from veridical.config.sampling import SamplingOptions
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class ProbabilityFlowConfig:
    """Network, labels, smallest noise and likelihood (`families/probability_flow.py`)."""

    network: Literal["auto", "mlp", "unet"] = "auto"
    """Network; auto: unet for images and lattices of at least 8 x 8, mlp otherwise."""

    width: int | None = None
    """Channels of the finest grid, or units of the MLP's layers; None: 32 channels, 128 units."""

    depth: int = 4
    """Residual blocks of the MLP."""

    blocks: int = 1
    """Residual blocks of the U-Net on every grid, down and up."""

    scales: int | None = None
    """Grids of the U-Net; None: as many as the sides can be halved, at most 4."""

    fourier_octaves: int = 4
    """Octaves of random Fourier features that are added to the input of the MLP; 0: none."""

    dropout: float = 0.0
    """Share of the units of every block that are left out during training."""

    labels: bool = False
    """Learn p(x | label), for labelled data."""

    label_dropout: float = 0.1
    """Share of the labels that are replaced by none during training, from which p(x) is learned for guidance."""

    sigma_min: float | None = None
    """Noise that is left in a sample, in standard deviations of the data. None: 0.002 for continuous data, and for data
    with levels a third of the distance between neighbours, from which the level is drawn. More is easier to learn, but
    levels are then drawn component by component from less: half of the distance suits few levels."""

    evaluations: int = 36
    """Evaluations of the network for a sample, unless the options of sampling say otherwise."""

    likelihood_steps: int = 16
    """Steps of the solver of the likelihood (Runge-Kutta, fourth order), of four evaluations each."""

    exact_trace: int = 16
    """Largest number of components for which the likelihood has the exact trace; of more it is estimated."""

    probes: int = 1
    """Random vectors of an estimated trace."""

    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=1e-3, betas=(0.9, 0.99), schedule="cosine", warmup=100)
    )

    def __post_init__(self) -> None:
        checks.one_of("network", self.network, ("auto", "mlp", "unet"))
        checks.positive("width", self.width, most=checks.MOST_UNITS)
        checks.positive("depth", self.depth, zero=True, most=checks.MOST_LAYERS)
        checks.positive("blocks", self.blocks, most=checks.MOST_LAYERS)
        checks.positive("scales", self.scales, most=checks.MOST_LAYERS)
        checks.positive("fourier_octaves", self.fourier_octaves, zero=True, most=checks.MOST_OCTAVES)
        checks.share("dropout", self.dropout)
        checks.share("label_dropout", self.label_dropout)
        checks.positive("sigma_min", self.sigma_min)
        checks.positive("evaluations", self.evaluations, most=checks.MOST_REPEATS)
        checks.positive("likelihood_steps", self.likelihood_steps, most=checks.MOST_REPEATS)
        checks.positive("exact_trace", self.exact_trace, zero=True)
        checks.positive("probes", self.probes, most=checks.MOST_REPEATS)


@dataclass(frozen=True)
class ProbabilityFlowSampling(SamplingOptions):
    """Options of solvers."""

    labels = True

    evaluations: int | None = None
    """Evaluations of the network for a sample; None: the value of the model's configuration. Guidance takes two
    networks in each."""

    guidance: float = 1.0
    """Weight of the class: 1 draws from p(x | label); above 1, more typical and less diverse examples of the class; 0
    ignores it."""

    def __post_init__(self) -> None:
        checks.positive("evaluations", self.evaluations, most=checks.MOST_REPEATS)
        checks.positive("guidance", self.guidance, zero=True)


def require_even(evaluations: int, method: str) -> None:
    """Refuse a number of evaluations that is not two for each step.

    Raises:
        ValueError: an odd number.
    """
    if evaluations % 2:
        raise ValueError(
            f"evaluations is {evaluations}; {method} takes two for each step: choose {evaluations + 1} or "
            "another even number, or another method."
        )
