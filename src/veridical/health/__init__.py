"""Checks of a training: findings about the logged terms, each with its cause and its remedy.

Nothing here imports torch, except `health/callback.py`, which attaches the monitors to the loop. A monitor reads rows
of numbers, so it can check a running training and the metrics.jsonl of a finished run.
"""

from veridical.health.adversarial import (
    GradientVanishing,
    LossRunaway,
    ModeCollapse,
    SampleCollapse,
    Saturation,
)
from veridical.health.data import Outlier, RepeatedData
from veridical.health.descent import GradientExplosion, LossDivergence, NonFinite, nonfinite_finding
from veridical.health.exactness import Inverse, Mixing
from veridical.health.finding import Finding, Severity
from veridical.health.game import Memorising, Oscillation, SpectrumGrowth
from veridical.health.latent import PosteriorCollapse
from veridical.health.likelihood import (
    AgainstConstant,
    AverageWorse,
    BetterThanEntropy,
    DenoisingError,
    Overfit,
    Underfit,
)
from veridical.health.monitor import Episode, Monitor
from veridical.health.monitors import Monitors, check, monitors_for
from veridical.health.movement import LargeSteps, NoMovement

__all__ = [
    "AgainstConstant",
    "AverageWorse",
    "BetterThanEntropy",
    "DenoisingError",
    "Episode",
    "Finding",
    "GradientExplosion",
    "GradientVanishing",
    "Inverse",
    "LargeSteps",
    "LossDivergence",
    "LossRunaway",
    "Memorising",
    "Mixing",
    "ModeCollapse",
    "Monitor",
    "Monitors",
    "NoMovement",
    "NonFinite",
    "Oscillation",
    "Outlier",
    "Overfit",
    "PosteriorCollapse",
    "RepeatedData",
    "SampleCollapse",
    "Saturation",
    "Severity",
    "SpectrumGrowth",
    "Underfit",
    "check",
    "monitors_for",
    "nonfinite_finding",
]
