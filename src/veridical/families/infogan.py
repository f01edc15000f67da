r"""InfoGAN: part of the latent can be predicted from the examples.

**Model.** The latent is $z = (\epsilon, c)$: noise as in every game, categorical codes (one-hot, equally likely) and
continuous codes, $U(-1, 1)$. Without a further term, the loss of a GAN does not make the codes recoverable from the
examples.

**Objective.** An encoder $Q(c \mid x)$ on the discriminator's features gives a bound on the mutual information of code
and example, which both players maximise (`objectives/information.py`), in nats,

$$ \min_{G, Q} \max_D V(D, G) - \lambda L_I(G, Q), \qquad L_I = H(c) + \mathrm E \log Q(c \mid G(z)) \le I(c; G(z)), $$

with the true $H(c)$ and with Gaussians of *learned* variance for continuous codes; so the logged nats are a true bound,
without an unknown constant. A categorical code of K values can carry $\log K$; its bound is never larger in
expectation. A continuous code could carry infinitely many nats, in details too small to be visible. Therefore the
standard deviation of Q is at least the resolution $\sigma_0$, so the bound is at most $\log 2 - \tfrac12 \log 2\pi
\sigma_0^2$ (2.08 nats with $\sigma_0 = 0.1$), and errors below $\sigma_0$ change it by at most half a nat.

**All of z.** With `restore_noise` the encoder predicts the noise as well, with the same bound; every part of the latent
has its own weight.

**Order of updates.** Q belongs to the discriminator: in its turn head and trunk are trained on the fakes of this turn,
which tightens the bound for the fixed generator. In the generator's turn they are frozen, and the generator maximises
the bound.

**Assumptions.** Labels of the data are not used. `read` is $Q(c \mid x)$ of any example; there is no `posterior` over
the whole latent, because the noise is predicted only with `restore_noise`.

References:
    Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel, InfoGAN (2016). https://arxiv.org/abs/1606.03657
    Barber & Agakov, The IM Algorithm (2003), Eq. 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn

from veridical.config.families.infogan import InfoGANConfig
from veridical.families.adversarial import AdversarialModel
from veridical.model import Batch, Coded, Facts, PriorKind, Space
from veridical.nn.adversarial import build_discriminator, build_generator, latent_dim_of
from veridical.nn.discriminator import Discriminator, FullPrecision
from veridical.nn.precision import at_least_single
from veridical.noise import Noise, noise_for
from veridical.objectives.game import Turn, discriminator_turn, generator_turn, view
from veridical.objectives.information import (
    categorical_entropy,
    categorical_log_q,
    gaussian_log_q,
    information_bound,
    normal_entropy,
    uniform_entropy,
)


class Codes(NamedTuple):
    """The parts of a latent."""

    noise: Tensor
    """(B, noise_dim)."""

    categorical: tuple[Tensor, ...]
    """(B,) int64 each."""

    continuous: Tensor
    """(B, continuous) in [-1, 1]."""


class Reading(NamedTuple):
    """Q(z | x): the predicted distribution of each part of the latent."""

    logits: tuple[Tensor, ...]
    """(B, K) of each categorical code."""

    mu: Tensor
    """(B, continuous [+ noise_dim]) means of the continuous codes, then of the noise if it is predicted."""

    log_var: Tensor
    """Their log variances, of the same shape."""


class Reader(nn.Module):
    """Map the discriminator's features to a distribution of the codes.

    Args:
        features: number of features.
        categorical: number of values of each categorical code.
        gaussian: number of codes that are predicted with a mean and a variance.
        hidden: units of the layer between.
        resolution: smallest standard deviation of the Gaussians.
    """

    def __init__(
        self, features: int, categorical: tuple[int, ...], gaussian: int, hidden: int, resolution: float
    ) -> None:
        super().__init__()
        self.sizes = (*categorical, gaussian, gaussian)
        self.smallest_var = resolution**2
        self.layers = FullPrecision(nn.Linear(features, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, sum(self.sizes)))

    def forward(self, features: Tensor) -> Reading:
        """Return the distribution of the codes for features (B, F)."""
        *logits, mu, raw = self.layers(at_least_single(features)).split(self.sizes, dim=1)
        # A sum and not a clamp, whose gradient vanishes: a variance that is too small can then still grow.
        return Reading(tuple(logits), mu, (self.smallest_var + raw.exp()).log())


class InfoGAN(AdversarialModel[InfoGANConfig], Coded):
    """A generator whose codes can be recovered from its examples.

    Args:
        config: the game, the codes, their weights.
        facts: of the data: space and number of examples.
        generator: your own, (B, noise and codes) → (B, *space.shape) in data space; None: built by `config.network`.
        discriminator: your own, whose features are the input of Q; None: built by `config.network`.

    Raises:
        ValueError: the networks do not fit the space, or a penalty is used with batch normalisation.
    """

    papers = (
        "Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel, InfoGAN: Interpretable Representation Learning by "
        "Information Maximizing Generative Adversarial Nets (2016), https://arxiv.org/abs/1606.03657",
        "Barber & Agakov, The IM Algorithm: A Variational Approach to Information Maximization (2003), "
        "https://dl.acm.org/doi/10.5555/2981345.2981371",
    )
    discriminator: Discriminator

    def __init__(
        self,
        config: InfoGANConfig,
        facts: Facts | Space,
        *,
        generator: nn.Module | None = None,
        discriminator: Discriminator | None = None,
    ) -> None:
        space = Facts.of(facts).space
        noise_dim = latent_dim_of(config, space)
        latent_dim = noise_dim + sum(config.categorical) + config.continuous
        discriminator = build_discriminator(config, space) if discriminator is None else discriminator
        if not isinstance(discriminator, Discriminator):
            raise ValueError(
                f"discriminator is a {type(discriminator).__name__}; the encoder of the codes needs its "
                f"features. Pass a "
                "veridical.nn.discriminator.Discriminator, which names its trunk and its head."
            )
        if generator is None:
            generator = build_generator(config, space, latent_dim)
        super().__init__(config, facts, generator=generator, discriminator=discriminator)
        self.noise_dim, self.latent_shape = noise_dim, (latent_dim,)
        gaussian = config.continuous + (noise_dim if config.restore_noise else 0)
        self.reader = Reader(
            discriminator.feature_dim, config.categorical, gaussian, config.reader_width, config.code_resolution
        )

    def player_parameters(self, player: str) -> Iterator[nn.Parameter]:
        """Return the parameters of a player; the reader is the discriminator's."""
        if player == "generator":
            return self.generator.parameters()
        return chain(self.discriminator.parameters(), self.reader.parameters())

    @property
    def prior_kind(self) -> PriorKind:
        """The parts have different distributions."""
        return "other"

    def prior(self, n: int, noise: Noise | None = None) -> Tensor:
        """Draw (n, *latent_shape): noise, one-hot categorical codes, continuous codes in [-1, 1]."""
        noise = noise_for(n, self.device, noise)
        categorical = tuple(noise.integers(k) for k in self.config.categorical)
        continuous = noise.symmetric(self.config.continuous)
        return self.join(Codes(self.latent_noise(noise, self.noise_dim), categorical, continuous))

    def join(self, codes: Codes) -> Tensor:
        """Return (B, *latent_shape) from its parts, so that single codes can be set."""
        parts = [
            codes.noise.new_zeros(c.shape[0], k).scatter_(1, c[:, None], 1.0)
            for c, k in zip(codes.categorical, self.config.categorical, strict=True)
        ]
        return torch.cat([codes.noise, *parts, codes.continuous], 1)

    def split(self, z: Tensor) -> Codes:
        """Return the parts of (B, *latent_shape); the inverse of `join`."""
        config = self.config
        noise, *one_hot, continuous = z.split((self.noise_dim, *config.categorical, config.continuous), dim=1)
        return Codes(noise, tuple(h.argmax(1) for h in one_hot), continuous)

    def codes(self, z: Tensor) -> dict[str, Tensor]:
        """Return the (B,) values of every code in latents, by name; categories are integers."""
        parts = self.split(z)
        categories = {f"categorical {i}": code for i, code in enumerate(parts.categorical)}
        return categories | {f"continuous {i}": code for i, code in enumerate(parts.continuous.T)}

    def read_codes(self, x: Tensor) -> dict[str, Tensor]:
        """Return the most probable (B,) values of every code for examples."""
        q = self.read(x)
        categories = {f"categorical {i}": logits.argmax(1) for i, logits in enumerate(q.logits)}
        return categories | {f"continuous {i}": mu for i, mu in enumerate(q.mu[:, : self.config.continuous].T)}

    def read(self, x: Tensor) -> Reading:
        """Return Q(c | x) of real or generated examples (B, *space.shape)."""
        return self.reader(self.discriminator.features(x))

    def discriminator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the discriminator loss, minus the information about the codes of the fakes."""
        with torch.no_grad():
            z = self.prior(len(batch.x))
            x_fake = self.decode(z)
        turn = discriminator_turn(self.game, self.logits, batch.x, x_fake, step=step)
        return self._informed(turn, x_fake, z, step)

    def generator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the generator loss, minus the information about the codes of the fakes."""
        z = self.prior(len(batch.x))
        x_fake = self.decode(z)
        turn = generator_turn(self.game, self.logits, batch.x, x_fake, step=step)
        return self._informed(turn, x_fake, z, step)

    def _informed(self, turn: Turn, x_fake: Tensor, z: Tensor, step: int) -> Turn:
        """Subtract the weighted information from the loss and log it; it refers to the discriminator's input."""
        config, nats = self.config, self.information(view(x_fake, self.game, step), z)
        emphasis = {
            "categorical": config.information_weight,
            "continuous": config.continuous_weight,
            "noise": config.restore_noise,
        }
        loss = turn.loss - torch.stack([emphasis[part] * values.sum() for part, values in nats.items()]).sum()
        seen = {part: values.detach() for part, values in nats.items()}
        terms = {
            f"information_{part}_{i}": value
            for part in ("categorical", "continuous")
            for i, value in enumerate(seen.get(part, ()))
        }
        terms["information"] = torch.stack(list(terms.values())).sum()
        if "noise" in seen:
            terms["information_noise"] = seen["noise"].sum()
        return Turn(loss, turn.terms | terms)

    def information(self, x: Tensor, z: Tensor) -> dict[str, Tensor]:
        """Bound the information that examples carry about their latents, in nats.

        Args:
            x: (B, *space.shape), decoded from z; noise on them can only lower the bound.
            z: (B, *latent_shape), drawn from the prior.

        Returns:
            categorical: (codes,) at most log K each in expectation; continuous: (codes,); noise: (noise_dim,) if
                predicted.
        """
        codes, q, d = self.split(z), self.read(x), self.config.continuous
        nats: dict[str, Tensor] = {}
        if codes.categorical:
            nats["categorical"] = torch.stack(
                [
                    information_bound(categorical_log_q(logits, c), categorical_entropy(logits.shape[1]))
                    for logits, c in zip(q.logits, codes.categorical, strict=True)
                ]
            )
        if d:
            log_q = gaussian_log_q(codes.continuous, q.mu[:, :d], q.log_var[:, :d])
            nats["continuous"] = information_bound(log_q, uniform_entropy())
        if self.config.restore_noise:
            entropy = normal_entropy() if self.config.latent == "normal" else uniform_entropy()
            nats["noise"] = information_bound(gaussian_log_q(codes.noise, q.mu[:, d:], q.log_var[:, d:]), entropy)
        return nats
