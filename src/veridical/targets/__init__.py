"""Distributions whose truth is known: density, score and samples in closed form."""

from veridical.targets.law import Law
from veridical.targets.mixtures import GaussianMixture, grid, ring

__all__ = ["GaussianMixture", "Law", "grid", "ring"]
