r"""A distribution of codes in two parts: the first is Gaussian, the second is Gaussian given the first.

$$ q(z) = \mathcal N(z_2; \mu_2, \sigma_2^2)\;\mathcal N\big(z_1; \mu_1(z_2), \sigma_1^2(z_2)\big), \qquad
   z = (z_2, z_1) $$
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

Lower = Callable[[Tensor], tuple[Tensor, Tensor]]
"""(..., B, d2) codes → mean and log variance (..., B, d1) of the other part."""


@final
class NestedGaussian(Distribution):
    """See the module docstring.

    Args:
        mean: (B, d2) of the first part.
        log_var: (B, d2) its log variance.
        lower: mean and log variance of the second part, given the first.
        lower_dim: d1, the dimension of the second part.

    Examples:
        >>> zero = torch.zeros(3, 2)
        >>> q = NestedGaussian(zero, zero, lambda z: (z[..., :1], z[..., :1]), lower_dim=1)
        >>> q.rsample().shape, q.log_prob(torch.zeros(3, 3)).shape
        (torch.Size([3, 3]), torch.Size([3]))
    """

    arg_constraints = {}  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    has_rsample = True

    def __init__(self, mean: Tensor, log_var: Tensor, lower: Lower, lower_dim: int) -> None:
        self.upper_mean, self.upper_log_var, self.lower = mean, log_var, lower
        super().__init__(mean.shape[:-1], torch.Size([mean.shape[-1] + lower_dim]), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(B, d2 + d1): the mean of the first part, and the mean of the second given that."""
        return torch.cat([self.upper_mean, self.lower(self.upper_mean)[0]], dim=-1)

    @property
    def variance(self) -> Tensor:
        """(B, d2 + d1): of the first part, and of the second given the mean of the first."""
        return torch.cat([self.upper_log_var, self.lower(self.upper_mean)[1]], dim=-1).exp()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draw (*sample_shape, B, d2 + d1) codes; gradients flow to the parameters."""
        upper = drawn(self.upper_mean.expand(*sample_shape, *self.upper_mean.shape), self.upper_log_var)
        return torch.cat([upper, drawn(*self.lower(upper))], dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return (..., B) nats of codes (..., B, d2 + d1)."""
        upper, lower = value.split([self.upper_mean.shape[-1], value.shape[-1] - self.upper_mean.shape[-1]], dim=-1)
        first = density(upper, self.upper_mean, self.upper_log_var)
        return first + density(lower, *self.lower(upper))


def drawn(mean: Tensor, log_var: Tensor) -> Tensor:
    """Draw of a diagonal Gaussian; gradients flow to its parameters."""
    return mean + (0.5 * log_var).exp() * torch.randn_like(mean)


def density(x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Log density of a diagonal Gaussian, in nats, summed over the last axis."""
    return Normal(mean, (0.5 * log_var).exp(), validate_args=False).log_prob(x).sum(-1)
