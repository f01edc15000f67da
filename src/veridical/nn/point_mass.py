"""The distribution of a code that is computed, not drawn: all its mass is at one point."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor
from torch.distributions import Distribution


@final
class PointMass(Distribution):
    """All mass at one point for each example: the mean is the point, the variance 0.

    Densities are with respect to the mass at the point: `log_prob` is 0 there and -inf everywhere else.

    Args:
        points: (B, *latent).

    Examples:
        >>> PointMass(torch.ones(2, 3)).log_prob(torch.ones(2, 3))
        tensor([0., 0.])
    """

    arg_constraints = {}  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    has_rsample = True

    def __init__(self, points: Tensor) -> None:
        self.points = points
        super().__init__(points.shape[:1], points.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(B, *latent) the points."""
        return self.points

    @property
    def variance(self) -> Tensor:
        """(B, *latent) zeros."""
        return torch.zeros_like(self.points)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Return the points, (*sample_shape, B, *latent); gradients flow to them."""
        return self.points.expand(*sample_shape, *self.points.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return (B,) 0 at the points, -inf elsewhere."""
        same = (value == self.points).flatten(-len(self.event_shape)).all(-1)
        return torch.zeros(same.shape, device=value.device).masked_fill(~same, -torch.inf)
