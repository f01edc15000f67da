r"""From noise to data with a denoiser: the probability flow, and chains that renew their noise.

Let $x = x_0 + \sigma\varepsilon$ have the distribution $p_\sigma$ and $D(x; \sigma) = \mathrm E[x_0 \mid x]$. Then
$\nabla\log p_\sigma = (D - x)/\sigma^2$, and the *probability flow*

$$ \frac{dx}{d\sigma} = -\sigma\,\nabla\log p_\sigma(x) = \frac{x - D(x; \sigma)}{\sigma} $$

carries $p_\sigma$ from the most noise to the least (Karras et al. 2022, Eq. 3 and 4). On the way down a grid of
$\sigma$:

- `euler`: one evaluation of $D$ for a step. It is DDIM (Song et al. 2021) without noise.
- `heun`: the slope at both ends of a step, two evaluations; the error falls by 4 when steps are halved. A step to
  $\sigma = 0$, where there is no slope, is Euler's.
- `ddim`: to $\sigma'$ by the distribution of $x_{\sigma'}$ given $x_\sigma$ and $x_0 = D$, with noise renewed:

  $$ x' = D + \sqrt{\sigma'^2 - \tau^2}\,\frac{x - D}{\sigma} + \tau z, \qquad
     \tau = \eta\,\sigma' \sqrt{1 - \sigma'^2/\sigma^2}. $$

  $\eta = 0$ is Euler's step, $\eta = 1$ the ancestral sampler of DDPM.
- `churned`: before each of Heun's steps noise is added, from $\sigma$ to $\hat\sigma = (1 + \gamma)\sigma$, and the
  step leads down from $\hat\sigma$: the sampler of a stochastic differential equation, which corrects errors of former
  steps (Karras et al. 2022, Algorithm 2). $\gamma = \min(\text{churn} / n, \sqrt2 - 1)$ for $n$ steps.

All are functions of a denoiser; random numbers come from a `Noise`, one row for each example.

References:
    Karras, Aittala, Aila & Laine, Elucidating the Design Space of Diffusion-Based Generative Models (2022).
        https://arxiv.org/abs/2206.00364
    Song, Meng & Ermon, Denoising Diffusion Implicit Models (2021), Eq. 12 and 16. https://arxiv.org/abs/2010.02502
    Song et al., Score-Based Generative Modeling through Stochastic Differential Equations (2021).
        https://arxiv.org/abs/2011.13456
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.noise import Noise

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(B, *event), () → (B, *event): the mean of clean data given noisy data and the scale of the noise."""


def noise_grid(steps: int, low: float, high: float, rho: float = 7.0) -> Float[Tensor, " n"]:
    r"""Return steps + 1 scales of noise from `high` down to `low`, even in $\sigma^{1/\rho}$ (Eq. 5), in float64.

    Args:
        steps: from each scale to the next.
        low: the last scale, above 0.
        high: the first scale.
        rho: the larger, the more of the grid lies near `low`; 7 as in the paper.

    Examples:
        >>> noise_grid(2, 1.0, 9.0, rho=1.0).tolist()
        [9.0, 5.0, 1.0]
    """
    ends = high ** (1 / rho), low ** (1 / rho)
    return torch.linspace(*ends, steps + 1, dtype=torch.float64, device="cpu") ** rho


def slope(denoise: Denoise, x: Tensor, sigma: Tensor) -> Tensor:
    """Return dx/dsigma of the probability flow."""
    return (x - denoise(x, sigma)) / sigma


def euler(denoise: Denoise, x: Float[Tensor, "B *event"], sigmas: Float[Tensor, " n"]) -> Float[Tensor, "B *event"]:
    """Return the state at the last scale by Euler's steps.

    Args:
        denoise: mean of clean data.
        x: at the first scale.
        sigmas: decreasing; the last may be 0.
    """
    for sigma, after in pairwise(sigmas):
        x = x + (after - sigma) * slope(denoise, x, sigma)
    return x


def heun(denoise: Denoise, x: Float[Tensor, "B *event"], sigmas: Float[Tensor, " n"]) -> Float[Tensor, "B *event"]:
    """Return the state at the last scale by Heun's steps; a step to 0 is Euler's.

    Args:
        denoise: mean of clean data.
        x: at the first scale.
        sigmas: decreasing; the last may be 0.
    """
    for sigma, after in pairwise(sigmas):
        x = _heun_step(denoise, x, sigma, after)
    return x


def ddim(
    denoise: Denoise, x: Float[Tensor, "B *event"], sigmas: Float[Tensor, " n"], noise: Noise, eta: float
) -> Float[Tensor, "B *event"]:
    """Return the state at the last scale with a share of the noise renewed at every step.

    Args:
        denoise: mean of clean data.
        x: at the first scale.
        sigmas: decreasing; the last may be 0.
        noise: B rows.
        eta: 0 renews none, 1 as much as the ancestral sampler.
    """
    for sigma, after in pairwise(sigmas):
        clean = denoise(x, sigma)
        renewed = eta * after * (1 - (after / sigma) ** 2).sqrt()
        kept = (after**2 - renewed**2).sqrt()
        x = clean + kept / sigma * (x - clean) + renewed * noise.normal(*x.shape[1:], dtype=x.dtype)
    return x


def churned(
    denoise: Denoise, x: Float[Tensor, "B *event"], sigmas: Float[Tensor, " n"], noise: Noise, churn: float
) -> Float[Tensor, "B *event"]:
    """Return the state at the last scale, with noise added before every step.

    Args:
        denoise: mean of clean data.
        x: at the first scale.
        sigmas: decreasing; the last may be 0.
        noise: B rows.
        churn: noise added over all steps; 0: Heun's sampler.
    """
    more = min(churn / (len(sigmas) - 1), math.sqrt(2) - 1)
    for sigma, after in pairwise(sigmas):
        raised = (1 + more) * sigma
        x = x + (raised**2 - sigma**2).sqrt() * noise.normal(*x.shape[1:], dtype=x.dtype)
        x = _heun_step(denoise, x, raised, after)
    return x


def _heun_step(denoise: Denoise, x: Tensor, sigma: Tensor, after: Tensor) -> Tensor:
    first = slope(denoise, x, sigma)
    guess = x + (after - sigma) * first
    if after == 0:
        return guess
    return x + (after - sigma) * (first + slope(denoise, guess, after)) / 2
