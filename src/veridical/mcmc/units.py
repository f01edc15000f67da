r"""Units of a Boltzmann machine: what values they take, and what follows from the field that acts on them.

In a machine whose energy is linear in a unit $x$ but for a term of its own, $x$ given all others has the density

$$ p(x \mid a) = e^{a x - \frac q2 x^2 - A(a)}, $$

with the field $a$ of its neighbours. The log-normaliser $A$ sums the unit out, its derivative is the mean, and $p$ can
be drawn from:

| units | values | $A(a)$ | mean |
|---|---|---|---|
| binary | 0, 1 | $\log(1 + e^a)$ | $\sigma(a)$ |
| spin | -1, 1 | $\log 2\cosh a$ | $\tanh a$ |
| categorical | one of L, as L numbers 0 or 1 | $\log\sum_l e^{a_l}$ | softmax |
| gaussian | real; precision $q$ | $a^2/2q + \frac12\log(2\pi/q)$ | $a/q$ |

References:
    Welling, Rosen-Zvi & Hinton, Exponential Family Harmoniums (2005). https://papers.nips.cc/paper/2672
    Salakhutdinov, Mnih & Hinton, Restricted Boltzmann Machines for Collaborative Filtering (2007), for categorical
        units. https://doi.org/10.1145/1273496.1273596
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from veridical.noise import Noise


class Units(ABC):
    """One kind of units; every method takes the fields of a whole layer."""

    @property
    @abstractmethod
    def values(self) -> int | None:
        """Number of values of a unit; None: it is continuous."""

    @property
    def numbers(self) -> int:
        """Numbers that describe a unit, each with a bias and weights of its own."""
        return 1

    @abstractmethod
    def log_normaliser(self, field: Float[Tensor, "*N n"], precision: Tensor | None) -> Float[Tensor, "*N"]:
        """Return the sum of A over the units."""

    @abstractmethod
    def mean(self, field: Float[Tensor, "*N n"], precision: Tensor | None) -> Float[Tensor, "*N n"]:
        """Return the means of the units."""

    @abstractmethod
    def field(self, mean: Float[Tensor, "*N n"], precision: Tensor | None) -> Float[Tensor, "*N n"]:
        """Return the fields under which units have these means."""

    @abstractmethod
    def draw(self, field: Float[Tensor, "N n"], precision: Tensor | None, noise: Noise) -> Float[Tensor, "N n"]:
        """Draw the units, with one row of noise for every row."""

    @abstractmethod
    def states(self, units: int) -> Float[Tensor, "states n"]:
        """Return all states of some units."""

    def pack(self, x: Float[Tensor, "*N n"]) -> Tensor:
        """Return the values of units as they are kept: whole numbers of eight bits."""
        return x.to(torch.int8)

    def unpack(self, kept: Tensor, dtype: torch.dtype) -> Float[Tensor, "*N n"]:
        """Return the numbers that describe units, from what is kept of them."""
        return kept.to(dtype)


@final
@dataclass(frozen=True)
class Binary(Units):
    """Values 0 and 1."""

    @property
    def values(self) -> int:
        """Two."""
        return 2

    def log_normaliser(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the sum of log(1 + e^a)."""
        return F.softplus(field).sum(-1)

    def mean(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the probabilities of 1."""
        return field.sigmoid()

    def field(self, mean: Tensor, precision: Tensor | None) -> Tensor:
        """Return the logits."""
        return mean.logit()

    def draw(self, field: Tensor, precision: Tensor | None, noise: Noise) -> Tensor:
        """Draw 0 or 1."""
        return noise.bernoulli(field.sigmoid())

    def states(self, units: int) -> Tensor:
        """Return the 2^units states, the last unit changing fastest."""
        return (torch.arange(2**units)[:, None] >> torch.arange(units - 1, -1, -1) & 1).to(torch.get_default_dtype())


@final
@dataclass(frozen=True)
class Spin(Units):
    """Values -1 and 1."""

    @property
    def values(self) -> int:
        """Two."""
        return 2

    def log_normaliser(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the sum of log(2 cosh a)."""
        return (field.abs() + F.softplus(-2 * field.abs())).sum(-1)

    def mean(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the magnetisations."""
        return field.tanh()

    def field(self, mean: Tensor, precision: Tensor | None) -> Tensor:
        """Return the inverse hyperbolic tangents."""
        return mean.atanh()

    def draw(self, field: Tensor, precision: Tensor | None, noise: Noise) -> Tensor:
        """Draw -1 or 1."""
        return 2 * noise.bernoulli((2 * field).sigmoid()) - 1

    def states(self, units: int) -> Tensor:
        """Return the 2^units states."""
        return 2 * Binary().states(units) - 1


@final
@dataclass(frozen=True)
class Categorical(Units):
    """One of several values, described by as many numbers of which one is 1."""

    levels: int
    """Number of values."""

    @property
    def values(self) -> int:
        """As many as there are levels."""
        return self.levels

    @property
    def numbers(self) -> int:
        """One for each value."""
        return self.levels

    def log_normaliser(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the sum of the logarithms of the sums of e^a."""
        return self._split(field).logsumexp(-1).sum(-1)

    def mean(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the probabilities of the values."""
        return self._split(field).softmax(-1).flatten(-2)

    def field(self, mean: Tensor, precision: Tensor | None) -> Tensor:
        """Return the logarithms of the probabilities."""
        return mean.log()

    def draw(self, field: Tensor, precision: Tensor | None, noise: Noise) -> Tensor:
        """Draw one value by the inverse of its distribution function."""
        below = self._split(field).softmax(-1).cumsum(-1)[..., :-1]
        u = noise.uniform(below.shape[-2], 1, dtype=field.dtype).to(field.device)
        return self._one_hot((u >= below).sum(-1))

    def states(self, units: int) -> Tensor:
        """Return the values^units states."""
        place = self.values ** torch.arange(units - 1, -1, -1)
        return self._one_hot(torch.arange(self.values**units)[:, None] // place % self.values)

    def pack(self, x: Tensor) -> Tensor:
        """Return the values, (*N, units)."""
        return self._split(x).argmax(-1).to(torch.int8)

    def unpack(self, kept: Tensor, dtype: torch.dtype) -> Tensor:
        """Return one 1 for each unit, at its value."""
        return self._one_hot(kept, dtype)

    def _split(self, field: Tensor) -> Tensor:
        return field.unflatten(-1, (-1, self.values))

    def _one_hot(self, value: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        chosen = value[..., None] == torch.arange(self.values, device=value.device)
        return chosen.to(dtype or torch.get_default_dtype()).flatten(-2)


@final
@dataclass(frozen=True)
class Gaussian(Units):
    """Real values."""

    @property
    def values(self) -> None:
        """Not countable."""
        return None

    def log_normaliser(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return the sum of a^2 / 2q + log(2 pi / q) / 2."""
        q = _required(precision)
        return (field.square() / q + math.log(2 * math.pi) - q.log()).sum(-1) / 2

    def mean(self, field: Tensor, precision: Tensor | None) -> Tensor:
        """Return a / q."""
        return field / _required(precision)

    def field(self, mean: Tensor, precision: Tensor | None) -> Tensor:
        """Return q times the means."""
        return mean * _required(precision)

    def draw(self, field: Tensor, precision: Tensor | None, noise: Noise) -> Tensor:
        """Draw a normal number of mean a / q and variance 1 / q."""
        q = _required(precision)
        return field / q + noise.normal(*field.shape[1:], dtype=field.dtype).to(field.device) / q.sqrt()

    def states(self, units: int) -> Tensor:
        """Refuse.

        Raises:
            ValueError: always.
        """
        raise ValueError("Gaussian units have no states that could be counted; sum over the other layer.")

    def pack(self, x: Tensor) -> Tensor:
        """Return the numbers as they are."""
        return x


def _required(precision: Tensor | None) -> Tensor:
    if precision is None:
        raise ValueError("the precision of Gaussian units is None; pass a number above 0 for every unit.")
    return precision


class Layer(NamedTuple):
    """A layer of units that are independent given the others."""

    units: Units
    bias: Float[Tensor, " n"]
    """The field that acts on them without the other layers."""

    precision: Float[Tensor, " n"] | None = None
    """Of Gaussian units: q, above 0."""

    @property
    def sites(self) -> int:
        """Number of units."""
        return len(self.bias) // self.units.numbers

    def own_energy(self, x: Float[Tensor, "*N n"]) -> Float[Tensor, "*N"]:
        """Return q x^2 / 2 - bias x, summed over the units."""
        linear = x @ self.bias
        return -linear if self.precision is None else (self.precision * x.square()).sum(-1) / 2 - linear

    def log_normaliser(self, field: Float[Tensor, "*N n"]) -> Float[Tensor, "*N"]:
        """Return the sum of A over the units, under a whole field (bias included)."""
        return self.units.log_normaliser(field, self.precision)

    def mean(self, field: Float[Tensor, "*N n"]) -> Float[Tensor, "*N n"]:
        """Return the means of the units under a whole field."""
        return self.units.mean(field, self.precision)

    def draw(self, field: Float[Tensor, "N n"], noise: Noise) -> Float[Tensor, "N n"]:
        """Draw the units under a whole field."""
        return self.units.draw(field, self.precision, noise)

    def detached(self, dtype: torch.dtype | None) -> Layer:
        """Return the layer without gradients, in another type if one is given."""
        precision = None if self.precision is None else self.precision.detach().to(dtype)
        return Layer(self.units, self.bias.detach().to(dtype), precision)

    def states(self) -> Float[Tensor, "states n"]:
        """Return all states of the layer."""
        return self.units.states(self.sites).to(self.bias)
