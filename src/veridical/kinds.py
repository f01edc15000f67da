"""Kinds of logged terms. Models declare them (`GenerativeModel.term_kinds`); the health monitors read them.

A monitor does not use the name of a term: the "loss" of one model must fall and that of another may rise. A term "kl"
near 0 is a problem for a VAE and the goal of training from an energy. Nothing here imports torch.
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
    "reconstruction",
    "nats",
    "free_energy",
    "denoising_error",
    "active_units",
    "r_hat",
    "effective_samples",
    "inverse_error",
]
"""The kinds that monitors can check:

- objective: a loss that falls and stays low in successful training (a negative log-likelihood or its bound, a denoising
  error); it may be negative. Surrogates whose value has no meaning (contrastive divergence) are not declared.
- generator_loss, discriminator_loss: losses of a GAN; they need not fall, but must not grow without bound.
- divergence: the discriminator's estimate of the Jensen-Shannon divergence, nats, at most log 2.
- accuracy: share of the discriminator's decisions that are right.
- diversity, crowding, coverage, energy_distance: statistics of the batch (`objectives.diagnostics`).
- posterior_kl: KL divergence of the approximate posterior from the prior, nats.
- reconstruction: mean of -log p(x | z), nats in data space; with posterior_kl it is the negative bound, whatever the
  weight of either in the objective.
- nats: mean of -log p(x) or of an upper bound of it, nats per example in data space.
- free_energy: mean of -log p(x) up to a constant, of a machine whose gradient comes from chains; it need not fall.
- denoising_error: mean squared error of predicted noise of variance 1; predicting none has the error 1.
- active_units: number of latent units whose posterior mean varies over the data.
- r_hat: split potential scale reduction of Markov chains. effective_samples: independent states that they are worth.
- inverse_error: mean distance of an example from the inverse of its image, in standard deviations of the data.
"""

KINDS: tuple[str, ...] = get_args(TermKind)
"""All kinds."""
