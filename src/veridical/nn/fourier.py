"""Random Fourier features at octaves of frequency."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole


class FourierFeatures(nn.Module):
    r"""An input of order one, concatenated with its sines and cosines: (B, d) → (B, out_dim).

    $$ x \mapsto (x, \sin Wx, \cos Wx), \qquad W_{jk} \sim \mathcal N(0, 4^{o} / d), \quad o = 0, \dots,
    \text{octaves} - 1, $$

    with `per_octave` rows $W_j$ of every octave $o$. A network of few layers otherwise learns the low frequencies of a
    function first and the high ones hardly ever; with these features it resolves structure $2^{-\text{octaves}}$ times
    as wide as the data. The frequencies are drawn once and not trained.

    Args:
        in_dim: components d of the input.
        octaves: doublings of frequency; 0 leaves the input as it is.
        per_octave: frequencies drawn in every octave.

    References:
        Rahimi & Recht, Random Features for Large-Scale Kernel Machines (2007).
        Tancik et al., Fourier Features Let Networks Learn High Frequency Functions (2020), §4.
            https://arxiv.org/abs/2006.10739

    Examples:
        >>> FourierFeatures(2, octaves=3, per_octave=4)(torch.zeros(5, 2)).shape
        torch.Size([5, 26])
    """

    buffer_roles: ClassVar = {"frequencies": BufferRole.LIVE}
    frequencies: Tensor

    def __init__(self, in_dim: int, octaves: int = 7, per_octave: int = 8) -> None:
        super().__init__()
        scales = 2.0 ** torch.arange(octaves).repeat_interleave(per_octave) / math.sqrt(in_dim)
        self.register_buffer("frequencies", torch.randn(in_dim, len(scales)) * scales)
        self.out_dim = in_dim + 2 * len(scales)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_dim) to (B, out_dim)."""
        phase = x @ self.frequencies
        return torch.cat([x, phase.sin(), phase.cos()], dim=-1)
