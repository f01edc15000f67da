r"""The shares of all outcomes of a categorical law, against their probabilities.

Every sample is one of K outcomes, so that the law of a model is a table of K numbers and all is counted. Samples that
lie between levels are rounded to the nearest. Two numbers:

- modes: outcomes with at least one sample;
- mode_kl: $\mathrm{KL}(\hat q\,\|\,p) = \sum_k \hat q_k\log(\hat q_k/p_k)$ of the shares of the outcomes, in nats.

What a perfect model scores at n samples is drawn from the law itself; for the second it is close to $(K-1)/2n$
(Miller, 1955), not 0.

References:
    Miller, Note on the bias of information estimates (1955), in Information Theory in Psychology.
"""

import time

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special

from veridical.evaluation.exchange import simulated_test
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.plug_in import METHOD, kl_interval
from veridical.targets.law import HasOutcomes
from veridical.verdict import TOLERANCES

_RESAMPLES = 2000


def count_outcomes(samples: Float[torch.Tensor, "n d"], law: HasOutcomes) -> Int[np.ndarray, " K"]:
    """Count the samples of every outcome, each component rounded to the nearest level.

    Raises:
        ValueError: a rounded sample is none of the outcomes.
    """
    low, high = law.support
    step = (high - low) / (law.levels - 1)
    nearest = low + step * ((samples.to(torch.float64) - low) / step).round().clamp(0, law.levels - 1)
    return torch.bincount(law.index(nearest), minlength=len(law.probabilities)).numpy()


def kl_to_law(counts: Int[np.ndarray, "*rows K"], law: Float[np.ndarray, " K"]) -> Float[np.ndarray, "*rows"]:
    """KL of the shares of counts to a law, in nats.

    Examples:
        >>> kl_to_law(np.array([[3, 1], [2, 2]]), np.array([0.5, 0.5])).round(4)
        array([0.1308, 0.    ])
    """
    share = counts / counts.sum(axis=-1, keepdims=True)
    return (special.xlogy(share, share) - special.xlogy(share, law)).sum(axis=-1)


def measure_outcomes(samples: Float[torch.Tensor, "n d"], target: HasOutcomes, seed: int = 0) -> list[Measurement]:
    """Measure modes and mode_kl (module docstring), each with what a perfect model scores.

    Args:
        samples: of a model.
        target: the law, in whose units the samples are.
        seed: of the draws of the law.

    Returns:
        Both measurements.

    Raises:
        ValueError: samples of another shape than the law's.
    """
    began, rng, n = time.perf_counter(), np.random.default_rng(seed), len(samples)
    if samples.ndim != 2 or samples.shape[1] != target.outcomes.shape[1]:
        raise ValueError(
            f"samples has shape {tuple(samples.shape)}; {target!r} expects (n, {target.outcomes.shape[1]})."
        )
    counts, law = count_outcomes(samples, target), target.probabilities.numpy()
    value = float(kl_to_law(counts, law))
    perfect = rng.multinomial(n, law, _RESAMPLES)
    floor, reached = kl_to_law(perfect, law), (perfect > 0).sum(axis=1)
    off = float((target.index(samples.to(torch.float64)) < 0).double().mean())
    detail = {"law": repr(target), "of": len(law), "off_the_levels": off, "counts": counts.tolist()}
    key, seconds = ("simulated outcomes", n, seed), (time.perf_counter() - began) / 2
    return [
        Measurement(
            "modes",
            float((counts > 0).sum()),
            "modes",
            n,
            higher_is_better=True,
            reference=float((1 - (1 - law) ** n).sum()),
            reference_kind="ceiling",
            reference_interval=_middle(reached),
            seconds=seconds,
            detail=detail,
            test=simulated_test(float((counts > 0).sum()), reached, tolerance=0.02 * len(law), key=key),
        ),
        Measurement(
            "mode_kl",
            value,
            "nats",
            n,
            higher_is_better=False,
            interval=kl_interval(counts, law),
            method=METHOD,
            reference=float(floor.mean()),
            reference_kind="floor",
            reference_interval=_middle(floor),
            seconds=seconds,
            detail=detail,
            test=simulated_test(value, floor, tolerance=TOLERANCES["nats"], key=key),
        ),
    ]


def _middle(scores: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)
