"""Measurements: every value is compared with the score of a perfect model."""

from veridical.evaluation.evaluate import Evaluation, evaluate, evaluate_samples
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.metrics import METRICS

__all__ = ["METRICS", "Evaluation", "Measurement", "evaluate", "evaluate_samples"]
