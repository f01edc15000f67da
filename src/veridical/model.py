"""The interface of models: for the training loop, and for everything that uses a trained model.

Every training is a game of one or more *players* (a VAE has one, a GAN two). A model defines which players move at a
step (`turns`), the loss of each player (`loss`) and its parameters (`player_parameters`). It never calls `backward` or
an optimiser: only `training/fit.py` does. What a trained model can do is declared by inheriting from the ability
classes below and checked with `isinstance`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeGuard, runtime_checkable

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.sampling import SamplingOptions
from veridical.data.batch import Batch
from veridical.data.refuse import refuse_labels, refuse_shape
from veridical.data.space import Space
from veridical.kinds import TermKind
from veridical.mcmc.path import Path
from veridical.noise import Noise, noise_for
from veridical.objectives.bounds import iwae_bound

if TYPE_CHECKING:
    from veridical.data.dataset import ArrayData

__all__ = [
    "Batch",
    "Bijective",
    "Classifier",
    "Coded",
    "Completer",
    "Conditional",
    "Denoiser",
    "Dequantised",
    "Discriminating",
    "Encoder",
    "EnergyBased",
    "ExactLikelihood",
    "Facts",
    "GenerativeModel",
    "Integrated",
    "Interpolating",
    "LatentVariable",
    "LikelihoodBound",
    "Loss",
    "ObservationModel",
    "Reparameterised",
    "Replayable",
    "Restorer",
    "Sampler",
    "Space",
    "StartsFromData",
    "Tempered",
    "Trainable",
    "draws_classes",
    "has_exact_likelihood",
    "refuse_labels",
    "refuse_shape",
]

PriorKind = Literal["normal", "uniform", "other"]


@dataclass(frozen=True)
class Facts:
    """The properties of the data that a model needs when it is built."""

    space: Space
    """The space of the examples."""

    n: int | None = None
    """Number of training examples; None: not known, or without end. Models with one code per example need it."""

    @staticmethod
    def of(facts: Facts | Space) -> Facts:
        """Return facts unchanged; a space alone becomes facts with an unknown number of examples."""
        return facts if isinstance(facts, Facts) else Facts(facts)


class Loss(NamedTuple):
    """The loss of one player in its turn."""

    loss: Tensor
    """() the loss to be differentiated; nats where the objective is a likelihood."""

    terms: dict[str, Tensor]
    """() each, detached by the loop: logged as "<player>/<term>", read by the health monitors."""


@runtime_checkable
class Trainable(Protocol):
    """The methods of a model that `training.fit` uses."""

    players: tuple[str, ...]

    def turns(self, step: int) -> tuple[str, ...]:
        """The players that move at this step, in order."""
        ...

    def player_parameters(self, player: str) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
        """Parameters of a player, in any form that `torch.optim` accepts."""
        ...

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """The loss of the player whose turn it is."""
        ...

    def after_update(self, player: str) -> None:
        """Projection or clipping after the player's optimiser step."""

    def optimizer(self, player: str) -> OptimizerConfig:
        """The default optimiser of the family for this player."""
        ...


class GenerativeModel(nn.Module, ABC):
    """Base of every family: a module with a space (of its facts, or set by the class), players and a loss."""

    space: Space
    """The space of the examples."""

    facts: Facts
    """The properties of the data with which the model was built."""

    players: tuple[str, ...] = ("model",)
    papers: tuple[str, ...] = ()
    """References of the family, printed by `veridical cite`."""
    term_kinds: ClassVar[Mapping[str, TermKind]] = {}
    """The meaning of terms of `loss` for the monitors of health, by "<player>/<term>"; other terms are only logged."""

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

    @abstractmethod
    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the default optimiser for this player."""

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device


class Replayable(ABC):
    """Steps of one pattern differ only in the values of tensors, so that one recorded step can be replayed for all.

    Nothing is read back from the device in such a step and no number is made into a tensor; values that change smoothly
    with the step are functions of `clock.elapsed`.
    """

    @abstractmethod
    def pattern(self, step: int) -> Hashable | None:
        """Return the decisions of a step that are made in Python: which players move, which terms are due.

        None: this step must not be recorded, since it depends on values read back from its tensors.
        """


class Sampler(ABC):
    """Draws examples."""

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
    """Has a density that can be computed."""

    @abstractmethod
    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) log p(x) in nats, in data space."""


class Reparameterised(ABC):
    """Draws examples that are a differentiable function of its weights, with their exact log densities."""

    @abstractmethod
    def rsample(self, n: int, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        """Return (n, *event) examples in data space and their (n,) log p in nats, both with a gradient.

        Args:
            n: how many.
            noise: n rows, from which all random numbers are taken; None: torch's global generator.
        """


class LikelihoodBound(ABC):
    """Has a lower bound of its density."""

    @abstractmethod
    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats in data space, at most log p(x) in expectation."""


class Dequantised(LikelihoodBound, ABC):
    """Has a density of continuous values; on data with levels, noise within the cells gives a bound.

    A model with `ExactLikelihood` and this ability has an exact likelihood on continuous data alone
    (`has_exact_likelihood`).
    """

    @property
    @abstractmethod
    def noise_kind(self) -> str:
        """Distribution of the noise: "uniform", "variational" or "Gaussian"."""

    @abstractmethod
    def log_density(self, y: Tensor) -> Tensor:
        """Return (B,) log densities, nats in data space, of continuous values."""

    @abstractmethod
    def noise_log_weights(self, x: Tensor, k: int) -> Tensor:
        """Return (B, k) nats in data space: log p(x + noise) - log q(noise) of k draws for each example.

        Noise that leaves the cell of a level adds the log probability of the level given x + noise.
        """

    @property
    def tightens(self) -> bool:
        """Whether more draws of the noise tighten the bound; where weights are estimates, they are only averaged."""
        return True

    def dequantised_bound(self, x: Tensor, k: int) -> Tensor:
        """Return (B,) nats in data space: the importance-weighted bound of k draws, in expectation at most log p(x)."""
        return iwae_bound(self.noise_log_weights(x, k))


class Integrated(ABC):
    """Has a density by the numerical solution of a differential equation."""

    @property
    @abstractmethod
    def density_facts(self) -> Mapping[str, float | str]:
        """How the solution is computed: trace, steps, evaluations of the network."""

    @abstractmethod
    def solver_error(self, x: Tensor) -> Tensor:
        """Return (B,) estimates of the error that the solver makes in log densities, nats."""


class Bijective(ABC):
    """Maps examples to codes one to one."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return (B, *latent_shape) the codes of examples; of data with levels, those of the centres of their cells."""

    @abstractmethod
    def inverse_error(self, x: Tensor) -> Tensor:
        """Return (B,) distances of examples from the inverse of their image.

        The distance is the mean of the absolute differences of the components, in standard deviations of the data.
        """


class EnergyBased(ABC):
    """Has a density up to a constant; where `energy_is_bound`, energies are upper bounds, and nats lower ones."""

    energy_is_bound: bool = False

    @abstractmethod
    def energy(self, x: Tensor) -> Tensor:
        """Return (B,) energies; log p = -energy - log Z."""


class Tempered(EnergyBased, ABC):
    """Has a path to its density from one whose log Z is known, along which chains can go."""

    @abstractmethod
    def path(self) -> Path[Any]:
        """Return the path; log Z of its end is that of the energy."""

    @abstractmethod
    def ends(self, x: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return (B, n) states s of the path drawn from a q(s | x), and (B,) nats, log f(s) p(x | s) / q(s | x)."""

    @abstractmethod
    def log_partition(self, bits: float = 24) -> float | None:
        """Return exact log Z in nats, in closed form or by a sum over states of at most so many bits; None: neither."""


class Denoiser(ABC):
    """Estimates the mean of clean data given noisy data."""

    @property
    def noise_range(self) -> tuple[float, float]:
        """Smallest and largest scale of noise, in data space, that it can remove; unlimited by default."""
        return 0.0, math.inf

    @abstractmethod
    def denoise(self, x_t: Tensor, sigma: Tensor) -> Tensor:
        """Return E[x | x_t] (B, *event), for x_t = x + sigma * eps."""


class Discriminating(ABC):
    """Has a discriminator of data against its own samples."""

    @property
    def logits_of(self) -> str | None:
        """The input of the logits, if it is not single examples in data space; None: single examples."""
        return None

    @abstractmethod
    def logits(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) logits that x is data rather than a sample; for the optimal discriminator log p(x)/q(x), nats."""

    @property
    def no_log_ratio(self) -> str | None:
        """The reason why even optimal logits are not log p(x)/q(x) up to a constant; None: they are."""
        return None


class Conditional(ABC):
    """Draws examples of a given class: `sample(n, c)` takes labels 0..classes-1; see `draws_classes`."""

    classes: int
    """Number of classes; 0: a family that can use labels was built without."""

    needs_class: bool = False
    """Whether p(x | c) alone was learned, and nothing can be computed without a label."""


def draws_classes(model: object) -> TypeGuard[Conditional]:
    """Return whether a model draws examples of a given class."""
    return isinstance(model, Conditional) and model.classes > 0


class Classifier(ABC):
    """Classifies examples."""

    @abstractmethod
    def classify(self, x: Tensor) -> Tensor:
        """Return (B, classes) logits of the classes of examples (B, *event) in data space."""


class Completer(ABC):
    """Knows the exact distribution of missing components given the known ones, where its order of them allows it."""

    @abstractmethod
    def complete(
        self,
        x: Tensor,
        known: Tensor,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw the components of examples that are not known.

        Args:
            x: (n, *event) examples in data space, of which the known components count.
            known: (*event) bool, the same for all.
            c: (n,) labels.
            noise: see `Sampler.sample`.
            options: those of the family; None: its defaults.

        Returns:
            (n, *event) examples with the known components as they were given.

        Raises:
            ValueError: the conditional distribution of the others cannot be computed.
        """

    @abstractmethod
    def leading(self, share: float) -> Tensor:
        """Return (*event) bool: about this share of the components, such that the others can be completed."""

    @abstractmethod
    def log_prob_missing(self, x: Tensor, known: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) log p(missing components | known ones) in nats, in data space; see `complete`."""


class Coded(ABC):
    """Has codes, parts of its latent, that can be predicted from examples."""

    @abstractmethod
    def codes(self, z: Tensor) -> dict[str, Tensor]:
        """Return the (B,) values of every code, by name, in latents (B, *latent_shape)."""

    @abstractmethod
    def read_codes(self, x: Tensor) -> dict[str, Tensor]:
        """Return the predicted (B,) values of every code, by the same names, for examples (B, *event)."""


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
        """Draw (n, *latent_shape) codes; standard normal by default."""
        device = next(self.parameters()).device  # type: ignore[attr-defined]
        return noise_for(n, device, noise).normal(*self.latent_shape)


class Interpolating(ABC):
    """Has codes of training examples, and ways of its own between codes."""

    @abstractmethod
    def known_codes(self) -> Tensor:
        """Return (m, *latent_shape) codes of training examples; none before the first step of some models."""

    @abstractmethod
    def interpolate(self, first: Tensor, second: Tensor, steps: int = 8) -> Tensor:
        """Return (steps, B, *event) decoded codes on the way between codes (B, *latent_shape), both ends included."""


class Encoder(ABC):
    """Infers latent codes."""

    @abstractmethod
    def posterior(self, x: Tensor) -> torch.distributions.Distribution:
        """Return q(z | x), batched over (B, *latent_shape)."""


class Restorer(ABC):
    """Restores the examples that it learned from."""

    @abstractmethod
    def restore(self, batch: Batch) -> Tensor:
        """Return (B, *event) what the model keeps of training examples, given the examples and their rows."""


class StartsFromData(ABC):
    """Takes its initial state from the data: `workflows.train` calls `start_from` once, before the first step."""

    @abstractmethod
    def start_from(self, data: ArrayData) -> None:
        """Set the initial state; a function of the data alone, so that it is equal in every process."""


class ObservationModel(ABC):
    """Has a density of examples given their latent code."""

    @abstractmethod
    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return (k, B) log p(x | z) in nats, in data space, for k codes (k, B, *latent_shape) of each example."""

    @abstractmethod
    def observe(self, z: Tensor, noise: Noise) -> Tensor:
        """Draw (B, *event) examples from p(x | z), (B, *latent_shape); not rounded to levels."""


def has_exact_likelihood(model: object) -> bool:
    """Return whether a model's `log_prob` is that of its data; on data with levels noise gives a bound only."""
    dequantised = isinstance(model, Dequantised) and isinstance(model, GenerativeModel) and model.space.levels
    return isinstance(model, ExactLikelihood) and not dequantised
