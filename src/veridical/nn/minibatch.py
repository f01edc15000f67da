r"""Layers that compare the examples of a batch, so that the discriminator can detect a lack of variety.

A discriminator of single examples cannot distinguish a generator of one perfect image from a perfect generator. These
layers append to the features of an example how close the others are (`MinibatchDiscrimination`) or how much they vary
(`MinibatchStdDev`). Real examples and fakes are to be passed in separate batches, as in the papers: the layers compare
the examples of one call.

Such a discriminator is not a function of a single example, so it has no gradient there: gradient penalties and all
other uses of $D$ as a function of $x$ alone have no meaning with it. `batch_dependent_layers` finds these layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from veridical.nn.precision import at_least_single


class BatchDependent(nn.Module):
    """Marks layers in which the output of an example depends on the other examples of its batch."""


def batch_dependent_layers(network: nn.Module) -> list[str]:
    """Name the layers through which examples of a batch depend on each other, batch normalisation among them.

    Examples:
        >>> batch_dependent_layers(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), MinibatchStdDev()))
        ['1 (BatchNorm1d)', '2 (MinibatchStdDev)']
    """
    return [
        f"{name or 'itself'} ({type(module).__name__})"
        for name, module in network.named_modules()
        if isinstance(module, BatchDependent | _BatchNorm)
    ]


class MinibatchDiscrimination(BatchDependent):
    r"""Append to every example how many others are close to it: (B, F) → (B, F + kernels).

    $$ M_i = x_i T \in \mathbb R^{K \times d}, \qquad
    o_k(i) = \sum_{j \ne i} e^{-\lVert M_{ik} - M_{jk} \rVert_1} + b_k $$

    Every column of $T$ is a trained direction times $e^s$ with a trained $s$. The original divides $T$ by distances
    measured on a first batch; here $s = 0$ at the start, no data needed: features of variance one then have a mean
    distance of $1.13 d$ (5.6 for $d = 5$), and another example counts if it is several times closer than that.

    Args:
        in_dim: features F.
        kernels: numbers K appended.
        kernel_dim: dimension d in which a kernel measures distances.

    References:
        Salimans et al., Improved Techniques for Training GANs (2016), §3.2. https://arxiv.org/abs/1606.03498
        Weights and biases as in the authors' code, github.com/openai/improved-gan.

    Examples:
        >>> MinibatchDiscrimination(16)(torch.randn(8, 16)).shape
        torch.Size([8, 116])
    """

    def __init__(self, in_dim: int, kernels: int = 100, kernel_dim: int = 5) -> None:
        super().__init__()
        self.direction = nn.Parameter(0.05 * torch.randn(in_dim, kernels, kernel_dim))
        self.log_scale = nn.Parameter(torch.zeros(kernels, kernel_dim))
        self.bias = nn.Parameter(torch.full((kernels,), -1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, F) to (B, F + K)."""
        projection = self.direction * (self.log_scale.exp() / self.direction.square().sum(0).sqrt())
        m = torch.tensordot(x, projection, dims=1)  # (B, K, d)
        m = at_least_single(m)
        distance = (m[:, None] - m[None]).abs().sum(-1)  # (B, B, K)
        itself = torch.eye(len(x), dtype=torch.bool, device=x.device)[..., None]
        closeness = (-distance).exp().masked_fill(itself, 0.0).sum(1)
        return torch.cat([x, (closeness + self.bias).to(x.dtype)], dim=1)


class MinibatchStdDev(BatchDependent):
    r"""Append the mean standard deviation of a group of examples: (B, F) → (B, F + 1), (B, C, H, W) → (B, C + 1, H, W).

    The biased standard deviation of every component over the group, averaged over components, is appended to all
    examples of the group, for maps as a further channel. A batch of B falls into $\max(1, \lfloor B / g \rfloor)$
    groups, example $i$ into group $i \bmod$ their number.

    Args:
        group: smallest size g of a group; None: the whole batch is one.

    References:
        Karras et al., Progressive Growing of GANs (2018), §3, and the authors' code (groups of 4).
        https://arxiv.org/abs/1710.10196

    Examples:
        >>> MinibatchStdDev()(torch.randn(8, 16, 4, 4)).shape
        torch.Size([8, 17, 4, 4])
    """

    def __init__(self, group: int | None = 4) -> None:
        super().__init__()
        if group is not None and group < 2:
            raise ValueError(f"group is {group}; a standard deviation needs at least 2 examples, or None for all.")
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """Append the deviation of an example's group."""
        groups = 1 if self.group is None else max(1, len(x) // self.group)
        index = torch.arange(len(x), device=x.device) % groups
        member = (index[:, None] == index[:groups]).to(at_least_single(x).dtype)  # (B, groups)
        mean = (member / member.sum(0)).mT  # (groups, B): averages over a group
        flat = x.flatten(1).to(member.dtype)
        with torch.autocast(x.device.type, enabled=False):
            variance = mean @ (flat - (mean @ flat)[index]).square()
        deviation = (variance + 1e-8).sqrt().mean(1)[index].to(x.dtype)
        return torch.cat([x, deviation.reshape(-1, 1, *[1] * (x.dim() - 2)).expand(-1, 1, *x.shape[2:])], dim=1)
