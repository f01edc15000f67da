r"""Generative adversarial networks.

**Model.** A generator maps noise to examples, $x = G(z)$ with $z \sim \mathcal N(0, I)$. Its law $q$ has no density to
evaluate; it is judged by a discriminator $D$, trained meanwhile to tell $q$ from the law $p$ of the data.

**Objective.** Both play on the logits $\ell = D(x)$ (`objectives/adversarial.py`). With the best $D$ for every $G$ the
non-saturating discriminator loss is $2\log 2 - 2\,\mathrm{JS}(p, q)$: the discriminator measures a divergence, which
the generator descends. By default every fake is judged against a real partner, $\ell_f - \ell_r$, so that lowering
one mode of $q$ below the others never pays and no mode is left out for good; and both players' fields are damped by

$$ \tfrac{\gamma_1}2\,\mathrm E_p\lVert\nabla D\rVert^2 + \tfrac{\gamma_2}2\,\mathrm E_q\lVert\nabla D\rVert^2 $$

(R1, R2), without which the game circles around its equilibrium instead of reaching it. Gradients are taken with
respect to examples in standard units (pictures in [-1, 1], unbounded data in units of their standard deviation), so
that $\gamma$ means the same for data of any scale; the gradient penalty of WGAN-GP keeps the units of the data.

**Order of play.** The discriminator moves at every step, the generator at every `discriminator_turns`-th. The fakes of
the discriminator's turn carry no graph; in the generator's turn the loop has frozen the discriminator.

**Assumptions.** No labels: `sample` refuses them. Samples are continuous, also where the data have levels. There is no
likelihood; what the samples are worth is for `veridical evaluate` to say.

References:
    Goodfellow et al., Generative Adversarial Nets (2014). https://arxiv.org/abs/1406.2661
    Mescheder, Geiger & Nowozin, Which Training Methods for GANs do actually Converge? (2018).
        https://arxiv.org/abs/1801.04406
    Huang et al., The GAN is dead; long live the GAN! A Modern GAN Baseline (2024). https://arxiv.org/abs/2501.05441
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veridical.config import GANConfig, OptimizerConfig
from veridical.model import Batch, GenerativeModel, LatentVariable, Loss, Sampler, Space
from veridical.nn.conv import ConvDecoder, ConvEncoder
from veridical.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from veridical.nn.fourier import FourierFeatures
from veridical.nn.mlp import MLP, ResidualMLP
from veridical.objectives.adversarial import OBJECTIVES, jensen_shannon_bound, pair
from veridical.objectives.penalties import gradient_penalty, zero_centered_penalty


class GAN(GenerativeModel, Sampler, LatentVariable):
    """A generator against a discriminator.

    Args:
        config: objective, penalties, networks, optimisers.
        space: what one example is.
        generator: your own, (B, latent_dim) → (B, *space.shape) in data space; None: as `config.network` says.
        discriminator: your own, (B, *space.shape) in data space → (B,) or (B, 1) logits; None: likewise.

    Raises:
        ValueError: the networks do not fit the space, or a penalty meets batch normalisation.
    """

    players: tuple[str, ...] = ("discriminator", "generator")
    papers = (
        "Goodfellow et al., Generative Adversarial Nets (2014), https://arxiv.org/abs/1406.2661",
        "Mescheder, Geiger & Nowozin, Which Training Methods for GANs do actually Converge? (2018), "
        "https://arxiv.org/abs/1801.04406",
        "Huang et al., The GAN is dead; long live the GAN! A Modern GAN Baseline (2024), "
        "https://arxiv.org/abs/2501.05441",
    )

    def __init__(
        self,
        config: GANConfig,
        space: Space,
        *,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config, self.space = config, space
        self.latent_shape = (latent_dim_of(config, space),)
        self.discriminator = build_discriminator(config, space) if discriminator is None else discriminator
        self.generator = build_generator(config, space) if generator is None else generator
        self.unit = standard_units(space)[1]
        refuse_penalised_batch_norm(config, self.discriminator)

    def turns(self, step: int) -> tuple[str, ...]:
        """Let the discriminator move at every step, the generator after `discriminator_turns` of them."""
        return self.players if (step + 1) % self.config.discriminator_turns == 0 else ("discriminator",)

    def optimizer(self, player: str) -> OptimizerConfig:
        """Advise the optimiser that the configuration names for the player."""
        return self.config.generator_optimizer if player == "generator" else self.config.discriminator_optimizer

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the loss of the player whose turn it is."""
        return self._discriminator_loss(batch.x, step) if player == "discriminator" else self._generator_loss(batch.x)

    def _discriminator_loss(self, x: Tensor, step: int) -> Loss:
        config, objective = self.config, OBJECTIVES[self.config.objective]
        with torch.no_grad():
            x_fake = self.decode(self.prior(len(x)))
        x = x.detach().requires_grad_(config.r1 > 0)
        x_fake.requires_grad_(config.r2 > 0)
        logit_real, logit_fake = self._logits(x), self._logits(x_fake)
        if config.relativistic:
            # Both terms of the objective see the same pairs: half of it, as in R3GAN.
            loss = objective.discriminator(*pair(logit_real, logit_fake)) / 2
        else:
            loss = objective.discriminator(logit_real, logit_fake)
        terms = self._diagnose(x, x_fake, logit_real, logit_fake)
        standard = self.unit**2 * (0.5 ** (step / config.penalty_half_life) if config.penalty_half_life else 1.0)
        if config.r1 > 0:
            terms["penalty_r1"] = config.r1 * standard * zero_centered_penalty(logit_real, x)
        if config.r2 > 0:
            terms["penalty_r2"] = config.r2 * standard * zero_centered_penalty(logit_fake, x_fake)
        if config.gradient_penalty > 0:
            eps = torch.rand(len(x), device=x.device, dtype=x.dtype)
            terms["penalty_gradient"] = config.gradient_penalty * gradient_penalty(self._logits, x, x_fake, eps)
        loss = loss + sum(value for name, value in terms.items() if name.startswith("penalty_"))
        return Loss(loss, {"loss": loss.detach()} | {name: value.detach() for name, value in terms.items()})

    def _generator_loss(self, x: Tensor) -> Loss:
        logit_fake = self._logits(self.decode(self.prior(len(x))))
        terms = {"logit_fake": logit_fake.detach().mean()}
        if self.config.relativistic:
            with torch.no_grad():
                logit_real = self._logits(x)
            logit_fake = pair(logit_real, logit_fake)[1]
        loss = OBJECTIVES[self.config.objective].generator(logit_fake)
        return Loss(loss, {"loss": loss.detach()} | terms)

    @torch.no_grad()
    def _diagnose(self, x: Tensor, x_fake: Tensor, logit_real: Tensor, logit_fake: Tensor) -> dict[str, Tensor]:
        """Watch the game.

        accuracy: share of pairs of a real example and a fake that D ranks correctly (1/2: it cannot tell).
        js: nats of Jensen-Shannon divergence that D witnesses, at most log 2 (there it saturates). Pairing fixes the
            logits up to a constant only; the one that puts the threshold midway is used.
        diversity: mean distance between two fakes over that between two real examples (near 0: collapse).
        """
        middle = (logit_real.mean() + logit_fake.mean()) / 2 if self.config.relativistic else 0.0
        distance, distance_fake = ((v - v.roll(1, 0)).flatten(1).norm(dim=1).mean() for v in (x, x_fake))
        return {
            "logit_real": logit_real.mean(),
            "logit_fake": logit_fake.mean(),
            "accuracy": (logit_real > logit_fake).to(logit_real.dtype).mean(),
            "js": jensen_shannon_bound(logit_real - middle, logit_fake - middle),
            "diversity": distance_fake / distance,
        }

    def _logits(self, x: Tensor) -> Tensor:
        logits = self.discriminator(x)
        if logits.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(
                f"The discriminator returned shape {tuple(logits.shape)} for {len(x)} examples; expected "
                f"({len(x)},) or ({len(x)}, 1): one logit each, without a sigmoid."
            )
        # Losses and penalties are sums of exponentials and squares: never in half precision.
        return logits.reshape(-1).to(torch.promote_types(logits.dtype, torch.float32))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, *space.shape) in data space for codes (B, latent_dim).

        Raises:
            ValueError: labels are passed, or the generator returns another shape.
        """
        if c is not None:
            raise ValueError("c is given, but this GAN learned without labels; call without c.")
        x = self.generator(z)
        if x.shape != (len(z), *self.space.shape):
            raise ValueError(
                f"The generator returned shape {tuple(x.shape)} for {len(z)} codes of dimension {z.shape[-1]}; "
                f"expected {(len(z), *self.space.shape)}, examples in data space."
            )
        return x.to(torch.promote_types(x.dtype, torch.float32))

    @torch.no_grad()
    def sample(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw (n, *space.shape) examples in data space.

        Raises:
            ValueError: labels are passed; the model learned without.
        """
        return self.decode(self.prior(n), c)


class ToDataSpace(nn.Module):
    """Last layer of a generator: tanh into a bounded support, an affine map otherwise."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.bounded, (self.centre, self.unit) = space.support is not None, standard_units(space)

    def forward(self, h: Tensor) -> Tensor:
        """Map any numbers to data space."""
        return self.centre + self.unit * (h.tanh() if self.bounded else h)


class ToStandardUnits(nn.Module):
    """First layer of a discriminator: data space to numbers of order one."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.centre, self.unit = standard_units(space)

    def forward(self, x: Tensor) -> Tensor:
        """Map data space to standard units."""
        return (x - self.centre) / self.unit


class FullPrecision(nn.Sequential):
    """Layers that automatic casting leaves alone: half precision would blur what the features are there to resolve."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers in the precision of their weights."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


def standard_units(space: Space) -> tuple[float, float]:
    """Return (centre, unit): middle and half-width of a bounded support, mean and standard deviation otherwise."""
    if space.support is None:
        return space.mean, space.std
    low, high = space.support
    return (low + high) / 2, (high - low) / 2


def network_of(config: GANConfig, space: Space) -> str:
    """Return the name of the networks: conv for pictures of side 8 and more, mlp otherwise, unless the config says."""
    if config.network != "auto":
        return config.network
    return "conv" if len(space.shape) == 3 and min(space.shape[1:]) >= 8 else "mlp"


def latent_dim_of(config: GANConfig, space: Space) -> int:
    """Return the dimension of z."""
    return config.latent_dim or min(64, space.dim)


def width_of(config: GANConfig, space: Space) -> int:
    """Return the channels or units."""
    return config.width or (32 if network_of(config, space) == "conv" else 64)


def build_generator(config: GANConfig, space: Space) -> nn.Module:
    """Build the generator that the configuration names, (B, latent_dim) → (B, *space.shape) in data space.

    Raises:
        ValueError: the network does not fit the space.
    """
    network, latent_dim, width = network_of(config, space), latent_dim_of(config, space), width_of(config, space)
    if network == "dcgan":
        body: list[nn.Module] = [DCGANGenerator(space, latent_dim, width)]
    elif network == "conv":
        body = [ConvDecoder(space, latent_dim, width)]
    else:
        mlp = ResidualMLP(latent_dim, space.dim, width, config.depth, lambda: nn.LeakyReLU(0.2))
        body = [FullPrecision(mlp), nn.Unflatten(1, space.shape)]
    return nn.Sequential(*body, ToDataSpace(space))


def build_discriminator(config: GANConfig, space: Space) -> nn.Module:
    """Build the discriminator that the configuration names, (B, *space.shape) in data space → (B,) or (B, 1).

    Raises:
        ValueError: the network does not fit the space.
    """
    network, width = network_of(config, space), width_of(config, space)
    if network == "dcgan":
        body: list[nn.Module] = [DCGANDiscriminator(space, width)]
    elif network == "conv":
        body = [ConvEncoder(space, 1, width)]
    else:
        features = FourierFeatures(space.dim, config.fourier_octaves)
        mlp = MLP(features.out_dim, 1, width, config.discriminator_depth, lambda: nn.LeakyReLU(0.2))
        body = [nn.Flatten(), FullPrecision(features, mlp)]
    return nn.Sequential(ToStandardUnits(space), *body)


def refuse_penalised_batch_norm(config: GANConfig, discriminator: nn.Module) -> None:
    """Refuse gradient penalties on a discriminator whose examples depend on each other.

    Raises:
        ValueError: there is a penalty and a layer of batch normalisation.
    """
    penalised = [name for name in ("r1", "r2", "gradient_penalty") if getattr(config, name) > 0]
    normed = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in discriminator.modules())
    if penalised and normed:
        raise ValueError(
            f"{', '.join(penalised)} > 0 with batch normalisation in the discriminator; the gradient of one example "
            'would depend on the others. Set the penalties to 0, or choose network = "conv", which has none.'
        )
