"""What a logged term is. Models declare it (`GenerativeModel.term_kinds`); the monitors of health ask for it.

A monitor never guesses from a name: the "loss" of one model must fall, that of another may rise for ever, and a term
called "kl" is a warning sign near 0 in a VAE and the goal of a training from an energy. Nothing here imports torch.
"""

from __future__ import annotations

from typing import Literal, get_args

TermKind = Literal[
    "objective",
    "generator_loss",
    "discriminator_loss",
    "divergence",
    "accuracy",
    "diversity",
    "crowding",
    "coverage",
    "energy_distance",
    "posterior_kl",
    "active_units",
]
"""The kinds that a monitor knows:

- objective: a loss that a good training lowers and keeps low (a negative log-likelihood or its bound, a denoising
  error); it may be negative. Surrogates whose value means nothing (contrastive divergence) are not declared.
- generator_loss, discriminator_loss: losses of a game; they need not fall, but may not grow without bound.
- divergence: the discriminator's estimate of the Jensen-Shannon divergence, nats, at most log 2.
- accuracy: share of the discriminator's decisions that are right.
- diversity, crowding, coverage, energy_distance: statistics of the batch (`objectives.diagnostics`).
- posterior_kl: KL divergence of the approximate posterior from the prior, nats.
- active_units: number of latent units whose posterior mean varies over the data.
"""

KINDS: tuple[str, ...] = get_args(TermKind)
"""All kinds."""
