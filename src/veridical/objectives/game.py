r"""A turn of each player in the game of a generator against a discriminator.

The discriminator is given as a function `logits` from examples (B, ...) to (B,) numbers, so that all variants use the
same code: conditional (a closure over the labels), packed, unrolled (a closure over other weights). Its input is a
*view* of the examples: they are augmented, instance noise is added, then `pack` of them are concatenated. Penalties act
on this input.

$$ L_D = L_\text{objective}(\ell_r, \ell_f)
    + \tfrac{\gamma_1}{2}\,\mathrm E\lVert\nabla D(x)\rVert^2
    + \tfrac{\gamma_2}{2}\,\mathrm E\lVert\nabla D(\tilde x)\rVert^2
    + \lambda\,\mathrm E(\lVert\nabla D(\hat x)\rVert - 1)^2 $$
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.clock import elapsed, progress
from veridical.config.families.adversarial import LOGISTIC, AugmentationName
from veridical.objectives.adversarial import (
    OBJECTIVES,
    logistic_losses,
    pair,
    smoothed_logistic_discriminator_loss,
)
from veridical.objectives.augmentation import augment
from veridical.objectives.diagnostics import batch_statistics
from veridical.objectives.penalties import (
    dragan_noise,
    dragan_penalty,
    gradient_penalty,
    one_sided_gradient_penalty,
    squared_slopes,
)

Logits = Callable[[Tensor], Tensor]

STATISTICS_EVERY = 8
"""Steps between statistics of the distances in a batch, so that they cost less than one step in a hundred."""

FAR = 1e18
"""Length, in data units, that no fake exceeds in the diagnostics."""


@dataclass(frozen=True)
class Game:
    """The choices of a game; names and meanings as in `config.AdversarialConfig`."""

    objective: str
    """Name in `objectives.adversarial.OBJECTIVES`."""

    relativistic: bool = False
    """Pair each fake with a real example."""

    smoothing: float = 0.0
    """One-sided label smoothing."""

    r1: float = 0.0
    """Weight of the penalty on the gradient at real examples."""

    r2: float = 0.0
    """Weight of the penalty on the gradient at fakes."""

    gradient_penalty: float = 0.0
    """Weight of the squared distance of the gradient norm from one between real examples and fakes."""

    one_sided: bool = False
    """Apply the gradient penalty to gradient norms above one only."""

    noise_penalty: float = 0.0
    """Variance of the small noise whose effect on the logistic loss is added."""

    dragan: float = 0.0
    """Weight of the squared distance of the gradient norm from one around real examples."""

    penalty_half_life: int | None = None
    """Steps in which the weights of R1, R2 and the noise penalty halve; None: they stay."""

    penalty_end: float = 1.0
    """Share of these weights at the end of the training, to which they fall over its second half."""

    instance_noise: float = 0.0
    """Noise on the discriminator's input, in standard units, at the first step."""

    instance_noise_steps: int | None = 2_000
    """Steps in which the instance noise falls linearly to 0; None: it stays."""

    augment: tuple[AugmentationName, ...] = ()
    """Random transformations of the discriminator's input."""

    pack: int = 1
    """Examples in one input of the discriminator."""

    unit: float = 1.0
    """Data units per standard unit."""

    joint: bool = False
    """Evaluate real examples and fakes in one pass; the result is the same if no example depends on the others."""

    def noisy(self, step: int) -> bool:
        """Return whether there is instance noise at a step."""
        return self.instance_noise > 0 and (self.instance_noise_steps is None or step < self.instance_noise_steps)

    def discriminator_loss(self, logit_real: Tensor, logit_fake: Tensor) -> Tensor:
        """Return () the objective of the discriminator."""
        objective = OBJECTIVES[self.objective].discriminator
        if self.smoothing:
            objective = partial(smoothed_logistic_discriminator_loss, smoothing=self.smoothing)
        if self.relativistic:
            # Both terms of the objective use the same pairs: half of it, as in R3GAN.
            return objective(*pair(logit_real, logit_fake)) / 2
        return objective(logit_real, logit_fake)


class Turn(NamedTuple):
    """The loss of a player, and the terms that are logged with it."""

    loss: Tensor
    """()."""

    terms: dict[str, Tensor]
    """() each, detached; `loss` is not among them."""


class Judged(NamedTuple):
    """The discriminator's inputs and their logits."""

    x: Tensor
    """(n, *event) real examples."""

    x_fake: Tensor
    """(n, *event) fakes."""

    logit_real: Tensor
    """(n,)."""

    logit_fake: Tensor
    """(n,)."""

    slopes: Callable[[], Tensor]
    """Returns (2, n) squared norms of the logits' gradients, at real examples and at fakes; 0 where none is needed."""


def discriminator_turn(
    game: Game, logits: Logits, x: Float[Tensor, "n *event"], x_fake: Float[Tensor, "n *event"], *, step: int
) -> Turn:
    """Compute the discriminator's loss; no gradient flows to `x` or `x_fake`.

    Args:
        game: objective, pairing, penalties, views.
        logits: the discriminator.
        x: real examples, in data space.
        x_fake: as many fakes.
        step: of the training, for what is annealed.

    Raises:
        ValueError: `pack` does not divide n.
    """
    judged = judge(game, logits, view(x.detach(), game, step), view(x_fake.detach(), game, step))
    loss = game.discriminator_loss(judged.logit_real, judged.logit_fake)
    penalties = penalise(game, logits, judged, step)
    terms = diagnose(x, x_fake, judged.logit_real, judged.logit_fake, relativistic=game.relativistic, step=step)
    if game.objective not in LOGISTIC:  # a bound that nothing makes tight: a critic's logits are no log ratios
        del terms["js"]
    terms |= {f"penalty_{name}": value.detach() for name, value in penalties.items()}
    return Turn(sum(penalties.values(), loss), terms)


def judge(game: Game, logits: Logits, x: Tensor, x_fake: Tensor) -> Judged:
    """Evaluate the discriminator on real examples and fakes, ready for the penalties of the game.

    Args:
        game: its penalties decide at which examples gradients are needed.
        logits: the discriminator.
        x: (n, *event) views of real examples, detached.
        x_fake: (n, *event) views of fakes, detached.
    """
    at_real, at_fake = game.r1 > 0 or game.noise_penalty > 0, game.r2 > 0 or game.noise_penalty > 0
    if game.joint and at_real == at_fake:
        both = torch.cat([x, x_fake]).requires_grad_(at_real)
        judgement = logits(both)
        logit_real, logit_fake = judgement.view(2, -1).unbind()
        return Judged(x, x_fake, logit_real, logit_fake, lambda: squared_slopes(judgement, both).view(2, -1))
    logit_real, logit_fake = logits(x.requires_grad_(at_real)), logits(x_fake.requires_grad_(at_fake))

    def slopes() -> Tensor:
        none = torch.zeros_like(logit_real)
        real = squared_slopes(logit_real, x) if at_real else none
        return torch.stack([real, squared_slopes(logit_fake, x_fake) if at_fake else none])

    return Judged(x, x_fake, logit_real, logit_fake, slopes)


def penalise(game: Game, logits: Logits, judged: Judged, step: int) -> dict[str, Tensor]:
    """Return the weighted penalties by name; gradients are in standard units, so that weights are comparable.

    Args:
        game: weights of the penalties.
        logits: the discriminator.
        judged: examples and their logits.
        step: of the training, for weights that are annealed.
    """
    x, x_fake, logit_real, logit_fake, slopes = judged
    penalties: dict[str, Tensor] = {}
    if game.r1 > 0 or game.r2 > 0 or game.noise_penalty > 0:
        standard = game.unit**2 * decay(game.penalty_half_life, step, x.device) * fall(game.penalty_end, step, x.device)
        squares = slopes()
        real, fake = squares.mean(1).unbind()
        if game.r1 > 0:
            penalties["r1"] = game.r1 / 2 * standard * real
        if game.r2 > 0:
            penalties["r2"] = game.r2 / 2 * standard * fake
        if game.noise_penalty > 0:
            sure = torch.sigmoid(torch.stack([-logit_real, logit_fake])).square()
            penalties["noise"] = game.noise_penalty / 2 * standard * (sure * squares).mean(1).sum()
    if game.gradient_penalty > 0:
        eps = torch.rand(len(x), device=x.device, dtype=x.dtype)
        penalty = one_sided_gradient_penalty if game.one_sided else gradient_penalty
        critic, unit = in_standard_units(game, logits), game.unit
        penalties["gradient"] = game.gradient_penalty * penalty(critic, x / unit, x_fake / unit, eps)
    if game.dragan > 0:
        critic, x = in_standard_units(game, logits), x.detach() / game.unit
        penalties["dragan"] = game.dragan * dragan_penalty(critic, x, dragan_noise(x, torch.rand_like(x)))
    return penalties


def in_standard_units(game: Game, logits: Logits) -> Logits:
    """Return the discriminator as a function of examples over `game.unit`, whose slope is that in standard units."""
    return lambda u: logits(game.unit * u)


def decay(half_life: int | None, step: int, device: torch.device) -> Tensor | float:
    """Return the share of a weight that is left at a step; it halves every `half_life` steps, or stays.

    Examples:
        >>> decay(100, 200, torch.device("cpu")), decay(None, 200, torch.device("cpu"))
        (tensor(0.2500), 1.0)
    """
    return 1.0 if half_life is None else torch.pow(0.5, elapsed(step, device) / half_life)


def fall(end: float, step: int, device: torch.device) -> Tensor | float:
    r"""Return the share of a weight that follows the square of a trapezoid from 1 to `end`.

    $\max(e, \min(1, 2(1 - t/T))^2)$: 1 for half of the training, then as the square of a step that falls linearly
    to 0.

    Examples:
        >>> from veridical.clock import Clock
        >>> fall(0.01, Clock(0, torch.tensor(75.0), steps=100), torch.device("cpu"))
        tensor(0.2500)
    """
    return 1.0 if end == 1 else (2 - 2 * progress(step, device)).clamp(math.sqrt(end), 1.0).square()


def generator_turn(
    game: Game, logits: Logits, x: Float[Tensor, "n *event"], x_fake: Float[Tensor, "n *event"], *, step: int
) -> Turn:
    """Compute the generator's loss, differentiable in `x_fake`.

    Args:
        game: objective, pairing, views.
        logits: the discriminator, frozen.
        x: real examples, in data space; used only by pairing.
        x_fake: as many fakes, with their graph.
        step: of the training, for what is annealed.

    Raises:
        ValueError: `pack` does not divide n.
    """
    logit_fake = logits(view(x_fake, game, step))
    terms = {"logit_fake": logit_fake.detach().mean()}
    if game.relativistic:
        with torch.no_grad():
            logit_real = logits(view(x, game, step))
        logit_fake = pair(logit_real, logit_fake)[1]
    return Turn(OBJECTIVES[game.objective].generator(logit_fake), terms)


def view(x: Tensor, game: Game, step: int) -> Tensor:
    """Return the discriminator's input for examples (B, *event): augmented, with noise, `pack` of them together."""
    if game.augment:
        x = augment(x, game.augment)
    if game.noisy(step):
        sigma = noise_scale(game.instance_noise, game.instance_noise_steps, elapsed(step, x.device))
        x = x + game.unit * sigma.to(x.dtype) * torch.randn_like(x)
    return pack(x, game.pack) if game.pack > 1 else x


def noise_scale(start: float, steps: int | None, step: Tensor) -> Tensor:
    """Return the instance noise at a step: from `start` linearly to 0 in so many steps, or `start` for None.

    References:
        Sønderby et al., Amortised MAP Inference for Image Super-resolution (2017), §3.1.
            https://arxiv.org/abs/1610.04490

    Examples:
        >>> noise_scale(1.0, 100, torch.tensor([0, 75, 500]))
        tensor([1.0000, 0.2500, 0.0000])
    """
    return torch.full_like(step, start) if steps is None else start * (1.0 - step / steps).clamp(min=0.0)


def pack(x: Float[Tensor, "n *event"], m: int) -> Float[Tensor, "n_packed *packed"]:
    r"""Concatenate `m` examples along the first axis of an example, as one input of the discriminator.

    A discriminator of $m$ independent examples compares the product distributions $p^m$ and $q^m$: their total
    variation grows faster with $m$ for a distribution that lacks modes than for one that is only imprecise.

    Args:
        x: examples, (n, C, ...).
        m: examples per input; divides n.

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
    """Compute diagnostics of the game.

    accuracy: share of pairs of a real example and a fake that D ranks correctly (1/2: no better than chance).
    js: lower bound of the Jensen-Shannon divergence from D, in nats, at most log 2 (there it saturates). Pairing fixes
        the logits up to a constant only; the one that puts the threshold midway is used.
    diversity: mean distance between two fakes over that between two real examples (near 0: collapse); there is none
        in a batch of one.
    crowding, coverage, energy: signs of mode collapse (`objectives.diagnostics`; at every 8th
        step, which is often enough for means over a line of the log.)

    Args:
        x: real examples.
        x_fake: as many fakes.
        logit_real: logits of the real examples, one for every pack.
        logit_fake: logits of the fakes.
        relativistic: whether only differences of logits have a meaning.
        step: of the training.
    """
    # Squares of what a game throws farther are beyond the largest float; a loss that is finite is not ended for that.
    bound = FAR / math.sqrt(math.prod(x.shape[1:]))
    x_fake = x_fake.clamp(-bound, bound)
    middle = torch.stack([logit_real, logit_fake]).mean() if relativistic else 0.0
    losses = logistic_losses(logit_real - middle, logit_fake - middle)
    watched = torch.stack([logit_real, logit_fake, (logit_real > logit_fake).to(logit_real.dtype), losses])
    mean_real, mean_fake, accuracy, loss = watched.mean(1).unbind()
    terms = {"logit_real": mean_real, "logit_fake": mean_fake, "accuracy": accuracy, "js": math.log(2) - loss / 2}
    if len(x) > 1:
        both = torch.stack([x, x_fake]).flatten(2)
        distance, distance_fake = (both - both.roll(1, 1)).norm(dim=2).mean(1).unbind()
        terms["diversity"] = distance_fake / distance.clamp(min=1e-30)
    return terms if step % STATISTICS_EVERY else terms | batch_statistics(x, x_fake)
