r"""Unrolled generative adversarial networks.

**Idea.** A generator that minimises its loss against the current discriminator may move all samples to a region where
that discriminator errs. The discriminator adapts a step later, and training cycles from mode to mode. Here the
generator takes the adaptation into account. With $f = -L_D$ the value of the game, $\theta_D^0 = \theta_D$ and

$$ \theta_D^{k+1} = \theta_D^k - \eta\,\mathrm{step}\bigl(\nabla_{\theta_D} L_D(\theta_G, \theta_D^k)\bigr), \qquad
   \min_{\theta_G} f\bigl(\theta_G, \theta_D^K(\theta_G)\bigr), $$

the loss of the generator is evaluated at the discriminator after $K$ more steps. Its gradient has two terms,

$$ \frac{\mathrm d f}{\mathrm d\theta_G} = \frac{\partial f}{\partial\theta_G} +
   \frac{\partial f}{\partial\theta_D^K}\,\frac{\mathrm d\theta_D^K}{\mathrm d\theta_G}, $$

and both are computed. The second contains second derivatives of $L_D$ along all $K$ steps; it rewards samples that
cover several modes. (Without it the discriminator would only be $K$ steps ahead.) $K = 0$ is an ordinary GAN; for $K
\to \infty$, $f$ is the divergence itself. The discriminator's own turn is that of an ordinary GAN.

**Objectives.** Where the game is of zero sum (minimax, wasserstein, f-...), the generator minimises $f$, real examples
included: they act on $\theta_D^K$. With other objectives, or pairing, it minimises its own loss against $\theta_D^K$.

**The optimiser of the unrolled steps** is not that of training, which belongs to the loop, but a copy of it: the same
moments, computed here from the same gradients, bias correction included. (Without these moments, Adam's first step is
the sign of the gradient, whose derivative is zero almost everywhere.) Schedules and weight decay are not copied. All
$K$ steps use the batch and the fakes of the turn, as in the authors' notebook. With several processes each unrolls on
its own share of the batch, and gradients are averaged afterwards.

**Cost.** $K$ gradients of the discriminator with their graphs, differentiated again; the page of the family has
timings.

References:
    Metz, Poole, Pfau & Sohl-Dickstein, Unrolled Generative Adversarial Networks (2017).
        https://arxiv.org/abs/1611.02163
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from veridical.config.families.unrolled_gan import UnrolledGANConfig
from veridical.families.adversarial import AdversarialModel
from veridical.model import Batch, Facts, Space
from veridical.nn.buffers import BufferRole
from veridical.nn.precision import at_least_single
from veridical.objectives.adversarial import OBJECTIVES, pair
from veridical.objectives.game import Turn, discriminator_turn, view
from veridical.objectives.unrolling import Moments, Rule, accumulate, adam_step, sgd_step, unroll


class UnrolledGAN(AdversarialModel[UnrolledGANConfig]):
    """A generator trained against a discriminator that is unrolled by several steps.

    Args:
        config: number of unrolled steps, and the choices of every game.
        facts: of the data: space and number of examples.
        generator: your own, (B, latent_dim) → (B, *space.shape) in data space; None: built by `config.network`.
        discriminator: your own, (B, *space.shape) in data space (`pack` times the channels) → (B,) or (B, 1) logits;
            None: built by `config.network`.

    Raises:
        ValueError: the networks do not fit the space.
    """

    papers = (
        "Metz, Poole, Pfau & Sohl-Dickstein, Unrolled Generative Adversarial Networks (2017), "
        "https://arxiv.org/abs/1611.02163",
        "Goodfellow et al., Generative Adversarial Nets (2014), https://arxiv.org/abs/1406.2661",
    )
    buffer_roles: ClassVar = {"first": BufferRole.LIVE, "second": BufferRole.LIVE, "updates": BufferRole.LIVE}
    first: Tensor
    second: Tensor
    updates: Tensor

    def __init__(
        self,
        config: UnrolledGANConfig,
        facts: Facts | Space,
        *,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
    ) -> None:
        super().__init__(config, facts, generator=generator, discriminator=discriminator)
        theta = self.discriminator_vector()
        self.register_buffer("first", torch.zeros_like(theta))
        self.register_buffer("second", torch.zeros_like(theta))
        self.register_buffer("updates", torch.tensor(0))

    def discriminator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the discriminator loss of the batch and of as many fakes, which carry no graph."""
        with torch.no_grad():
            x_fake = self.decode(self.prior(len(batch.x)))
        return discriminator_turn(self.game, self.logits, batch.x, x_fake, step=step)

    def generator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the generator loss against the unrolled discriminator.

        Logged as well: `unrolled_gain`, the decrease of the discriminator loss on this batch by the unrolled steps.
        """
        x_fake = self.decode(self.prior(len(batch.x)))
        seen, seen_fake = (view(x, self.game, step) for x in (batch.x, x_fake))
        buffers = {name: buffer.clone() for name, buffer in self.discriminator.named_buffers()}

        def logits(theta: Tensor) -> tuple[Tensor, Tensor]:
            tensors = self.named(theta) | buffers
            return self._logits(tensors, seen), self._logits(tensors, seen_fake)

        def loss(theta: Tensor) -> Tensor:
            return self._discriminator_loss(*logits(theta))

        theta = self.discriminator_vector().requires_grad_()
        moments = Moments(self.first, self.second, self.updates)
        answered = unroll(loss, theta, moments, self.rule(), self.config.unrolled_steps)
        logit_real, logit_fake = logits(answered)
        terms = {"logit_fake": logit_fake.detach().mean()}
        with torch.no_grad():
            terms["unrolled_gain"] = loss(theta) - self._discriminator_loss(logit_real, logit_fake)
        return Turn(self._generator_loss(logit_real, logit_fake), terms)

    def _logits(self, tensors: dict[str, Tensor], seen: Tensor) -> Tensor:
        logits = functional_call(self.discriminator, tensors, (seen,)).reshape(-1)
        return at_least_single(logits)

    def _discriminator_loss(self, logit_real: Tensor, logit_fake: Tensor) -> Tensor:
        """Return the loss of `discriminator_turn` without penalties."""
        objective = OBJECTIVES[self.config.objective].discriminator
        if self.config.relativistic:
            return objective(*pair(logit_real, logit_fake)) / 2
        return objective(logit_real, logit_fake) + self.config.smoothing * logit_real.mean()

    def _generator_loss(self, logit_real: Tensor, logit_fake: Tensor) -> Tensor:
        if self.config.relativistic:
            return OBJECTIVES[self.config.objective].generator(pair(logit_real, logit_fake)[1])
        if self.config.objective in ("minimax", "wasserstein") or self.config.objective.startswith("f-"):
            return -self._discriminator_loss(logit_real, logit_fake)
        return OBJECTIVES[self.config.objective].generator(logit_fake)

    def rule(self) -> Rule:
        """Return the update rule of the unrolled steps."""
        lr = self.config.unrolled_lr or self.config.discriminator_optimizer.lr
        if self.config.unrolled_optimizer == "sgd":
            return partial(sgd_step, lr=lr)
        return partial(adam_step, lr=lr, betas=self.config.discriminator_optimizer.betas)

    def discriminator_vector(self) -> Tensor:
        """Return the discriminator's parameters as one new vector (P,), without graph."""
        return torch.cat([p.detach().reshape(-1) for p in self.discriminator.parameters()])

    def named(self, theta: Tensor) -> dict[str, Tensor]:
        """Return the parameters of a vector (P,) by name and in shape."""
        parameters = dict(self.discriminator.named_parameters())
        pieces = theta.split([p.numel() for p in parameters.values()])
        return {name: piece.view(p.shape) for (name, p), piece in zip(parameters.items(), pieces, strict=True)}

    @torch.no_grad()
    def after_update(self, player: str) -> None:
        """Update the copy of the discriminator's optimiser with the gradient of its last step."""
        super().after_update(player)
        if player != "discriminator":
            return
        gradient = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in self.discriminator.parameters()]
        )
        moments = Moments(self.first, self.second, self.updates)
        moments = accumulate(moments, gradient, self.config.discriminator_optimizer.betas)
        self.first.copy_(moments.first)
        self.second.copy_(moments.second)
        self.updates += 1
