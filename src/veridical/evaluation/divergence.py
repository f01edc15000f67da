r"""The Kullback-Leibler divergence between the law of the data and a model, where both densities are known.

$$ \mathrm{KL}(p\|q) = \mathbb E_p[\log p - \log q], \qquad \mathrm{KL}(q\|p) = \mathbb E_q[\log q - \log p] $$

are means over draws of the law and over samples of the model: 0 for a perfect model, without bias at any n, with the
standard error of a mean. The forward one needs log-probabilities of the model, and is an upper bound where these are a
lower bound. The reverse one needs exact log-probabilities of its samples. The first is large where the model misses a
part of the law; the second is large where samples are improbable under the law.

Every difference log p - log q is of one example, so the verdict is a paired test: a perfect model is 0 on each of them,
and is accused at most once in 20 times.
"""

import math
import time

from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.density import Density, density_of, score, why_no_density
from veridical.evaluation.intervals import mean_or_none, mean_test, rounding, standard_error
from veridical.evaluation.measurement import JSON, Measurement
from veridical.evaluation.target import Target
from veridical.evaluation.weights import measure_weights
from veridical.model import GenerativeModel
from veridical.targets.law import HasEntropy


def measure_divergence(
    model: GenerativeModel,
    target: Target,
    samples: Float[Tensor, "n *event"] | None,
    n: int,
    seed: int,
    density: Density | None = None,
) -> list[Measurement]:
    r"""Measure kl_forward, $\mathrm{KL}(p\|q)$, on draws of the law p; of exact densities kl_reverse and weights too.

    Args:
        model: with a likelihood or a bound q.
        target: the law p.
        samples: of the model; None: it cannot sample.
        n: draws of the law.
        seed: of these draws.
        density: of the model, if already computed.

    Returns:
        Divergences in nats; forward ones of a bound are upper bounds.

    Raises:
        ValueError: the model has no likelihood.
    """
    density = density_of(model, target.space) if density is None else density
    if density is None:
        raise ValueError(f"{why_no_density(model, target.space)}; leave this metric out.")
    detail: dict[str, JSON] = density.detail | {"law": repr(target.law)}
    if isinstance(target.law, HasEntropy):
        detail["entropy_of_the_law"] = target.law.entropy().value
    began = time.perf_counter()
    x = target.sample(density.limit(n), seed)
    log_q = score(density.log_prob, x, model.device, seed)
    measured = [_divergence("kl_forward", target.log_prob(x) - log_q, log_q, density, began, detail)]
    if samples is not None and density.exact:
        began = time.perf_counter()
        log_q = score(density.log_prob, samples, model.device, seed)
        gap = log_q - target.log_prob(samples)
        measured.append(_divergence("kl_reverse", gap, log_q, density, began, detail))
        measured += measure_weights(-gap, target.law, detail)
    return measured


def _divergence(
    name: str, gap: Tensor, log_q: Tensor, density: Density, began: float, detail: dict[str, JSON]
) -> Measurement:
    shared = math.hypot(density.error, rounding(log_q))
    return Measurement(
        name,
        float(gap.mean()),
        "nats",
        len(gap),
        higher_is_better=False,
        interval=mean_or_none(gap, shared),
        method="Student",
        reference=0.0,
        reference_kind="floor",
        seconds=time.perf_counter() - began,
        bound="upper" if density.bound == "lower" else None,
        test=mean_test(gap, shared, method="paired t test against the law"),
        detail=detail | {"standard_error": math.hypot(standard_error(gap), shared)},
    )
