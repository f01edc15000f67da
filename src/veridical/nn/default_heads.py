"""The usual head of a site, and what a network sees of it, for the values that the data can take."""

from __future__ import annotations

from typing import Protocol

from veridical.config.families.family import FEW_LEVELS
from veridical.nn.heads import Bernoulli, Categorical, Features, GaussianMixture, Grid, Head, LogisticMixture


class Values(Protocol):
    """What `Space` says of the values of the components; see there."""

    @property
    def support(self) -> tuple[float, float] | None:
        """Smallest and largest value; None: the real line."""
        ...

    @property
    def levels(self) -> int | None:
        """Number of levels; None: continuous."""
        ...

    @property
    def bin_width(self) -> float | None:
        """Distance of neighbouring levels; None: continuous."""
        ...

    @property
    def mean(self) -> float:
        """Of the data."""
        ...

    @property
    def std(self) -> float:
        """Of the data."""
        ...


def scalar_head(space: Values, components: int = 10) -> Head:
    """Return the usual distribution of a site of one component: Bernoulli, categorical, or a mixture of Gaussians.

    Args:
        space: of the examples.
        components: Gaussians in the mixture, for continuous data.
    """
    if space.levels is None:
        return GaussianMixture(space.mean, space.std, space.support, components)
    return Bernoulli(grid_of(space)) if space.levels == 2 else Categorical(grid_of(space))


def compact_head(space: Values, components: int = 10) -> Head:
    """Return the usual head, but for more than 32 levels a mixture of logistic distributions, with far fewer numbers.

    Args:
        space: of the examples.
        components: distributions in a mixture.
    """
    few = space.levels is None or space.levels <= FEW_LEVELS
    return scalar_head(space, components) if few else LogisticMixture(grid_of(space), components)


def features_for(space: Values) -> Features:
    """Return what a network sees of the data: bits as -1 and 1, up to 32 levels one-hot, else standard deviations."""
    if space.levels is None or space.levels > FEW_LEVELS:
        return Features(space.mean, space.std)
    grid = grid_of(space)
    return Features(grid.low + grid.width / 2, grid.width / 2) if space.levels == 2 else Features(0.0, 1.0, grid)


def grid_of(space: Values) -> Grid:
    """Return the levels of a space.

    Raises:
        ValueError: it has none.
    """
    if space.support is None or space.levels is None or space.bin_width is None:
        raise ValueError("the components of these examples are continuous; expected levels, as of images and bits.")
    return Grid(space.support[0], space.bin_width, space.levels)


def interval_of(space: Values) -> tuple[float, float]:
    """Return the interval that a network sees as [-1, 1]: the support, or one standard deviation around the mean."""
    return space.support or (space.mean - space.std, space.mean + space.std)
