"""Full precision for values that must not be rounded: logits, densities, outputs of generators."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def at_least_single(x: Tensor) -> Tensor:
    """Return x in single precision, or in its own if that is higher; half precision is for inside networks only.

    Examples:
        >>> at_least_single(torch.zeros(1, dtype=torch.bfloat16)).dtype, at_least_single(torch.zeros(1).double()).dtype
        (torch.float32, torch.float64)
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def as_weights(x: Tensor, network: nn.Module) -> Tensor:
    """Return x in the precision of a network's weights, so that arrays in double precision need no conversion.

    Examples:
        >>> as_weights(torch.zeros(1).double(), nn.Linear(1, 1)).dtype
        torch.float32
    """
    weight = next(network.parameters(), None)
    return x if weight is None else x.to(weight.dtype)
