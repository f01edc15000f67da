r"""Variational autoencoder: a latent-variable model and the network that inverts it.

**Model.** A code $z \sim \mathcal N(0, I)$ is decoded to a distribution of the data:

- *Bernoulli*, for data with two values of any size: $p(x \mid z) = \prod_i p_i^{b_i}(1-p_i)^{1-b_i}$
  with the bits $b$ of $x$ and logits from the decoder. Likelihoods are probabilities.
- *Gaussian*, for all other data: $p(x \mid z) = \mathcal N(\mu(z), \sigma^2 I)$ with one learned $\sigma$
  (Rybkin et al. 2021). Likelihoods are densities in data space. On quantised data of bin width $\Delta$ the density
  is that of the data plus uniform noise of one bin, whose effect on a Gaussian is known in closed form
  (`objectives.likelihoods.dequantised_gaussian_log_prob`); the bound then cannot diverge, and adding
  $d \log \Delta$ makes it a bound on the log probability of the levels. On continuous data $\sigma$ stays above
  a thousandth of the standard deviation of the data.
- *Categorical* or *discretised-logistic*, on request, for data of 3 to 256 levels: probabilities of the levels
  (`families/variational.py`), without noise and without a loss of the bound to it.

**Objective.** With $q(z \mid x) = \mathcal N(\mu(x), \mathrm{diag}\,\sigma^2(x))$ the model minimises

$$ -\mathbb E_{q(z \mid x)} \log p(x \mid z) + \lambda\,\mathrm{KL}(q(z \mid x)\,\|\,p(z)), $$

at $\lambda = 1$ the negative elbo, or with `importance_samples` $k > 1$ the negative importance-weighted bound of
$k$ codes, with $\lambda$ on $\log p(z) - \log q(z \mid x)$. With `free_bits` the divergence of a latent unit, averaged
over the batch, costs nothing up to that number of nats (`objectives.bounds.free_bits`). `perceptual_weight` adds the
distance of features of $x$ and $\mathrm E[x \mid z]$ (`objectives.reconstruction.perceptual`); the loss is no bound
then, and `evaluate` measures the bound without it.

**What to expect.** The bound falls short of $\log p(x)$ by $\mathrm{KL}(q(z \mid x)\,\|\,p(z \mid x))$; `iwae` with
many codes closes most of that gap. A latent unit whose posterior is the prior for every $x$ is *inactive*; if all
are, the decoder ignores its code. Means $\mathrm E[x \mid z]$ of a Gaussian decoder are smooth because the one
$\sigma$ carries all the detail that the code does not.

**References.** Kingma & Welling, Auto-Encoding Variational Bayes (2014). Rezende, Mohamed & Wierstra, Stochastic
Backpropagation (2014). Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016). Rybkin, Daniilidis &
Levine, Simple and Effective VAE Training with Calibrated Decoders (2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from veridical.config import OptimizerConfig
from veridical.config.families.vae import VAEConfig
from veridical.families.variational import Variational, bounded_log_var, log_prior
from veridical.kinds import TermKind
from veridical.model import Batch, Facts, Loss, Space, refuse_labels, refuse_shape
from veridical.nn.autoencoding import encoder_network
from veridical.nn.precision import as_weights, at_least_single
from veridical.objectives.bounds import active_units, elbo, free_bits, gaussian_kl, iwae_bound
from veridical.objectives.likelihoods import gaussian_log_prob
from veridical.objectives.reconstruction import ComparesFeatures, Features


class VAE(Variational, ComparesFeatures):
    """Variational autoencoder (module docstring: model, objective, units).

    Args:
        config: the choices; `network`, `width` and `depth` are for the networks built here.
        space: where the data live.
        encoder: your own module, (B, *shape) in data space → (B, 2 * latent_dim): the mean of q(z | x), then h, from
            which its log variance is 10 tanh(h / 10).
        decoder: your own module, (B, latent_dim) → (B, *shape): logits (Bernoulli), or means in data space (Gaussian);
            for other likelihoods (B, P C, ...) with P numbers for every component (`families/variational.py`).
        features: your own for `perceptual_weight`, (B, *shape) → (B, ...) or a sequence of such; its weights do not
            learn. None: `veridical.train` takes the extractor `perceptual_features`.

    Raises:
        ValueError: the likelihood does not exist in this space.

    Examples:
        >>> model = VAE(VAEConfig(latent_dim=2, width=8), Space((3,), kind="vector", support=None, levels=None))
        >>> model.sample(5).shape
        torch.Size([5, 3])
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {
        "model/loss": "objective",
        "model/reconstruction": "reconstruction",
        "model/kl": "posterior_kl",
        "model/active_units": "active_units",
    }
    papers = (
        "Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014. https://arxiv.org/abs/1312.6114",
        "Rezende, Mohamed & Wierstra, Stochastic Backpropagation and Approximate Inference in Deep Generative Models, "
        "ICML 2014. https://arxiv.org/abs/1401.4082",
        "Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016. https://arxiv.org/abs/1509.00519",
        "Rybkin, Daniilidis & Levine, Simple and Effective VAE Training with Calibrated Decoders, ICML 2021. "
        "https://arxiv.org/abs/2006.13202",
    )
    config: VAEConfig

    def __init__(
        self,
        config: VAEConfig,
        facts: Facts | Space,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        features: Features | None = None,
    ) -> None:
        super().__init__(facts, config.likelihood, config.sampling)
        space = self.space
        self.config = config
        self.latent_dim = min(32, space.dim) if config.latent_dim is None else config.latent_dim
        self.latent_shape = (self.latent_dim,)
        kind = (config.network, config.width, config.depth)
        self.encoder = encoder_network(space, 2 * self.latent_dim, *kind) if encoder is None else encoder
        self.decoder = self.built_decoder(self.latent_dim, *kind) if decoder is None else decoder
        self.add_scale()
        self.use_features(features)

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the negative bound in nats per example.

        Terms: `loss`; `reconstruction`, the mean of -log p(x | z), and `kl`, both in nats; `active_units` of this
        batch; `sigma` of a Gaussian decoder in data space; `perceptual`, the distance of features.
        """
        k, kl_weight, free = self.config.importance_samples, self.config.kl_weight, self.config.free_bits
        mu, log_var = self.encode(batch.x)
        z = self.draw_codes(mu, log_var, k)  # (k, B, d)
        h = self.decoder_output(z.flatten(0, 1))
        log_likelihood = self.log_likelihood(batch.x, z, check=False, h=h)  # (k, B); the step reads nothing back
        kl = gaussian_kl(mu, log_var)
        if k == 1:
            bound = elbo(log_likelihood[0], kl, kl_weight)
        else:
            log_ratio = log_prior(z) - gaussian_log_prob(z, mu, log_var)
            bound = iwae_bound((log_likelihood + kl_weight * log_ratio).T)
        loss = -bound.mean()
        if free:
            units = gaussian_kl(mu[..., None], log_var[..., None])
            loss = loss + kl_weight * (free_bits(units, free) - units.mean(0).sum())
        terms = {
            "loss": loss,
            "reconstruction": -log_likelihood.mean(),
            "kl": kl.mean(),
            "active_units": active_units(mu),
        }
        if self.perceptual_weight:
            x = batch.x.repeat(k, *[1] * (batch.x.dim() - 1))
            terms["perceptual"] = self.feature_distance(x, self.means(h))
            terms["loss"] = loss = loss + self.perceptual_weight * terms["perceptual"]
        return Loss(loss, terms | {"sigma": self.sigma[0]} if self.gaussian else terms)

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats: one draw of the evidence lower bound, with KL weight 1."""
        refuse_labels(c)
        mu, log_var = self.encode(x)
        return elbo(self.log_likelihood(x, self.draw_codes(mu, log_var, 1))[0], gaussian_kl(mu, log_var))

    def posterior(self, x: Tensor) -> Independent:
        """Return q(z | x), a diagonal Gaussian batched over (B, latent_dim)."""
        mu, log_var = self.encode(x)
        return Independent(Normal(mu, (0.5 * log_var).exp(), validate_args=False), 1, validate_args=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z | x), (B, latent_dim) each, at least in single precision."""
        refuse_shape(x, self.space, type(self).__name__)
        h = self.encoder(as_weights(x, self.encoder))
        expected = (len(x), 2 * self.latent_dim)
        if h.shape != expected:
            raise ValueError(
                f"the encoder returned {tuple(h.shape)} for x of shape {tuple(x.shape)}; expected {expected}: "
                "the means of q(z | x), then their log variances. Change the encoder or latent_dim."
            )
        mu, log_var = at_least_single(h).chunk(2, dim=1)
        return mu, bounded_log_var(log_var)

    def draw_codes(self, mu: Tensor, log_var: Tensor, k: int) -> Tensor:
        """Draw k codes (k, B, latent_dim) from q(z | x); gradients flow to its parameters."""
        return mu + (0.5 * log_var).exp() * torch.randn(k, *mu.shape, dtype=mu.dtype, device=mu.device)

    def propose(self, encoded: tuple[Tensor, ...], k: int) -> tuple[Tensor, Tensor]:
        """Draw k codes (k, B, latent_dim) of q(z | x); return them with log q (k, B)."""
        mu, log_var = encoded
        z = self.draw_codes(mu, log_var, k)
        return z, gaussian_log_prob(z, mu, log_var)
