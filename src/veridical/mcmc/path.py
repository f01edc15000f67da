"""A path of distributions, from one that is known to one that is wanted, along which chains can go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from veridical.noise import Noise

S = TypeVar("S")


class Path(ABC, Generic[S]):
    r"""Densities $f_\beta$ up to a constant, for $\beta$ from 0 to 1, each with a transition that leaves it invariant.

    A transition satisfies detailed balance, so that chains may go in both directions.
    """

    @property
    @abstractmethod
    def log_z0(self) -> float:
        """The logarithm of the sum of f_0, nats."""

    @abstractmethod
    def start(self, noise: Noise) -> S:
        """Draw exactly from f_0, one chain for each row of the noise."""

    @abstractmethod
    def at(self, x: Float[Tensor, "N n"]) -> S:
        """Return chains at given examples."""

    @abstractmethod
    def log_f(self, state: S, beta: float | Tensor) -> Float[Tensor, " N"]:
        """Return log f_beta of the states in float64, nats.

        Args:
            state: of N chains.
            beta: of all of them, or (N,) of each.
        """

    def log_ratio(self, state: S, low: float, high: float) -> Float[Tensor, " N"]:
        """Return log f_high / f_low of the states in float64, nats; paths that share work between the two override it.

        Args:
            state: of N chains.
            low: a temperature.
            high: another.
        """
        return self.log_f(state, high) - self.log_f(state, low)

    @abstractmethod
    def step(self, state: S, beta: float | Tensor, noise: Noise) -> S:
        """Take a transition that leaves f_beta invariant.

        Args:
            state: of N chains.
            beta: of all of them, or (N,) of each.
            noise: one row for each chain, going on from step to step.
        """
