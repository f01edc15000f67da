r"""Invertible layers: every map comes with its inverse and with the logarithm of its Jacobian determinant.

A layer maps $x$ to $z = f(x)$ and returns $\log|\det \partial z/\partial x|$ of every example; its inverse returns that
of the inverse map, which is the negative. Layers act on (B, C, *sites): vectors are (B, C). Scales are
$\exp(b \tanh(h/b))$ of a free number $h$, so that they stay within $e^{\pm b}$ and the inverse cannot overflow.

References:
    Dinh, Krueger & Bengio, NICE (2015). https://arxiv.org/abs/1410.8516
    Dinh, Sohl-Dickstein & Bengio, Density Estimation Using Real NVP (2017). https://arxiv.org/abs/1605.08803
    Kingma & Dhariwal, Glow (2018). https://arxiv.org/abs/1807.03039
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole
from veridical.nn.precision import at_least_single

LOG_SCALE = 4.0
"""Largest logarithm of a learned scale that does not depend on the example."""

SPREADS = (1e-2, 1e2)
"""Smallest and largest standard deviation by which data are divided."""


def bounded(h: Tensor, limit: float) -> Tensor:
    """Return a number within ±limit, about h near 0.

    Examples:
        >>> bounded(torch.tensor([0.01, 100.0]), 2.0)
        tensor([0.0100, 2.0000])
    """
    return limit * torch.tanh(h / limit)


class Invertible(nn.Module, ABC):
    """A map that is one to one."""

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return f(x) and (B,) log|det df/dx|.

        Args:
            x: (B, C, *sites).
            context: (B, K, *sites) what the map may depend on besides; layers without networks ignore it.
        """

    @abstractmethod
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the x with f(x) = z, and (B,) log|det| of the inverse map.

        Args:
            z: (B, C, *sites).
            context: the same as of the forward map.
        """


class Chain(Invertible):
    """Layers one after the other."""

    def __init__(self, layers: Sequence[Invertible]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Apply the layers in order."""
        total = at_least_single(x).new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x, context)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Apply the inverses from the last layer to the first."""
        total = at_least_single(z).new_zeros(len(z))
        for layer in reversed(self.layers):
            assert isinstance(layer, Invertible)
            z, log_det = layer.inverse(z, context)
            total = total + log_det
        return z, total


class ActNorm(Invertible):
    r"""Per-channel affine map, standardising the first batch of data that it is shown.

    $$ z = \frac{x - m}{s}\, e^{b \tanh(h/b)} + t $$

    The mean $m$ and the standard deviation $s$ are buffers, 0 and 1 until `statistics_from_data` is in force during a
    forward pass; the flag `ready` is a boolean buffer that no other pass sets. Learned are $h$ and $t$, from 0.

    Args:
        channels: size of the second axis.
    """

    buffer_roles: ClassVar = {"centre": BufferRole.LIVE, "spread": BufferRole.LIVE, "ready": BufferRole.LIVE}
    centre: Tensor
    spread: Tensor
    ready: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale, self.shift = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))
        self.register_buffer("ready", torch.tensor(False))
        self.collecting = False

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the map and its log-determinant."""
        if self.collecting:
            self._collect(x.detach())
        scale, log_det = self._scale(x)
        return (x - _along(self.centre, x)) * _along(scale, x) + _along(self.shift, x), log_det.expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the inverse and its log-determinant."""
        scale, log_det = self._scale(z)
        return (z - _along(self.shift, z)) / _along(scale, z) + _along(self.centre, z), -log_det.expand(len(z))

    def _scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(C,) scale, and () log-determinant of one example."""
        log_scale = bounded(self.log_scale, LOG_SCALE) - self.spread.log()
        return log_scale.exp(), sites_of(x) * log_scale.sum()

    @torch.no_grad()
    def _collect(self, x: Tensor) -> None:
        axes = [0, *range(2, x.ndim)]
        moments = torch.stack([x.mean(axes), x.square().mean(axes)])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(moments)
            moments /= torch.distributed.get_world_size()
        spread = (moments[1] - moments[0].square()).clamp(min=0).sqrt().clamp(*SPREADS)
        # Without reading the flag, and in place: averages of the weights hold on to the tensors.
        self.centre.copy_(torch.where(self.ready, self.centre, moments[0]))
        self.spread.copy_(torch.where(self.ready, self.spread, spread))
        self.ready.fill_(True)


@contextmanager
def statistics_from_data(module: nn.Module) -> Iterator[None]:
    """Let every ActNorm that has none take its statistics from the forward passes in this context.

    Only real examples may be passed: what is drawn from a model tells nothing about the data.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, ActNorm)]
    for layer in layers:
        layer.collecting = True
    try:
        yield
    finally:
        for layer in layers:
            layer.collecting = False


class Scale(Invertible):
    """Diagonal map of learned scales, one for each component; NICE's last layer.

    Args:
        components: size of the second axis.
    """

    def __init__(self, components: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(components))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Multiply by the scales."""
        s = bounded(self.log_scale, LOG_SCALE)
        return x * _along(s.exp(), x), (sites_of(x) * s.sum()).expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Divide by the scales."""
        s = bounded(self.log_scale, LOG_SCALE)
        return z * _along((-s).exp(), z), -(sites_of(z) * s.sum()).expand(len(z))


class ChannelMixing(Invertible):
    r"""Glow's 1x1 convolution: one matrix for the channels of all sites, $W = P L (U + \mathrm{diag}\,s)$.

    $P$ is a fixed permutation, $L$ lower triangular with ones on its diagonal, $U$ strictly upper triangular; then
    $\log|\det W| = \sum \log|s|$. $W$ starts as a random rotation, its $|s|$ within $e^{\pm b}$. The inverse matrix
    comes from the triangular factors, in double precision, once in a call and for all sites.

    Args:
        channels: size of the second axis.
    """

    buffer_roles: ClassVar = {"permutation": BufferRole.LIVE, "sign": BufferRole.LIVE}
    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels, dtype=torch.float64)).Q
        P, L, U = torch.linalg.lu(rotation)
        diagonal, dtype = U.diagonal(), torch.get_default_dtype()
        log_scale = (diagonal.abs().log() / LOG_SCALE).clamp(-0.9, 0.9)
        self.register_buffer("permutation", P.argmax(1))
        self.register_buffer("sign", diagonal.sign().to(dtype))
        self.lower, self.upper = nn.Parameter(L.tril(-1).to(dtype)), nn.Parameter(U.triu(1).to(dtype))
        self.log_scale = nn.Parameter((LOG_SCALE * torch.atanh(log_scale)).to(dtype))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Multiply the channels of every site by W."""
        L, U, log_scale = self._factors()
        return _mix((L @ U)[self.permutation], x), (sites_of(x) * log_scale.sum()).expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Multiply the channels of every site by the inverse of W."""
        L, U, log_scale = self._factors()
        eye = torch.eye(len(L), dtype=torch.float64, device=z.device)
        inner = torch.linalg.solve_triangular(L.double(), eye[self.permutation].T, upper=False, unitriangular=True)
        inverse = torch.linalg.solve_triangular(U.double(), inner, upper=True)
        return _mix(inverse.to(L.dtype), z), -(sites_of(z) * log_scale.sum()).expand(len(z))

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        log_scale = bounded(self.log_scale, LOG_SCALE)
        L = self.lower.tril(-1) + torch.eye(len(self.sign), dtype=self.sign.dtype, device=self.sign.device)
        return L, self.upper.triu(1) + torch.diag(self.sign * log_scale.exp()), log_scale


class Squeeze(Invertible):
    """Blocks of neighbouring sites become channels; a side that is odd is kept as it is.

    Args:
        shape: (C, H, W).

    Examples:
        >>> Squeeze((1, 28, 28)).shape, Squeeze((4, 7, 14)).shape
        ((4, 14, 14), (8, 7, 7))
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, *sides = shape
        self.factors = tuple(2 if side % 2 == 0 else 1 for side in sides)
        self.before = shape
        self.shape = (channels * math.prod(self.factors), *(s // f for s, f in zip(sides, self.factors, strict=True)))
        """(C', H', W') after it."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move sites to channels."""
        (c, _, _), (f, g) = self.before, self.factors
        blocks = x.reshape(len(x), c, self.shape[1], f, self.shape[2], g).permute(0, 1, 3, 5, 2, 4)
        return blocks.reshape(len(x), *self.shape), zeros(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move channels to sites."""
        (c, _, _), (f, g) = self.before, self.factors
        blocks = z.reshape(len(z), c, f, g, *self.shape[1:]).permute(0, 1, 4, 2, 5, 3)
        return blocks.reshape(len(z), *self.before), zeros(z)


class Reshape(Invertible):
    """Another shape of the same components.

    Args:
        before: shape of an example.
        after: shape of its image.
    """

    def __init__(self, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Reshape every example."""
        return x.reshape(len(x), *self.after), zeros(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Reshape every example back."""
        return z.reshape(len(z), *self.before), zeros(z)


def sites_of(x: Tensor) -> int:
    """Return the number of sites of (B, C, *sites)."""
    return math.prod(x.shape[2:])


def zeros(x: Tensor) -> Tensor:
    """Return (B,) zeros: the log-determinant of a map that only moves components."""
    return at_least_single(x).new_zeros(len(x))


def _along(values: Tensor, x: Tensor) -> Tensor:
    """(C,) as (C, 1, ...), to be broadcast over (B, C, *sites)."""
    return values.reshape(-1, *[1] * (x.ndim - 2))


def _mix(matrix: Tensor, x: Tensor) -> Tensor:
    """Multiply the channels of every site by a matrix, in full precision also where networks run in half."""
    with torch.autocast(x.device.type, enabled=False):
        return (
            (matrix @ x.to(matrix.dtype).flatten(2)).reshape(x.shape) if x.ndim > 2 else x.to(matrix.dtype) @ matrix.T
        )
