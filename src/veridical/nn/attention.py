"""Self-attention between the positions of an image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    r"""Attention between all positions: $h + \gamma W_o\,\mathrm{softmax}(q^\top k)\,v$, at first $\gamma = 0$.

    Queries have an eighth of the channels, values half; keys and values are the maxima of 2 x 2 positions.

    Args:
        channels: C, at least 8.

    Raises:
        ValueError: there are fewer channels.

    References:
        Zhang, Goodfellow, Metaxas & Odena, Self-Attention Generative Adversarial Networks (2019), Eq. 1-3, with the
            pooling of the code of Brock et al. (2019). https://arxiv.org/abs/1805.08318

    Examples:
        >>> h = torch.randn(2, 8, 6, 6)
        >>> bool(torch.equal(SelfAttention(8)(h), h))
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 8:
            raise ValueError(f"channels is {channels}; self-attention needs at least 8. Choose a larger width.")
        self.query, self.key = (nn.Conv2d(channels, channels // 8, 1, bias=False) for _ in range(2))
        self.value = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.out = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        query = self.query(h).flatten(2)  # (B, C/8, HW)
        key, value = (F.max_pool2d(f(h), 2).flatten(2) for f in (self.key, self.value))  # (B, ·, HW/4)
        weight = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # (B, HW, HW/4)
        seen = (value @ weight.transpose(1, 2)).unflatten(2, h.shape[2:])
        return h + self.gain * self.out(seen)


def attention_after(side: int | None, sides: list[int], channels: list[int]) -> list[nn.Module]:
    """Return the layers after every block: self-attention on the first grid of that side, none elsewhere.

    Args:
        side: of the grid with self-attention; None: no grid has it.
        sides: of the grids after the blocks.
        channels: of the grids after the blocks.

    Raises:
        ValueError: no grid has that side.
    """
    after: list[nn.Module] = [nn.Identity() for _ in sides]
    if side is not None:
        if side not in sides:
            raise ValueError(
                f"attention is {side}; the grids after the blocks have sides {', '.join(map(str, sides))}."
            )
        place = sides.index(side)
        after[place] = SelfAttention(channels[place])
    return after
