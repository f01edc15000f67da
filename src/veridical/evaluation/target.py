r"""The law of a data set in the units of the data: what its examples are drawn from, and their exact nats.

A law speaks in units of its own (spins, levels 0..L-1). Where a data set keeps the same levels on another support, the
examples are converted by the affine map between the two. Nats are those of data space (`evaluation/likelihood.py`): a
probability for two levels, a density for continuous data, and for L > 2 levels of spacing $\delta$ the density of the
levels with noise of one bin,

$$ \log p(x) = \log P(\text{level nearest to } x) - D \log \delta . $$
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.preprocess import log_det
from veridical.data.space import Space
from veridical.targets.law import HasDensity, HasLevels, Law

_EXACT = 1e-4
"""Distance from a level, in bins, within which a value of two-level data is that level: rounding, no more."""


def mismatch(law: Law, space: Space) -> str | None:
    """Return the reason why a law cannot be that of data in a space; None: it can."""
    if isinstance(law, HasLevels) and space.levels != law.levels:
        return f"{law.name} has {law.levels} levels and the data have {space.levels or 'continuous'} ones"
    return None


@final
@dataclass(frozen=True)
class Target:
    """A law, and the space in which a data set holds its examples."""

    law: Law
    space: Space

    def __post_init__(self) -> None:
        reason = mismatch(self.law, self.space)
        if reason is not None:
            raise ValueError(f"{reason}; it is not the law of these data. Pass target=None.")

    @property
    def name(self) -> str:
        """Name of the law."""
        return self.law.name

    @property
    def log_bin(self) -> float:
        """Nats between a probability of levels and its density in data space: 0 for two levels, and without levels."""
        return log_det(self.space) if isinstance(self.law, HasLevels) and self.space.levels != 2 else 0.0

    def sample(self, n: int, seed: int) -> Float[Tensor, "n *event"]:
        """Draw n examples in data space, single precision; the same for the same seed."""
        return self.to_data(self.law.sample(n, torch.Generator().manual_seed(seed), torch.float32))

    def to_data(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """Convert examples from the units of the law to data space."""
        shift, scale = self._map()
        return x if (shift, scale) == (0.0, 1.0) else shift + scale * x

    def to_law(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """Convert examples from data space to the units of the law."""
        shift, scale = self._map()
        return x if (shift, scale) == (0.0, 1.0) else (x - shift) / scale

    def log_prob(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
        """Return nats of examples in data space (module docstring); minus infinity where the law never is.

        Raises:
            ValueError: the density of the law is not known.
        """
        if not isinstance(self.law, HasDensity):
            raise ValueError(f"{self.name} has no known density; leave this metric out.")
        x = self.to_law(x.double())
        if not isinstance(self.law, HasLevels):
            return self.law.log_prob(x)
        levels, valid = self._nearest_levels(x, self.law)
        log_p = torch.full((len(x),), -math.inf, dtype=torch.float64)
        log_p[valid] = self.law.log_prob(levels[valid])
        return log_p - self.log_bin

    def _nearest_levels(self, x: Tensor, law: HasLevels) -> tuple[Tensor, Tensor]:
        """Return the nearest levels, and which examples lie within half a bin of them (exactly on, if two)."""
        low, high = law.support
        width = (high - low) / (law.levels - 1)
        step = (x - low) / width
        nearest = step.round().clamp(0, law.levels - 1)
        reach = _EXACT if law.levels == 2 else 0.5 + _EXACT
        return low + width * nearest, ((step - nearest).abs() <= reach).flatten(1).all(dim=1)

    def _map(self) -> tuple[float, float]:
        """Return (shift, scale) of x_data = shift + scale * x_law."""
        if not isinstance(self.law, HasLevels) or self.space.support is None:
            return 0.0, 1.0
        (low, high), (a, b) = self.law.support, self.space.support
        scale = (b - a) / (high - low)
        return a - scale * low, scale
