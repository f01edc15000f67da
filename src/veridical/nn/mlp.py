"""Fully connected networks, plain and residual."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def start_rectified(layer: nn.Linear) -> nn.Linear:
    """Draw weights by He et al. (2015, Eq. 10) for rectified units, offsets at 0, in place; return the layer."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Trunk(nn.Module):
    """The hidden layers of a perceptron: `depth` affine maps, each followed by its non-linearity.

    Weights are initialised by He et al. (2015, Eq. 10) for rectified units, biases at zero.

    Args:
        in_dim: components of the input.
        width: units of every layer.
        depth: layers; 0 passes the input on.
        activation: builds the non-linearity.
    """

    def __init__(self, in_dim: int, width: int, depth: int, activation: Callable[[], nn.Module] = nn.SiLU) -> None:
        super().__init__()
        self.feature_dim = width if depth else in_dim
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(in_dim, width), activation()]
            in_dim = width
        self.layers = nn.Sequential(*layers)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                start_rectified(layer)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in_dim) to (..., feature_dim)."""
        return self.layers(x)


class MLP(nn.Module):
    """Multilayer perceptron: `depth` hidden layers of `width` units, linear output.

    Weights start as He et al. (2015, Eq. 10) advise for rectified units, biases at zero, so that the variance of the
    units is the same at every depth.

    Args:
        in_dim: components of the input.
        out_dim: components of the output.
        width: units of every hidden layer.
        depth: hidden layers; 0 is an affine map.
        activation: builds the non-linearity.

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
        self.trunk = Trunk(in_dim, width, depth, activation)
        self.last = nn.Linear(self.trunk.feature_dim, out_dim)
        start_rectified(self.last)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in_dim) to (..., out_dim)."""
        return self.last(self.trunk(x))


class ResidualMLP(nn.Module):
    r"""Residual perceptron: `depth` blocks $h \mapsto h + W_2 a(W_1 a(h))$ between two affine maps.

    Every $W_2$ is zero at the start, so that the network begins as an affine map followed by one non-linearity and
    composes small changes (Zhang et al., Fixup Initialization, 2019). Composition easily gives steep functions, which a
    generator needs to map neighbouring codes to different modes.

    Args:
        in_dim: components of the input.
        out_dim: components of the output.
        width: units of every layer.
        depth: blocks.
        activation: builds the non-linearity $a$.

    Examples:
        >>> import torch
        >>> ResidualMLP(2, 5, width=16, depth=3)(torch.zeros(7, 2)).shape
        torch.Size([7, 5])
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        width: int = 64,
        depth: int = 8,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(in_dim, width), nn.Linear(width, out_dim)
        self.blocks = nn.ModuleList(
            nn.Sequential(activation(), nn.Linear(width, width), activation(), nn.Linear(width, width))
            for _ in range(depth)
        )
        self.activation = activation()
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                start_rectified(layer)
        for block in self.blocks:
            nn.init.zeros_(block[-1].weight)  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in_dim) to (..., out_dim)."""
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        return self.last(self.activation(h))
