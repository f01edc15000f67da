"""Is this training healthy? Verdicts on what the loop logs, each with its cause and its remedy.

Nothing here imports torch: a monitor reads rows of numbers, so the same verdict is passed on a running training and on
the metrics.jsonl of a run that ended long ago.
"""

from veridical.health.adversarial import (
    GradientVanishing,
    LossRunaway,
    ModeCollapse,
    SampleCollapse,
    Saturation,
)
from veridical.health.callback import HealthMonitor, check
from veridical.health.descent import GradientExplosion, LossDivergence, NonFinite, nonfinite_finding
from veridical.health.finding import Finding, Severity
from veridical.health.latent import PosteriorCollapse
from veridical.health.monitor import Episode, Monitor
from veridical.health.monitors import monitors_for

__all__ = [
    "Episode",
    "Finding",
    "GradientExplosion",
    "GradientVanishing",
    "HealthMonitor",
    "LossDivergence",
    "LossRunaway",
    "ModeCollapse",
    "Monitor",
    "NonFinite",
    "PosteriorCollapse",
    "SampleCollapse",
    "Saturation",
    "Severity",
    "check",
    "monitors_for",
    "nonfinite_finding",
]
