r"""Heads: the distribution of one site of an example, given the numbers that a network computes from other sites.

A *site* has k components that are drawn together: one component of a vector, or a pixel with all its channels. A head
maps P numbers to a distribution of these components. It has no weights. Values are in data space; what has levels has
probabilities, everything else a density.

Draws are inverse distribution functions of uniform numbers, U for every site. So the same uniforms give the same draw
from the same numbers, whatever the way in which a sampler computed these.

References:
    Salimans, Karpathy, Chen & Kingma, PixelCNN++ (2017), Sec. 2.1 and 2.2. https://arxiv.org/abs/1701.05517
    Uria, Murray & Larochelle, RNADE (2013), on mixtures. https://arxiv.org/abs/1306.0186
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Equally spaced levels."""

    low: float
    """The lowest level, in data space."""

    width: float
    """Distance of neighbouring levels."""

    levels: int
    """Number of levels."""

    def index(self, x: Tensor) -> Tensor:
        """Return the number of the nearest level, int64 from 0."""
        return ((x - self.low) / self.width).round().long().clamp(0, self.levels - 1)

    def value(self, index: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the levels of these numbers, in data space."""
        return self.low + self.width * index.to(dtype)

    def between(self, x: Tensor) -> Tensor:
        """Return where x is none of the levels, up to rounding; NaN and values beyond the ends are none."""
        place = (x - self.low) / self.width
        return ~((place - place.round()).abs() < 1e-3) | (place < -0.5) | (place > self.levels - 0.5)

    @property
    def high(self) -> float:
        """The highest level."""
        return self.low + self.width * (self.levels - 1)


class Head(ABC):
    """The distribution of a site; see the module docstring."""

    size: int = 1
    """k, components of a site."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """P, numbers from which the distribution of a site is made."""

    @property
    def uniforms(self) -> int:
        """U, uniform numbers from which a site is drawn."""
        return 1

    @abstractmethod
    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """Return (...) nats of sites x (..., k), for the numbers h (..., P)."""

    @abstractmethod
    def draw(self, h: Tensor, u: Tensor) -> Tensor:
        """Return (..., k) sites, for the numbers h (..., P) and uniforms u (..., U) in [0, 1)."""


@final
@dataclass(frozen=True)
class Bernoulli(Head):
    """Two levels: one logit, of the higher one.

    Examples:
        >>> head = Bernoulli(Grid(-1.0, 2.0, levels=2))
        >>> head.log_prob(torch.zeros(1, 1), torch.ones(1, 1)).exp()
        tensor([0.5000])
    """

    grid: Grid
    """The two levels."""

    @property
    def parameters(self) -> int:
        """One."""
        return 1

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """Return log probabilities of the levels."""
        return F.logsigmoid((2 * self.grid.index(x).to(h.dtype) - 1) * h)[..., 0]

    def draw(self, h: Tensor, u: Tensor) -> Tensor:
        """Return the higher level where u < p."""
        return self.grid.value(u < h.sigmoid(), h.dtype)


@final
@dataclass(frozen=True)
class Categorical(Head):
    """Any levels: a logit for each, without a notion of their distance."""

    grid: Grid
    """The levels."""

    @property
    def parameters(self) -> int:
        """One for every level."""
        return self.grid.levels

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """Return log probabilities of the levels."""
        return h.log_softmax(-1).gather(-1, self.grid.index(x))[..., 0]

    def draw(self, h: Tensor, u: Tensor) -> Tensor:
        """Return the first level at which the distribution function exceeds u."""
        return self.grid.value(inverse(h, u), h.dtype)


@final
@dataclass(frozen=True)
class LogisticMixture(Head):
    r"""Many ordered levels: a mixture of logistic distributions, each rounded to the nearest level.

    $$ P(x) = \sum_m \pi_m \prod_c \Big[\sigma\Big(\frac{x_c + \delta/2 - \mu_{mc}}{s_{mc}}\Big)
       - \sigma\Big(\frac{x_c - \delta/2 - \mu_{mc}}{s_{mc}}\Big)\Big] $$

    with the lowest and the highest level extended to infinity, so that the levels have probability 1 together. In a
    pixel of several channels the mean $\mu_{mc}$ is a learned one plus $\sum_{b<c} t_{mcb} x_b$ with |t| < 1, linear in
    the channels before (red, green, blue). The difference of sigmoids is evaluated as
    $\log\sigma(a) + \log\sigma(-b) + \log(1 - e^{b-a})$, which loses no digits anywhere.
    """

    grid: Grid
    """The levels."""

    components: int = 10
    """Logistic distributions in the mixture."""

    size: int = 1
    """Channels of a pixel."""

    @property
    def parameters(self) -> int:
        """For each component one weight, a mean and a scale for every channel, a slope for every pair of channels."""
        return self.components * (1 + 2 * self.size + self.size * (self.size - 1) // 2)

    @property
    def uniforms(self) -> int:
        """One for the component and one for each channel."""
        return 1 + self.size

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """Return log probabilities of the levels."""
        weights, means, scales, slopes = self.split(h)
        log_p = weights.log_softmax(-1)
        for c in range(self.size):
            centre = self.centre(means, slopes, x, c)
            log_p = log_p + self.log_bin(x[..., c, None], centre, scales[..., c])
        return log_p.logsumexp(-1)

    def draw(self, h: Tensor, u: Tensor) -> Tensor:
        """Draw a component, then channel by channel a logistic number that is moved to the nearest level."""
        weights, means, scales, slopes = self.split(h)
        which = inverse(weights, u[..., :1])
        x = h.new_zeros(*h.shape[:-1], self.size)
        for c in range(self.size):
            centre = self.centre(means, slopes, x, c).gather(-1, which)[..., 0]
            drawn = centre + scales[..., c].gather(-1, which)[..., 0] * u[..., 1 + c].logit(eps=1e-7)
            x[..., c] = self.grid.value(self.grid.index(drawn), h.dtype)
        return x

    def split(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return weights (..., M), means and scales (..., M, k) in data space, and slopes (..., M, k (k - 1) / 2)."""
        k = self.size
        h = h.unflatten(-1, (self.components, -1))
        half = (self.grid.high - self.grid.low) / 2
        means = self.grid.low + half + half * h[..., 1 : 1 + k]
        log_scales = F.threshold(h[..., 1 + k : 1 + 2 * k], -7.0, -7.0)
        scales = half * (-F.threshold(-log_scales, -7.0, -7.0)).exp()  # within 7 of 0: the exponential overflows
        return h[..., 0], means, scales, h[..., 1 + 2 * k :].tanh()

    def centre(self, means: Tensor, slopes: Tensor, x: Tensor, c: int) -> Tensor:
        """Return (..., M) means of channel c, given the channels before it.

        Args:
            means: (..., M, k).
            slopes: (..., M, k (k - 1) / 2), those of one channel after another.
            x: (..., k) pixels, of which the channels before c count.
            c: number of the channel.
        """
        middle = (self.grid.high + self.grid.low) / 2
        first = c * (c - 1) // 2
        return means[..., c] + (slopes[..., first : first + c] * (x[..., None, :c] - middle)).sum(-1)

    def log_bin(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """Return the log probability that a logistic number falls nearest to the level x; arguments are broadcast."""
        index, half = self.grid.index(x), self.grid.width / 2
        above, below = (x + half - centre) / scale, (x - half - centre) / scale
        up = F.logsigmoid(above).masked_fill(index == self.grid.levels - 1, 0.0)
        down = F.logsigmoid(-below).masked_fill(index == 0, 0.0)
        inside = (index > 0) & (index < self.grid.levels - 1)
        between = (-torch.expm1(-self.grid.width / scale)).log()
        return up + down + between.masked_fill(~inside, 0.0)


@final
@dataclass(frozen=True)
class GaussianMixture(Head):
    r"""Real numbers: a mixture of Gaussians, cut to the support where that is bounded.

    $$ p(x) = \sum_m \pi_m\, \frac{\mathcal N(x; \mu_m, s_m^2)}{\Phi(\beta_m) - \Phi(\alpha_m)}, \qquad
       \alpha_m, \beta_m = (\mathrm{low} - \mu_m) / s_m,\ (\mathrm{high} - \mu_m) / s_m $$

    With a bounded support the means are inside it. Scales stay above a thousandth of the standard deviation of the
    data, since a density on repeated values would grow without bound otherwise.
    """

    mean: float
    """Of the data."""

    std: float
    """Of the data."""

    support: tuple[float, float] | None = None
    """Smallest and largest value; None: the real line."""

    components: int = 10
    """Gaussians in the mixture."""

    @property
    def parameters(self) -> int:
        """For each component a weight, a mean and a scale."""
        return 3 * self.components

    @property
    def uniforms(self) -> int:
        """One for the component, one for the value."""
        return 2

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """Return log densities in data space."""
        weights, means, scales = self.split(h)
        z = (x - means) / scales
        log_p = -0.5 * z.square() - scales.log() - 0.5 * math.log(2 * math.pi)
        low, high = self.ends(means, scales)
        log_p = log_p - (high - low).log()
        if self.support is not None:
            log_p = log_p.masked_fill((x < self.support[0]) | (x > self.support[1]), -math.inf)
        return (weights.log_softmax(-1) + log_p).logsumexp(-1)

    def draw(self, h: Tensor, u: Tensor) -> Tensor:
        """Draw a component, then a value of it."""
        weights, means, scales = self.split(h)
        which = inverse(weights, u[..., :1])
        mean, scale = means.gather(-1, which), scales.gather(-1, which)
        low, high = self.ends(mean, scale)
        tiny = torch.finfo(h.dtype).eps / 2
        x = mean + scale * torch.special.ndtri((low + u[..., 1:] * (high - low)).clamp(tiny, 1 - tiny))
        return x if self.support is None else x.clamp(*self.support)

    def split(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return weights, means and scales (..., M) in data space."""
        weights, means, scales = h.chunk(3, dim=-1)
        if self.support is None:
            means = self.mean + self.std * means
        else:
            means = self.support[0] + (self.support[1] - self.support[0]) * means.sigmoid()
        return weights, means, self.std * (1e-3 + (-F.threshold(-scales, -5.0, -5.0)).exp())

    def ends(self, means: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values of each component's distribution function at the ends of the support."""
        if self.support is None:
            return torch.zeros_like(means), torch.ones_like(means)
        low, high = ((end - means) / scales for end in self.support)
        return torch.special.ndtr(low), torch.special.ndtr(high)


@final
@dataclass(frozen=True)
class Features:
    """What a network sees of a site of one component: its deviation from the mean, or its level one-hot."""

    mean: float
    """Value that becomes 0."""

    std: float
    """Distance that becomes 1."""

    grid: Grid | None = None
    """Levels, to be given one-hot."""

    @property
    def count(self) -> int:
        """F, numbers that describe a site."""
        return 1 if self.grid is None else self.grid.levels

    def __call__(self, sites: Tensor) -> Tensor:
        """Return (..., F) for sites (..., 1)."""
        if self.grid is None:
            return (sites - self.mean) / self.std
        # torch's one_hot reads the largest index back from the device.
        return (self.grid.index(sites) == torch.arange(self.grid.levels, device=sites.device)).to(sites.dtype)


def inverse(logits: Tensor, u: Tensor) -> Tensor:
    """Return (..., 1) int64, the first index at which the distribution function of softmax(logits) exceeds u (..., 1).

    Examples:
        >>> inverse(torch.tensor([[0.5, 0.25, 0.25]]).log(), torch.tensor([[0.6]]))
        tensor([[1]])
    """
    ends = logits.softmax(-1).cumsum(-1)
    return torch.searchsorted(ends, u.contiguous(), right=True).clamp(max=logits.shape[-1] - 1)
