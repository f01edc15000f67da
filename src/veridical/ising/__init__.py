"""The Ising model on a torus: exact results, samplers, observables.

Importing this package imports neither numba nor torch; drawing configurations does.
"""

from veridical.ising.law import CRITICAL_COUPLING, Law
from veridical.ising.methods import Method, SamplingPlan
from veridical.ising.output import unpack
from veridical.ising.planning import plan
from veridical.ising.sampling import sample, stream

__all__ = ["CRITICAL_COUPLING", "Law", "Method", "SamplingPlan", "plan", "sample", "stream", "unpack"]
