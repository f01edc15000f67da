r"""Batch normalisation whose gain and bias depend on a class or a vector of conditions.

$$ \hat h = \frac{h - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}}, \qquad h' = \gamma(c)\,\hat h + \beta(c). $$

The class $c$ picks a row of a table (`ClassBatchNorm2d`), or a vector of conditions - an embedding shared by all
layers, concatenated with a part of the code $z$ - is mapped linearly (`VectorBatchNorm2d`).

References:
    Dumoulin, Shlens & Kudlur, A Learned Representation for Artistic Style (2017), Eq. 5, for the table.
        https://arxiv.org/abs/1610.07629
    Brock, Donahue & Simonyan, Large Scale GAN Training for High Fidelity Natural Image Synthesis (2019), App. B.1, for
        the shared embedding and skip-z. https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def normalized(norm: nn.Module, h: Tensor, condition: Tensor | None) -> Tensor:
    """Apply a layer of normalisation, with the condition if it takes one."""
    return norm(h, condition) if isinstance(norm, ClassBatchNorm2d | VectorBatchNorm2d) else norm(h)


class ClassBatchNorm2d(nn.Module):
    """Batch normalisation with a gain and a bias of every class; they start at 1 and 0.

    Args:
        channels: C.
        classes: number of classes.

    Examples:
        >>> ClassBatchNorm2d(4, classes=10)(torch.randn(6, 4, 8, 8), torch.arange(6)).shape
        torch.Size([6, 4, 8, 8])
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Parameter(torch.ones(classes, channels))
        self.bias = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """Map (B, C, H, W), given labels (B,)."""
        gain, bias = self.gain[condition], self.bias[condition]  # (B, C)
        return self.norm(h) * gain[..., None, None] + bias[..., None, None]


class VectorBatchNorm2d(nn.Module):
    r"""Batch normalisation with gain $1 + W_\gamma y$ and bias $W_\beta y$, linear in a vector y.

    Args:
        channels: C.
        condition_dim: components of y.

    Examples:
        >>> VectorBatchNorm2d(4, condition_dim=20)(torch.randn(6, 4, 8, 8), torch.randn(6, 20)).shape
        torch.Size([6, 4, 8, 8])
    """

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(condition_dim, channels, bias=False)
        self.bias = nn.Linear(condition_dim, channels, bias=False)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """Map (B, C, H, W), given y (B, condition_dim)."""
        gain, bias = 1 + self.gain(condition), self.bias(condition)  # (B, C)
        return self.norm(h) * gain[..., None, None] + bias[..., None, None]
