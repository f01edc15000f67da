"""What the configurations of Boltzmann machines share: how they are sampled, and how many chains they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from veridical.config import checks
from veridical.config.sampling import SamplingOptions


@dataclass(frozen=True)
class BoltzmannSampling(SamplingOptions):
    """Sampling by a Markov chain for every example, from independent units."""

    method: Literal["anneal", "gibbs", "temper"] = "anneal"
    """anneal: the machine's weights grow from 0 over the first half of the steps. gibbs: all steps at the machine
    itself. temper: replicas at several temperatures exchange their states."""

    steps: int = 200
    """Steps of every chain; each draws both layers."""

    replicas: int = 10
    """Temperatures of temper."""

    output: Literal["draw", "mean"] = "draw"
    """draw: an example. mean: its mean given the last hidden units, which pictures show with less noise."""

    def __post_init__(self) -> None:
        checks.one_of("method", self.method, ("anneal", "gibbs", "temper"))
        checks.one_of("output", self.output, ("draw", "mean"))
        checks.positive("steps", self.steps, most=checks.MOST_REPEATS)
        checks.at_least("replicas", self.replicas, 2, checks.MOST_LAYERS)


def check_chains(sweeps: int, chains: int, replicas: int) -> None:
    """Refuse numbers of chains that mean nothing.

    Raises:
        ValueError: no steps, no chains, or one replica.
    """
    checks.positive("sweeps", sweeps, most=checks.MOST_REPEATS)
    checks.positive("chains", chains, most=checks.MOST_BATCH)
    checks.at_least("replicas", replicas, 2, checks.MOST_LAYERS)
