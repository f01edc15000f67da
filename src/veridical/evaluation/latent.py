r"""How an encoder uses its latent units, and whether its codes follow the prior.

- active_units: latent units whose posterior mean varies over the data, $\mathrm{Var}_x\,\mathrm E_{q(z|x)} z_i > 0.01$
  (Burda et al. 2016). The others carry no information.
- reconstruction_error: $\mathrm E|x - \hat x|^2$ per component over the variance of the data, of $\hat x$ decoded from
  the posterior mean. The mean of the data scores 1; `of_another_code` in the details is the score of a decoder that
  ignores its code.
- prior_gap: unbiased squared kernel distance (cubic, as of `kid`) between codes drawn from the posteriors of examples
  and codes drawn from the prior. 0 where the aggregate posterior $\mathrm E_x\, q(z \mid x)$ is the prior, as for a
  perfect model with any decoder.

One-hot codes, which name a training example, have no units and no distances: only reconstructions are measured.
Held-out examples are encoded where there are some.

References:
    Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016), Sec. 5.2. https://arxiv.org/abs/1509.00519
    Tomczak & Welling, VAE with a VampPrior (2018), on the aggregate posterior. https://arxiv.org/abs/1705.07120
"""

import time

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.density import BATCH
from veridical.evaluation.intervals import mean_or_none
from veridical.evaluation.kernel import KernelSample, kernel_distance
from veridical.evaluation.measurement import Measurement
from veridical.model import Encoder, LatentVariable

ACTIVE = 0.01
"""Smallest variance of the posterior mean of an active unit; that of the prior is 1."""

EXAMPLES = 2_000
"""Examples that are encoded; the kernel distance costs their square."""

_RESAMPLES = 200


def measure_codes(model: Encoder, x: Float[Tensor, "n *event"], device: torch.device, seed: int) -> list[Measurement]:
    """Measure active_units, and prior_gap and reconstruction_error of a model that decodes too (module docstring).

    Of one-hot codes only reconstruction_error is measured.

    Args:
        model: the encoder.
        x: examples in data space.
        device: where the model is.
        seed: of codes and resamples.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(seed)
        began = time.perf_counter()
        posteriors = [model.posterior(batch.to(device)) for batch in x.split(BATCH)]
        mean = torch.cat([q.mean.double().cpu() for q in posteriors])
        named = one_hot(mean)
        measured = [] if named else [_active(mean.flatten(1), seed, began)]
        if isinstance(model, LatentVariable) and not named:
            drawn = torch.cat([q.sample().double().cpu() for q in posteriors]).flatten(1)
            prior = [model.prior(len(x)).double().cpu().flatten(1) for _ in range(2)]
            measured.append(_gap(drawn, *prior))
        if isinstance(model, LatentVariable):
            measured.append(_reconstruction(model, mean, x, device, seed))
    return measured


def one_hot(codes: Float[Tensor, "n *latent"]) -> bool:
    """Return whether every code is a unit vector.

    Examples:
        >>> one_hot(torch.tensor([[0.0, 1.0], [1.0, 0.0]])), one_hot(torch.tensor([[1.0, 1.0]]))
        (True, False)
    """
    flat = codes.flatten(1)
    return bool(((flat == 0) | (flat == 1)).all() and (flat.sum(1) == 1).all())


def _active(mean: Tensor, seed: int, began: float) -> Measurement:
    """Count the active units; the interval counts units whose lower, and whose upper, end exceeds the limit."""
    variance = mean.var(dim=0)
    rows = np.random.default_rng(seed).integers(0, len(mean), (_RESAMPLES, len(mean)))
    resampled = torch.stack([mean[torch.from_numpy(r)].var(dim=0) for r in rows])
    low, high = torch.quantile(resampled, torch.tensor([0.025, 0.975], dtype=mean.dtype), dim=0)
    value = float((variance > ACTIVE).sum())
    return Measurement(
        "active_units",
        value,
        "units",
        len(mean),
        higher_is_better=True,
        interval=(min(value, float((low > ACTIVE).sum())), max(value, float((high > ACTIVE).sum()))),
        method="bootstrap of each variance",
        seconds=time.perf_counter() - began,
        detail={"of": mean.shape[1], "variances": sorted(variance.tolist(), reverse=True)},
    )


def _gap(drawn: Tensor, prior: Tensor, another: Tensor) -> Measurement:
    began = time.perf_counter()
    reference = KernelSample(prior)
    found, null = kernel_distance(reference, KernelSample(drawn)), kernel_distance(reference, KernelSample(another))
    return Measurement(
        "prior_gap",
        found.value,
        "1",
        len(drawn),
        higher_is_better=False,
        interval=found.interval,
        method="variance of the U-statistic at every distance",
        reference=0.0,
        reference_kind="null",
        reference_interval=(-1.96 * found.null_error, 1.96 * found.null_error),
        seconds=time.perf_counter() - began,
        detail={"kernel": "(x.y/d + 1)^3", "of_another_sample_of_the_prior": null.value},
    )


def _reconstruction(model: LatentVariable, mean: Tensor, x: Tensor, device: torch.device, seed: int) -> Measurement:
    began = time.perf_counter()
    x_hat = torch.cat([model.decode(z.to(device, x.dtype)).double().cpu() for z in mean.split(BATCH)])
    others = x_hat[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]
    flat = x.double().flatten(1)
    unit = float((flat - flat.mean(dim=0)).square().mean())
    error, shuffled = ((flat - y.flatten(1)).square().mean(dim=1) / unit for y in (x_hat, others))
    return Measurement(
        "reconstruction_error",
        float(error.mean()),
        "data variances",
        len(x),
        higher_is_better=False,
        interval=mean_or_none(error),
        method="Student",
        seconds=time.perf_counter() - began,
        detail={"of_the_mean_of_the_data": 1.0, "of_another_code": float(shuffled.mean())},
    )
