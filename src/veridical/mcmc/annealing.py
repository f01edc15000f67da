r"""Annealed importance sampling: the normalisation of a distribution by a path from one that is known.

Between $f_0$, whose normalisation $Z_0$ is known and which can be sampled, and $f_1$ lie
$f_\beta = f_0^{1-\beta} f_1^\beta$. A chain starts at $x_0 \sim f_0$, and for $t = 1 \dots T$ collects

$$ \log w \mathrel{+}= (\beta_t - \beta_{t-1}) \log \frac{f_1(x_{t-1})}{f_0(x_{t-1})}, \qquad
   x_t \sim T_{\beta_t}(\cdot \mid x_{t-1}), $$

with a transition that leaves $f_{\beta_t}$ invariant. Then $\mathbb E\,w = Z_1/Z_0$ whatever the path and the
transitions, so $\log w$ is at most $\log Z_1/Z_0$ in expectation. Run backward from an exact draw of $f_1$ with
transitions that satisfy detailed balance, $\mathbb E\,w^{-1} = Z_0/Z_1$, and $\log w$ is at least $\log Z_1/Z_0$ in
expectation (bidirectional Monte Carlo). Step sizes must be fixed before: a transition that adapts while it runs leaves
nothing invariant.

References:
    Neal, Annealed Importance Sampling (2001). https://arxiv.org/abs/physics/9803008
    Grosse, Ghahramani & Adams, Sandwiching the Marginal Likelihood Using Bidirectional Monte Carlo (2015).
        https://arxiv.org/abs/1511.02543
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.mcmc.path import Path
from veridical.noise import Noise

S = TypeVar("S")

STEEPNESS = 4.0
"""Of the sigmoid schedule: it spends its steps near both ends, where distributions change most."""


LATE = 0.02
"""Distance from the end of a ladder within which temperatures are spread evenly."""


def schedule(steps: int, steepness: float = STEEPNESS) -> Float[Tensor, " steps+1"]:
    r"""Return $\beta_0 = 0, \dots, \beta_T = 1$ along a sigmoid.

    Args:
        steps: T.
        steepness: of the sigmoid; small values approach equal steps.

    Raises:
        ValueError: no steps.

    References:
        Wu, Burda, Salakhutdinov & Grosse, On the Quantitative Analysis of Decoder-Based Generative Models (2017),
            App. https://arxiv.org/abs/1611.04273

    Examples:
        >>> [round(beta, 3) for beta in schedule(4).tolist()]
        [0.0, 0.105, 0.5, 0.895, 1.0]
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected at least 1.")
    raw = torch.sigmoid(torch.linspace(-steepness, steepness, steps + 1, dtype=torch.float64))
    return (raw - raw[0]) / (raw[-1] - raw[0])


def anneal(
    log_ratio: Callable[[S], Float[Tensor, " N"]],
    transition: Callable[[S, int], S],
    state: S,
    betas: Float[Tensor, " T+1"],
    *,
    backward: bool = False,
) -> tuple[Float[Tensor, " N"], S]:
    r"""Run chains along the path and collect the logarithms of their weights, in float64.

    Args:
        log_ratio: $\log f_1/f_0$ of a state, nats.
        transition: the next state, given the number t of the temperature $\beta_t$ whose distribution it leaves
            invariant.
        state: exact draws of $f_0$; backward: of $f_1$.
        betas: from 0 to 1.
        backward: start from $f_1$.

    Returns:
        $\log w$, whose exponential is on average $Z_1/Z_0$ (backward: its inverse is on average $Z_0/Z_1$), and the
        last state.
    """
    gaps = betas.diff().tolist()
    return travel(lambda x, t: gaps[t - 1] * log_ratio(x).double(), transition, state, len(gaps), backward=backward)


def travel(
    ratio: Callable[[S, int], Float[Tensor, " N"]],
    transition: Callable[[S, int], S],
    state: S,
    steps: int,
    *,
    backward: bool = False,
) -> tuple[Float[Tensor, " N"], S]:
    r"""Run chains along any sequence of densities $f_0, \dots, f_T$, as `anneal` does along a geometric one.

    Args:
        ratio: $\log f_t/f_{t-1}$ of a state given t, nats, in float64.
        transition: the next state given the number t of the density that it leaves invariant.
        state: exact draws of $f_0$; backward: of $f_T$.
        steps: T, at least 1.
        backward: start from $f_T$.
    """
    log_w: Tensor | float = 0.0
    for t in range(steps, 0, -1) if backward else range(1, steps + 1):
        if backward:
            state = transition(state, t)
        log_w = log_w + ratio(state, t)
        if not backward:
            state = transition(state, t)
    assert isinstance(log_w, Tensor)  # there is at least one step
    return log_w, state


@torch.no_grad()
def weigh(
    path: Path[S], betas: Sequence[float], noise: Noise, state: S | None = None, *, backward: bool = False
) -> tuple[Float[Tensor, " N"], S]:
    r"""Run one chain for each row of the noise along a path; return $\log w$ and the last states.

    Args:
        path: of densities.
        betas: from 0 to 1; fixed before, whatever the chains do.
        noise: of the chains.
        state: where they start; None: exact draws of $f_0$.
        backward: from 1 to 0; then a state is needed.
    """

    def ratio(x: S, t: int) -> Tensor:
        return path.log_ratio(x, betas[t - 1], betas[t])

    start = path.start(noise) if state is None else state
    return travel(ratio, lambda x, t: path.step(x, betas[t], noise), start, len(betas) - 1, backward=backward)


@torch.no_grad()
def even_ladder(path: Path[S], steps: int, noise: Noise, *, pilots: int = 100) -> list[float]:
    r"""Return temperatures from 0 to 1 that lie closer where the density changes faster, and towards the end.

    The variance of a step of $\log w$ is about $\Delta\beta^2\,\mathrm{Var}(\partial_\beta \log f_\beta)$, and steps of
    equal variance have the least sum. It is measured by chains that are forgotten afterwards, and decides on a quarter
    of the temperatures; another is spread evenly, and half of them evenly in $\log(1 - \beta + 0.02)$, since chains
    are slow near the end.

    Args:
        path: of densities.
        steps: T; the ladder has T + 1 temperatures.
        noise: of the chains that go before.
        pilots: their temperatures.
    """
    coarse, state, spreads = torch.linspace(0, 1, pilots + 1, dtype=torch.float64), path.start(noise), []
    for low, high in zip(coarse[:-1].tolist(), coarse[1:].tolist(), strict=True):
        spreads.append((path.log_f(state, high) - path.log_f(state, low)).std())
        state = path.step(state, high, noise)
    spread = torch.stack(spreads).cpu().nan_to_num(0.0, 0.0, 0.0)
    late = (1 - coarse + LATE).log().diff().abs()
    share = 0.25 / pilots + 0.25 * spread / spread.sum().clamp(min=1e-300) + 0.5 * late / late.sum()
    ends = torch.cat([share.new_zeros(1), share.cumsum(0)])
    wanted = torch.linspace(0, float(ends[-1]), steps + 1, dtype=torch.float64)
    cell = torch.searchsorted(ends, wanted).clamp(1, pilots)
    inside = (wanted - ends[cell - 1]) / share[cell - 1]
    return [*((cell - 1 + inside) / pilots).clamp(0, 1).tolist()[:-1], 1.0]


def combine(log_w: Float[Tensor, "chains *B"], *, backward: bool = False) -> Float[Tensor, "*B"]:
    """Return the estimate of log Z_1/Z_0 of several chains: the log of the mean weight (backward: of its inverse).

    Args:
        log_w: of independent chains, or of chains from one draw of the end.
        backward: whether they ran backward.
    """
    sign = -1 if backward else 1
    return sign * (torch.logsumexp(sign * log_w, 0) - math.log(len(log_w)))


def combined_error(log_w: Float[Tensor, "chains *B"]) -> Float[Tensor, "*B"]:
    """Return the standard error of `combine`, by the delta method; too small where one weight exceeds all others."""
    w = torch.exp(log_w - log_w.amax(0))
    return w.std(0) / w.mean(0) / math.sqrt(len(log_w))


def effective_size(log_w: Float[Tensor, "chains *B"]) -> Float[Tensor, "*B"]:
    """Return how many chains (or draws) of equal weight are worth as much, from 1 to n: (sum w)^2 / sum w^2.

    All n count where weights are equal, as those of a perfect proposal are, but also those of one that has lost modes,
    of which its own draws know nothing.

    Examples:
        >>> effective_size(torch.tensor([0.0, 0.0, -1000.0])).item()
        2.0
    """
    return 1 / torch.softmax(log_w, 0).square().sum(0)
