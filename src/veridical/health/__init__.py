"""Is this training healthy? Verdicts on what the loop logs, each with its cause and its remedy.

Nothing here imports torch: a monitor reads rows of numbers, so the same verdict is passed on a running training and on
the metrics.jsonl of a run that ended long ago.
"""

from veridical.health.callback import HealthMonitor, check
from veridical.health.finding import Finding, Severity
from veridical.health.monitor import Episode, Monitor
from veridical.health.monitors import (
    GradientExplosion,
    GradientVanishing,
    LossDivergence,
    LossRunaway,
    NonFinite,
    PosteriorCollapse,
    Saturation,
    monitors_for,
    nonfinite_finding,
)

__all__ = [
    "Episode",
    "Finding",
    "GradientExplosion",
    "GradientVanishing",
    "HealthMonitor",
    "LossDivergence",
    "LossRunaway",
    "Monitor",
    "NonFinite",
    "PosteriorCollapse",
    "Saturation",
    "Severity",
    "check",
    "monitors_for",
    "nonfinite_finding",
]
