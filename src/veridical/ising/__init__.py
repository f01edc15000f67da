"""The Ising model on a torus: exact results, samplers, observables.

Importing this package imports neither numba nor torch; drawing configurations does.
"""

from veridical.ising.law import CRITICAL_COUPLING, Law
from veridical.ising.planning import Method, SamplingPlan, plan
from veridical.ising.sampling import sample, stream, unpack

__all__ = ["CRITICAL_COUPLING", "Law", "Method", "SamplingPlan", "plan", "sample", "stream", "unpack"]
