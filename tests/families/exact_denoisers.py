"""Networks that are the best ones for mixtures of Gaussians, in the units of diffusion models and flow matching."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veridical.data.space import Space
from veridical.objectives.noise_levels import scales
from veridical.targets import GaussianMixture

THREE = GaussianMixture(
    torch.tensor([[-2.0, 0.5], [1.5, 1.5], [-1 / 3, -2.0]]), 0.3, torch.tensor([0.2, 0.5, 0.3]), name="three"
)
"""Of the same mean in both components, so that the start of the samplers is off by 1 / sigma_max^2 only."""


def space_of(law: GaussianMixture, classes: int | None = None) -> Space:
    """Return the space of a mixture, with its exact mean and standard deviation over all components."""
    mean = float((law.weights @ law.means).mean())
    square = float((law.weights @ (law.means - mean) ** 2).mean()) + law.sigma**2
    return Space((law.dim,), kind="vector", support=None, levels=None, classes=classes, mean=mean, std=square**0.5)


def mode_as_class(law: GaussianMixture, label: int) -> GaussianMixture:
    """Return one mode of a mixture."""
    return GaussianMixture(law.means[label : label + 1], law.sigma)


class Denoising(nn.Module):
    """The mean of clean data, in standard units, of a mixture; with labels of one of its modes each.

    Args:
        law: in data space.
        space: whose mean and deviation are the units.
        labels: label k asks for mode k alone, the label after the last for the mixture.
    """

    def __init__(self, law: GaussianMixture, space: Space, labels: bool = False) -> None:
        super().__init__()
        self.law, self.space, self.labels = law, space, labels
        self.unused = nn.Parameter(torch.zeros(()))

    def clean(self, x: Tensor, sigma: Tensor, c: Tensor | None) -> Tensor:
        """Return E[x0 | x] for x (B, *event) in standard units with noise sigma (B,)."""
        std, mean = self.space.std, self.space.mean
        data, noise = (mean + std * x).flatten(1), std * sigma
        found = data + noise[:, None] ** 2 * self.law.score(data, noise)
        if self.labels and c is not None:
            for label in range(len(self.law.means)):
                law = mode_as_class(self.law, label)
                given = data + noise[:, None] ** 2 * law.score(data, noise)
                found = torch.where((c == label)[:, None], given, found)
        return ((found - mean) / std).reshape(x.shape) + 0 * self.unused


class BestDiffusion(Denoising):
    """The best network of a diffusion model: (D(x) - skip x) / out."""

    def forward(self, y: Tensor, level: Tensor, c: Tensor | None = None) -> Tensor:
        """Map inputs of variance 1 and levels ln(sigma) / 4."""
        sigma = (4 * level).exp()
        column = sigma.reshape(-1, *[1] * (y.ndim - 1))
        s = scales(column)
        x = y / s.into
        return (self.clean(x, sigma, c) - s.skip * x) / s.out


class BestFlow(Denoising):
    """The best network of flow matching: what the best velocity adds to that of Gaussian data."""

    def __init__(self, law: GaussianMixture, space: Space, sigma_min: float, labels: bool = False) -> None:
        super().__init__(law, space, labels)
        self.s = 1 - sigma_min

    def forward(self, y: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        """Map inputs of variance 1 and times."""
        t = t.clamp(min=1e-9)  # at t = 0 there is no data in y; D is then the mean
        column = t.reshape(-1, *[1] * (y.ndim - 1))
        a = 1 - self.s * column
        scale = (a**2 + column**2).rsqrt()
        y = y / scale
        x = self.clean(y / column, (a / column).flatten(), c)
        velocity = x - self.s * (y - column * x) / a
        return (velocity - (column - self.s * a) * scale**2 * y) / scale
