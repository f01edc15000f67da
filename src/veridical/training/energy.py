r"""The game of a model that learns a distribution from its log density, without examples.

Players, turns, parameters and optimisers are those of the model; the loss is a divergence between the model and the
distribution (`objectives/reverse_kl.py`), of samples that the model draws itself. Any model with an exact likelihood
and a sampler can play:

| KL(model‖p) | |
|---|---|
| `Reparameterised` (flows) | gradient through the samples |
| others (autoregressive) | REINFORCE, leave-one-out baseline |

| divergence of order 2 | |
|---|---|
| continuous data | weights $(p/q)^2$ after annealed importance sampling |
| data with levels | weights $(p/q)^2$ of the model's own samples |

Of a batch only the number of examples is used. Random numbers come from torch's generators, and nothing is kept from
step to step, so a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from veridical.clock import elapsed
from veridical.config.training import EnergyConfig, FromEnergy, OptimizerConfig
from veridical.data.batch import Batch
from veridical.kinds import TermKind
from veridical.mcmc.annealing import effective_size
from veridical.mcmc.bootstrap import bootstrap
from veridical.model import (
    ExactLikelihood,
    GenerativeModel,
    Loss,
    Reparameterised,
    Sampler,
    has_exact_likelihood,
)
from veridical.nn.modes import evaluating
from veridical.objectives.reverse_kl import reparameterised_loss, score_function_loss, weighted_loss

LogProb = Callable[[Tensor], Tensor]
"""(n, *event) examples in data space → (n,) nats, up to a constant."""

BRIDGES = 8
"""Steps of annealed importance sampling on continuous data."""

LANGEVIN = (1e-4, 1e-1)
"""Smallest and largest step of the Langevin kernel, in units of the variance of the data."""


def abilities(model: GenerativeModel) -> tuple[Sampler, ExactLikelihood]:
    """Return a model as what draws samples, and as what gives their probabilities.

    Raises:
        ValueError: it cannot learn from a log density.
    """
    if not isinstance(model, Sampler) or not isinstance(model, ExactLikelihood):
        reason = "has no exact likelihood of its samples"
    elif not has_exact_likelihood(model):
        reason = f"has only a bound of the likelihood of data with {model.space.levels} levels"
    elif model.players != ("model",):
        reason = f"is a game of {len(model.players)} players"
    else:
        return model, model
    name, able = type(model).__name__, "veridical train made, flow, ..."
    raise ValueError(f"{name} {reason}; expected one that can learn from an energy ({able}).")


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
        self.sampler, self.likelihood = abilities(model)
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
            "effective_share": effective_size(log_w) / len(log_w),
            "beta": beta,
        }
        return Loss(loss, {name: term.detach() for name, term in terms.items()})

    def beta(self, step: int) -> Tensor:
        """Return () the inverse temperature of a step."""
        start, passed = self.config.beta, elapsed(step, self.model.device)
        return (start + (1 - start) * passed / max(self.config.anneal, 1)).clamp(max=1.0)

    def reverse_kl(self, n: int, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss KL(q||p^beta), its value, and (n,) log p - log q of the samples."""
        x, log_q = self.own(n)
        log_p = self.log_p(x)
        loss = reparameterised_loss if isinstance(self.model, Reparameterised) else score_function_loss
        return loss(log_q, beta * log_p), (log_q - beta * log_p).mean(), log_p - log_q

    def alpha_two(self, n: int, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return a loss with the gradient of log E (p^beta/q)^2, that number, and (n,) log p - log q of the samples."""
        if self.bridges:
            log_q, log_w, log_ratio = self.moved(n, beta)
        else:
            x = self.drawn(n)
            log_p, log_q = self.log_p(x).double(), self.likelihood.log_prob(x)
            log_w, log_ratio = 2 * (beta * log_p - log_q.detach().double()), log_p - log_q
        return weighted_loss(log_q, log_w), torch.logsumexp(log_w, 0) - math.log(n), log_ratio

    def moved(self, n: int, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (n,) log q and log weights of samples moved towards p^(2 beta)/q, and log p - log q before."""
        with torch.no_grad():
            x, log_q = self.own(n)
            log_ratio = self.log_p(x) - log_q
        log_q_of = self.likelihood.log_prob
        y, log_w = bootstrap(log_q_of, lambda y: beta * self.log_p(y), x, self.bridges, self.langevin)
        return log_q_of(y), log_w, log_ratio

    def own(self, n: int) -> tuple[Tensor, Tensor]:
        """Return samples of the model, differentiable in the weights where they can be, and their log-probabilities."""
        if isinstance(self.model, Reparameterised):
            return self.model.rsample(n)
        x = self.drawn(n)
        return x, self.likelihood.log_prob(x)

    @torch.no_grad()
    def drawn(self, n: int) -> Tensor:
        """Return samples of the model that are constants."""
        return self.sampler.sample(n)

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
