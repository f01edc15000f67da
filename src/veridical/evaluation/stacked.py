r"""Coverage of Stacked MNIST: how many of its thousand modes a model reaches, and how evenly.

The shipped classifier of digits (`extractors/digits.py`) reads every channel of a sample; three digits are a mode. Two
numbers, as published:

- modes: modes with at least one of the n samples, of 1,000;
- mode_kl: $\mathrm{KL}(\hat q\,\|\,u) = \sum_k \hat q_k \log (1000\,\hat q_k)$ of the shares $\hat q$ of the modes to
  the uniform law $u$, in nats.

What a perfect model scores at this n is exact. Its samples fall into mode $k = (a, b, c)$ with probability $p_k = p_a
p_b p_c$, the shares of the digits, so that the count $N_k$ is binomial and

$$ \mathrm E\,\#\text{modes} = \sum_k 1 - (1-p_k)^n, \qquad \mathrm E\,\mathrm{KL} = \sum_k \sum_{j=0}^n
\mathrm{Bin}(j; n, p_k)\, \tfrac jn \log\tfrac{1000\,j}n . $$

With n = 26,000 and the shares of MNIST the second is 0.0236, with equal shares 0.0193: published values below are not
better, and values at different n cannot be compared. A KL smaller than its reference means that all digits have equal
shares, not that the model is better.

Limits: the classifier assigns a digit to every sample, also to one that shows none, and it misclassifies a share of
real digits, which its metadata state. Look at sample images as well.

References:
    Metz, Poole, Pfau & Sohl-Dickstein, Unrolled Generative Adversarial Networks (2017), Section 3.3.1.
        https://arxiv.org/abs/1611.02163
    Lin, Khetan, Fanti & Oh, PacGAN (2018), Section 4.2. https://arxiv.org/abs/1712.04086
"""

import math
import time
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.data.stacked import DIGITS, MODES, mode_of
from veridical.evaluation.exchange import simulated_test
from veridical.evaluation.extractors.digits import CLASSES, classify_digits, load
from veridical.evaluation.measurement import Interval, Measurement
from veridical.evaluation.plug_in import METHOD, kl_interval
from veridical.targets.law import HasDigits
from veridical.verdict import TOLERANCES

_RESAMPLES = 2000


class Reference(NamedTuple):
    """What a perfect model scores: expectation and 95 % interval."""

    value: float
    interval: Interval
    scores: Float[np.ndarray, " draws"]


def count_modes(samples: Float[Tensor, "n 3 28 28"]) -> Int[np.ndarray, " K"]:
    """Count the samples of every mode 0..999, as the classifier reads their channels.

    Raises:
        ValueError: the samples have another shape.
    """
    if samples.shape[1:] != (DIGITS, 28, 28):
        raise ValueError(f"samples has shape {tuple(samples.shape)}; stacks are (n, {DIGITS}, 28, 28).")
    digits = classify_digits(samples.flatten(0, 1)[:, None]).reshape(-1, DIGITS)
    return torch.bincount(mode_of(digits), minlength=MODES).numpy()


def kl_to_uniform(counts: Int[np.ndarray, "*rows K"]) -> Float[np.ndarray, "*rows"]:
    """KL of the shares of counts to the uniform law over as many modes, in nats.

    Examples:
        >>> kl_to_uniform(np.array([[5, 5, 5, 5], [7, 0, 0, 0]])).round(3)
        array([0.   , 1.386])
    """
    share = counts / counts.sum(axis=-1, keepdims=True)
    return special.xlogy(share, share).sum(axis=-1) + math.log(counts.shape[-1])


def expected_modes(n: int, law: Float[np.ndarray, " K"]) -> float:
    """Modes that n samples of a law reach on average.

    Examples:
        >>> expected_modes(2, np.array([0.5, 0.5]))
        1.5
    """
    return float(-np.expm1(n * np.log1p(-law)).sum())


def expected_kl(n: int, law: Float[np.ndarray, " K"]) -> float:
    """Average plug-in KL to uniform of n samples of a law, in nats: the exact sum over binomial counts.

    Examples:
        >>> round(expected_kl(26_000, np.full(1000, 1e-3)), 5)
        0.01934
    """
    rates, repeats = np.unique(law, return_counts=True)
    last = min(n, math.ceil(n * rates.max() + 40 * math.sqrt(n * rates.max()) + 60))  # beyond: less than 1e-100
    j = np.arange(last + 1.0)
    log_choose = special.gammaln(n + 1) - special.gammaln(j + 1) - special.gammaln(n - j + 1)
    log_pmf = log_choose + special.xlogy(j, rates[:, None]) + special.xlog1py(n - j, -rates[:, None])
    return float(repeats @ (np.exp(log_pmf) @ special.xlogy(j / n, j * len(law) / n)))


def law_of(shares: Float[np.ndarray, "10"]) -> Float[np.ndarray, " K"]:
    """Return the probabilities of all modes where the three digits are drawn independently."""
    return np.einsum("a,b,c->abc", shares, shares, shares).ravel()


def digit_shares(data: ArrayData) -> Float[np.ndarray, "10"]:
    """Shares of the digits in the data: from its labels, or of its law where it has none.

    Raises:
        ValueError: neither labels nor the law are known.
    """
    if data.labels is None:
        if not isinstance(data.target, HasDigits):
            raise ValueError(f"the digits of {data.name} are not known; give it labels 0..999, or its law as target.")
        return data.target.digit_shares.numpy()
    modes = data.labels.cpu().numpy()
    digits = np.concatenate([modes // 100, modes // 10 % 10, modes % 10])
    return np.bincount(digits, minlength=CLASSES) / len(digits)


def measure_stacks(samples: Float[Tensor, "n 3 28 28"], data: ArrayData, seed: int = 0) -> list[Measurement]:
    """Measure modes and mode_kl (module docstring), each with what a perfect model scores.

    Args:
        samples: of a model, in [-1, 1].
        data: Stacked MNIST, whose shares of the digits a perfect model has.
        seed: of resampling.

    Returns:
        Both measurements.
    """
    began, rng, n = time.perf_counter(), np.random.default_rng(seed), len(samples)
    counts, law = count_modes(samples), law_of(digit_shares(data))
    modes, kl = int((counts > 0).sum()), float(kl_to_uniform(counts))
    perfect_modes, perfect_kl = _references(n, law, rng)
    metadata = load()[1]
    detail = {
        "law": "uniform over the modes",
        "classifier": f"{metadata['name']} ({metadata['version']}), test accuracy {metadata['test_accuracy']}",
        "digit_shares": [_shares(counts, channel).tolist() for channel in range(DIGITS)],
    }
    key, seconds = ("simulated stacks", n, seed), (time.perf_counter() - began) / 2
    return [
        Measurement(
            "modes",
            float(modes),
            "modes",
            n,
            higher_is_better=True,
            interval=_modes_interval(counts),
            method="Poisson hits per mode",
            reference=perfect_modes.value,
            reference_kind="ceiling",
            reference_interval=perfect_modes.interval,
            seconds=seconds,
            detail=detail | {"of": MODES},
            test=simulated_test(float(modes), perfect_modes.scores, tolerance=0.02 * MODES, key=key),
        ),
        Measurement(
            "mode_kl",
            kl,
            "nats",
            n,
            higher_is_better=False,
            interval=kl_interval(counts.ravel(), np.full(MODES, 1 / MODES)),
            method=METHOD,
            reference=perfect_kl.value,
            reference_kind="floor",
            reference_interval=perfect_kl.interval,
            seconds=seconds,
            detail=detail,
            test=simulated_test(kl, perfect_kl.scores, tolerance=TOLERANCES["nats"], key=key),
        ),
    ]


def _shares(counts: np.ndarray, channel: int) -> np.ndarray:
    """Shares of the digits in a channel of the samples."""
    axes = tuple(axis for axis in range(DIGITS) if axis != channel)
    return counts.reshape(CLASSES, CLASSES, CLASSES).sum(axis=axes) / counts.sum()


def _references(n: int, law: np.ndarray, rng: np.random.Generator) -> tuple[Reference, Reference]:
    counts = rng.multinomial(n, law, _RESAMPLES)
    modes, kl = (counts > 0).sum(axis=1), kl_to_uniform(counts)
    values = ((expected_modes(n, law), modes), (expected_kl(n, law), kl))
    first, second = (Reference(value, _middle(scores), scores) for value, scores in values)
    return first, second


def _middle(scores: np.ndarray) -> Interval:
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def _modes_interval(counts: np.ndarray) -> Interval:
    """What another n samples would reach, with Poisson counts."""
    missed, modes = np.exp(-counts[counts > 0]), float((counts > 0).sum())
    spread = 1.96 * math.sqrt(float((missed * (1 - missed)).sum()))
    return modes - spread, min(modes + spread, float(len(counts)))
