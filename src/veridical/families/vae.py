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

**Objective.** With $q(z \mid x) = \mathcal N(\mu(x), \mathrm{diag}\,\sigma^2(x))$ the model minimises

$$ -\mathbb E_{q(z \mid x)} \log p(x \mid z) + \lambda\,\mathrm{KL}(q(z \mid x)\,\|\,p(z)), $$

at $\lambda = 1$ the negative elbo, or with `importance_samples` $k > 1$ the negative importance-weighted bound of
$k$ codes, with $\lambda$ on $\log p(z) - \log q(z \mid x)$.

**What to expect.** The bound falls short of $\log p(x)$ by $\mathrm{KL}(q(z \mid x)\,\|\,p(z \mid x))$; `iwae` with
many codes closes most of that gap. A latent unit whose posterior is the prior for every $x$ is *inactive*; if all
are, the decoder ignores its code. Means $\mathrm E[x \mid z]$ of a Gaussian decoder are smooth because the one
$\sigma$ carries all the detail that the code does not.

**References.** Kingma & Welling, Auto-Encoding Variational Bayes (2014). Rezende, Mohamed & Wierstra, Stochastic
Backpropagation (2014). Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016). Rybkin, Daniilidis &
Levine, Simple and Effective VAE Training with Calibrated Decoders (2021).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from veridical.config import OptimizerConfig
from veridical.config.families.vae import VAEConfig, VAESampling
from veridical.config.sampling import SamplingOptions, options_of
from veridical.kinds import TermKind
from veridical.model import (
    Batch,
    Encoder,
    Facts,
    GenerativeModel,
    LatentVariable,
    LikelihoodBound,
    Loss,
    ObservationModel,
    Replayable,
    Sampler,
    Space,
    refuse_labels,
)
from veridical.nn.autoencoding import decoder_network, encoder_network
from veridical.nn.precision import at_least_single
from veridical.noise import Noise, noise_for
from veridical.objectives.bounds import active_units, elbo, gaussian_kl, iwae_bound
from veridical.objectives.likelihoods import bernoulli_log_prob, dequantised_gaussian_log_prob, gaussian_log_prob

LOG_VAR_BOUND = 10.0
"""The posterior's log variance is B tanh(h / B) of the encoder's output h: about h near 0, never beyond B."""


class VAE(GenerativeModel, Replayable, Sampler, LatentVariable, Encoder, ObservationModel, LikelihoodBound):
    """Variational autoencoder (module docstring: model, objective, units).

    Args:
        config: the choices; `network`, `width` and `depth` are for the networks built here.
        space: where the data live.
        encoder: your own module, (B, *shape) in data space → (B, 2 * latent_dim): the mean of q(z | x), then h, from
            which its log variance is 10 tanh(h / 10).
        decoder: your own module, (B, latent_dim) → (B, *shape): logits (Bernoulli), or means in data space (Gaussian).

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

    def __init__(
        self,
        config: VAEConfig,
        facts: Facts | Space,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(facts)
        space = self.space
        self.config = config
        self.latent_dim = min(32, space.dim) if config.latent_dim is None else config.latent_dim
        self.latent_shape = (self.latent_dim,)
        self.bernoulli = is_bernoulli(config, space)
        kind = (config.network, config.width, config.depth)
        self.encoder = encoder_network(space, 2 * self.latent_dim, *kind) if encoder is None else encoder
        self.decoder = (
            decoder_network(space, self.latent_dim, *kind, logits=self.bernoulli) if decoder is None else decoder
        )
        self.draws = config.sampling == "draw" or (
            config.sampling == "auto" and (self.bernoulli or space.kind != "image")
        )
        if not self.bernoulli:
            # At the data's own scale a decoder that ignores the code is stationary; half of it avoids this.
            self.log_scale = nn.Parameter(torch.tensor([math.log(space.std / 2)]))

    def player_parameters(self, player: str) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
        """Return the weights; a Gaussian's scale is a group of its own, with ten times the step size.

        Adam moves a parameter by about its step size: at 1e-3 the logarithm of a scale would need thousands of steps
        to follow the error of the reconstruction.
        """
        if self.bernoulli:
            return self.parameters()
        weights = [p for p in self.parameters() if p is not self.log_scale]
        scale = {"params": [self.log_scale], "lr": 10 * self.config.optimizer.lr, "weight_decay": 0.0}
        return [{"params": weights}, scale]

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the negative bound in nats per example.

        Terms: `loss`; `reconstruction`, the mean of -log p(x | z), and `kl`, both in nats; `active_units` of this
        batch; `sigma` of a Gaussian decoder in data space.
        """
        k, kl_weight = self.config.importance_samples, self.config.kl_weight
        mu, log_var = self.encode(batch.x)
        z = self.draw_codes(mu, log_var, k)  # (k, B, d)
        log_likelihood = self.log_likelihood(batch.x, z, check=False)  # (k, B); the step reads nothing back
        kl = gaussian_kl(mu, log_var)
        if k == 1:
            bound = elbo(log_likelihood[0], kl, kl_weight)
        else:
            log_ratio = log_prior(z) - gaussian_log_prob(z, mu, log_var)
            bound = iwae_bound((log_likelihood + kl_weight * log_ratio).T)
        loss = -bound.mean()
        terms = {
            "loss": loss,
            "reconstruction": -log_likelihood.mean(),
            "kl": kl.mean(),
            "active_units": active_units(mu),
        }
        return Loss(loss, terms if self.bernoulli else terms | {"sigma": self.sigma[0]})

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats: one draw of the evidence lower bound, with KL weight 1."""
        refuse_labels(c)
        mu, log_var = self.encode(x)
        return elbo(self.log_likelihood(x, self.draw_codes(mu, log_var, 1))[0], gaussian_kl(mu, log_var))

    @torch.no_grad()
    def iwae(self, x: Tensor, k: int, *, decodes: int = 2048) -> Tensor:
        """Return (B,) nats: the importance-weighted bound of k codes, the tighter the larger k; without gradient.

        Args:
            x: (B, *event) examples, encoded once.
            k: codes per example.
            decodes: codes decoded at a time (at least B), which limits the memory.

        Returns:
            The bound, at most log p(x) in expectation.
        """
        if k < 1:
            raise ValueError(f"k is {k}; expected at least one code per example.")
        mu, log_var = self.encode(x)
        chunk = max(1, decodes // len(x))
        log_w = []
        for start in range(0, k, chunk):
            z = self.draw_codes(mu, log_var, min(chunk, k - start))
            log_w.append(self.log_likelihood(x, z) + log_prior(z) - gaussian_log_prob(z, mu, log_var))
        return iwae_bound(torch.cat(log_w).T)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *event) examples: draws from p(x | z), or its means; see `VAESampling.output`.

        Draws of quantised data are rounded to the nearest level, which is the inverse of adding noise of one bin;
        values beyond the support are moved to its ends.
        """
        refuse_labels(c)
        chosen, noise = options_of(VAESampling, options), noise_for(n, self.device, noise)
        z = chosen.temperature * self.prior(n, noise)
        mean = self.decode(z.to(next(self.parameters()).dtype))
        draws = self.draws if chosen.output == "auto" else chosen.output == "draw"
        return self.draw(mean, noise) if draws else mean

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return the means E[x | z] (B, *event) in data space."""
        refuse_labels(c)
        h = self.decoder_output(z)
        if not self.bernoulli:
            return h
        low, high = support(self.space)
        return low + (high - low) * h.sigmoid()

    def posterior(self, x: Tensor) -> Independent:
        """Return q(z | x), a diagonal Gaussian batched over (B, latent_dim)."""
        mu, log_var = self.encode(x)
        return Independent(Normal(mu, (0.5 * log_var).exp(), validate_args=False), 1, validate_args=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z | x), (B, latent_dim) each, at least in single precision."""
        if x.shape[1:] != self.space.shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; this VAE was built for {self.space.shape}. "
                f"Pass a batch (B, {', '.join(map(str, self.space.shape))})."
            )
        h = self.encoder(x)
        expected = (len(x), 2 * self.latent_dim)
        if h.shape != expected:
            raise ValueError(
                f"the encoder returned {tuple(h.shape)} for x of shape {tuple(x.shape)}; expected {expected}: "
                "the means of q(z | x), then their log variances. Change the encoder or latent_dim."
            )
        mu, log_var = at_least_single(h).chunk(2, dim=1)
        return mu, LOG_VAR_BOUND * torch.tanh(log_var / LOG_VAR_BOUND)

    def draw_codes(self, mu: Tensor, log_var: Tensor, k: int) -> Tensor:
        """Draw k codes (k, B, latent_dim) from q(z | x); gradients flow to its parameters."""
        return mu + (0.5 * log_var).exp() * torch.randn(k, *mu.shape, dtype=mu.dtype, device=mu.device)

    def decoder_output(self, z: Tensor) -> Tensor:
        """Return logits or means (B, *event) for codes (B, latent_dim), at least in single precision."""
        h = self.decoder(z)
        if h.shape != (z.shape[0], *self.space.shape):
            raise ValueError(
                f"the decoder returned {tuple(h.shape)} for codes of shape {tuple(z.shape)}; expected "
                f"{(len(z), *self.space.shape)}: {'logits' if self.bernoulli else 'means in data space'}."
            )
        return at_least_single(h)

    def log_likelihood(self, x: Tensor, z: Tensor, *, check: bool = True) -> Tensor:
        """Return log p(x | z), (k, B) nats in data space, for codes (k, B, latent_dim).

        Values other than the two of a Bernoulli likelihood are refused; without `check` their likelihood is NaN.
        """
        x = at_least_single(x).flatten(1)
        h = self.decoder_output(z.flatten(0, 1)).reshape(*z.shape[:2], -1)
        if self.bernoulli:
            return bernoulli_log_prob(h, bits(x, self.space), check=check)
        return dequantised_gaussian_log_prob(x, h, 2 * self.sigma.log(), self.space.bin_width or 0.0)

    def observe(self, z: Tensor, noise: Noise) -> Tensor:
        """Draw x from p(x | z); a Gaussian is neither rounded nor cut to the support."""
        mean = self.decode(z)
        return self.draw(mean, noise) if self.bernoulli else self.with_noise(mean, noise)

    def with_noise(self, mean: Tensor, noise: Noise) -> Tensor:
        """Add the noise of a Gaussian decoder to its means."""
        return mean + self.sigma * noise.normal(*mean.shape[1:], dtype=mean.dtype)

    def draw(self, mean: Tensor, noise: Noise) -> Tensor:
        """Draw x from p(x | z), given its means in data space."""
        if self.bernoulli:
            low, high = support(self.space)
            return low + (high - low) * noise.bernoulli((mean - low) / (high - low))
        x = self.with_noise(mean, noise)
        if self.space.support is None:
            return x
        low, high = self.space.support
        width = self.space.bin_width
        return (x if width is None else low + width * ((x - low) / width).round()).clamp(low, high)

    @property
    def sigma(self) -> Tensor:
        """(1,) standard deviation of a Gaussian decoder, in units of data space."""
        # Quantised data need no floor: the noise of one bin is in the likelihood.
        floor = 0.0 if self.space.bin_width else 1e-3 * self.space.std
        return torch.hypot(self.log_scale.exp(), torch.full_like(self.log_scale, floor))


def is_bernoulli(config: VAEConfig, space: Space) -> bool:
    """Return whether the likelihood is Bernoulli: it is for two-valued data, and for no other.

    Raises:
        ValueError: the configuration asks for the likelihood of the other kind of data.
    """
    two_valued = space.levels == 2
    if config.likelihood == "bernoulli" and not two_valued:
        raise ValueError(
            f"likelihood is 'bernoulli' and the data have {space.levels or 'continuous'} levels; expected two. "
            "Choose likelihood='gaussian', or binarise the data."
        )
    if config.likelihood == "gaussian" and two_valued:
        raise ValueError(
            "likelihood is 'gaussian' and the data have two levels; they have probabilities, not densities. "
            "Choose likelihood='bernoulli', or leave it at 'auto'."
        )
    return two_valued


def support(space: Space) -> tuple[float, float]:
    """Return the bounded support of a space with levels."""
    assert space.support is not None  # `Space` refuses levels without a support
    return space.support


def bits(x: Tensor, space: Space) -> Tensor:
    """Map the two values of data space to 0 and 1; other values stay different from both and are refused later."""
    low, high = support(space)
    b = (x - low) / (high - low)
    return torch.where((b - b.round()).abs() < 1e-5, b.round(), b)  # forgives the rounding of the division


def log_prior(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) in nats."""
    zero = torch.zeros_like(z)
    return gaussian_log_prob(z, zero, zero)
