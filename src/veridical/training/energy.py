r"""The game of a model that learns a distribution from its log density, without examples.

Players, turns, parameters and optimisers are those of the model; the loss is a divergence between the model and the
distribution (`objectives/reverse_kl.py`), of samples that the model draws itself. Any model with an exact likelihood
and a sampler can play:

| model | KL(model‖p) | divergence of order 2 |
|---|---|---|
| `Reparameterised` (flows) | gradient through the samples | weights $(p/q)^2$ after annealed importance sampling |
| others (autoregressive) | REINFORCE, leave-one-out baseline | weights $(p/q)^2$ of its own samples |

Of a batch only the number of examples is used. Random numbers come from torch's generators, and nothing is kept from
step to step, so a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from veridical.clock import elapsed
from veridical.config.training import EnergyConfig, FromEnergy, OptimizerConfig
from veridical.data.batch import Batch
from veridical.kinds import TermKind
from veridical.mcmc.bootstrap import bootstrap
from veridical.model import (
    ExactLikelihood,
    GenerativeModel,
    Loss,
    Reparameterised,
    Sampler,
    Space,
    has_exact_likelihood,
)
from veridical.nn.modes import evaluating
from veridical.objectives.reverse_kl import effective_share, reparameterised_loss, score_function_loss, weighted_loss

LogProb = Callable[[Tensor], Tensor]
"""(n, *event) examples in data space → (n,) nats, up to a constant."""

BRIDGES = 8
"""Steps of annealed importance sampling on continuous data."""

LANGEVIN = (1e-4, 1e-1)
"""Smallest and largest step of the Langevin kernel, in units of the variance of the data."""


class Learner(Protocol):
    """A model that can learn from a log density: `why_not` returns None."""

    space: Space

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (n,) nats."""
        ...

    def sample(self, n: int) -> Tensor:
        """Return (n, *event) examples."""
        ...


def why_not(model: GenerativeModel) -> str | None:
    """Return the reason why a model cannot learn from a log density; None: it can."""
    name = type(model).__name__
    if not isinstance(model, Sampler) or not isinstance(model, ExactLikelihood):
        return f"{name} has no exact likelihood of its samples"
    if not has_exact_likelihood(model):
        return f"{name} has only a bound of the likelihood of data with {model.space.levels} levels"
    if model.players != ("model",):
        return f"{name} is a game of {len(model.players)} players"
    return None


class EnergyGame:
    """The game of a model that learns a distribution from its log density.

    Args:
        model: with an exact likelihood and samples.
        log_p: of the distribution, nats in data space, up to a constant.
        divergence: which one is lowered.
        config: temperatures and bridges.

    Raises:
        ValueError: the model cannot learn from a log density, or bridges were requested on data with levels.
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {"model/reverse_kl": "objective"}

    def __init__(self, model: GenerativeModel, log_p: LogProb, divergence: FromEnergy, config: EnergyConfig) -> None:
        reason = why_not(model)
        if reason is not None:
            raise ValueError(f"{reason}; expected one that can learn from an energy (veridical train made, flow, ...).")
        if config.bridges and model.space.levels is not None:
            raise ValueError(f"energy.bridges is {config.bridges}, but the data have levels; leave it out.")
        self.model, self.log_p, self.config = model, log_p, config
        self.players = model.players
        self.divergence = {"reverse-kl": self.reverse_kl, "alpha-2": self.alpha_two}[divergence]

    def turns(self, step: int) -> tuple[str, ...]:
        """Return those of the model."""
        return self.model.turns(step)

    def player_parameters(self, player: str) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
        """Return those of the model."""
        return self.model.player_parameters(player)

    def after_update(self, player: str) -> None:
        """Do what the model does."""
        self.model.after_update(player)

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return that of the model."""
        return self.model.optimizer(player)

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the divergence from p^beta of as many samples as the batch has examples.

        Terms: `loss`, what is lowered; `reverse_kl`, the mean of log q - log p in nats, and `effective_share`, that of
        the samples as weighted draws of p, both at beta = 1; `beta`.
        """
        beta = self.beta(step)
        with evaluating(self.model):
            loss, value, log_w = self.divergence(len(batch.x), beta)
        terms = {
            "loss": value,
            "reverse_kl": -log_w.mean(),
            "effective_share": effective_share(log_w),
            "beta": beta,
        }
        return Loss(loss, {name: term.detach() for name, term in terms.items()})

    def beta(self, step: int) -> Tensor:
        """Return () the inverse temperature of a step."""
        start, passed = self.config.beta, elapsed(step, self.model.device)
        return (start + (1 - start) * passed / max(self.config.anneal, 1)).clamp(max=1.0)

    def reverse_kl(self, n: int, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss KL(q||p^beta), its value, and (n,) log p - log q of the samples."""
        if isinstance(self.model, Reparameterised):
            x, log_q = self.model.rsample(n)
            log_p = self.log_p(x).to(log_q.dtype)
            loss = reparameterised_loss(log_q, beta * log_p)
        else:
            x = self.learner.sample(n)
            log_p, log_q = self.log_p(x), self.learner.log_prob(x)
            loss = score_function_loss(log_q, beta * log_p)
        return loss, (log_q - beta * log_p).mean(), log_p - log_q

    def alpha_two(self, n: int, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return a loss with the gradient of log E (p^beta/q)^2, that number, and (n,) log p - log q of the samples."""
        with torch.no_grad():
            x, log_q = self.own(n)
            log_ratio = self.log_p(x) - log_q
        moved, log_w = bootstrap(self.learner.log_prob, lambda y: beta * self.log_p(y), x, self.bridges, self.langevin)
        loss = weighted_loss(self.learner.log_prob(moved), log_w)
        return loss, torch.logsumexp(log_w, 0) - log_w.new_full((), n).log(), log_ratio

    def own(self, n: int) -> tuple[Tensor, Tensor]:
        """Return samples of the model, and their log-probabilities."""
        if isinstance(self.model, Reparameterised):
            return self.model.rsample(n)
        x = self.learner.sample(n)
        return x, self.learner.log_prob(x)

    @property
    def learner(self) -> Learner:
        """The model, with what `why_not` has made sure of."""
        return self.model  # type: ignore[return-value]

    @property
    def bridges(self) -> int:
        """Steps of annealed importance sampling."""
        default = BRIDGES if self.model.space.levels is None else 0
        return default if self.config.bridges is None else self.config.bridges

    @property
    def langevin(self) -> tuple[float, float]:
        """Smallest and largest step of the Langevin kernel, in squared units of the data."""
        variance = self.model.space.std**2
        return LANGEVIN[0] * variance, LANGEVIN[1] * variance
