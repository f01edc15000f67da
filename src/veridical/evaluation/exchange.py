r"""What a perfect model would have scored: samples and held-out examples exchange their labels.

Samples of a perfect model and held-out examples are draws of one distribution, so any relabelling of the pool of both
is as probable as the true one. A statistic computed again under random relabellings is therefore distributed as that
of a perfect model, exactly: for any statistic, number of examples and dimension, with the noise of the shared
reference included. The p-value is the rank of the true labelling among all,

$$ p = \frac{\#\{b : T_b \ge T_0\}}{1 + \text{draws}}, \qquad
   T_b = \max\Big(\frac{S_b - q}{s_+}, \frac{q - S_b}{s_-}\Big), $$

with the median $q$ of all $S_b$ and the spreads $s_\pm$ of its two sides, or one side where only one direction counts.
Statistics that are means of scores of single examples need one matrix product for all relabellings
(`mean_differences`). One `Exchange` serves all metrics of the same examples, so that their joint distribution is known
too (`evaluation.multiple`).

References:
    Pitman, Significance tests which may be applied to samples from any populations (1937).
    Phipson & Smyth, Permutation p-values should never be zero (2010).
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import special
from torch import Tensor

from veridical.verdict import LEVEL, Test, detectable

Bad = Literal["low", "high", "both"]
"""Which differences count against a perfect model: values below, above, or both (a two-sided test)."""

DRAWS = 999
_BLOCK_VALUES = 1 << 22
"""Labels converted to float64 at a time: 32 MB."""

_TAIL = 0.025
_TAILS = (0.975, 0.99, 0.997)
_SAME = 1e-9
"""Statistics that agree to this relative precision are ties: sums in another order are off by rounding."""


@dataclass(frozen=True, eq=False)
class Exchange:
    """Relabellings of a pool of n samples followed by m held-out examples."""

    n: int
    """Samples, the first rows of the pool."""

    m: int
    """Held-out examples, the other rows."""

    labels: Bool[Tensor, "1+draws n+m"]
    """True: counts as a sample. Row 0 is the true labelling; every row has n of them."""

    seed: int = 0

    @property
    def draws(self) -> int:
        """Number of random relabellings."""
        return len(self.labels) - 1

    @property
    def method(self) -> str:
        """The test in words."""
        return f"{self.draws:,} exchanges of {self.n:,} samples and {self.m:,} held-out examples"

    @property
    def key(self) -> tuple[int, int, int, int]:
        """Equal for equal relabellings: statistics of the same key have a known joint distribution."""
        return self.n, self.m, self.draws, self.seed

    def sums(
        self, scores: Float[Tensor, "n+m k"], precision: torch.dtype = torch.float64
    ) -> Float[Tensor, "1+draws k"]:
        """Sum the scores of the rows that count as samples, under every labelling.

        Args:
            scores: k numbers for every row of the pool.
            precision: in which they are summed; float32 for many scores of which six digits are enough.

        Returns:
            The sums, in float64.
        """
        scores = scores.to(precision)
        step = max(1, _BLOCK_VALUES // max(1, len(scores)))
        return torch.cat([(rows.to(precision) @ scores).to(torch.float64) for rows in self.labels.split(step)])


@dataclass(frozen=True, eq=False)
class Null:
    """How extreme a statistic is under each labelling, on a scale common to all statistics."""

    key: tuple[Hashable, ...]
    """Of the exchange; nulls of one key are compared labelling by labelling."""

    extremity: Float[np.ndarray, " 1+draws"]
    """T of the module docstring; row 0 is the true labelling."""

    spread: float
    """Standard deviation of the statistic of a perfect model, in the unit of the value."""

    sides: int
    """1: only one direction counts; 2: both."""

    smallest: Callable[[float], float] | None = None
    """The difference shown with power .8 where the extremity must exceed a number; None: by the spread."""


def exchange(n: int, m: int, seed: int, draws: int = DRAWS) -> Exchange:
    """Draw relabellings of n samples and m held-out examples.

    Args:
        n: samples.
        m: held-out examples.
        seed: of the relabellings.
        draws: their number, without the true one; the smallest possible p-value is 1 / (1 + draws).

    Raises:
        ValueError: there is nothing to exchange.

    Examples:
        >>> e = exchange(2, 3, seed=0, draws=4)
        >>> e.labels.shape, e.labels[0].tolist(), e.labels.sum(dim=1).tolist()
        (torch.Size([5, 5]), [True, True, False, False, False], [2, 2, 2, 2, 2])
    """
    if n < 1 or m < 1 or draws < 1:
        raise ValueError(f"n is {n}, m is {m} and draws is {draws}; expected at least one of each.")
    rng, few = np.random.default_rng(seed), min(n, m)
    labels = np.full((1 + draws, n + m), n > m)
    labels[0] = np.arange(n + m) < n
    for row in labels[1:]:
        row[rng.choice(n + m, few, replace=False, shuffle=False)] = n <= m
    return Exchange(n, m, torch.from_numpy(labels), seed)


def mean_differences(scores: Float[Tensor, " n+m"], exchange: Exchange) -> Float[Tensor, " 1+draws"]:
    """Mean score of samples minus mean score of held-out examples, under every labelling.

    Args:
        scores: one number for every row of the pool that does not depend on the labels.
        exchange: the relabellings.

    Examples:
        >>> mean_differences(torch.tensor([1.0, 1.0, 0.0]), exchange(2, 1, seed=0, draws=1))[0].item()
        1.0
    """
    if scores.shape != (exchange.n + exchange.m,):
        raise ValueError(f"scores has shape {tuple(scores.shape)}; expected ({exchange.n + exchange.m},).")
    scores = scores.to(torch.float64)
    inside, total = exchange.sums(scores[:, None])[:, 0], scores.sum()
    return inside / exchange.n - (total - inside) / exchange.m


def exchange_test(
    statistics: Float[Tensor, " 1+draws"],
    exchange: Exchange,
    *,
    bad: Bad = "both",
    tolerance: float | None = None,
    method: str | None = None,
    smallest: Callable[[float], float] | None = None,
) -> Test:
    """Test whether the true labelling stands out among all.

    Args:
        statistics: under every labelling, the true one first; best a difference between the score of the rows that
            count as samples and that of the others (a score of the samples alone understates the difference).
        exchange: the relabellings.
        bad: which differences count against a perfect model; the other direction is never called anything.
        tolerance: a smaller difference counts as none, in the unit of the statistic; None: none is stated.
        method: the test in words; None: that of the exchange.
        smallest: the difference that is shown with power .8 where T must exceed a number, of rare counts; None: by
            the spread.

    Returns:
        The test with its null, from which the table adjusts its p-value. The difference is counted from the mean over
        all relabellings, which removes the effect of unequal n and m.

    Examples:
        >>> e = exchange(50, 50, seed=0, draws=199)
        >>> better = torch.cat([torch.ones(50), torch.zeros(50)])
        >>> exchange_test(mean_differences(better, e), e).p_value
        0.005
    """
    s = np.asarray(statistics, np.float64)
    if s.shape != (1 + exchange.draws,) or not np.isfinite(s).all():
        raise ValueError(f"statistics has shape {s.shape}; expected ({1 + exchange.draws},) finite numbers.")
    extremity = extremities(s, bad)
    others = s[1:] - s[1:].mean()
    low, high = np.quantile(others, [_TAIL, 1 - _TAIL])
    difference, spread = float(s[0] - s[1:].mean()), float(others.std())
    return Test(
        difference,
        (difference - float(high), difference - float(low)),
        rank_p_value(extremity),
        detectable(spread, sides=_sides(bad))
        if smallest is None
        else smallest(float(special.ndtri(1 - LEVEL / _sides(bad)))),
        tolerance,
        method or exchange.method,
        null=Null(exchange.key, extremity, spread, _sides(bad), smallest),
    )


def simulated_test(
    value: float,
    scores: Float[np.ndarray, " draws"],
    *,
    bad: Bad = "both",
    tolerance: float | None = None,
    key: tuple[Hashable, ...] | None = None,
) -> Test:
    """Test a value against the scores of simulated perfect models, where the distribution of the data is known.

    Args:
        value: the measured value.
        scores: of independent perfect models at the same n.
        bad: which differences count against a perfect model.
        tolerance: a smaller difference counts as none, in the unit of the value; None: none is stated.
        key: equal for values of which the scores come from the same simulated models in the same order.

    Examples:
        >>> simulated_test(5.0, np.arange(-2.0, 3.0), bad="high").p_value
        0.16666666666666666
    """
    scores = np.asarray(scores, np.float64)
    others = scores - scores.mean()
    low, high = np.quantile(others, [_TAIL, 1 - _TAIL])
    difference, spread = float(value - scores.mean()), float(others.std())
    extremity = extremities(np.concatenate([[value], scores]), bad)
    return Test(
        difference,
        (difference - float(high), difference - float(low)),
        rank_p_value(extremity),
        detectable(spread, sides=_sides(bad)),
        tolerance,
        f"{len(scores):,} simulated perfect models",
        null=None if key is None else Null(key, extremity, spread, _sides(bad)),
    )


def extremities(statistics: Float[np.ndarray, " k"], bad: Bad) -> Float[np.ndarray, " k"]:
    """How far each statistic lies in the bad direction, in units of the spread on its side (T of the docstring)."""
    from_middle = statistics - np.median(statistics)
    sides = [from_middle / scale(from_middle)] if bad != "low" else []
    sides += [-from_middle / scale(-from_middle)] if bad != "high" else []
    return np.max(sides, axis=0)


def rank_p_value(extremity: Float[np.ndarray, " 1+draws"]) -> float:
    """Share of labellings at least as extreme as the true one, itself included."""
    least = extremity[0] - _SAME * (1.0 + abs(extremity[0]))
    return float((extremity >= least).mean())


def _sides(bad: Bad) -> int:
    return 2 if bad == "both" else 1


def scale(from_middle: np.ndarray) -> float:
    """Standard deviation of the normal distribution that has this upper tail; never 0.

    The largest over some quantiles, so that rare counts and skewed statistics do not stand out among others. No
    quantile is the very largest statistic: the true labelling may be.
    """
    levels = [level for level in _TAILS if (1 - level) * len(from_middle) >= 2.5]
    sides = [np.quantile(from_middle, level, method="lower") / special.ndtri(level) for level in levels]
    return float(max(sides, default=0.0)) or float(from_middle.std()) or 1.0
