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
from veridical.health.descent import GradientExplosion, LossDivergence, NonFinite, nonfinite_finding
from veridical.health.finding import Finding, Severity
from veridical.health.latent import PosteriorCollapse
from veridical.health.monitor import Episode, Monitor
from veridical.health.monitors import Monitors, check, monitors_for

__all__ = [
    "Episode",
    "Finding",
    "GradientExplosion",
    "GradientVanishing",
    "LossDivergence",
    "LossRunaway",
    "ModeCollapse",
    "Monitor",
    "Monitors",
    "NonFinite",
    "PosteriorCollapse",
    "SampleCollapse",
    "Saturation",
    "Severity",
    "check",
    "monitors_for",
    "nonfinite_finding",
]
