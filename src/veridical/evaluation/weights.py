r"""A model as a proposal of importance sampling: how many of its samples count, and the normalisation they give.

With weights $w = \tilde p(x)/q(x)$ of samples of the model q, where $\tilde p = Z p$ is the law up to a constant,

$$ \hat Z = \frac1n\sum_i w_i, \qquad \mathrm{ESS} = \frac{(\sum_i w_i)^2}{n \sum_i w_i^2}, $$

the first without bias, the second the share of independent draws of p that the weighted samples are worth, 1 for a
perfect model and about $e^{-2\,\mathrm{KL}}$ for one with nearly normal log weights. Intervals are the jackknife's,
with the quantile of Student's distribution: where few weights decide, the standard error is itself known badly, with
$\nu = 2n/(\kappa - 1)$ degrees of freedom if the values without each sample have the kurtosis $\kappa$.

Both are blind to what the model never draws: a model that has lost one of two equal modes has ESS near 1, and
$\log\hat Z$ too low by log 2. Where log Z is known, the difference shows it; the forward divergence shows it always.

References:
    Kong, A Note on Importance Sampling using Standardized Weights (1992), for the effective number.
    Nicoli et al., Asymptotically Unbiased Estimation of Physical Observables with Neural Samplers (2020).
        https://arxiv.org/abs/1910.13496
"""

import math
import time
from collections.abc import Mapping
from typing import NamedTuple

from jaxtyping import Float
from scipy import special
from torch import Tensor

from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.mcmc.annealing import combine, effective_size
from veridical.targets.law import HasLogPartition, Law


def measure_weights(
    log_w: Float[Tensor, " n"], law: Law, detail: Mapping[str, JSON] | None = None
) -> list[Measurement]:
    """Measure effective_share, and log_partition where log Z of the law is known.

    Args:
        log_w: log p - log q of samples of the model q, nats.
        law: p.
        detail: what else is needed to repeat it.

    Returns:
        Nothing where no weight is finite and above 0.
    """
    began, log_w = time.perf_counter(), log_w.double()
    if not math.isfinite(float(log_w.max())) or len(log_w) < 2:
        return []
    share, log_mean = estimates(log_w)
    common = {"n": len(log_w), "higher_is_better": True, "method": "jackknife", "detail": detail or {}}
    low, high = share.interval
    seconds = (time.perf_counter() - began) / 2
    share_interval = max(0.0, low), min(1.0, high)
    measured = [
        Measurement("effective_share", share.value, "share", interval=share_interval, seconds=seconds, **common)
    ]
    if isinstance(law, HasLogPartition):
        low, high = (side + law.log_partition for side in log_mean.interval)
        known = {"reference": law.log_partition, "reference_kind": "null", "seconds": seconds}
        value = log_mean.value + law.log_partition
        measured.append(Measurement("log_partition", value, "nats", interval=(low, high), **known, **common))
    return measured


class Jackknife(NamedTuple):
    """An estimate, how well it is known, and how well that is known."""

    value: float

    standard_error: float
    """Infinite where one sample has all the weight."""

    freedom: float
    """Degrees of freedom of the standard error."""

    @property
    def interval(self) -> Interval:
        """95 % interval."""
        half = float(special.stdtrit(self.freedom, 0.975)) * self.standard_error
        return self.value - half, self.value + half


def estimates(log_w: Float[Tensor, " n"]) -> tuple[Jackknife, Jackknife]:
    """Return the effective share, and the logarithm of the mean weight.

    Where one sample has all the weight the standard errors are infinite, and that of `combined_error` is finite and too
    small.
    """
    n, w = len(log_w), (log_w - log_w.max()).exp()
    first, second = w.sum() - w, w.square().sum() - w.square()  # without each sample
    share, log_mean = float(effective_size(log_w)) / n, float(combine(log_w))
    return _jackknife(share, first.square() / ((n - 1) * second)), _jackknife(log_mean, first.log())


def _jackknife(value: float, without: Float[Tensor, " n"]) -> Jackknife:
    """Return a value with its error, from the values without each sample."""
    n, square = len(without), (without - without.mean()).square()
    error = math.sqrt((n - 1) / n * float(square.sum()))
    if not math.isfinite(error):
        return Jackknife(value, math.inf, 1.0)
    kurtosis = float(square.square().mean() / square.mean().square().clamp(min=1e-300))
    return Jackknife(value, error, max(1.0, 2 * n / max(kurtosis - 1, 2.0)))
