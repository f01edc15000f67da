"""A discriminator in three parts: standard units, a trunk that computes features, and a head for the logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Discriminator(nn.Module):
    """The parts of a discriminator, so that codes, classes and moments can be computed from its features.

    Args:
        units: data space to standard units, (B, *event) → (B, *event).
        trunk: (B, *event') → (B, feature_dim); with `classes`, event' has that many more channels (or components).
        feature_dim: number of features.
        head: (B, feature_dim) → (B, outputs).
        classes: the one-hot label is concatenated with the example as constant channels; None: there are no labels.
    """

    def __init__(
        self, units: nn.Module, trunk: nn.Module, feature_dim: int, head: nn.Module, classes: int | None = None
    ) -> None:
        super().__init__()
        self.units, self.trunk, self.head = units, trunk, head
        self.feature_dim, self.classes = feature_dim, classes

    def features(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, feature_dim) of examples (B, *event) in data space; c: (B,) labels."""
        h = self.units(x)
        if self.classes is not None:
            h = concatenate(h, one_hot(c, self.classes, h.dtype))
        return self.trunk(h)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, outputs) logits of examples (B, *event) in data space; c: (B,) labels."""
        return self.head(self.features(x, c))


class LabelledGenerator(nn.Module):
    """Concatenates the code and the one-hot label: (B, latent_dim), (B,) → the network's output.

    Args:
        network: (B, latent_dim + classes) → (B, *event).
        classes: number of labels.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network, self.classes = network, classes

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Map codes (B, latent_dim) and labels (B,) to examples."""
        return self.network(concatenate(z, one_hot(c, self.classes, z.dtype)))


class FullPrecision(nn.Sequential):
    """Layers without automatic casting: half precision would round away the detail that the features resolve."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layers in the precision of their weights."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input)


def one_hot(c: Tensor | None, classes: int, dtype: torch.dtype) -> Tensor:
    """Return (B, classes) of labels (B,).

    Raises:
        ValueError: there are no labels.
    """
    if c is None:
        raise ValueError(f"c is missing; this network was built for {classes} classes: pass (B,) integer labels.")
    # Not `F.one_hot`, which looks at the labels' values on the CPU; not `len`, which fixes their number in an export.
    return torch.zeros(c.shape[0], classes, dtype=dtype, device=c.device).scatter_(1, c.long()[:, None], 1.0)


def concatenate(x: Tensor, code: Tensor) -> Tensor:
    """Concatenate examples (B, C, ...) and a code (B, K), as K constant channels (or components)."""
    planes = code.reshape(*code.shape, *[1] * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
    return torch.cat([x, planes], dim=1)
