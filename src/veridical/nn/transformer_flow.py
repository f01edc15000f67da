r"""Blocks of a transformer autoregressive flow, over a sequence of tokens.

With the tokens $x_1, \dots, x_T$ of an example, shift and log-scale of a token are the output of a causal transformer
of those before it,

$$ z_t = (x_t - \mu(x_{<t}))\, e^{-a(x_{<t})}, \qquad \log|\det| = -\textstyle\sum_t a_t, \qquad
   x_t = z_t e^{a(x_{<t})} + \mu(x_{<t}) . $$

The map is one pass for all tokens; the inverse goes from token to token, in one of three ways with the same result:
*naive* runs the transformer over the tokens so far, *cached* keeps their keys and values, *jacobi* repeats whole passes
$x \leftarrow z\,e^{a(x)} + \mu(x)$, each of which makes at least one more token right: at most T sweeps, often fewer.

References:
    Zhai et al., Normalizing Flows are Capable Generative Models (2024). https://arxiv.org/abs/2412.06329
    Papamakarios, Pavlakou & Murray, Masked Autoregressive Flow (2017). https://arxiv.org/abs/1705.07057
    Song, Meng, Liao & Ermon, Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving (2021).
        https://arxiv.org/abs/2002.03629
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from veridical.config.families.autoregressive import Method
from veridical.nn.causal_attention import CausalTransformerNetwork
from veridical.nn.coupling import start_at_zero
from veridical.nn.invertible import Invertible, bounded, zeros
from veridical.nn.precision import as_weights, at_least_single

LOG_SCALE = 5.0
"""Largest logarithm of a scale."""

SETTLED = 1e-6
"""Largest change of a token, relative to 1 and its value, at which a row of the Jacobi iteration stops."""


class Patches(Invertible):
    """Images cut into square patches, the tokens: (B, C, H, W) → (B, T, C p p).

    Args:
        shape: (C, H, W).
        size: side p of a patch, which divides H and W.

    Raises:
        ValueError: it does not.
    """

    def __init__(self, shape: tuple[int, ...], size: int) -> None:
        super().__init__()
        channels, height, width = shape
        if height % size or width % size:
            raise ValueError(f"patch is {size} and the image {height}x{width}; expected a size that divides both.")
        self.shape, self.size, self.grid = shape, size, (height // size, width // size)
        self.tokens = math.prod(self.grid), channels * size**2
        """Tokens, and components of each."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Cut images."""
        (rows, columns), p = self.grid, self.size
        blocks = x.reshape(len(x), self.shape[0], rows, p, columns, p).permute(0, 2, 4, 1, 3, 5)
        return blocks.reshape(len(x), *self.tokens), zeros(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Put patches together."""
        (rows, columns), p = self.grid, self.size
        blocks = z.reshape(len(z), rows, columns, self.shape[0], p, p).permute(0, 3, 1, 4, 2, 5)
        return blocks.reshape(len(z), *self.shape), zeros(z)


class TransformerBlock(Invertible):
    """One autoregressive map of a sequence of tokens (B, T, c).

    Args:
        tokens: T and c.
        width: of the transformer.
        layers: of the transformer.
        heads: of its attention.
        dropout: of the transformer, in training.
        backwards: the last token is the first in the order.
    """

    def __init__(
        self, tokens: tuple[int, int], width: int, layers: int, heads: int, dropout: float, backwards: bool
    ) -> None:
        super().__init__()
        length, size = tokens
        self.length, self.backwards = length, backwards
        self.embed = nn.Linear(size, width)
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.network = CausalTransformerNetwork(width, 2 * size, layers=layers, heads=heads, dropout=dropout)
        start_at_zero(self.network.out)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map all tokens in one pass."""
        x = self.in_order(x)
        shift, log_scale = self._given(x)
        z = (x - shift) * (-log_scale).exp()
        return self.in_order(z), -log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map token by token, with kept keys and values where no derivative is needed."""
        return self.invert(z, "auto")

    def invert(self, z: Tensor, method: Method) -> tuple[Tensor, Tensor]:
        """Return the x of z and the (B,) log-determinant.

        Args:
            z: (B, T, c).
            method: see the module docstring; auto: cached, or naive where derivatives are needed.
        """
        z = self.in_order(z)
        if method == "auto":
            method = "naive" if torch.is_grad_enabled() else "cached"
        if method == "jacobi":
            x, log_scale = self.jacobi(z)[:2]
        else:
            x, log_scale = self._cached(z) if method == "cached" else self._naive(z)
        return self.in_order(x), log_scale.flatten(1).sum(1)

    def jacobi(self, z: Tensor) -> tuple[Tensor, Tensor, int]:
        """Return x, log-scales and the number of sweeps of the fixed-point iteration for z in the block's order.

        A row that has settled is not moved any more, so that no row depends on the others.
        """
        x, log_scale, sweeps = z, torch.zeros_like(z), 0
        settled = z.new_zeros(len(z), 1, 1, dtype=torch.bool)
        while sweeps < self.length and not bool(settled.all()):
            shift, log_scale = self._given(x)  # the last one sees tokens that no sweep changes any more
            new = torch.where(settled, x, z * log_scale.exp() + shift)
            change = ((new - x).abs() / (1 + x.abs())).flatten(1).amax(1)
            x, settled, sweeps = new, settled | (change <= SETTLED)[:, None, None], sweeps + 1
        return x, log_scale, sweeps

    def _given(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and log-scale (B, T, c) of all tokens, each of those before it."""
        before = torch.cat([self.start.expand(len(x), 1, -1), self.embed(as_weights(x[:, :-1], self))], dim=1)
        return _parts(self.network(before + self.position[: x.shape[1]]))

    def _naive(self, z: Tensor) -> tuple[Tensor, Tensor]:
        tokens: list[Tensor] = []
        scales: list[Tensor] = []
        for t in range(self.length):
            so_far = torch.stack([*tokens, z[:, t]], dim=1)  # the last one is not seen
            shift, log_scale = (part[:, t] for part in self._given(so_far))
            tokens.append(z[:, t] * log_scale.exp() + shift)
            scales.append(log_scale)
        return torch.stack(tokens, dim=1), torch.stack(scales, dim=1)

    @torch.no_grad()
    def _cached(self, z: Tensor) -> tuple[Tensor, Tensor]:
        step, x, log_scales = self.network.steps(len(z), self.length), torch.empty_like(z), torch.empty_like(z)
        embedded = self.start.expand(len(z), -1)
        for t in range(self.length):
            shift, log_scales[:, t] = _parts(step(embedded + self.position[t]))
            x[:, t] = z[:, t] * log_scales[:, t].exp() + shift
            embedded = self.embed(as_weights(x[:, t], self))
        return x, log_scales

    def in_order(self, x: Tensor) -> Tensor:
        """Return tokens (B, T, c) in the block's order, or back in that of the example."""
        return x.flip(1) if self.backwards else x


class TransformerFlowNetwork(Invertible):
    """Cut into tokens, map by blocks in alternating order: (B, *event) → (B, D).

    Args:
        cut: (B, *event) → (B, T, c).
        blocks: the maps of tokens.
        shape: T and c.
    """

    def __init__(self, cut: Invertible, blocks: Sequence[TransformerBlock], shape: tuple[int, int]) -> None:
        super().__init__()
        self.cut, self.blocks, self.shape = cut, nn.ModuleList(blocks), shape

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return codes (B, D)."""
        x, total = self.cut(x)
        for block in self.blocks:
            x, log_det = block(x)
            total = total + log_det
        return x.flatten(1), total

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the examples of codes (B, D)."""
        return self.invert(z, "auto")

    def invert(self, z: Tensor, method: Method) -> tuple[Tensor, Tensor]:
        """Return the examples of codes (B, D), and the (B,) log-determinant.

        Args:
            z: codes.
            method: of the blocks.
        """
        x, total = z.reshape(len(z), *self.shape), zeros(z)
        for block in reversed(self.blocks):
            assert isinstance(block, TransformerBlock)
            x, log_det = block.invert(x, method)
            total = total + log_det
        x, log_det = self.cut.inverse(x)
        return x, total + log_det


def _parts(h: Tensor) -> tuple[Tensor, Tensor]:
    shift, log_scale = at_least_single(h).chunk(2, dim=-1)
    return shift, bounded(log_scale, LOG_SCALE)
