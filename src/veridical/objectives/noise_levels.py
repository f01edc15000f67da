r"""The design of a diffusion model: noise levels, scales of inputs and outputs, weights of the loss.

A network $F$ becomes a denoiser of data with the standard deviation $s$ (Karras et al. 2022, Eq. 7 and Table 1):

$$ D(x; \sigma) = c_\text{skip}\,x + c_\text{out}\,F\big(c_\text{in}\,x,\ c_\text{noise}\big), \qquad
   c_\text{skip} = \frac{s^2}{s^2 + \sigma^2},\quad c_\text{out} = \frac{s\,\sigma}{\sqrt{s^2 + \sigma^2}},\quad
   c_\text{in} = \frac1{\sqrt{s^2 + \sigma^2}},\quad c_\text{noise} = \tfrac14 \ln\sigma . $$

With the weight $\lambda = (s^2 + \sigma^2) / (s\,\sigma)^2$ the loss $\lambda\,|D - x_0|^2$ is $|F - T|^2$ with a
target $T$ of variance 1 at every $\sigma$. With $\sigma = s \tan\theta$ and $x = x_0 + \sigma\varepsilon$,

$$ T = \frac{x_0 - c_\text{skip}\,x}{c_\text{out}} = \sin\theta\,\frac{x_0}{s} - \cos\theta\,\varepsilon,
   \qquad c_\text{in}\,x = \cos\theta\,\frac{x_0}{s} + \sin\theta\,\varepsilon . $$

For Gaussian data of that variance input and target are independent: the best network is $F = 0$ and its loss is **1 for
every** $\sigma$. For all other data the best loss lies below 1, and how far tells what is to be learned at that level.
In the angle the probability flow is $dy/d\theta = -F(y, \theta)$, $y = c_\text{in}\,x$: nothing diverges at either end.

References:
    Karras, Aittala, Aila & Laine, Elucidating the Design Space of Diffusion-Based Generative Models (2022), Table 1.
        https://arxiv.org/abs/2206.00364
    Kingma et al., Variational Diffusion Models (2021), App. I.1, for levels spread evenly. https://arxiv.org/abs/2107.00630
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Scales(NamedTuple):
    """The factors of a denoiser at given noise levels, of their shape."""

    skip: Tensor
    out: Tensor
    into: Tensor
    level: Tensor
    """ln(sigma / s) / 4, the network's input for the noise."""


def scales(sigma: Tensor, s: float = 1.0) -> Scales:
    """Return the factors of the module docstring; the level is that of sigma in units of s.

    Args:
        sigma: noise, in the units of s.
        s: standard deviation of the data.
    """
    total = (sigma**2 + s**2).sqrt()
    return Scales(s**2 / total**2, s * sigma / total, 1 / total, (sigma / s).log() / 4)


def weight(sigma: Tensor, s: float = 1.0) -> Tensor:
    """Return the weight of the squared error of a denoiser at these noise levels."""
    return (sigma**2 + s**2) / (sigma * s) ** 2


def even_uniform(n: int, device: torch.device) -> Float[Tensor, " n"]:
    """Return n numbers in [0, 1), each uniform and all of them evenly spread, from torch's global generator.

    A batch then has noise levels of all sizes, and its loss varies less. Element i of a batch may be any example, so
    that noise and example are independent.
    """
    return (torch.arange(n, device=device) / n + torch.rand((), device=device)) % 1.0


def log_normal(u: Tensor, mean: float, std: float, low: float, high: float) -> Tensor:
    r"""Return noise levels of which the logarithm is normal, restricted to an interval.

    Args:
        u: uniform numbers in [0, 1).
        mean: of the logarithm.
        std: of the logarithm.
        low: least level.
        high: largest level.
    """
    below, above = (0.5 * (1 + math.erf((math.log(end) - mean) / std / math.sqrt(2))) for end in (low, high))
    z = torch.special.ndtri((below + (above - below) * u).clamp(1e-7, 1 - 1e-7))
    return (mean + std * z).clamp(math.log(low), math.log(high)).exp()
