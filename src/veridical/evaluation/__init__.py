"""Measurements: every value beside what a perfect model would score."""

from veridical.evaluation.evaluate import Evaluation, evaluate, evaluate_samples
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.metrics import METRICS

__all__ = ["METRICS", "Evaluation", "Measurement", "evaluate", "evaluate_samples"]
