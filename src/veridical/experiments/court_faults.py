"""The world of the court of metrics, and the faults that are planted in it.

The distribution is a mixture of ten equal Gaussians of width 1, every two neighbouring centres 6 apart: on a circle in
two dimensions, on the corners of a simplex in more. A model without fault draws from it. Each fault changes such a
sample by a stated amount; its size is chosen such that some metrics see it at a thousand examples and some do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from veridical.targets import GaussianMixture

MODES = 10
APART = 6.0
"""Distance between neighbouring centres, in widths of a mode."""


@dataclass(frozen=True)
class World:
    """The distribution, and the examples that a model has learned from."""

    law: GaussianMixture
    train: Tensor
    """(n, d)."""

    generator: torch.Generator

    def draw(self, n: int, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Draw n examples (n, d) and the centre of the mode of each, with other weights of the modes if given."""
        import torch

        weights = self.law.weights if weights is None else weights
        mode = torch.multinomial(weights, n, replacement=True, generator=self.generator)
        centre = self.law.means[mode].float()
        return centre + torch.randn(centre.shape, generator=self.generator), centre


def law(d: int) -> GaussianMixture:
    """Return the mixture in d dimensions.

    Args:
        d: 2, or at least ten.

    Raises:
        ValueError: another number of dimensions.
    """
    import torch

    from veridical.targets import GaussianMixture

    if d == 2:
        angle = torch.arange(MODES, dtype=torch.float64) * (2 * math.pi / MODES)
        radius = APART / (2 * math.sin(math.pi / MODES))
        return GaussianMixture(radius * torch.stack([angle.cos(), angle.sin()], dim=1), 1.0, name="court")
    if d < MODES:
        raise ValueError(f"d is {d}; expected 2, or at least {MODES} for {MODES} centres at equal distances.")
    corners = APART / math.sqrt(2) * torch.eye(MODES, d, dtype=torch.float64)
    return GaussianMixture(corners - corners.mean(0), 1.0, name="court")


def none(world: World, n: int) -> Tensor:
    """No fault."""
    return world.draw(n)[0]


def _first_mode_times(factor: float) -> Callable[[World, int], Tensor]:
    def fault(world: World, n: int) -> Tensor:
        weights = world.law.weights.clone()
        weights[0] *= factor
        return world.draw(n, weights / weights.sum())[0]

    return fault


def _widths_times(factor: float) -> Callable[[World, int], Tensor]:
    def fault(world: World, n: int) -> Tensor:
        x, centre = world.draw(n)
        return centre + factor * (x - centre)

    return fault


def junk(world: World, n: int) -> Tensor:
    """One in twenty samples has three times the spread of the data around their mean."""
    import torch

    x, _ = world.draw(n)
    bad = torch.rand(n, generator=world.generator) < 0.05
    noise = torch.randn(x.shape, generator=world.generator)
    return torch.where(bad[:, None], world.train.mean(0) + 3 * world.train.std(0) * noise, x)


def shift(world: World, n: int) -> Tensor:
    """All samples are moved by a quarter of a mode's width, in the first coordinate."""
    x, _ = world.draw(n)
    x[:, 0] += 0.25
    return x


def copies(world: World, n: int) -> Tensor:
    """One in twenty samples is a training example with noise of a hundredth of a mode's width."""
    import torch

    x, _ = world.draw(n)
    copied = torch.rand(n, generator=world.generator) < 0.05
    rows = torch.randint(len(world.train), (n,), generator=world.generator)
    noise = 0.01 * torch.randn(x.shape, generator=world.generator)
    return torch.where(copied[:, None], world.train[rows] + noise, x)


def blur(world: World, n: int) -> Tensor:
    """Half of the coordinates keep 0.7 of their deviation from the centre of the mode: details are lost."""
    x, centre = world.draw(n)
    half = x.shape[1] // 2
    x[:, half:] = centre[:, half:] + 0.7 * (x - centre)[:, half:]
    return x


FAULTS: dict[str, Callable[[World, int], Tensor]] = {
    "dropped mode": _first_mode_times(0.0),
    "halved mode": _first_mode_times(0.5),
    "doubled mode": _first_mode_times(2.0),
    "shrunk": _widths_times(0.93),
    "inflated": _widths_times(1.07),
    "junk": junk,
    "shift": shift,
    "copies": copies,
    "blur": blur,
}
"""Name of each fault and the model that has it."""
