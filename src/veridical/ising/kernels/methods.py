"""Which chains a plan runs."""

from veridical.ising.kernels.blocks import Block, ClusterBlock, LocalBlock, SwendsenWangBlock
from veridical.ising.kernels.exchange import TemperingBlock
from veridical.ising.kernels.perfect import PerfectBlock
from veridical.ising.methods import SamplingPlan


def block(plan: SamplingPlan, seed: int, number: int) -> Block:
    """Return a fresh block of the plan's method, not yet run in."""
    match plan.method:
        case "metropolis":
            return LocalBlock(plan.law, seed, number)
        case "cluster" | "wolff":
            return ClusterBlock(plan.law, seed, number, plan.local_sweeps, plan.seeds)
        case "swendsen-wang":
            return SwendsenWangBlock(plan.law, seed, number)
        case "tempering":
            return TemperingBlock(plan.law, seed, number)
        case "perfect":
            return PerfectBlock(plan.law, seed, number)
    raise ValueError(f"method is {plan.method!r}; no chain runs it. Make the plan with `plan`.")
