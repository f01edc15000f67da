r"""A bound of the distance between data and samples from a discriminator.

For any logits $T(x)$, trained well or badly,

$$ \mathrm{JS}(p, q) \ge \log 2 + \tfrac12 \mathrm E_p \log \sigma(T(x)) + \tfrac12 \mathrm E_q \log \sigma(-T(x)), $$

with equality for $T = \log p/q$. So a discriminator gives a *lower* bound of the Jensen-Shannon divergence (in nats, at
most log 2) that holds even if it was trained badly: a bound above 0 shows that samples differ from data, a bound of 0
shows nothing. A critic of the Wasserstein distance is no classifier, and its outputs have another scale. Slope and
intercept are therefore fitted by logistic regression on one half of the examples, and the bound is measured on the
other. Held-out data are used where there are some, because the discriminator may have memorised the training data.

References:
    Goodfellow et al., Generative Adversarial Networks (2014), Eq. 6. https://arxiv.org/abs/1406.2661
    Nowozin, Cseke & Tomioka, f-GAN (2016), Sec. 2. https://arxiv.org/abs/1606.00709
"""

import math
import time

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.density import BATCH
from veridical.evaluation.intervals import standard_error
from veridical.evaluation.measurement import Measurement
from veridical.model import Discriminating

EXAMPLES = 5_000
"""Number of examples of each kind."""

_NEWTON_STEPS, _RIDGE = 50, 1e-6


def measure_discrimination(
    model: Discriminating,
    real: tuple[Float[Tensor, "n *event"], Tensor | None],
    fake: tuple[Float[Tensor, "m *event"], Tensor | None],
    device: torch.device,
    held_out: bool = True,
) -> list[Measurement]:
    """Measure js_discriminator, a lower bound of the Jensen-Shannon divergence in nats (module docstring).

    Args:
        model: with the discriminator.
        real: examples of the data in random order, and their labels where the discriminator takes some.
        fake: samples of the model, and their labels in the same way.
        device: where the model is.
        held_out: whether the real examples are held-out data.
    """
    began = time.perf_counter()
    on_real, on_fake = (judge(model, x, c, device) for x, c in (real, fake))
    halves = [(t[: len(t) // 2], t[len(t) // 2 :]) for t in (on_real, on_fake)]
    slope, intercept = fit(halves[0][0], halves[1][0])
    gains = [F.logsigmoid(sign * (slope * t[1] + intercept)) for sign, t in zip((1, -1), halves, strict=True)]
    value = math.log(2) + sum(float(gain.mean()) for gain in gains) / 2
    half = 1.96 * math.hypot(*(standard_error(gain) for gain in gains)) / 2
    return [
        Measurement(
            "js_discriminator",
            max(0.0, value),
            "nats",
            len(gains[1]),
            higher_is_better=False,
            interval=(max(0.0, value - half), max(0.0, value + half)),
            method="delta method",
            reference=0.0,
            reference_kind="floor",
            bound="lower",
            seconds=time.perf_counter() - began,
            detail={"at_most": math.log(2), "slope": slope, "intercept": intercept, "held_out": held_out},
        )
    ]


@torch.no_grad()
def judge(model: Discriminating, x: Tensor, c: Tensor | None, device: torch.device) -> Float[Tensor, " n"]:
    """Return the logits of examples, float64 on the CPU.

    Args:
        model: the discriminator.
        x: (n, *event) examples in data space.
        c: (n,) labels; None: the model takes none.
        device: that of the model.
    """
    labels = [None] * (-(-len(x) // BATCH)) if c is None else c.split(BATCH)
    parts = [
        model.logits(rows.to(device)) if label is None else model.logits(rows.to(device), label.to(device))
        for rows, label in zip(x.split(BATCH), labels, strict=True)
    ]
    return torch.cat(parts).double().cpu()


def fit(real: Float[Tensor, " n"], fake: Float[Tensor, " m"]) -> tuple[float, float]:
    """Fit slope and intercept of logits by logistic regression, with equal weight for both kinds of examples.

    Examples:
        >>> t = torch.randn(100_000, generator=torch.Generator().manual_seed(0)).double()
        >>> [round(number, 1) for number in fit(t + 1, t - 1)]
        [2.0, 0.0]
    """
    both = torch.cat([real, fake])
    scale, centre = float(both.std()) or 1.0, float(both.mean())
    features = torch.stack([(both - centre) / scale, torch.ones_like(both)], dim=1)
    weight = torch.cat([torch.full_like(real, 0.5 / len(real)), torch.full_like(fake, 0.5 / len(fake))])
    label = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
    w = torch.zeros(2, dtype=both.dtype)
    for _ in range(_NEWTON_STEPS):
        p = (features @ w).sigmoid()
        gradient = features.T @ (weight * (p - label)) + _RIDGE * w
        hessian = (features.T * (weight * p * (1 - p))) @ features + _RIDGE * torch.eye(2, dtype=both.dtype)
        step = torch.linalg.solve(hessian, gradient)
        w = w - step * min(1.0, 5.0 / (float(step.norm()) + 1e-12))
        if float(step.norm()) < 1e-9:
            break
    slope = float(w[0]) / scale
    return slope, float(w[1]) - slope * centre
