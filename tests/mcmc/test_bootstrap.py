"""Annealed importance sampling towards p^2/q on Gaussians, whose moments are known; with mutants."""

import math
from collections.abc import Callable

import pytest
import torch
from tests.mutants import mutated
from torch import Tensor

from veridical.mcmc.bootstrap import bootstrap

N = 40_000
MEAN, SIGMA, LOG_Z = 1.0, 0.8, 5.0
PRECISION = 2 / SIGMA**2 - 1
CENTRE = 2 * MEAN / SIGMA**2 / PRECISION


def log_q(x: Tensor) -> Tensor:
    """Log density of N(0, 1)."""
    return -0.5 * x.square().sum(1) - 0.5 * math.log(2 * math.pi)


def log_p(x: Tensor) -> Tensor:
    """Log density of N(1, 0.8^2), and a constant."""
    return -0.5 * ((x - MEAN) / SIGMA).square().sum(1) - math.log(SIGMA * math.sqrt(2 * math.pi)) + LOG_Z


def log_second_moment() -> float:
    """Return the logarithm of the integral of p^2/q, in closed form."""
    at_centre = torch.tensor([[CENTRE]])
    return float(2 * log_p(at_centre) - log_q(at_centre)) + 0.5 * math.log(2 * math.pi / PRECISION)


def deviations(kernel: Callable[..., tuple[Tensor, Tensor]], bridges: int) -> list[float]:
    """Return how far mean weight, weighted mean and weighted square are from the truth, in standard errors."""
    torch.manual_seed(0)
    x, log_w = kernel(log_q, log_p, torch.randn(N, 1, dtype=torch.float64), bridges, (1e-2, 1.0))
    w = (log_w - log_second_moment()).exp()
    truths = {1.0: w - 1, CENTRE: w * (x[:, 0] - CENTRE), 1 / PRECISION: w * ((x[:, 0] - CENTRE) ** 2 - 1 / PRECISION)}
    return [float(gap.mean() / gap.std() * math.sqrt(N)) for gap in truths.values()]


@pytest.mark.parametrize("bridges", [0, 3])
def test_weighted_samples_are_those_of_the_optimal_target(bridges: int) -> None:
    """Each of three normal deviates exceeds 4 in 6 of 100,000 cases."""
    assert max(map(abs, deviations(bootstrap, bridges))) < 4


def test_bridges_make_the_weights_more_equal() -> None:
    torch.manual_seed(0)
    spreads = []
    for bridges in (0, 8):
        _, log_w = bootstrap(log_q, log_p, torch.randn(4000, 1), bridges, (1e-2, 1.0))
        spreads.append(float(log_w.std()))
    assert spreads[1] < 0.7 * spreads[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2 * float(b[t])", "float(b[t])"),
        ("2 * (log_p(x)", "(log_p(x)"),
        ("(1 - power) * log_q(y)", "power * log_q(y)"),
    ],
)
def test_mutants_are_seen(before: str, after: str) -> None:
    assert max(map(abs, deviations(mutated(bootstrap, before, after), 3))) > 8
