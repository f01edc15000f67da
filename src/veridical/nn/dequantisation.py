r"""Noise that makes levels continuous, and the units in which a flow sees its data.

A level at $x$ on a grid of spacing $\delta$ is the cell $[x - \delta/2, x + \delta/2]$, and nothing but the cell: with
$u \in (0, 1)^D$,

$$ \tilde x = x + \delta\,(u - \tfrac12), \qquad
   \log P(x) = \log \mathbb E_{q(u \mid x)} \frac{p(\tilde x)\,\delta^D}{q(u \mid x)}
   \ge \mathbb E_q \big[\log p(\tilde x) - \log q(u \mid x)\big] + D \log\delta . $$

Uniform noise has $\log q = 0$. Variational noise is a small flow from logistic noise to $u$, conditional on $x$ and
ended by a sigmoid, uniform at the start.

References:
    Theis, van den Oord & Bethge, A note on the evaluation of generative models (2016).
        https://arxiv.org/abs/1511.01844
    Ho, Chen, Srinivas, Duan & Abbeel, Flow++ (2019), Sec. 3.1. https://arxiv.org/abs/1902.00275
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.conv import Grid, Padding
from veridical.nn.coupling import ConvConditioner, MaskedCoupling, alternating, checkerboard, vector_conditioner
from veridical.nn.invertible import Chain, Invertible
from veridical.nn.mlp import Trunk
from veridical.nn.precision import as_weights, at_least_single
from veridical.noise import Noise


def open_uniform(x: Tensor) -> Tensor:
    """Return uniform noise of the shape of x inside (0, 1), from torch's global generator."""
    return inside(torch.rand_like(at_least_single(x)))


def inside(u: Tensor) -> Tensor:
    """Move values at the ends of [0, 1] inside, by half a unit of rounding; the gradient is one everywhere."""
    smallest, value = torch.finfo(u.dtype).eps / 2, u.detach()
    return u + (value.clamp(smallest, 1 - smallest) - value)


class VariationalNoise(nn.Module):
    """Noise q(u | x): a flow of logistic noise conditional on x, and a sigmoid; uniform at the start.

    Args:
        space: shape of an example, and whether its sites are on a torus.
        width: channels or units of the networks.
        steps: pairs of couplings.
    """

    def __init__(self, space: Grid, width: int, steps: int) -> None:
        super().__init__()
        self.shape = space.shape if len(space.shape) == 3 else (math.prod(space.shape),)
        channels, periodic = self.shape[0], space.kind == "lattice"
        if len(self.shape) == 3:
            mode: Padding = "circular" if periodic else "zeros"
            convolutions = (nn.Conv2d(n, width, 3, padding=1, padding_mode=mode) for n in (channels, width))
            self.features = nn.Sequential(next(convolutions), nn.SiLU(), next(convolutions), nn.SiLU())
            masks = [checkerboard(*self.shape[1:], odd=odd) for odd in (False, True)]
        else:
            self.features = Trunk(channels, width, 2)
            masks = [alternating(channels, odd=odd) for odd in (False, True)]
        sizes = channels + width, 2 * channels
        networks = (
            ConvConditioner(*sizes, width, periodic) if len(self.shape) == 3 else vector_conditioner(*sizes, width, 1)
            for _ in range(1 + 2 * steps)
        )
        masks = [torch.zeros_like(masks[0]), *steps * masks]  # first an affine map of every component on its own
        self.flow = Chain([MaskedCoupling(mask, n, "affine") for mask, n in zip(masks, networks, strict=True)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Draw u (B, *event) inside (0, 1), and return it with (B,) log q(u | x), for x (B, *event) of order 1."""
        start = torch.logit(open_uniform(x)).reshape(len(x), *self.shape)
        y, log_det = self.flow(start, self._context(x))
        return inside(torch.sigmoid(y)).reshape(x.shape), log_slope(start) - log_det - log_slope(y)

    def log_prob(self, u: Tensor, x: Tensor) -> Tensor:
        """Return (B,) log q(u | x) of noise u (B, *event) inside (0, 1)."""
        y = torch.logit(u).reshape(len(x), *self.shape)
        start, log_det = self.flow.inverse(y, self._context(x))
        return log_slope(start) + log_det - log_slope(y)

    def _context(self, x: Tensor) -> Tensor:
        return at_least_single(self.features(as_weights(x.reshape(len(x), *self.shape), self)))


class GaussianCells:
    r"""Levels with normal noise, and the level given a noisy value.

    $$ q(y \mid x) = \mathcal N(y; x, \sigma^2), \qquad
       P(x \mid y) \propto \mathcal N(y; x, \sigma^2)\, e^{\lambda x} $$

    for every component on its own, over all levels; those beyond 10 deviations have probability 0. $\lambda(y)$ is such
    that the level has a given mean, which a denoiser knows from the other components; without one it is 0. Where levels
    on one side are ruled out, $\lambda$ would be infinite; a limit leaves them `LIMIT` nats less likely per level.

    Args:
        low: least level.
        high: largest level.
        width: distance between levels.
        sigma: of the noise.
    """

    LIMIT, HALVINGS = 12.0, 24
    """Largest lambda per level, and how often its interval is halved."""

    def __init__(self, low: float, high: float, width: float, sigma: float) -> None:
        self.low, self.high, self.width, self.sigma = low, high, width, sigma
        self.reach = min(math.ceil(10 * sigma / width) + 1, round((high - low) / width))

    def noisy(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return y (B, *event) for levels x, and (B,) log q(y | x), nats; from torch's global generator."""
        eps = torch.randn_like(at_least_single(x))
        constant = math.log(self.sigma) + 0.5 * math.log(2 * math.pi)
        return x + self.sigma * eps, -(0.5 * eps**2 + constant).flatten(1).sum(1)

    def log_prob(self, x: Tensor, y: Tensor, mean: Tensor | None = None) -> Tensor:
        """Return (B,) log P(x | y) of levels x given noisy values y and the mean of the levels, nats."""
        places, exponents, tilt = self._tilted(y, mean)
        own = (x - self._nearest(y)) / self.width
        chosen = -0.5 * ((y - x) / self.sigma) ** 2 + tilt * own
        chosen = chosen.masked_fill(own.abs() > self.reach + 0.5, -math.inf)
        return (chosen - (exponents + tilt[..., None] * places).logsumexp(-1)).flatten(1).sum(1)

    def draw(self, y: Tensor, noise: Noise, mean: Tensor | None = None) -> Tensor:
        """Return levels (n, *event) drawn given noisy values and the mean of the levels."""
        places, exponents, tilt = self._tilted(y, mean)
        u = noise.uniform(*y.shape[1:], dtype=y.dtype)
        below = (exponents + tilt[..., None] * places).softmax(-1).cumsum(-1) < u[..., None]
        drawn = self._nearest(y) + self.width * places[below.sum(-1).clamp(max=len(places) - 1)]
        return drawn.clamp(self.low, self.high)  # rounding may leave the support

    def _tilted(self, y: Tensor, mean: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return places (2 reach + 1,) about the nearest level, exponents (..., 2 reach + 1) without tilt, tilts."""
        places = torch.arange(-self.reach, self.reach + 1, device=y.device, dtype=y.dtype)
        nearest = self._nearest(y)
        levels = nearest[..., None] + self.width * places
        beyond = (levels < self.low - self.width / 2) | (levels > self.high + self.width / 2)
        exponents = (-0.5 * ((y[..., None] - levels) / self.sigma) ** 2).masked_fill(beyond, -math.inf)
        tilt = torch.zeros_like(y)
        if mean is not None:
            wanted, step = (mean - nearest) / self.width, self.LIMIT / 2
            for _ in range(self.HALVINGS):
                found = ((exponents + tilt[..., None] * places).softmax(-1) * places).sum(-1)
                tilt, step = tilt + step * (2.0 * (found < wanted) - 1.0).to(y), step / 2
        return places, exponents, tilt

    def _nearest(self, y: Tensor) -> Tensor:
        place = ((y - self.low) / self.width).round().clamp(0, round((self.high - self.low) / self.width))
        return self.low + self.width * place


def log_slope(y: Tensor) -> Tensor:
    """Return (B,) logarithms of the slope of the sigmoid, summed over components: the logistic density, nats."""
    return (F.logsigmoid(y) + F.logsigmoid(-y)).flatten(1).sum(1)


class Standardise(Invertible):
    """Data in units of a standard deviation about a mean.

    Args:
        mean: of all components.
        std: of all components.
    """

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map data space to standard units."""
        return (x - self.mean) / self.std, self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map standard units to data space."""
        return self.mean + self.std * z, -self._log_det(z)

    def _log_det(self, x: Tensor) -> Tensor:
        return at_least_single(x).new_full((len(x),), -math.log(self.std) * math.prod(x.shape[1:]))


class Logit(Invertible):
    r"""An interval mapped to the line: $y = \mathrm{logit}(\alpha + (1 - 2\alpha) v)$ of the share $v$ of its length.

    With $\alpha > 0$ a neighbourhood of the interval is mapped as well, and the ends stay finite.

    Args:
        low: end of the interval.
        high: end of the interval.
        margin: $\alpha$, below one half.
    """

    def __init__(self, low: float, high: float, margin: float) -> None:
        super().__init__()
        self.low, self.width, self.margin = low, high - low, margin

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map the interval to the line."""
        p = inside(self.margin + (1 - 2 * self.margin) * (at_least_single(x) - self.low) / self.width)
        y = torch.logit(p)
        return y, self._constant(x) - log_slope(y)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map the line to the interval, and its margins."""
        v = (torch.sigmoid(z) - self.margin) / (1 - 2 * self.margin)
        return self.low + self.width * v, log_slope(z) - self._constant(z)

    def _constant(self, x: Tensor) -> float:
        return math.log((1 - 2 * self.margin) / self.width) * math.prod(x.shape[1:])
