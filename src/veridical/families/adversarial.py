"""The common base of all games of a generator against a discriminator: turns, decoding and checks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from veridical.config import AdversarialConfig, OptimizerConfig
from veridical.config.families.adversarial import LOGISTIC, AdversarialSampling
from veridical.config.sampling import SamplingOptions, options_of
from veridical.data.refuse import refuse_codes
from veridical.kinds import TermKind
from veridical.model import (
    Batch,
    Discriminating,
    Facts,
    GenerativeModel,
    LatentVariable,
    Loss,
    PriorKind,
    Replayable,
    Sampler,
    Space,
    refuse_labels,
)
from veridical.nn.adversarial import build_discriminator, build_generator, latent_dim_of, standard_units
from veridical.nn.buffers import BufferRole
from veridical.nn.discriminator import Discriminator
from veridical.nn.minibatch import BatchDependent, batch_dependent_layers
from veridical.nn.normalization import ReferenceBatch
from veridical.nn.precision import at_least_single
from veridical.noise import Noise, TruncatedNoise, noise_for
from veridical.objectives.game import STATISTICS_EVERY, Game
from veridical.objectives.penalties import clip_weights, historical_averaging, running_average

C = TypeVar("C", bound=AdversarialConfig)
"""The configuration of a game."""


class AdversarialModel(GenerativeModel, Replayable, Generic[C], Sampler, LatentVariable, Discriminating):
    """Base of the games; a family defines the losses of both players.

    Args:
        config: the choices of the game.
        facts: the space of the examples and their number; a space alone is accepted too.
        generator: codes (B, latent_dim), and labels if there are any, to examples in data space.
        discriminator: its input, in data space, to (B,) or (B, 1) logits.

    Networks that are None are built by the configuration.

    Raises:
        ValueError: a penalty is used with a discriminator in which examples depend on each other, or it ends in a
            sigmoid.
    """

    players: tuple[str, ...] = ("discriminator", "generator")
    term_kinds: ClassVar[Mapping[str, TermKind]] = {
        "discriminator/loss": "discriminator_loss",
        "generator/loss": "generator_loss",
        "discriminator/js": "divergence",
        "discriminator/accuracy": "accuracy",
        "discriminator/diversity": "diversity",
        "discriminator/crowding": "crowding",
        "discriminator/coverage": "coverage",
        "discriminator/energy": "energy_distance",
    }
    config: C

    def __init__(
        self,
        config: C,
        facts: Facts | Space,
        *,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
    ) -> None:
        super().__init__(facts)
        space = self.space
        if discriminator is None:
            discriminator = build_discriminator(config, space)
        if generator is None:
            generator = build_generator(config, space, latent_dim_of(config, space))
        self.config = config
        self.latent_shape = (latent_dim_of(config, space),)
        self.unit = standard_units(space)[1]
        self.discriminator, self.generator = discriminator, generator
        self.history = nn.ModuleDict()
        if config.historical_averaging > 0:
            self.history.update({player: History(self.own_parameters(player)) for player in self.players})
        refuse_penalised_dependence(config, discriminator)
        refuse_probabilities(discriminator)
        refuse_augmentation(config, space)
        self.alone = stands_alone(discriminator)
        """Whether no example depends on the others of its batch, for any weights."""

    def turns(self, step: int) -> tuple[str, ...]:
        """Let the discriminator move at every step, the generator after `discriminator_turns` of them."""
        return self.players if (step + 1) % self.config.discriminator_turns == 0 else ("discriminator",)

    def pattern(self, step: int) -> Hashable | None:
        """Return which players move, and whether statistics and instance noise are due."""
        return self.turns(step), step % STATISTICS_EVERY == 0, self.game.noisy(step)

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser that the configuration names for the player."""
        return self.config.generator_optimizer if player == "generator" else self.config.discriminator_optimizer

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the loss of the player whose turn it is."""
        turn = self.discriminator_loss if player == "discriminator" else self.generator_loss
        loss, terms = turn(batch, step)
        if self.config.historical_averaging > 0:
            past = self.config.historical_averaging * self.past(player).penalty(self.own_parameters(player))
            loss, terms = loss + past, terms | {"penalty_history": past.detach()}
        return Loss(loss, {"loss": loss.detach()} | terms)

    def past(self, player: str) -> History:
        """Return the average of a player's parameters over all updates so far."""
        history = self.history[player]
        assert isinstance(history, History)
        return history

    @property
    def game(self) -> Game:
        """The game: objective, pairing, views and penalties."""
        shared = {f.name for f in fields(Game)} - {"unit", "joint"}
        return Game(**{name: getattr(self.config, name) for name in shared}, unit=self.unit, joint=self.alone)

    def own_parameters(self, player: str) -> Iterable[nn.Parameter]:
        """Return the parameters of a player's network."""
        return self.get_submodule(player).parameters()

    @abstractmethod
    def discriminator_loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the discriminator loss, and terms to log."""

    @abstractmethod
    def generator_loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the generator loss, and terms to log."""

    @torch.no_grad()
    def after_update(self, player: str) -> None:
        """Clip the discriminator's weights and update the averages, if the configuration demands it."""
        if self.config.clip_weights is not None and player == "discriminator":
            clip_weights(self.discriminator.parameters(), self.config.clip_weights)
        if self.config.historical_averaging > 0:
            self.past(player).update(self.own_parameters(player))

    @property
    def logits_of(self) -> str | None:
        """The input of the discriminator, if it is not a single example."""
        return None if self.config.pack == 1 else f"packs of {self.config.pack} examples"

    def logits(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) logits of the discriminator's input, in full precision.

        Raises:
            ValueError: the discriminator returns another shape.
        """
        logits = self.discriminator(x) if c is None else self.discriminator(x, c)
        if logits.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(
                f"The discriminator returned shape {tuple(logits.shape)} for {len(x)} examples; expected "
                f"({len(x)},) or ({len(x)}, 1): one logit each, without a sigmoid."
            )
        # Losses and penalties are sums of exponentials and squares: never in half precision.
        return at_least_single(logits.reshape(-1))

    @property
    def no_log_ratio(self) -> str | None:
        """The reason why the logits are not the log ratio of the densities at one example; None: they are."""
        if any(isinstance(module, BatchDependent) for module in self.discriminator.modules()):
            return "the discriminator judges a batch as a whole (minibatch), so it estimates no ratio of densities."
        if self.config.objective in LOGISTIC and self.config.pack == 1:
            return None
        return (
            f"the discriminator was trained with objective {self.config.objective!r} and pack {self.config.pack}; only "
            f"{', '.join(LOGISTIC)} with pack 1 estimate the ratio of the densities."
        )

    @property
    def prior_kind(self) -> PriorKind:
        """Distribution of the components of a code."""
        return self.config.latent

    def prior(self, n: int, noise: Noise | None = None) -> Tensor:
        """Draw (n, *latent_shape) codes, standard normal or uniform on [-1, 1]."""
        return self.latent_noise(noise_for(n, self.device, noise), *self.latent_shape)

    def latent_noise(self, noise: Noise, *shape: int) -> Tensor:
        """Return (noise.n, *shape) numbers of the distribution that the configuration names."""
        return noise.normal(*shape) if self.config.latent == "normal" else noise.symmetric(*shape)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, *space.shape) in data space for codes (B, latent_dim).

        Raises:
            ValueError: labels are passed to a model that was trained without, or the generator returns another shape.
        """
        refuse_labels(c)
        refuse_codes(z, self.latent_shape)
        return self.checked(self.generator(z), z)

    def checked(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the generator's output for z, in full precision.

        Raises:
            ValueError: its shape differs from that of the examples.
        """
        if x.shape != (z.shape[0], *self.space.shape):
            raise ValueError(
                f"The generator returned shape {tuple(x.shape)} for {len(z)} codes of dimension {z.shape[-1]}; "
                f"expected {(len(z), *self.space.shape)}, examples in data space."
            )
        return at_least_single(x)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *space.shape) examples in data space.

        Raises:
            ValueError: labels are passed to a model that was trained without.
        """
        return self.decode(self.chosen_prior(n, noise, options), c)

    def chosen_prior(self, n: int, noise: Noise | None, options: SamplingOptions | None) -> Tensor:
        """Draw (n, *latent_shape) codes, truncated if the options demand it."""
        limit = options_of(AdversarialSampling, options).truncation
        noise = noise_for(n, self.device, noise)
        return self.prior(n, noise if limit is None else TruncatedNoise(noise, limit))


class History(nn.Module):
    """Running average of parameters over all updates so far, kept in buffers, so that a resumed run continues it.

    Args:
        parameters: of the player, always to be passed in the same order.
    """

    buffer_roles: ClassVar = {"average": BufferRole.LIVE, "count": BufferRole.LIVE}
    average: Tensor
    count: Tensor

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__()
        self.register_buffer("average", parameters_to_vector(list(parameters)).detach().clone())
        self.register_buffer("count", torch.tensor(1))

    def penalty(self, parameters: Iterable[nn.Parameter]) -> Tensor:
        """Return () the squared distance of the parameters from their average."""
        return historical_averaging([parameters_to_vector(list(parameters))], [self.average])

    @torch.no_grad()
    def update(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add the newest parameters to the average."""
        self.count += 1
        self.average.copy_(running_average(self.average, parameters_to_vector(list(parameters)), self.count))


def stands_alone(discriminator: nn.Module) -> bool:
    """Return whether a discriminator was built here and treats every example independently of its batch."""
    known = isinstance(discriminator, Discriminator) and not batch_dependent_layers(discriminator)
    return known and not any(isinstance(module, ReferenceBatch) for module in discriminator.modules())


def refuse_probabilities(discriminator: nn.Module) -> None:
    """Refuse a discriminator that ends in a sigmoid or a softmax: the losses expect logits.

    Raises:
        ValueError: the last layer is one.
    """
    last = [module for module in discriminator.modules() if not list(module.children())][-1:]
    if last and isinstance(last[0], nn.Sigmoid | nn.Softmax | nn.LogSigmoid | nn.LogSoftmax):
        raise ValueError(
            f"The discriminator ends in {type(last[0]).__name__}; expected logits, any real numbers, since the "
            f"losses apply the sigmoid. Remove the last layer, nn.{type(last[0]).__name__}."
        )


def refuse_penalised_dependence(config: AdversarialConfig, discriminator: nn.Module) -> None:
    """Refuse gradient penalties on a discriminator whose examples depend on each other.

    Raises:
        ValueError: there is a penalty and a layer, for example batch normalisation, that compares examples of a batch.
    """
    penalised = [name for name in ("r1", "r2", "gradient_penalty", "dragan") if getattr(config, name) > 0]
    mixing = batch_dependent_layers(discriminator)
    if penalised and mixing:
        raise ValueError(
            f"{', '.join(penalised)} > 0 with {mixing[0]} in the discriminator; the gradient of one example would "
            'depend on the others. Set the penalties to 0, or choose network = "conv" (no batch normalisation), '
            'normalization = "layer", minibatch = "none".'
        )


def refuse_augmentation(config: AdversarialConfig, space: Space) -> None:
    """Refuse augmentation where the transformations have no meaning.

    Raises:
        ValueError: the examples are not images in [-1, 1].
    """
    if config.augment and (space.kind != "image" or space.support != (-1.0, 1.0)):
        raise ValueError(
            f"augment is {', '.join(config.augment)} for examples of kind {space.kind!r} with support {space.support}; "
            "it changes images in [-1, 1]. Leave augment out."
        )
