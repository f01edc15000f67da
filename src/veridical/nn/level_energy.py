r"""Logits of noise levels for images, of which the gradient is as good a denoiser as a U-Net.

**Why not a network that ends in numbers.** The gradient of the logits must name the noise of every pixel, by walking
back through layers that were made to forget it. Layers that keep the image, down and up again, do not.

**The energy.** Let $f(x)$ be the mean of clean data given $x$ with noise $\sigma$. Every such mean is also the point
nearest to $x$ under some penalty $R$ (Gribonval 2011), so that exactly

$$ -\log p_\sigma(x) = \frac{|x - f|^2}{2\sigma^2} + R_\sigma(f), \qquad
   -\nabla \log p_\sigma(x) = \frac{x - f}{\sigma^2} . $$

For Gaussian data with mean m and covariance C, $R = \tfrac12 (f - m)^\top C^{-1} (f - m)$ and $f = m + W (x - m)$ with
$W = C (C + \sigma^2)^{-1}$. For data on points R is constant near each of them. With $h$, the distance of a denoiser
from this best linear one, the sum is

$$ \frac{|x - f|^2}{2\sigma^2} + \tfrac12 (f - m)^\top C^{-1} (f - m) =
   \tfrac12 (x - m)^\top (C + \sigma^2)^{-1} (x - m) + \frac{|h|^2}{2\sigma^2} + \tfrac12 h^\top C^{-1} h . $$

The logits are therefore, up to a function of x that is the same for all,

$$ \log p_k(x) = \log \mathcal N(x; m, C + \sigma_k^2) - \frac{|h|^2}{2\sigma_k^2} - \tfrac12 h^\top (C + \delta^2)^{-1}
   h + c_k + \frac{s^2}{s^2 + \sigma_k^2}\,g_k(x) . $$

A U-Net gives h, and $g_k$ for what the rest of R is. Both start at zero, which is **the best discriminator of Gaussian
data** with the moments of the data. The energy does not move from h = 0, where it is stationary; the denoiser
$m + W (x - m) + h$ is therefore trained too, by the family. Where the fields explain the noise of n components, the
density falls by n for each unit of $\log \sigma$: such offsets $c_k$, sums over all higher levels, are learned with a
large step. $\delta$ is a tenth of the deviation of the data: finer details are not Gaussian.

**The level.** W and the U-Net see the level $\hat\sigma(x)$ that the Gaussian densities estimate, not the level k, so
that one evaluation gives all logits, and the gradient passes through the estimate. It is a mean over the levels with
probabilities so flat that it is smooth in x also where an image determines its level.

References:
    Yadin, Elata & Michaeli, Classification Diffusion Models (2024). https://arxiv.org/abs/2402.10095
    Salimans & Ho, Should EBMs Model the Energy or the Score? (2021), for energies that are squared distances from a
        denoiser. https://openreview.net/forum?id=9AS-TF2jRNb
    Gribonval, Should Penalized Least Squares Regression be Interpreted as Maximum A Posteriori Estimation? (2011).
        https://doi.org/10.1109/TSP.2011.2107908
    Tipping & Bishop, Probabilistic Principal Component Analysis (1999). https://doi.org/10.1111/1467-9868.00196
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from veridical.nn.buffers import BufferRole
from veridical.nn.conv import Grid
from veridical.nn.level_network import UNet

FINEST = 0.1
"""delta, in standard deviations of the data."""

OFFSET_STEP = 3.0
"""Step of the offsets, in explained components of an example for each unit of their parameter."""


class GaussianMoments(nn.Module):
    """Mean and covariance of data: variances along principal axes, one variance for all other directions.

    Args:
        dim: d, components of an example.
        axes: n, number of principal axes.
        mean: of all components, until `set` is called.
        variance: in all directions, until `set` is called.
    """

    buffer_roles: ClassVar = dict.fromkeys(("mean", "axes", "variances", "rest"), BufferRole.LIVE)
    mean: Tensor
    axes: Tensor
    variances: Tensor
    rest: Tensor

    def __init__(self, dim: int, axes: int, mean: float, variance: float) -> None:
        super().__init__()
        self.left = dim - axes
        """Directions other than the axes."""
        self.register_buffer("mean", torch.full((dim,), mean))
        self.register_buffer("axes", torch.eye(axes, dim))
        self.register_buffer("variances", torch.full((axes,), variance))
        self.register_buffer("rest", torch.tensor(variance))

    def set(self, mean: Tensor, axes: Tensor, variances: Tensor, total: float) -> None:
        """Take the moments of data.

        Args:
            mean: (d,).
            axes: (n, d) orthonormal.
            variances: (n,) along the axes.
            total: sum of the variances in all directions.
        """
        for target, value in ((self.mean, mean), (self.axes, axes), (self.variances, variances)):
            target.copy_(value)
        self.rest.fill_(max(0.0, total - float(variances.sum())) / max(1, self.left))

    def quadratic(self, h: Tensor, added: Tensor) -> Tensor:
        """Return (B, K) h' (C + added)^-1 h for h (B, d) and variances added (K,)."""
        along = (h @ self.axes.to(h).T).square()
        total = along @ (1 / (self.variances.to(h) + added[:, None])).T
        if not self.left:
            return total
        others = (h.square().sum(dim=1) - along.sum(dim=1)).clamp(min=0)
        return total + others[:, None] / (self.rest.to(h) + added)

    def log_density(self, x: Tensor, added: Tensor) -> Tensor:
        """Return (B, K) log N(x; m, C + added) without (2 pi)^(-d/2), for x (B, d) and variances added (K,)."""
        log_det = (self.variances.to(x) + added[:, None]).log().sum(dim=1)
        log_det = log_det + self.left * (self.rest.to(x) + added).log()
        return -0.5 * (self.quadratic(x - self.mean.to(x), added) + log_det)

    def shrunk(self, x: Tensor, added: Tensor) -> Tensor:
        """Return (B, d) C (C + added)^-1 (x - m) for x (B, d) and variances added (B,)."""
        centred, axes, added = x - self.mean.to(x), self.axes.to(x), added[:, None]
        rest = self.rest.to(x) / (self.rest.to(x) + added) if self.left else 0.0
        factors = self.variances.to(x) / (self.variances.to(x) + added)
        return rest * centred + ((factors - rest) * (centred @ axes.T)) @ axes


class LevelEnergy(nn.Module):
    """Logits of the levels, up to a function of x (module docstring).

    Args:
        space: shape (C, H, W) and kind of the images.
        mean: of the data, a number.
        std: s, of the data, a number.
        sigmas: (K,) levels, from the least, in data space.
        axes: principal axes of the Gaussian start.
        width: channels of the finest grid of the U-Net.
        blocks: residual blocks of the U-Net on every grid.
    """

    squares: Tensor
    logs: Tensor
    shares: Tensor

    def __init__(
        self, space: Grid, mean: float, std: float, sigmas: Tensor, *, axes: int, width: int, blocks: int = 1
    ) -> None:
        super().__init__()
        self.mean, self.std, self.channels, dim = mean, std, space.shape[0], math.prod(space.shape)
        relative = sigmas / std
        self.step = float((relative[-1] / relative[0]).log()) / (len(sigmas) - 1)
        """Between neighbouring levels, in log sigma."""
        self.flatness = flatness(dim, self.step)
        self.register_buffer("squares", sigmas.square().float(), persistent=False)
        self.register_buffer("logs", relative.log().float(), persistent=False)
        self.register_buffer("shares", (1 / (1 + relative.square())).float(), persistent=False)
        self.gaussian = GaussianMoments(dim, axes, mean, std**2)
        self.explained = nn.Parameter(torch.zeros(len(sigmas)))
        outputs = self.channels + len(sigmas)
        self.network: nn.Module = UNet(space, width, blocks, inputs=2 * self.channels, outputs=outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, H, W) to logits (B, K) and to the denoiser of the energy (B, C, H, W), in data space."""
        flat, squares = x.flatten(1), self.squares.to(x)
        gaussian = self.gaussian.log_density(flat, squares)
        level = (gaussian / self.flatness).softmax(dim=1) @ self.logs.to(x)
        linear = self.gaussian.shrunk(flat, (self.std * level.exp()).square())
        h, free = self._fields(x, linear, level)
        quadratic = h.square().sum(dim=1, keepdim=True) / squares
        quadratic = quadratic + self.gaussian.quadratic(h, x.new_full((1,), (FINEST * self.std) ** 2))
        logits = gaussian - 0.5 * quadratic + self.offsets().to(x) + self.shares.to(x) * free
        return logits, (self.gaussian.mean.to(x) + linear + h).reshape(x.shape)

    def _fields(self, x: Tensor, linear: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, d) h and (B, K) g for the best linear denoiser (B, d) and log sigma / s (B,)."""
        angle = level.exp().atan()
        z = (x - self.mean) / self.std * _column(angle.cos(), x)
        with sdpa_kernel(SDPBackend.MATH):  # the other kernels have no second derivative
            fields = self.network(torch.cat([z, linear.reshape(x.shape) / self.std], dim=1), level / 4)
        h, free = fields.split([self.channels, len(self.logs)], dim=1)
        h = self.std * _column(angle.sin() * angle.cos(), x) * h
        return h.flatten(1), free.flatten(2).sum(dim=2) / math.sqrt(math.prod(x.shape[2:]))

    def offsets(self) -> Tensor:
        """Return (K,) c, sums over all higher levels."""
        dim = len(self.gaussian.mean)
        return (OFFSET_STEP * dim * self.step * self.shares * self.explained).flip(0).cumsum(0).flip(0)


def flatness(dim: int, step: float) -> float:
    """Return the number by which log-densities are divided, so that neighbouring levels are confused.

    The Fisher information of d components about log sigma is at most 2 d. Divided by this number it is at most
    2 / step^2, which is a standard deviation of 0.7 steps.

    Args:
        dim: d.
        step: between neighbouring levels, in log sigma.
    """
    return max(1.0, dim * step**2)


def _column(value: Tensor, x: Tensor) -> Tensor:
    return value.reshape(-1, *[1] * (x.dim() - 1))
