r"""A flow over several scales: half of the channels leave at the end of every scale but the coarsest.

The part that leaves, $f$, is coded relative to what stays, $h$, by a learned conditional normal distribution,

$$ \varepsilon = \frac{f - \mu(h)}{\sigma(h)}, \qquad p(f \mid h) = \mathcal N(f; \mu(h), \sigma^2(h)), $$

which is one more affine coupling: all codes are standard normal, and the code of a fine scale at 0 is its mean given
the coarser ones. The code of an example lists the coarsest scale first.

References:
    Dinh, Sohl-Dickstein & Bengio, Density Estimation Using Real NVP (2017), Sec. 3.6.
        https://arxiv.org/abs/1605.08803
    Kingma & Dhariwal, Glow (2018), and its code for the learned prior of a split. https://arxiv.org/abs/1807.03039
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from veridical.nn.coupling import halves, move, move_back, start_at_zero
from veridical.nn.invertible import Invertible, zeros
from veridical.nn.precision import as_weights


class FactorOut(nn.Module):
    """The conditional normal distribution of the channels that leave, given those that stay.

    Args:
        channels: at the end of the scale, at least 2.
        periodic: whether the sites are on a torus.
    """

    def __init__(self, channels: int, periodic: bool = False) -> None:
        super().__init__()
        self.sizes = halves(channels)
        mode = "circular" if periodic else "zeros"
        self.prior = nn.Conv2d(self.sizes[0], 2 * self.sizes[1], 3, padding=1, padding_mode=mode)
        start_at_zero(self.prior)

    def split(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what stays, the code of what leaves, and the (B,) log-determinant."""
        kept, fine = h.split(self.sizes, dim=1)
        code, log_scale = move(fine, self.prior(as_weights(kept, self)), "affine")
        return kept, code, log_scale.flatten(1).sum(1)

    def join(self, kept: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return all channels, and the (B,) log-determinant of the inverse."""
        fine, log_scale = move_back(code, self.prior(as_weights(kept, self)), "affine")
        return torch.cat([kept, fine], dim=1), log_scale.flatten(1).sum(1)


class MultiScale(Invertible):
    """Scales from fine to coarse, with a part that leaves between them: (B, *event) → (B, D).

    Args:
        scales: the layers of every scale.
        splits: between the scales, one fewer.
        shapes: (C, *sites) of an example at the end of every scale, before its part leaves.
    """

    def __init__(
        self, scales: Sequence[Invertible], splits: Sequence[FactorOut], shapes: Sequence[tuple[int, ...]]
    ) -> None:
        super().__init__()
        self.scales, self.splits = nn.ModuleList(scales), nn.ModuleList(splits)
        leaving = [(split.sizes[1], *shape[1:]) for split, shape in zip(splits, shapes, strict=False)]
        self.code_shapes = [*leaving, shapes[-1]][::-1]
        """Shapes of the codes, the coarsest first."""
        self.sizes = [torch.Size(shape).numel() for shape in self.code_shapes]
        """Components of the codes, the coarsest first."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the code (B, D) of examples."""
        codes, total = [], zeros(x)
        for i, scale in enumerate(self.scales):
            x, log_det = scale(x, context)
            total = total + log_det
            if i < len(self.splits):
                split = self.splits[i]
                assert isinstance(split, FactorOut)
                x, code, log_det = split.split(x)
                codes.append(code.flatten(1))
                total = total + log_det
        return torch.cat([x.flatten(1), *reversed(codes)], dim=1), total

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the examples of codes (B, D)."""
        parts = [p.reshape(-1, *s) for p, s in zip(z.split(self.sizes, dim=1), self.code_shapes, strict=True)]
        x, total = parts.pop(0), zeros(z)
        for i in reversed(range(len(self.scales))):
            if i < len(self.splits):
                split = self.splits[i]
                assert isinstance(split, FactorOut)
                x, log_det = split.join(x, parts.pop(0))
                total = total + log_det
            scale = self.scales[i]
            assert isinstance(scale, Invertible)
            x, log_det = scale.inverse(x, context)
            total = total + log_det
        return x, total
