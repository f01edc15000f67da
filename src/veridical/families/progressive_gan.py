r"""Progressively growing GANs, and codes at every scale (ProInfoGAN).

**Growth.** Training starts with coarse images and continues with finer and finer ones. Stage and share $\alpha$ of its
newest blocks are functions of the step (`nn/progressive.py`); real images $x$ are halved to the size of the stage and
faded like the fakes,

$$ x_s(\alpha) = (1 - \alpha)\,{\uparrow}{\downarrow}x_s + \alpha\,x_s, \qquad x_{s-1} = {\downarrow}x_s, $$

so that the target distribution grows as smoothly as the networks. Pairing, penalties and objective are those of every
game (`objectives/game.py`), in the units of the stage's own pixels.

**Codes.** The latent is $z = (\epsilon, c_0, \dots, c_S)$, all standard normal. $\epsilon$ and $c_0$ enter the coarsest
block, $c_s$ the block of stage $s$. The discriminator's block of stage $s$ predicts $Q_s(c_s \mid x) = \mathcal
N(\mu_s(x), \sigma_s^2(x))$, and both players maximise the bound (Barber & Agakov, 2003)

$$ I(c_{sk}; x) \ge \mathrm E \log Q_{sk}(c_{sk} \mid x) + \tfrac12 \log 2\pi e $$

in nats, averaged over the codes of a stage and weighted per stage. The information about a continuous code has no
finite upper bound.

**Consistency.** The meaning of a coarse code is learned while only the coarse image exists. A finer block may change
it. The weight `consistency` on $\sum_s \lVert {\downarrow}G_s - G_{s-1} \rVert^2$ per pixel prevents this: fine codes
then change only details that the coarse image does not contain.

**Assumptions.** Images or lattices of any size, halved (odd sides rounded up) while the shorter side is at least 8; a
smaller image has a single stage. Vectors are refused. No labels. Samples drawn before the last stage are enlarged to
the size of the data. The run must be long enough to reach the last stage: `growth` is logged.

References:
    Karras, Aila, Laine & Lehtinen, Progressive Growing of GANs for Improved Quality, Stability, and Variation (2018).
        https://arxiv.org/abs/1710.10196
    Chen et al., InfoGAN (2016). https://arxiv.org/abs/1606.03657
    Barber & Agakov, The IM Algorithm (2003), Eq. 3.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from veridical.clock import elapsed
from veridical.config.families.progressive_gan import ProgressiveGANConfig
from veridical.data.refuse import refuse_codes
from veridical.families.adversarial import AdversarialModel
from veridical.model import Batch, Coded, Facts, Space, refuse_labels
from veridical.nn.adversarial import ToDataSpace, ToStandardUnits, latent_dim_of
from veridical.nn.buffers import BufferRole
from veridical.nn.minibatch import batch_dependent_layers
from veridical.nn.precision import at_least_single
from veridical.nn.progressive import (
    Growth,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    build_pyramid,
    down,
    growth,
)
from veridical.objectives.game import Turn, discriminator_turn, generator_turn
from veridical.objectives.information import gaussian_log_q, information_bound, normal_entropy


class ProgressiveGAN(AdversarialModel[ProgressiveGANConfig], Coded):
    """A GAN whose networks grow with the image size.

    Args:
        config: steps per stage, codes, and the choices of every game.
        facts: of the data: images or lattices (C, H, W).

    Raises:
        ValueError: the space holds no images, or there are not as many weights as scales.
    """

    papers = (
        "Karras, Aila, Laine & Lehtinen, Progressive Growing of GANs for Improved Quality, Stability, and Variation "
        "(2018), https://arxiv.org/abs/1710.10196",
        "Chen et al., InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial "
        "Nets (2016), https://arxiv.org/abs/1606.03657",
        "Huang et al., The GAN is dead; long live the GAN! A Modern GAN Baseline (2024), "
        "https://arxiv.org/abs/2501.05441",
    )
    generator: ProgressiveGenerator
    discriminator: ProgressiveDiscriminator
    buffer_roles: ClassVar = {"step": BufferRole.LIVE}
    step: Tensor
    scale_weights: Tensor

    def __init__(self, config: ProgressiveGANConfig, facts: Facts | Space) -> None:
        space = Facts.of(facts).space
        noise, codes, width = latent_dim_of(config, space), config.codes_per_scale, config.width or 32
        pyramid = build_pyramid(space, width, config.upsampling)
        seen = build_pyramid(space, config.discriminator_width or width, config.upsampling)
        lowest = pyramid.last if config.stage_steps is None else 0  # full size from the start, without coarse images
        discriminator = ProgressiveDiscriminator(
            seen, codes, ToStandardUnits(space), lowest=lowest, deviation=config.minibatch == "stddev"
        )
        generator = ProgressiveGenerator(pyramid, noise, codes, ToDataSpace(space), 0 if config.consistency else lowest)
        super().__init__(config, facts, generator=generator, discriminator=discriminator)
        self.pyramid = pyramid
        self.latent_shape = (noise + codes * len(pyramid.sizes),)
        weights = torch.tensor(scale_weights_of(config, len(pyramid.sizes)))
        self.register_buffer("scale_weights", weights, persistent=False)
        self.alone = not batch_dependent_layers(discriminator)
        # Of the newest move: a checkpoint contains the growth of its networks.
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def growth(self, step: int | None = None) -> Growth:
        """Return stage and alpha of a step; None: of the newest move."""
        return growth(int(self.step) if step is None else step, self.pyramid.last, self.config.stage_steps)

    def pattern(self, step: int) -> Hashable | None:
        """Return which players move, what is due, the stage, and whether it is being faded in."""
        now = self.growth(int(step))
        return super().pattern(step), now.stage, now.fading

    def discriminator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the discriminator loss at the resolution of the stage; the fakes carry no graph."""
        now = self._grow(step)
        z = self.prior(len(batch.x))
        with torch.no_grad():
            x_fake = self._full(self.generator(z, now))
        x = self.show(batch.x, now)
        turn = discriminator_turn(self.game, lambda x: self._judge(x, now), x, x_fake, step=step)
        return self._inform(turn, z, x_fake, now)

    def generator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the generator loss, with the terms of information and of consistency."""
        now = self._grow(step)
        z = self.prior(len(batch.x))
        features = self.generator.features(z, now.stage)
        x_fake = self._full(self.generator.faded(features, now))
        x = self.show(batch.x, now)
        turn = generator_turn(self.game, lambda x: self._judge(x, now), x, x_fake, step=step)
        turn = Turn(turn.loss, turn.terms | {"growth": growth_reached(now, x)})
        if self.config.consistency > 0 and now.stage > 0:
            error = inconsistency([self.generator.image(features, s) for s in range(now.stage + 1)]) / self.unit**2
            turn = Turn(turn.loss + self.config.consistency * error, turn.terms | {"inconsistency": error.detach()})
        return self._inform(turn, z, x_fake, now)

    def codes(self, z: Tensor) -> dict[str, Tensor]:
        """Return the (B,) values of the codes of the stages so far, by name; none where there are none."""
        stages = range(self.growth().stage + 1)
        return {
            f"stage {stage} code {i}": code
            for stage in stages
            for i, code in enumerate(self.generator.code(z, stage).T)
        }

    def read_codes(self, x: Tensor) -> dict[str, Tensor]:
        """Return the predicted means of the codes of the stages so far for examples (B, *space.shape)."""
        now = self.growth()
        if self.config.codes_per_scale == 0:
            return {}
        mu = self.discriminator.read(self.show(x, now), now)[0]  # (B, stages, codes)
        return {f"stage {s} code {i}": mu[:, s, i] for s in range(mu.shape[1]) for i in range(mu.shape[2])}

    def show(self, x: Tensor, now: Growth) -> Tensor:
        """Return the discriminator's input for real images (B, *space.shape) at a stage."""
        return self.pyramid.fade(self.pyramid.reduce(x, now.stage), now)

    def information(self, z: Tensor, x: Tensor, now: Growth) -> Tensor:
        """Return (stages so far,) bounds on the information about a stage's codes in its images, in nats per code."""
        mu, log_var = self.discriminator.read(x, now)
        c = torch.stack([self.generator.code(z, stage) for stage in range(now.stage + 1)], 1)
        log_q = gaussian_log_q(c, mu.to(c.dtype), log_var.to(c.dtype))
        return information_bound(log_q, normal_entropy()).mean(-1)

    def _inform(self, turn: Turn, z: Tensor, x_fake: Tensor, now: Growth) -> Turn:
        if self.config.codes_per_scale == 0:
            return turn
        nats = self.information(z, x_fake, now)
        emphasis = self.config.information_weight * self.scale_weights[: now.stage + 1].to(nats.dtype)
        terms = {f"information_{stage}": value for stage, value in enumerate(nats.detach())}
        return Turn(turn.loss - (emphasis * nats).sum(), turn.terms | terms)

    def _grow(self, step: int) -> Growth:
        """Return the growth at a step; while a block is faded in, its share is a tensor."""
        now, t = self.growth(int(step)), elapsed(step, self.step.device)
        self.step.copy_(t)
        if now.stage == 0 or not now.fading or self.config.stage_steps is None:
            return now
        steps = self.config.stage_steps
        return Growth(now.stage, (t - now.stage * steps + 1) / max(steps // 2, 1))

    def _judge(self, x: Tensor, now: Growth) -> Tensor:
        return self._full(self.discriminator(x, now)).reshape(-1)

    @staticmethod
    def _full(x: Tensor) -> Tensor:
        return at_least_single(x)

    def logits(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) logits of images of full size, reduced to the resolution of the stage reached.

        Raises:
            ValueError: labels are passed; the model learned without.
        """
        refuse_labels(c)
        now = self.growth()
        return self._judge(self.show(x, now), now)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, *space.shape) in data space for latents (B, noise + codes), enlarged from the stage reached.

        Raises:
            ValueError: labels are passed; the model learned without.
        """
        refuse_labels(c)
        refuse_codes(z, self.latent_shape)
        now = self.growth()
        return self.checked(self.pyramid.enlarge(self.generator(z, now), now.stage), z)


def growth_reached(now: Growth, like: Tensor) -> Tensor:
    """Return () the number of blocks that were faded in, with the share of the newest."""
    if isinstance(now.alpha, Tensor):
        return now.stage - 1 + now.alpha
    return like.new_full((), max(now.stage - 1 + now.alpha, 0.0))


def inconsistency(images: list[Tensor]) -> Tensor:
    """Mean squared difference between every image, halved, and the one before, summed over stages, in squared units.

    Examples:
        >>> inconsistency([torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 2, 2)])
        tensor(1.)
    """
    return torch.stack([(down(fine) - coarse).square().mean() for coarse, fine in pairwise(images)]).sum()


def scale_weights_of(config: ProgressiveGANConfig, stages: int) -> tuple[float, ...]:
    """Return the weight of each stage's codes.

    Raises:
        ValueError: there are not as many weights as stages.
    """
    weights = config.scale_weights
    if weights is None:
        return (1.0,) * stages
    if len(weights) != stages:
        raise ValueError(
            f"scale_weights has {len(weights)} entries, but these images have {stages} stages. Give one weight for "
            "each, from coarse to fine."
        )
    return weights
