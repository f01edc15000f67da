"""Random Fourier features at octaves of frequency."""

from __future__ import annotations

import math
from typing import Any, ClassVar

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

    An input of several examples has the same features of each of them, side by side. Features of all of them together
    would hide a single example: the mean of $\cos(\sum_i w_i^\top x_i)$ over the others is
    $\mathrm{Re}\,e^{i w_1^\top x_1} \prod_{i>1} \varphi(w_i)$, and the characteristic function $\varphi$ of the data is
    close to 0 at all but the lowest frequencies.

    Args:
        in_dim: components of the input.
        octaves: doublings of frequency; 0 leaves the input as it is.
        per_octave: frequencies drawn in every octave.
        examples: number of examples in one input, each of d = in_dim / examples components.

    References:
        Rahimi & Recht, Random Features for Large-Scale Kernel Machines (2007).
        Tancik et al., Fourier Features Let Networks Learn High Frequency Functions (2020), §4.
            https://arxiv.org/abs/2006.10739

    Examples:
        >>> FourierFeatures(2, octaves=3, per_octave=4)(torch.zeros(5, 2)).shape
        torch.Size([5, 26])
        >>> FourierFeatures(8, octaves=3, per_octave=4, examples=4)(torch.zeros(5, 8)).shape
        torch.Size([5, 104])
    """

    buffer_roles: ClassVar = {"frequencies": BufferRole.LIVE}
    frequencies: Tensor

    def __init__(self, in_dim: int, octaves: int = 7, per_octave: int = 8, *, examples: int = 1) -> None:
        super().__init__()
        dim, self.examples = in_dim // examples, examples
        scales = 2.0 ** torch.arange(octaves).repeat_interleave(per_octave) / math.sqrt(dim)
        self.register_buffer("frequencies", torch.randn(dim, len(scales)) * scales)
        self.out_dim = in_dim + 2 * examples * len(scales)
        self.register_load_state_dict_pre_hook(FourierFeatures._refuse_joint)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_dim) to (B, out_dim)."""
        if self.examples > 1:
            return self._features(x.unflatten(-1, (self.examples, -1))).flatten(-2)
        return self._features(x)

    def _features(self, x: Tensor) -> Tensor:
        phase = x @ self.frequencies
        return torch.cat([x, phase.sin(), phase.cos()], dim=-1)

    def _refuse_joint(self, weights: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Say why frequencies of all examples together, as they were drawn in earlier versions, do not fit."""
        saved = weights.get(f"{prefix}frequencies")
        if self.examples > 1 and saved is not None and len(saved) == self.examples * len(self.frequencies):
            rest[-1].append(
                f"{prefix}frequencies are those of an earlier version, for {self.examples} packed examples together; "
                "now every example has the same features of its own. Train anew, or load the run with the version that "
                "wrote it."
            )
