r"""The perceptrons of the semi-supervised GAN on MNIST: noise on every layer, weights of direction and length.

**Discriminator.** Five rectified layers of 2w, w, w/2, w/2 and w/2 units (1000, 500, 250, 250, 250), each on an input
with normal noise of standard deviation 1/2 while it trains; the noise on the examples themselves is that of the game
(`instance_noise`). A classifier could learn 100 labels by heart; the noise is there against that.

**Generator.** Two layers of w units, each batch-normalised before its softplus, as in the authors' code.

**Weights.** Every row is a direction times a length, $w = g\,v/\lVert v\rVert$ (Salimans & Kingma, 2016), so that a
step on $v$ turns the row and a step on $g$ stretches it. They start as He et al. (2015, Eq. 10) advise for rectified
units, not from the statistics of a first batch.

References:
    Salimans et al., Improved Techniques for Training GANs (2016), §5.1. https://arxiv.org/abs/1606.03498
    Widths and noise as in the authors' code, github.com/openai/improved-gan, mnist_svhn_cifar10.
    Salimans & Kingma, Weight Normalization (2016). https://arxiv.org/abs/1602.07868
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from veridical.nn.mlp import start_rectified

HIDDEN_NOISE = 0.5
"""Standard deviation of the noise on the units of every hidden layer."""


class GaussianNoise(nn.Module):
    """Add normal noise while training: (B, ...) → (B, ...).

    Args:
        sigma: its standard deviation.
    """

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, h: Tensor) -> Tensor:
        """Return h, with noise while training."""
        return h + self.sigma * torch.randn_like(h) if self.training else h


class NoisyTrunk(nn.Module):
    """The hidden layers of the classifier: (B, *event) → (B, feature_dim).

    Args:
        in_dim: components of an example.
        width: units of the second layer; the first has twice as many, the other three half.

    Examples:
        >>> NoisyTrunk(784, 500)(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 250])
    """

    def __init__(self, in_dim: int, width: int = 500) -> None:
        super().__init__()
        self.feature_dim = max(1, width // 2)
        layers: list[nn.Module] = [nn.Flatten()]  # noise on the examples is the game's
        for units in (2 * width, width, *[self.feature_dim] * 3):
            layers += [weight_norm(start_rectified(nn.Linear(in_dim, units))), nn.ReLU(), GaussianNoise(HIDDEN_NOISE)]
            in_dim = units
        self.layers = nn.Sequential(*layers[:-1])  # the features are without noise; the head puts it on its input

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *event) to (B, feature_dim)."""
        return self.layers(x)


def noisy_head(layer: nn.Linear) -> nn.Module:
    """Initialise the last layer, in place, and put noise on its input."""
    return nn.Sequential(GaussianNoise(HIDDEN_NOISE), weight_norm(start_rectified(layer)))


class SoftplusGenerator(nn.Module):
    """Two batch-normalised softplus layers: (B, in_dim) → (B, out_dim).

    Args:
        in_dim: components of the code.
        out_dim: components of an example.
        width: units of both layers.
    """

    def __init__(self, in_dim: int, out_dim: int, width: int = 500) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (in_dim, width):
            layers += [start_rectified(nn.Linear(inputs, width, bias=False)), nn.BatchNorm1d(width), nn.Softplus()]
        self.layers = nn.Sequential(*layers, weight_norm(start_rectified(nn.Linear(width, out_dim))))

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, in_dim) to (B, out_dim)."""
        return self.layers(z)
