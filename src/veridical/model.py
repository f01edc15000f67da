"""The contract: what the training loop may see of a model, and what everything else may ask of it.

Every training is a game of one or more *players* (a VAE has one, a GAN two). A model says who moves at a step
(`turns`), what each player minimises (`loss`) and over which parameters (`player_parameters`). It never calls
`backward` or an optimiser: only `training/fit.py` does. What a trained model can do is declared by inheriting from
the ability classes below and checked with `isinstance`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.sampling import SamplingOptions
from veridical.data.batch import Batch
from veridical.data.space import Space
from veridical.kinds import TermKind
from veridical.noise import Noise, noise_for

__all__ = [
    "Batch",
    "Classifier",
    "Coded",
    "Conditional",
    "Denoiser",
    "Discriminating",
    "Encoder",
    "EnergyBased",
    "ExactLikelihood",
    "Facts",
    "GenerativeModel",
    "LatentVariable",
    "LikelihoodBound",
    "Loss",
    "Replayable",
    "Sampler",
    "Space",
    "Trainable",
]


PriorKind = Literal["normal", "uniform", "other"]


@dataclass(frozen=True)
class Facts:
    """What a model may know of its data before it sees them."""

    space: Space
    """What one example is."""

    n: int | None = None
    """Number of training examples; None: not known, or without end. Models with one code per example need it."""

    @staticmethod
    def of(facts: Facts | Space) -> Facts:
        """Return facts as they are, and a bare space as facts of an unknown number of examples."""
        return facts if isinstance(facts, Facts) else Facts(facts)


def refuse_labels(c: Tensor | None) -> None:
    """Refuse labels where the model has learned none.

    Raises:
        ValueError: `c` is given.
    """
    if c is not None:
        raise ValueError("c is given, but this model learned without labels; call without c.")


class Loss(NamedTuple):
    """What one player minimises in its turn."""

    loss: Tensor
    """() what is differentiated; nats where the objective is a likelihood."""

    terms: dict[str, Tensor]
    """() each, detached by the loop: logged as "<player>/<term>", read by the health monitors."""


@runtime_checkable
class Trainable(Protocol):
    """All that `training.fit` knows of a model."""

    players: tuple[str, ...]

    def turns(self, step: int) -> tuple[str, ...]:
        """Who moves at this step, in order."""
        ...

    def player_parameters(self, player: str) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
        """Parameters of a player: whatever `torch.optim` accepts."""
        ...

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """The loss of the player whose turn it is."""
        ...

    def after_update(self, player: str) -> None:
        """Projection or clipping after the player's optimiser step."""
        ...

    def optimizer(self, player: str) -> OptimizerConfig:
        """The optimiser the family advises for this player."""
        ...


class GenerativeModel(nn.Module, ABC):
    """Base of every family: a module with a space, players and a loss.

    Args:
        facts: the space of the examples and their number; a bare space is accepted. None: the class sets `space`.
    """

    space: Space
    """What one example is."""

    facts: Facts
    """What was known of the data when the model was built."""

    players: tuple[str, ...] = ("model",)
    papers: tuple[str, ...] = ()
    """References the family stands on, printed by `veridical cite`."""
    term_kinds: ClassVar[Mapping[str, TermKind]] = {}
    """What terms of `loss` mean to the monitors of health, by "<player>/<term>"; a term left out is only logged."""

    def __init__(self, facts: Facts | Space | None = None) -> None:
        super().__init__()
        if facts is not None:
            self.facts = Facts.of(facts)
            self.space = self.facts.space

    def turns(self, step: int) -> tuple[str, ...]:
        """Let every player move once, in the order of `players`."""
        return self.players

    def player_parameters(self, player: str) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
        """Return the parameters of a player; the submodule of its name, or all of the model for a single player."""
        return self.parameters() if self.players == (player,) else self.get_submodule(player).parameters()

    @abstractmethod
    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the loss of the player whose turn it is."""

    def after_update(self, player: str) -> None:
        """Do nothing after an update."""
        return None

    @abstractmethod
    def optimizer(self, player: str) -> OptimizerConfig:
        """Advise an optimiser for this player."""

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device


class Replayable(ABC):
    """Its steps of one pattern differ in nothing but the values of tensors, so that one recorded step stands for all.

    Nothing is read back from the device in such a step and no number is made into a tensor; what changes smoothly with
    the number of the step is a function of `clock.elapsed`.
    """

    @abstractmethod
    def pattern(self, step: int) -> Hashable | None:
        """Return what of a step is decided in Python by its number: whose turn it is, which terms are due.

        None: this step is not to be recorded, since it looks at the values of its tensors.
        """


class Sampler(ABC):
    """Can draw examples."""

    @abstractmethod
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw examples.

        Args:
            n: how many.
            c: (n,) labels.
            noise: n rows, from which all random numbers are taken; None: torch's global generator.
            options: those of the family; None: its defaults.

        Returns:
            (n, *event) examples in data space; row i depends on row i of the noise and of the labels alone.
        """


class ExactLikelihood(ABC):
    """Knows its density."""

    @abstractmethod
    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) log p(x) in nats, in data space."""


class LikelihoodBound(ABC):
    """Knows a lower bound of its density."""

    @abstractmethod
    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats in data space, at most log p(x) in expectation."""


class EnergyBased(ABC):
    """Knows its density up to a constant."""

    @abstractmethod
    def energy(self, x: Tensor) -> Tensor:
        """Return (B,) energies; log p = -energy - log Z."""


class Denoiser(ABC):
    """Knows the mean of clean data given noisy data."""

    @property
    def noise_range(self) -> tuple[float, float]:
        """Smallest and largest scale of noise, in data space, that it can take away; any unless a family says so."""
        return 0.0, math.inf

    @abstractmethod
    def denoise(self, x_t: Tensor, sigma: Tensor) -> Tensor:
        """Return E[x | x_t] (B, *event), for x_t = x + sigma * eps."""


class Discriminating(ABC):
    """Tells data from its own samples."""

    @property
    def logits_of(self) -> str | None:
        """What the logits are about, where it is not single examples in data space; None: single examples."""
        return None

    @abstractmethod
    def logits(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) logits that x is data rather than a sample; with the best discriminator log p(x)/q(x), nats."""

    @property
    def no_log_ratio(self) -> str | None:
        """Why even the best logits are not log p(x)/q(x) up to a constant, in a sentence; None: they are."""
        return None


class Conditional(ABC):
    """Draws examples of the class that is asked for: `sample(n, c)` takes labels 0..classes-1."""

    classes: int


class Classifier(ABC):
    """Knows the class of an example."""

    @abstractmethod
    def classify(self, x: Tensor) -> Tensor:
        """Return (B, classes) logits of the classes of examples (B, *event) in data space."""


class Coded(ABC):
    """Some parts of its latent are codes that can be read from examples."""

    @abstractmethod
    def codes(self, z: Tensor) -> dict[str, Tensor]:
        """Return the (B,) values of every code, by name, in latents (B, *latent_shape)."""

    @abstractmethod
    def read_codes(self, x: Tensor) -> dict[str, Tensor]:
        """Return the (B,) values of every code, by the same names, as read from examples (B, *event)."""


class LatentVariable(ABC):
    """Decodes a latent code."""

    latent_shape: tuple[int, ...]

    @abstractmethod
    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, *event) in data space for codes (B, *latent_shape)."""

    @property
    def prior_kind(self) -> PriorKind:
        """Distribution of the components of a code: "normal" (standard), "uniform" on [-1, 1], or "other"."""
        return "normal"

    def prior(self, n: int, noise: Noise | None = None) -> Tensor:
        """Draw (n, *latent_shape) codes; standard normal unless a family says otherwise."""
        device = next(self.parameters()).device  # type: ignore[attr-defined]
        return noise_for(n, device, noise).normal(*self.latent_shape)


class Encoder(ABC):
    """Infers latent codes."""

    @abstractmethod
    def posterior(self, x: Tensor) -> torch.distributions.Distribution:
        """Return q(z | x), batched over (B, *latent_shape)."""
