r"""How well a model removes noise, compared with the best possible denoiser.

With $x_t = x + \sigma\varepsilon$ the mean squared error per component of an estimate $D$ is smallest for the
conditional mean. Tweedie's formula gives it where the score of the noisy law is known:

$$ D^*(x_t) = \mathrm E[x \mid x_t] = x_t + \sigma^2\, \nabla \log p_\sigma(x_t). $$

- denoising_error: $\mathrm E|D(x_t) - x|^2 / d\sigma^2$, the mean over a few $\sigma$: 1 where noise is left as it is.
  Its reference is the error of $D^*$ on the same draws.
- denoising_excess: the mean of $(|D - x|^2 - |D^* - x|^2) / d\sigma^2$, which is $\mathrm E|D - D^*|^2 / d\sigma^2$
  without bias; 0 for a perfect denoiser.

The scales are a geometric sequence from a tenth of the standard deviation of the data to three times it, within the
range of the model (`Denoiser.noise_range`).

References:
    Efron, Tweedie's Formula and Selection Bias (2011). https://doi.org/10.1198/jasa.2011.tm11181
    Karras, Aittala, Aila & Laine, Elucidating the Design Space of Diffusion-Based Generative Models (2022), Eq. 3.
        https://arxiv.org/abs/2206.00364
"""

import time

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.space import Space
from veridical.evaluation.density import BATCH
from veridical.evaluation.intervals import mean_or_none, mean_test
from veridical.evaluation.measurement import JSON, Measurement
from veridical.evaluation.target import Target
from veridical.model import Denoiser
from veridical.targets.law import HasScore
from veridical.verdict import RELATIVE_TOLERANCE, Test

LEVELS = 5
"""Scales of noise."""

SMALLEST, LARGEST = 0.1, 3.0
"""Scales of noise in standard deviations of the data."""

PAIRED = "paired t test against the exact denoiser, same examples and noise"

ROUNDING = 1e-5
"""Relative error of estimates in single precision at the smallest noise, which all examples may share."""

EXAMPLES = 2_000
"""Examples that are denoised at every scale."""


def scales(model: Denoiser, space: Space) -> list[float]:
    """Return the scales of noise that are measured, in data space."""
    low, high = model.noise_range
    low, high = max(low, SMALLEST * space.std), min(high, LARGEST * space.std)
    if not low < high:  # the range of the model lies outside the usual one
        low, high = (low, low) if high < SMALLEST * space.std else model.noise_range
    ratio = (high / low) ** (1 / (LEVELS - 1))
    return [low * ratio**k for k in range(LEVELS)]


def measure_denoising(
    model: Denoiser, x: Float[Tensor, "n *event"], target: Target | None, space: Space, device: torch.device, seed: int
) -> list[Measurement]:
    """Measure denoising_error, and denoising_excess where the score of the law is known (module docstring).

    Args:
        model: the denoiser.
        x: clean examples in data space, held out from training.
        target: the law of the data; None: not known.
        space: their space.
        device: where the model is.
        seed: of the noise.
    """
    began, sigmas = time.perf_counter(), scales(model, space)
    generator, law = torch.Generator().manual_seed(seed), None if target is None else target.law
    errors, best = [], []
    for sigma in sigmas:
        eps = torch.randn(x.shape, generator=generator)
        x_t = x + sigma * eps
        errors.append(_error(denoise(model, x_t, sigma, device), x, sigma))
        if isinstance(law, HasScore):
            noisy = x_t.double()
            best.append(_error(noisy + sigma**2 * law.score(noisy, sigma), x, sigma))
    error = torch.stack(errors)
    detail: dict[str, JSON] = {"sigmas": [*sigmas], "of_each": error.mean(dim=1).tolist()}
    seconds = time.perf_counter() - began
    if not best:
        return [_measured("denoising_error", error.mean(dim=0), None, 0.0, seconds, detail)]
    least = torch.stack(best)
    detail |= {"best_of_each": least.mean(dim=1).tolist()}
    best_error = float(least.mean())
    return [
        _measured("denoising_error", error.mean(dim=0), least.mean(dim=0), best_error, seconds / 2, detail),
        _measured(
            "denoising_excess", (error - least).mean(dim=0), torch.zeros(len(x)), best_error, seconds / 2, detail
        ),
    ]


def denoise(model: Denoiser, x_t: Float[Tensor, "n *event"], sigma: float, device: torch.device) -> Tensor:
    """Return the model's estimates of clean examples, on the CPU.

    Args:
        model: estimates clean examples from noisy ones.
        x_t: noisy examples in data space.
        sigma: standard deviation of their noise, in data units.
        device: that of the model.
    """
    parts = []
    for batch in x_t.split(BATCH):
        with torch.no_grad():  # a model that needs gradients enables them itself
            parts.append(model.denoise(batch.to(device), torch.full((len(batch),), sigma, device=device)).cpu())
    return torch.cat(parts)


def _paired(differences: Float[Tensor, " n"], best: float) -> Test:
    return mean_test(differences, ROUNDING * best, method=PAIRED, tolerance=RELATIVE_TOLERANCE * best)


def _error(estimate: Tensor, x: Tensor, sigma: float) -> Float[Tensor, " n"]:
    """Squared error per component, in variances of the noise."""
    return (estimate.double() - x.double()).flatten(1).square().mean(dim=1) / sigma**2


def _measured(
    name: str, error: Tensor, least: Tensor | None, best: float, seconds: float, detail: dict[str, JSON]
) -> Measurement:
    """Compare errors with the least possible ones, example by example.

    Args:
        name: of the measurement.
        error: of the model.
        least: of the exact denoiser; None: not known.
        best: mean error of the exact denoiser, of which the tolerance is a part.
        seconds: that it took.
        detail: of the measurement.
    """
    known = least is not None
    return Measurement(
        name,
        float(error.mean()),
        "noise variances",
        len(error),
        higher_is_better=False,
        interval=mean_or_none(error),
        method="Student",
        reference=float(least.mean()) if known else None,
        reference_kind="floor" if known else None,
        reference_interval=mean_or_none(least) if known else None,
        seconds=seconds,
        test=_paired(error - least, best) if known else None,
        detail=detail,
    )
