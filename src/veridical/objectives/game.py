r"""A turn of each player in the game of a generator against a discriminator.

The discriminator is given as a function `logits` from examples (B, ...) to (B,) numbers, so that any game can be
played with it: conditional (a closure over the labels), packed, unrolled (a closure over other weights). What it sees
is a *view* of the examples: they are augmented, instance noise is added, then `pack` of them are put side by side.
Penalties act on what it sees.

$$ L_D = L_\text{objective}(\ell_r, \ell_f)
    + \tfrac{\gamma_1}{2}\,\mathrm E\lVert\nabla D(x)\rVert^2
    + \tfrac{\gamma_2}{2}\,\mathrm E\lVert\nabla D(\tilde x)\rVert^2
    + \lambda\,\mathrm E(\lVert\nabla D(\hat x)\rVert - 1)^2 $$
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.config import AdversarialConfig
from veridical.objectives.adversarial import (
    OBJECTIVES,
    jensen_shannon_bound,
    pair,
    smoothed_logistic_discriminator_loss,
)
from veridical.objectives.augmentation import augment
from veridical.objectives.diagnostics import batch_statistics
from veridical.objectives.penalties import (
    analytic_noise_penalty,
    dragan_noise,
    dragan_penalty,
    gradient_penalty,
    one_sided_gradient_penalty,
    zero_centered_penalty,
)

Logits = Callable[[Tensor], Tensor]

STATISTICS_EVERY = 8
"""Steps between statistics of the distances in a batch, so that they cost less than one step in a hundred."""


class Turn(NamedTuple):
    """What a player minimises in its turn, and what is logged beside it."""

    loss: Tensor
    """()."""

    terms: dict[str, Tensor]
    """() each, detached; `loss` is not among them."""


def discriminator_turn(
    config: AdversarialConfig,
    logits: Logits,
    x: Float[Tensor, "n *event"],
    x_fake: Float[Tensor, "n *event"],
    *,
    step: int,
    unit: float,
) -> Turn:
    """Compute the discriminator's loss; no gradient flows to `x` or `x_fake`.

    Args:
        config: objective, pairing, penalties, views.
        logits: the discriminator.
        x: real examples, in data space.
        x_fake: as many fakes.
        step: of the training, for what is annealed.
        unit: data units per standard unit.

    Raises:
        ValueError: `pack` does not divide n.
    """
    seen, seen_fake = (view(v.detach(), config, step, unit) for v in (x, x_fake))
    seen.requires_grad_(config.r1 > 0 or config.noise_penalty > 0)
    seen_fake.requires_grad_(config.r2 > 0 or config.noise_penalty > 0)
    logit_real, logit_fake = logits(seen), logits(seen_fake)
    objective = OBJECTIVES[config.objective].discriminator
    if config.smoothing:
        objective = partial(smoothed_logistic_discriminator_loss, smoothing=config.smoothing)
    if config.relativistic:
        # Both terms of the objective see the same pairs: half of it, as in R3GAN.
        loss = objective(*pair(logit_real, logit_fake)) / 2
    else:
        loss = objective(logit_real, logit_fake)
    penalties = {
        f"penalty_{name}": value
        for name, value in penalise(config, logits, seen, seen_fake, logit_real, logit_fake, step, unit).items()
    }
    terms = diagnose(x, x_fake, logit_real, logit_fake, relativistic=config.relativistic, step=step)
    loss = loss + sum(penalties.values())
    return Turn(loss, terms | {name: value.detach() for name, value in penalties.items()})


def penalise(
    config: AdversarialConfig,
    logits: Logits,
    x: Tensor,
    x_fake: Tensor,
    logit_real: Tensor,
    logit_fake: Tensor,
    step: int,
    unit: float,
) -> dict[str, Tensor]:
    """Return the weighted penalties by name; slopes squared are in standard units, so that weights mean the same."""
    standard = unit**2 * (0.5 ** (step / config.penalty_half_life) if config.penalty_half_life else 1.0)
    penalties: dict[str, Tensor] = {}
    if config.r1 > 0:
        penalties["r1"] = config.r1 * standard * zero_centered_penalty(logit_real, x)
    if config.r2 > 0:
        penalties["r2"] = config.r2 * standard * zero_centered_penalty(logit_fake, x_fake)
    if config.gradient_penalty > 0:
        eps = torch.rand(len(x), device=x.device, dtype=x.dtype)
        penalty = one_sided_gradient_penalty if config.one_sided else gradient_penalty
        penalties["gradient"] = config.gradient_penalty * penalty(logits, x, x_fake, eps)
    if config.noise_penalty > 0:
        noise = analytic_noise_penalty(logit_real, x, logit_fake, x_fake)
        penalties["noise"] = config.noise_penalty * standard * noise
    if config.dragan > 0:
        penalties["dragan"] = config.dragan * dragan_penalty(logits, x.detach(), dragan_noise(x, torch.rand_like(x)))
    return penalties


def generator_turn(
    config: AdversarialConfig,
    logits: Logits,
    x: Float[Tensor, "n *event"],
    x_fake: Float[Tensor, "n *event"],
    *,
    step: int,
    unit: float,
) -> Turn:
    """Compute the generator's loss, differentiable in `x_fake`.

    Args:
        config: objective, pairing, views.
        logits: the discriminator, frozen.
        x: real examples, in data space; looked at only by pairing.
        x_fake: as many fakes, with their graph.
        step: of the training, for what is annealed.
        unit: data units per standard unit.

    Raises:
        ValueError: `pack` does not divide n.
    """
    logit_fake = logits(view(x_fake, config, step, unit))
    terms = {"logit_fake": logit_fake.detach().mean()}
    if config.relativistic:
        with torch.no_grad():
            logit_real = logits(view(x, config, step, unit))
        logit_fake = pair(logit_real, logit_fake)[1]
    return Turn(OBJECTIVES[config.objective].generator(logit_fake), terms)


def view(x: Tensor, config: AdversarialConfig, step: int, unit: float) -> Tensor:
    """Return what the discriminator sees of examples (B, *event): augmented, noise added, `pack` of them together."""
    if config.augment:
        x = augment(x, config.augment)
    sigma = noise_scale(config.instance_noise, config.instance_noise_steps, step)
    if sigma > 0:
        x = x + sigma * unit * torch.randn_like(x)
    return pack(x, config.pack) if config.pack > 1 else x.view_as(x)


def noise_scale(start: float, steps: int, step: int) -> float:
    """Return the instance noise at a step: from `start` linearly to 0 in so many steps.

    References:
        Sønderby et al., Amortised MAP Inference for Image Super-resolution (2017), §3.1.
            https://arxiv.org/abs/1610.04490

    Examples:
        >>> [noise_scale(1.0, 100, step) for step in (0, 75, 500)]
        [1.0, 0.25, 0.0]
    """
    return start * max(0.0, 1.0 - step / steps)


def pack(x: Float[Tensor, "n *event"], m: int) -> Float[Tensor, "n_packed *packed"]:
    r"""Put `m` examples side by side along the first axis of an example, so that they are judged together.

    A discriminator of $m$ independent examples compares the product laws $p^m$ and $q^m$: their total variation grows
    faster with $m$ for a law that lost modes than for one that is merely imprecise.

    Args:
        x: examples, (n, C, ...).
        m: examples per judgement; divides n.

    Returns:
        (n / m, m C, ...).

    Raises:
        ValueError: m does not divide n.

    References:
        Lin, Khetan, Fanti & Oh, PacGAN: The power of two samples in generative adversarial networks (2018), §2, Thm. 3.
            https://arxiv.org/abs/1712.04086

    Examples:
        >>> pack(torch.zeros(6, 3, 8, 8), 2).shape
        torch.Size([3, 6, 8, 8])
    """
    if len(x) % m:
        raise ValueError(f"pack is {m} and the batch holds {len(x)} examples; choose a batch size that {m} divides.")
    return x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:])


@torch.no_grad()
def diagnose(
    x: Float[Tensor, "n *event"],
    x_fake: Float[Tensor, "n *event"],
    logit_real: Float[Tensor, " m"],
    logit_fake: Float[Tensor, " m"],
    *,
    relativistic: bool,
    step: int,
) -> dict[str, Tensor]:
    """Watch the game.

    accuracy: share of pairs of a real example and a fake that D ranks correctly (1/2: it cannot tell).
    js: nats of Jensen-Shannon divergence that D witnesses, at most log 2 (there it saturates). Pairing fixes the
        logits up to a constant only; the one that puts the threshold midway is used.
    diversity: mean distance between two fakes over that between two real examples (near 0: collapse).
    crowding, coverage, energy: do fakes meet too often, and leave data out? (`objectives.diagnostics`; at every 8th
        step, which is often enough for means over a line of the log.)
    """
    middle = (logit_real.mean() + logit_fake.mean()) / 2 if relativistic else 0.0
    distance, distance_fake = ((v - v.roll(1, 0)).flatten(1).norm(dim=1).mean() for v in (x, x_fake))
    terms = {
        "logit_real": logit_real.mean(),
        "logit_fake": logit_fake.mean(),
        "accuracy": (logit_real > logit_fake).to(logit_real.dtype).mean(),
        "js": jensen_shannon_bound(logit_real - middle, logit_fake - middle),
        "diversity": distance_fake / distance,
    }
    return terms if step % STATISTICS_EVERY else terms | batch_statistics(x, x_fake)
