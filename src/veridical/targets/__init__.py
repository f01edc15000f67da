"""Distributions whose truth is known: density, score and samples in closed form."""

from veridical.targets.correlated import CorrelatedMixture, correlated, principal_mixture
from veridical.targets.law import Law
from veridical.targets.mixtures import GaussianMixture, grid, ring, simplex
from veridical.targets.student import Student, heavy_tailed

__all__ = [
    "CorrelatedMixture",
    "GaussianMixture",
    "Law",
    "Student",
    "correlated",
    "grid",
    "heavy_tailed",
    "principal_mixture",
    "ring",
    "simplex",
]
