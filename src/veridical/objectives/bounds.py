r"""Lower bounds on $\log p(x)$ of a latent-variable model $p(x) = \int p(x \mid z)\,p(z)\,dz$.

With any $q(z \mid x)$ and the weights $w_i = p(x, z_i) / q(z_i \mid x)$, $z_i \sim q(z \mid x)$,

$$ \underbrace{\mathbb E \log w_1}_{\text{elbo}} \;\le\; \mathbb E \log \tfrac1k \textstyle\sum_{i=1}^k w_i
   \;\le\; \mathbb E \log \tfrac1{k+1} \sum_{i=1}^{k+1} w_i \;\le\; \log p(x). $$

The inequalities hold in expectation over the $z_i$: a single draw may lie above $\log p(x)$.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def gaussian_kl(mu: Float[Tensor, "*batch d"], log_var: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
    r"""KL divergence from a diagonal Gaussian to the standard normal, in nats.

    $$ \mathrm{KL}(\mathcal N(\mu,\sigma^2)\,\|\,\mathcal N(0,I))
       = \tfrac12\sum_i(\mu_i^2+\sigma_i^2-1-\log\sigma_i^2) $$

    Args:
        mu: mean $\mu$.
        log_var: log variance $\log\sigma^2$.

    Returns:
        The divergence in nats, summed over the last axis.

    References:
        Kingma & Welling, Auto-Encoding Variational Bayes (2014), App. B. https://arxiv.org/abs/1312.6114

    Examples:
        >>> gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3))
        tensor([0., 0.])
    """
    # expm1(v) - v keeps the digits that exp(v) - 1 - v loses near v = 0.
    return 0.5 * (mu.square() + torch.expm1(log_var) - log_var).sum(-1)


def elbo(
    log_likelihood: Float[Tensor, "*batch"], kl: Float[Tensor, "*batch"], kl_weight: float = 1.0
) -> Float[Tensor, "*batch"]:
    r"""Evidence lower bound with an analytic divergence, in nats.

    $$ \mathcal L(x) = \mathbb E_{q(z \mid x)} \log p(x \mid z) - \lambda\,\mathrm{KL}(q(z \mid x)\,\|\,p(z)) $$

    Args:
        log_likelihood: $\log p(x \mid z)$ of one draw $z \sim q(z \mid x)$, or its mean over draws, in nats.
        kl: the divergence, in nats.
        kl_weight: $\lambda$; a bound on $\log p(x)$ for every $\lambda \ge 1$, tightest at 1, and none below 1.

    Returns:
        The bound in nats.

    References:
        Kingma & Welling, Auto-Encoding Variational Bayes (2014), Eq. 3 and 7. https://arxiv.org/abs/1312.6114
        Higgins et al., beta-VAE (2017), Eq. 4, for $\lambda \ne 1$.

    Examples:
        >>> elbo(torch.tensor([-90.0]), torch.tensor([20.0]))
        tensor([-110.])
    """
    return log_likelihood - kl_weight * kl


def iwae_bound(log_w: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch"]:
    r"""Importance-weighted bound $\log \frac1k \sum_{i=1}^k w_i$, in nats; differentiable as it stands.

    Its gradient is the importance-weighted one, $\sum_i \tilde w_i \nabla \log w_i$ with $\tilde w_i = w_i/\sum_j w_j$.

    Args:
        log_w: $\log w_i = \log p(x \mid z_i) + \log p(z_i) - \log q(z_i \mid x)$ of $k$ draws, in nats.

    Returns:
        The bound in nats; at $k = 1$ the elbo with a sampled divergence.

    References:
        Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016), Eq. 8. https://arxiv.org/abs/1509.00519

    Examples:
        >>> iwae_bound(torch.tensor([[-1000.0, -1000.0]]))
        tensor([-1000.])
    """
    return torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1])


def free_bits(kl: Float[Tensor, "batch groups"], free: float) -> Float[Tensor, ""]:
    r"""Divergence of which each group has some nats for nothing, on average over the batch.

    $$ \sum_g \max\Big(\lambda,\; \frac1B\sum_b \mathrm{KL}_{bg}\Big) $$

    A group whose mean divergence is below $\lambda$ has no gradient, so that nothing draws its posterior to the prior.
    The mean comes before the maximum: an example may use more and another less.

    Args:
        kl: divergences of the groups of latent units, in nats.
        free: $\lambda$ in nats for each group; at 0 the divergence itself.

    Returns:
        The mean over the batch, in nats; at least the divergence.

    References:
        Kingma, Salimans, Jozefowicz, Chen, Sutskever & Welling, Improved Variational Inference with Inverse
            Autoregressive Flow (2016), Eq. 15. https://arxiv.org/abs/1606.04934

    Examples:
        >>> free_bits(torch.tensor([[0.1, 2.0], [0.3, 4.0]]), 0.5)
        tensor(3.5000)
    """
    return (free + F.relu(kl.mean(0) - free)).sum()


def active_units(mu: Float[Tensor, "batch d"], threshold: float = 0.01) -> Float[Tensor, ""]:
    r"""Count the latent units that a posterior uses: $\mathrm{Var}_x(\mathbb E_{q(z \mid x)} z_i) > 0.01$.

    Args:
        mu: posterior means $\mathbb E_{q(z \mid x)} z$ of a batch of $x$; the variance over a small batch is rough.
        threshold: smallest variance of an active unit; the prior has variance 1.

    Returns:
        The number of active units; carries no gradient.

    References:
        Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016), Sec. 5.2.

    Examples:
        >>> active_units(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        tensor(1.)
    """
    mu = mu.detach()
    return (mu.var(0, correction=0) > threshold).sum().to(mu.dtype)
