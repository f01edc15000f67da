r"""Generative adversarial networks of discrete examples.

**Model.** Every component of an example takes one of L levels. A generator maps a code to logits, from which an example
is drawn:

$$ z \sim \mathcal N(0, I), \qquad q(x \mid z) = \prod_i \mathrm{softmax}(G(z)_i)_{x_i}. $$

Given the code, components are independent; all dependence between them comes from the code. Samples lie exactly on the
levels.

**Objective.** That of any game (`objectives/game.py`), on one-hot vectors: the discriminator gets L numbers for every
component, so that all levels are equally far from each other. The discriminator's fakes are draws. A draw has no
derivative, so the gradient of the generator is estimated in one of two ways (`objectives/discrete.py`):

- gumbel: $x$ = one-hot of $\arg\max_k(\theta_k + g_k)$, $g$ Gumbel noise, which is an exact draw; in the backward pass
  the gradient of $\mathrm{softmax}((\theta+g)/\tau)$ is used instead (straight-through). Biased, of low variance.
  Without straight-through the discriminator gets the softmax itself, in both turns.
- reinforce: with $f_i$ the generator's own objective at its example $i$ under the frozen discriminator,

$$ \frac1n\sum_i \Big(f_i - \frac1{n-1}\sum_{j \ne i} f_j\Big)\,\nabla\log q(x_i \mid z_i), $$

  unbiased; only values of the discriminator are needed. Its variance grows with the number of components, since all of
  them share one cost.

**Assumptions.** No labels: `sample` refuses them. At most 32 levels. `decode` returns the most probable example of a
code, `sample` draws.

References:
    Jang, Gu & Poole, Categorical Reparameterization with Gumbel-Softmax (2017). https://arxiv.org/abs/1611.01144
    Maddison, Mnih & Teh, The Concrete Distribution (2017). https://arxiv.org/abs/1611.00712
    Kool, van Hoof & Welling, Buy 4 REINFORCE Samples, Get a Baseline for Free! (2019).
        https://openreview.net/forum?id=r1lgTGL5DE
    Kusner & Hernández-Lobato, GANs for Sequences of Discrete Elements with the Gumbel-softmax Distribution (2016).
        https://arxiv.org/abs/1611.04051
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veridical.clock import elapsed
from veridical.config.families.discrete_gan import DiscreteGANConfig, DiscreteGANSampling
from veridical.config.families.family import FEW_LEVELS
from veridical.config.sampling import SamplingOptions, options_of
from veridical.data.preprocess import to_data_space
from veridical.data.refuse import refuse_codes
from veridical.families.adversarial import AdversarialModel
from veridical.model import Batch, Facts, Space, refuse_labels
from veridical.nn.adversarial import build_discriminator, build_generator, latent_dim_of
from veridical.nn.minibatch import batch_dependent_layers
from veridical.noise import FreshNoise, Noise, noise_for
from veridical.objectives import discrete
from veridical.objectives.adversarial import OBJECTIVES, pair
from veridical.objectives.game import Turn, discriminator_turn, generator_turn, view


class DiscreteGAN(AdversarialModel[DiscreteGANConfig]):
    """A generator that draws levels, against a discriminator of one-hot vectors.

    Args:
        config: estimator, objective, penalties, networks, optimisers.
        facts: of the data, with at most 32 levels.
        generator: your own, (B, latent_dim) → (B, L C, H, W) or (B, L d) logits, the L levels of a component together;
            None: built by `config.network`.
        discriminator: your own, one-hot examples of the same shape → (B,) or (B, 1) logits; None: built by
            `config.network`.

    Raises:
        ValueError: the space has no levels or too many, the networks do not fit it, or a penalty or REINFORCE is used
            with a discriminator in which examples depend on each other.
    """

    papers = (
        "Jang, Gu & Poole, Categorical Reparameterization with Gumbel-Softmax (2017), https://arxiv.org/abs/1611.01144",
        "Maddison, Mnih & Teh, The Concrete Distribution (2017), https://arxiv.org/abs/1611.00712",
        "Kool, van Hoof & Welling, Buy 4 REINFORCE Samples, Get a Baseline for Free! (2019), "
        "https://openreview.net/forum?id=r1lgTGL5DE",
        "Kusner & Hernández-Lobato, GANs for Sequences of Discrete Elements with the Gumbel-softmax Distribution "
        "(2016), https://arxiv.org/abs/1611.04051",
    )

    def __init__(
        self,
        config: DiscreteGANConfig,
        facts: Facts | Space,
        *,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
    ) -> None:
        space = Facts.of(facts).space
        self.levels = levels_of(space)
        shape = (self.levels * space.shape[0], *space.shape[1:])
        if discriminator is None:
            discriminator = build_discriminator(config, Space(shape, space.kind, (0.0, 1.0), None))
        if generator is None:
            generator = build_generator(config, Space(shape, space.kind, None, None), latent_dim_of(config, space))
        super().__init__(config, facts, generator=generator, discriminator=discriminator)
        self.unit = 0.5  # of one-hot vectors: half the width of [0, 1]
        if config.estimator == "reinforce":
            refuse_shared_costs(self.discriminator)

    def discriminator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the discriminator loss of the batch and of as many draws, which carry no graph."""
        with torch.no_grad():
            x_fake = self.fakes(len(batch.x), step)
        return discriminator_turn(self.game, self.judge, self.one_hot(batch.x), x_fake, step=step)

    def generator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the generator loss of as many draws, by the estimator of the configuration."""
        x = self.one_hot(batch.x)
        if self.config.estimator == "reinforce":
            return self.reinforce(x, step)
        turn = generator_turn(self.game, self.judge, x, self.fakes(len(x), step), step=step)
        return Turn(turn.loss, turn.terms | {"temperature": temperature_at(self.config, elapsed(step, x.device))})

    def reinforce(self, x: Tensor, step: int) -> Turn:
        """Weight the log-probability of every draw with its cost relative to the mean of the others."""
        theta = self.theta(self.prior(len(x)))
        with torch.no_grad():
            y = discrete.gumbel_max(theta, gumbel_noise(FreshNoise(len(x), theta.device), theta))
            logit_fake = self.judge(view(y, self.game, step))
            seen = logit_fake
            if self.config.relativistic:
                seen = pair(self.judge(view(x, self.game, step)), logit_fake)[1]
            cost = torch.func.vmap(lambda logit: OBJECTIVES[self.config.objective].generator(logit[None]))(seen)
        log_q = discrete.log_probability(theta, y)
        loss = discrete.reinforce_loss(log_q, cost, discrete.leave_one_out(cost))
        return Turn(loss, {"logit_fake": logit_fake.mean(), "log_q": log_q.detach().mean()})

    def fakes(self, n: int, step: int) -> Tensor:
        """Return n one-hot draws (or relaxed ones), through which gradients pass to the generator."""
        theta = self.theta(self.prior(n))
        noise = gumbel_noise(FreshNoise(n, theta.device), theta)
        if self.config.estimator == "reinforce":
            return discrete.gumbel_max(theta, noise)
        y = discrete.gumbel_softmax(theta, noise, temperature_at(self.config, elapsed(step, theta.device)))
        return discrete.straight_through(y) if self.config.straight_through else y

    def theta(self, z: Tensor) -> Tensor:
        """Return (B, *space.shape, L) logits of the levels; in full precision, since they are exponentiated.

        Raises:
            ValueError: the generator returns another shape.
        """
        with torch.autocast(z.device.type, enabled=False):
            logits = self.generator(z)
        channels, *sides = self.space.shape
        if logits.shape != (z.shape[0], self.levels * channels, *sides):
            raise ValueError(
                f"The generator returned shape {tuple(logits.shape)} for {len(z)} codes; expected "
                f"{(len(z), self.levels * channels, *sides)}, {self.levels} logits for every component."
            )
        return logits.unflatten(1, (channels, self.levels)).movedim(2, -1)

    @property
    def logits_of(self) -> str:
        """The input of the discriminator."""
        return "one-hot vectors"

    def judge(self, y: Tensor) -> Tensor:
        """Return the discriminator's logits of examples (B, *space.shape, L), or of some of them packed together."""
        return self.logits(y.movedim(-1, 2).flatten(1, 2))

    def one_hot(self, x: Tensor) -> Tensor:
        """Return (B, *space.shape, L), the nearest level of every component of examples in data space."""
        low, high = self.space.support  # type: ignore[misc]
        index = ((x - low) / (high - low) * (self.levels - 1)).round().long()
        return discrete.one_hot(index.clamp(0, self.levels - 1), self.levels, x.dtype)

    def in_data_space(self, y: Tensor) -> Tensor:
        """Return (B, *space.shape) for one-hot vectors, exactly on the levels."""
        return y @ to_data_space(torch.arange(self.levels, device=y.device), self.space).to(y)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return the most probable example of each code; its gradient is that of the mean.

        Raises:
            ValueError: labels are passed; the model was trained without.
        """
        refuse_labels(c)
        refuse_codes(z, self.latent_shape)
        return self.in_data_space(discrete.straight_through(self.theta(z).softmax(-1)))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *space.shape) examples, exactly on the levels.

        Raises:
            ValueError: labels are passed; the model was trained without.
        """
        refuse_labels(c)
        noise = noise_for(n, self.device, noise)
        theta = self.theta(self.chosen_prior(n, noise, options))
        theta = theta / options_of(DiscreteGANSampling, options).temperature
        return self.in_data_space(discrete.gumbel_max(theta, gumbel_noise(noise, theta)))


def levels_of(space: Space) -> int:
    """Return the number of levels of a component.

    Raises:
        ValueError: there are none, or too many for one-hot vectors.
    """
    if space.levels is None or space.levels > FEW_LEVELS:
        raise ValueError(
            f"space has shape {space.shape} and levels {space.levels}; a discrete GAN draws from at most "
            f"{FEW_LEVELS} levels. Reduce the levels of the data, or train gan."
        )
    return space.levels


def refuse_shared_costs(discriminator: nn.Module) -> None:
    """Refuse REINFORCE where the cost of an example depends on the others: the estimator would be biased.

    Raises:
        ValueError: examples depend on each other in the discriminator.
    """
    layers = batch_dependent_layers(discriminator)
    if layers:
        raise ValueError(
            f'estimator is "reinforce", which needs a separate cost for every example, but the discriminator compares '
            f'examples in {", ".join(layers)}. Choose a network without such layers ("conv", "mlp") and '
            'minibatch "none", or estimator "gumbel".'
        )


def gumbel_noise(noise: Noise, theta: Tensor) -> Tensor:
    """Return Gumbel noise of the shape of theta (noise.n, *event)."""
    return discrete.gumbel(noise.uniform(*theta.shape[1:], dtype=theta.dtype))


def temperature_at(config: DiscreteGANConfig, step: Tensor) -> Tensor:
    """Return the temperature of the relaxation at a step.

    Examples:
        >>> config = DiscreteGANConfig(temperature_half_life=100, final_temperature=0.3)
        >>> temperature_at(config, torch.tensor([0, 100, 1000]))
        tensor([1.0000, 0.5000, 0.3000])
    """
    if config.temperature_half_life is None:
        return torch.full_like(step, config.temperature)
    return (config.temperature * torch.pow(0.5, step / config.temperature_half_life)).clamp(config.final_temperature)
