r"""Variational autoencoder with two levels of codes: the distribution of the lower one depends on the upper one.

**Model.** An upper code sets the distribution of a lower one, and both that of the data:

$$ z_2 \sim \mathcal N(0, I), \qquad z_1 \mid z_2 \sim \mathcal N\big(m(z_2), s^2(z_2)\big), \qquad
   x \sim p(x \mid z_1, z_2) $$

with the likelihoods of `families/variational.py`. Marginally $z_1$ is a mixture of Gaussians without end, so that the
codes of the data need not fill a ball.

**Codes.** In the variables $\epsilon_1 = (z_1 - m(z_2)) / s(z_2)$ the prior of all codes is standard normal. What
the family calls a code is $z = (z_2, \epsilon_1)$: the same model, written as a decoder
$z \mapsto p(x \mid m(z_2) + s(z_2)\,\epsilon_1, z_2)$ of one code. So sampling, importance weighting, annealing and
interpolation are those of a VAE, and a straight line between codes moves $z_1$ with its prior.

**Inference** is from the top (Sønderby et al. 2016): with features $r(x)$ of an example,

$$ q(z_2 \mid x) = \mathcal N\big(\mu_2(r), \sigma_2^2(r)\big), \qquad
   q(\epsilon_1 \mid x, z_2) = \mathcal N\big(\mu_1(r, z_2), \sigma_1^2(r, z_2)\big) $$

The second is a correction of the prior in its own units (Vahdat & Kautz 2020): 0 and 1 leave $z_1$ to $z_2$, and
$\mathrm{KL}(q(z_1 \mid x, z_2)\,\|\,p(z_1 \mid z_2)) = \mathrm{KL}(q(\epsilon_1 \mid x, z_2)\,\|\,\mathcal N(0, I))$
whatever the prior is.

**Objective.** The elbo has a divergence of each level, both in closed form for given $z_2$:

$$ \mathbb E_{q}\big[\log p(x \mid z) - \mathrm{KL}(q(\epsilon_1 \mid x, z_2)\,\|\,\mathcal N(0, I))\big]
   - \mathrm{KL}(q(z_2 \mid x)\,\|\,\mathcal N(0, I)); $$

or the importance-weighted bound of k codes. With `free_bits` $\lambda$ the mean divergence of each level over a batch
costs nothing up to $\lambda$.

**What to expect.** The upper level is the first to become inactive, since the lower one alone can explain the data at
the start; the terms `kl_upper` and `kl_lower` show it, and free bits help.

**References.** Sønderby, Raiko, Maaløe, Sønderby & Winther, Ladder Variational Autoencoders (2016). Vahdat & Kautz,
NVAE: A Deep Hierarchical Variational Autoencoder (2020). Kingma et al., Improved Variational Inference with Inverse
Autoregressive Flow (2016), for free bits. Burda, Grosse & Salakhutdinov (2016), for the importance-weighted bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.hierarchical_vae import HierarchicalVAEConfig
from veridical.families.variational import Variational, bounded_log_var, log_prior
from veridical.kinds import TermKind
from veridical.model import Batch, Facts, Loss, Space, refuse_labels, refuse_shape
from veridical.nn.autoencoding import encoder_network
from veridical.nn.mlp import MLP
from veridical.nn.nested_gaussian import NestedGaussian
from veridical.nn.precision import as_weights, at_least_single
from veridical.objectives.bounds import active_units, elbo, free_bits, gaussian_kl, iwae_bound

UPPER, LOWER = 16, 32
"""Dimensions of the two codes where none are chosen; never more than those of an example."""

SMALL = 0.1
"""Scale of the last layers between the levels at the start: their products would be large numbers otherwise."""


class HierarchicalVAE(Variational):
    """Variational autoencoder with two levels of codes (module docstring: model, codes, inference, objective).

    Args:
        config: the choices; `network`, `width` and `depth` are for the networks built here.
        facts: the space of the examples and their number; a space alone is accepted too.
        encoder: your own module, (B, *shape) in data space → (B, features).
        decoder: your own module, (B, lower_dim + upper_dim), z_1 before z_2, → (B, *shape): logits (Bernoulli), or
            means in data space (Gaussian); for other likelihoods (B, P C, ...) (`families/variational.py`).

    Raises:
        ValueError: the likelihood does not exist in this space.

    Examples:
        >>> config = HierarchicalVAEConfig(upper_dim=2, lower_dim=3, width=8)
        >>> HierarchicalVAE(config, Space((3,), kind="vector", support=None, levels=None)).sample(5).shape
        torch.Size([5, 3])
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {
        "model/loss": "objective",
        "model/reconstruction": "reconstruction",
        "model/kl": "posterior_kl",
        "model/active_units": "active_units",
    }
    papers = (
        "Sønderby, Raiko, Maaløe, Sønderby & Winther, Ladder Variational Autoencoders, NeurIPS 2016. "
        "https://arxiv.org/abs/1602.02282",
        "Vahdat & Kautz, NVAE: A Deep Hierarchical Variational Autoencoder, NeurIPS 2020. "
        "https://arxiv.org/abs/2007.03898",
        "Kingma, Salimans, Jozefowicz, Chen, Sutskever & Welling, Improved Variational Inference with Inverse "
        "Autoregressive Flow, NeurIPS 2016. https://arxiv.org/abs/1606.04934",
        "Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016. https://arxiv.org/abs/1509.00519",
    )

    def __init__(
        self,
        config: HierarchicalVAEConfig,
        facts: Facts | Space,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(facts, config.likelihood, config.sampling)
        space, units = self.space, config.features
        self.config = config
        self.upper_dim = min(UPPER, space.dim) if config.upper_dim is None else config.upper_dim
        self.lower_dim = min(LOWER, space.dim) if config.lower_dim is None else config.lower_dim
        self.latent_shape = (self.upper_dim + self.lower_dim,)
        kind = (config.network, config.width, config.depth)
        between = min(config.depth, 1)
        self.encoder = encoder_network(space, units, *kind) if encoder is None else encoder
        self.dropout = nn.Dropout(config.dropout)
        self.upper = MLP(units, 2 * self.upper_dim, units, between)
        self.lower = MLP(units + self.upper_dim, 2 * self.lower_dim, units, between)
        self.lower_prior = MLP(self.upper_dim, 2 * self.lower_dim, units, between)
        for network in (self.upper, self.lower, self.lower_prior):
            start_near_the_prior(network)
        inputs = self.lower_dim + self.upper_dim
        self.decoder = self.built_decoder(inputs, *kind) if decoder is None else decoder
        self.add_scale()

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the negative bound in nats per example.

        Terms: `loss`; `reconstruction`, the mean of -log p(x | z), and `kl`, both in nats, the latter as the sum of
        `kl_upper` and `kl_lower`; `active_units` of the upper level in this batch; `sigma` of a Gaussian decoder in
        data space.
        """
        k, kl_weight = self.config.importance_samples, self.config.kl_weight
        encoded = self.encode(batch.x)
        q = self.nested(encoded)
        z = q.rsample((k,))
        log_q = q.log_prob(z) if k > 1 else z.new_zeros(())  # the elbo has the divergence in closed form
        log_likelihood = self.log_likelihood(batch.x, z, check=False)  # (k, B); the step reads nothing back
        levels = self.divergences(encoded, z)  # (k, B, 2)
        if k == 1:
            divergence = free_bits(levels[0], self.config.free_bits)
            loss = kl_weight * divergence - log_likelihood.mean()
        else:
            loss = -iwae_bound((log_likelihood + kl_weight * (log_prior(z) - log_q)).T).mean()
        upper, lower = levels.mean((0, 1))
        terms = {
            "loss": loss,
            "reconstruction": -log_likelihood.mean(),
            "kl": upper + lower,
            "kl_upper": upper,
            "kl_lower": lower,
            "active_units": active_units(encoded[1]),
        }
        return Loss(loss, terms | {"sigma": self.sigma[0]} if self.gaussian else terms)

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats: one draw of the evidence lower bound, with KL weight 1."""
        refuse_labels(c)
        encoded = self.encode(x)
        z = self.nested(encoded).rsample((1,))
        return elbo(self.log_likelihood(x, z)[0], self.divergences(encoded, z)[0].sum(-1))

    def posterior(self, x: Tensor) -> NestedGaussian:
        """Return q(z | x), batched over (B, upper_dim + lower_dim); its mean is the mode of each level in turn."""
        return self.nested(self.encode(x))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features (B, features), and mean and log variance of q(z_2 | x), (B, upper_dim) each."""
        refuse_shape(x, self.space, type(self).__name__)
        features = self.encoder(as_weights(x, self.encoder))
        expected = (len(x), self.config.features)
        if features.shape != expected:
            raise ValueError(
                f"the encoder returned {tuple(features.shape)} for x of shape {tuple(x.shape)}; expected {expected}. "
                "Change the encoder or features."
            )
        features = self.dropout(at_least_single(features))
        mu, log_var = at_least_single(self.upper(features)).chunk(2, dim=-1)
        return features, mu, bounded_log_var(log_var)

    def given_upper(self, features: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance (..., B, lower_dim) of q(e_1 | x, z_2), for upper codes (..., B, upper_dim)."""
        features = features.expand(*upper.shape[:-1], features.shape[-1])
        mu, log_var = at_least_single(self.lower(torch.cat([features, upper], dim=-1))).chunk(2, dim=-1)
        return mu, bounded_log_var(log_var)

    def nested(self, encoded: tuple[Tensor, ...]) -> NestedGaussian:
        """Return q(z | x) of encoded examples."""
        features, mu, log_var = encoded
        return NestedGaussian(mu, log_var, lambda upper: self.given_upper(features, upper), self.lower_dim)

    def propose(self, encoded: tuple[Tensor, ...], k: int) -> tuple[Tensor, Tensor]:
        """Draw k codes (k, B, latent) of q(z | x); return them with log q (k, B)."""
        q = self.nested(encoded)
        z = q.rsample((k,))
        return z, q.log_prob(z)

    def divergences(self, encoded: tuple[Tensor, ...], z: Tensor) -> Tensor:
        """Return (k, B, 2) nats: KL of the upper level, and of the lower one given the upper codes in z (k, B, *)."""
        features, mu, log_var = encoded
        upper = gaussian_kl(mu, log_var).expand(z.shape[:-1])
        return torch.stack([upper, gaussian_kl(*self.given_upper(features, z[..., : self.upper_dim]))], dim=-1)

    def decoder_input(self, z: Tensor) -> Tensor:
        """Return (B, lower_dim + upper_dim): z_1 from its prior given z_2, and z_2."""
        upper, noise = z.split([self.upper_dim, self.lower_dim], dim=-1)
        m, log_var = at_least_single(self.lower_prior(upper)).chunk(2, dim=-1)
        return torch.cat([m + (0.5 * bounded_log_var(log_var)).exp() * noise, upper], dim=-1)


def start_near_the_prior(network: MLP) -> None:
    """Scale the last layer down, so that every distribution of codes starts near the standard normal one."""
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(SMALL)
