"""The learned scale of a likelihood: one number for all components, in units of data space."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


def first_log_scale(std: float) -> nn.Parameter:
    """Return (1,) the logarithm of half the standard deviation of the data.

    At the data's own scale a decoder that ignores its code is stationary; half of it avoids this.

    Examples:
        >>> first_log_scale(2.0).exp().item()
        1.0
    """
    return nn.Parameter(torch.tensor([math.log(std / 2)]))


def learned_scale(log_scale: Tensor, std: float, bin_width: float | None) -> Tensor:
    """Return (1,) the scale, which stays above a thousandth of that of continuous data.

    Quantised data need no floor: the noise of one bin is in the likelihood.

    Args:
        log_scale: (1,) what is learned.
        std: standard deviation of the data.
        bin_width: distance of neighbouring levels; None: the data are continuous.
    """
    floor = 0.0 if bin_width else 1e-3 * std
    return torch.hypot(log_scale.exp(), torch.full_like(log_scale, floor))


def scale_group(log_scale: nn.Parameter, lr: float) -> dict[str, Any]:
    """Return a group of parameters with ten times the step size of the weights.

    Adam moves a parameter by about its step size: at 1e-3 the logarithm of a scale would need thousands of steps to
    follow the error of the reconstruction.
    """
    return {"params": [log_scale], "lr": 10 * lr, "weight_decay": 0.0}
