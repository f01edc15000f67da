"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class MLP(nn.Module):
    """Multilayer perceptron: `depth` hidden layers of `width` units, linear output.

    Weights start as He et al. (2015, Eq. 10) advise for rectified units, biases at zero, so that the variance of the
    units is the same at every depth.

    Args:
        in_dim: components of the input.
        out_dim: components of the output.
        width: units of every hidden layer.
        depth: hidden layers; 0 is an affine map.
        activation: makes the non-linearity.

    Examples:
        >>> import torch
        >>> MLP(2, 5, width=16, depth=3)(torch.zeros(7, 2)).shape
        torch.Size([7, 5])
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        width: int = 128,
        depth: int = 3,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(in_dim, width), activation()]
            in_dim = width
        self.layers = nn.Sequential(*layers, nn.Linear(in_dim, out_dim))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in_dim) to (..., out_dim)."""
        return self.layers(x)
