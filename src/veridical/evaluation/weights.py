r"""A model as a proposal of importance sampling: how many of its samples count, and the normalisation they give.

With weights $w = \tilde p(x)/q(x)$ of samples of the model q, where $\tilde p = Z p$ is the law up to a constant,

$$ \hat Z = \frac1n\sum_i w_i, \qquad \mathrm{ESS} = \frac{(\sum_i w_i)^2}{n \sum_i w_i^2}, $$

the first without bias, the second the share of independent draws of p that the weighted samples are worth, 1 for a
perfect model and about $e^{-2\,\mathrm{KL}}$ for one with nearly normal log weights. Intervals are the jackknife's.

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

from jaxtyping import Float
from scipy import special
from torch import Tensor

from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.mcmc.annealing import combine, effective_size
from veridical.statistics import Estimate
from veridical.targets.law import HasLogPartition, Law

_Z = float(special.ndtri(0.975))


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
    low, high = _interval(share)
    seconds = (time.perf_counter() - began) / 2
    share_interval = max(0.0, low), min(1.0, high)
    measured = [
        Measurement("effective_share", share.value, "share", interval=share_interval, seconds=seconds, **common)
    ]
    if isinstance(law, HasLogPartition):
        log_z = Estimate(log_mean.value + law.log_partition, log_mean.standard_error)
        known = {"reference": law.log_partition, "reference_kind": "null", "seconds": seconds}
        measured.append(Measurement("log_partition", log_z.value, "nats", interval=_interval(log_z), **known, **common))
    return measured


def estimates(log_w: Float[Tensor, " n"]) -> tuple[Estimate, Estimate]:
    """Return the effective share, and the logarithm of the mean weight, with the jackknife's standard errors.

    Where one sample has all the weight these are infinite, and that of `combined_error` is finite and too small.
    """
    n, w = len(log_w), (log_w - log_w.max()).exp()
    first, second = w.sum() - w, w.square().sum() - w.square()  # without each sample
    share = Estimate(float(effective_size(log_w)) / n, _jackknife(first.square() / ((n - 1) * second)))
    return share, Estimate(float(combine(log_w)), _jackknife(first.log()))


def _jackknife(without: Float[Tensor, " n"]) -> float:
    """Return the standard error, from the values without each sample; infinite where one sample has all the weight."""
    n = len(without)
    error = math.sqrt((n - 1) / n * float((without - without.mean()).square().sum()))
    return error if math.isfinite(error) else math.inf


def _interval(found: Estimate) -> Interval:
    return found.value - _Z * found.standard_error, found.value + _Z * found.standard_error
