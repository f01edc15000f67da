r"""Simulated and population annealing: many chains from a density that is known to one that is wanted.

*Simulated annealing* takes one step at each of rising temperatures; its ends follow the last density as well as the
steps have time to. *Population annealing* weights the chains of a population at every temperature and draws them anew,

$$ w_i = \frac{f_t(x_i)}{f_{t-1}(x_i)}, \qquad \hat Z_t = \hat Z_{t-1} \cdot \frac1n\sum_i w_i, $$

so that chains in regions that lose weight die and others multiply. $\operatorname E \hat Z_t = Z_t$ at every
temperature, for any size of the population and any ladder, since the number of copies of a chain is on average
$n w_i / \sum_j w_j$. Several populations side by side give the error of their estimates.

References:
    Kirkpatrick, Gelatt & Vecchi, Optimization by Simulated Annealing (1983).
        https://doi.org/10.1126/science.220.4598.671
    Hukushima & Iba, Population Annealing and Its Application to a Spin Glass (2003).
        https://doi.org/10.1063/1.1632130
    Machta, Population Annealing with Weighted Averages (2010). https://arxiv.org/abs/1006.0252
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.mcmc.path import Path
from veridical.noise import Noise

S = TypeVar("S", bound=tuple[Any, ...])


class Populations(NamedTuple):
    """The end of population annealing."""

    log_ratio: Float[Tensor, "T groups"]
    """Estimates of log Z/Z_0 at every temperature, nats, in float64; their exponentials have no bias."""

    ancestors: Int[Tensor, " N"]
    """The row of the start from which each chain descends: few different ones mean a population that is too small."""


def simulated(path: Path[S], betas: Sequence[float], noise: Noise) -> S:
    """Return chains after one step at each temperature, from exact draws at 0.

    Args:
        path: of densities.
        betas: of the steps, usually rising to 1.
        noise: one row for each chain.
    """
    state = path.start(noise)
    for beta in betas:
        state = path.step(state, beta, noise)
    return state


@torch.no_grad()
def population(
    path: Path[S], betas: Sequence[float], noise: Noise, *, groups: int = 1, sweeps: int = 1
) -> tuple[S, Populations]:
    """Anneal populations from exact draws at 0: weights, new draws and steps at each temperature.

    Args:
        path: of densities.
        betas: rising, the first above 0 (a first 0 changes nothing).
        noise: one row for each chain of all populations, those of a population in a block.
        groups: independent populations.
        sweeps: steps at every temperature.

    Returns:
        The chains at the last temperature, and what is known of the way.

    Raises:
        ValueError: populations of unequal size.
    """
    if noise.n % groups:
        raise ValueError(f"there are {noise.n} chains in {groups} populations; expected a multiple of their number.")
    state, log_ratio, estimates = path.start(noise), torch.zeros(groups, dtype=torch.float64, device=noise.device), []
    ancestors, before = torch.arange(noise.n, device=noise.device), 0.0
    for beta in betas:
        log_w = (path.log_f(state, beta) - path.log_f(state, before)).reshape(groups, -1)
        log_ratio = log_ratio + torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])
        estimates.append(log_ratio)
        rows = _parents(log_w, noise)
        state, ancestors, before = type(state)(*(part[rows] for part in state)), ancestors[rows], beta
        for _ in range(sweeps):
            state = path.step(state, beta, noise)
    return state, Populations(torch.stack(estimates), ancestors)


def _parents(log_w: Float[Tensor, "groups n"], noise: Noise) -> Int[Tensor, " N"]:
    """Return the rows that chains are copied from: one draw from each of n equal parts of the distribution."""
    groups, n = log_w.shape
    ends = torch.softmax(log_w, 1).cumsum(1)
    u = noise.uniform(dtype=torch.float64).to(log_w.device).reshape(groups, n)
    place = (torch.arange(n, device=log_w.device) + u) / n
    chosen = torch.searchsorted(ends, place * ends[:, -1:], right=True).clamp(max=n - 1)
    return (chosen + n * torch.arange(groups, device=log_w.device)[:, None]).flatten()
