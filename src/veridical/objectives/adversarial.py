r"""Losses of the two-player game, on the logits of the discriminator.

The discriminator scores real examples, $\ell_r = D(x)$ with $x \sim p$, and fakes, $\ell_f = D(G(z))$ with
$G(z) \sim q$. Four objectives, written with $\mathrm{sp}(t) = \log(1 + e^t)$:

| name | discriminator minimises | generator minimises |
|---|---|---|
| nonsaturating | $\mathrm E[\mathrm{sp}(-\ell_r) + \mathrm{sp}(\ell_f)]$ | $\mathrm E\,\mathrm{sp}(-\ell_f)$ |
| minimax | the same | $-\mathrm E\,\mathrm{sp}(\ell_f)$ |
| hinge | $\mathrm E[(1-\ell_r)_+ + (1+\ell_f)_+]$ | $-\mathrm E\,\ell_f$ |
| wasserstein | $\mathrm E[\ell_f - \ell_r]$ | $-\mathrm E\,\ell_f$ |

What the discriminator's loss measures, once the discriminator is the best there is:

| name | best $D$ | its loss |
|---|---|---|
| nonsaturating, minimax | $\log p/q$ | $2\log 2 - 2\,\mathrm{JS}(p, q)$ |
| hinge | $\mathrm{sign}(p - q)$ | $2 - 2\,\mathrm{TV}(p, q)$ |
| wasserstein | Kantorovich potential | $-W_1(p, q)$ |

JS is in nats and at most $\log 2$; TV is at most 1; $W_1$ needs $D$ to be 1-Lipschitz. Every objective composes with
relativistic pairing, which replaces the logits by their differences (`pair`).

References:
    nonsaturating, minimax: Goodfellow et al., Generative Adversarial Nets (2014), Eq. 1 and §3.
        https://arxiv.org/abs/1406.2661
    hinge: Lim & Ye, Geometric GAN (2017). https://arxiv.org/abs/1705.02894
    wasserstein: Arjovsky, Chintala & Bottou, Wasserstein GAN (2017), Eq. 2. https://arxiv.org/abs/1701.07875
    pairing: Jolicoeur-Martineau, The relativistic discriminator (2018), https://arxiv.org/abs/1807.00734;
        Huang et al., The GAN is dead; long live the GAN! (R3GAN, 2024), Eq. 2. https://arxiv.org/abs/2501.05441
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def logistic_discriminator_loss(logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    r"""Cross-entropy of telling real from fake, $\mathrm E\,\mathrm{sp}(-\ell_r) + \mathrm E\,\mathrm{sp}(\ell_f)$.

    Args:
        logit_real: logits $\ell_r$ of real examples.
        logit_fake: logits $\ell_f$ of fakes.

    Returns:
        The loss in nats; $2 \log 2$ for a discriminator that knows nothing.

    References:
        Goodfellow et al. (2014), Eq. 1, with $D = \sigma(\ell)$ and the sign of a loss.

    Examples:
        >>> import torch
        >>> logistic_discriminator_loss(torch.zeros(3), torch.zeros(3))
        tensor(1.3863)
    """
    return F.softplus(-logit_real).mean() + F.softplus(logit_fake).mean()


def nonsaturating_generator_loss(logit_fake: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Negative log-probability that fakes pass for real, $\mathrm E\,\mathrm{sp}(-\ell_f)$.

    Its gradient in a logit is $-\sigma(-\ell_f)$, close to $-1$ where the discriminator is sure of a fake.

    Args:
        logit_fake: logits $\ell_f$ of fakes.

    Returns:
        The loss in nats.

    References:
        Goodfellow et al. (2014), §3.
    """
    return F.softplus(-logit_fake).mean()


def minimax_generator_loss(logit_fake: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Log-probability that fakes are recognised, $-\mathrm E\,\mathrm{sp}(\ell_f)$.

    The same as $\mathrm E \log(1 - \sigma(\ell_f))$. Its gradient in a logit is $-\sigma(\ell_f)$, which
    vanishes where the discriminator is sure of a fake.

    Args:
        logit_fake: logits $\ell_f$ of fakes.

    Returns:
        The loss in nats.

    References:
        Goodfellow et al. (2014), Eq. 1.
    """
    return -F.softplus(logit_fake).mean()


def hinge_discriminator_loss(logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    r"""Margin loss $\mathrm E\,(1-\ell_r)_+ + \mathrm E\,(1+\ell_f)_+$.

    Args:
        logit_real: scores $\ell_r$ of real examples.
        logit_fake: scores $\ell_f$ of fakes.

    Returns:
        The loss, dimensionless; 2 for a discriminator that knows nothing.

    References:
        Lim & Ye (2017).
    """
    return F.relu(1 - logit_real).mean() + F.relu(1 + logit_fake).mean()


def wasserstein_discriminator_loss(
    logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"]
) -> Float[Tensor, ""]:
    r"""Negative difference of means, $\mathrm E\,\ell_f - \mathrm E\,\ell_r$; at best $-W_1$ if $D$ is 1-Lipschitz.

    Args:
        logit_real: values $\ell_r$ of the critic on real examples.
        logit_fake: values $\ell_f$ of the critic on fakes.

    Returns:
        The loss, in the units of the data for a 1-Lipschitz critic.

    References:
        Arjovsky, Chintala & Bottou (2017), Eq. 2.
    """
    return logit_fake.mean() - logit_real.mean()


def linear_generator_loss(logit_fake: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Negative mean score of the fakes, $-\mathrm E\,\ell_f$ (hinge and wasserstein).

    Args:
        logit_fake: scores $\ell_f$ of fakes.

    Returns:
        The loss.

    References:
        Lim & Ye (2017); Arjovsky, Chintala & Bottou (2017), Alg. 1, line 10.
    """
    return -logit_fake.mean()


class Objective(NamedTuple):
    """The two losses of a game."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """(logit_real, logit_fake) → what the discriminator minimises."""

    generator: Callable[[Tensor], Tensor]
    """logit_fake → what the generator minimises."""


OBJECTIVES: dict[str, Objective] = {
    "nonsaturating": Objective(logistic_discriminator_loss, nonsaturating_generator_loss),
    "minimax": Objective(logistic_discriminator_loss, minimax_generator_loss),
    "hinge": Objective(hinge_discriminator_loss, linear_generator_loss),
    "wasserstein": Objective(wasserstein_discriminator_loss, linear_generator_loss),
}


def pair(
    logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    r"""Judge every example against a partner of the other kind: $(\ell_r - \ell_f,\; \ell_f - \ell_r)$.

    An objective takes the paired logits as it takes any. Both terms of its discriminator loss then look at the same
    pairs, so half of it is used: for the non-saturating objective this is $\mathrm E\,\mathrm{sp}(-(\ell_r -
    \ell_f))$, for wasserstein it is the unpaired loss. The best logistic $D$ is $\log p/q$ up to a constant.

    Args:
        logit_real: logits $\ell_r$ of real examples.
        logit_fake: logits $\ell_f$ of as many independent fakes.

    Returns:
        The logits of the real examples and of the fakes, each relative to its partner.

    References:
        Jolicoeur-Martineau (2018); Huang et al. (2024), Eq. 2.

    Examples:
        >>> import torch
        >>> pair(torch.tensor([3.0]), torch.tensor([1.0]))
        (tensor([2.]), tensor([-2.]))
    """
    return logit_real - logit_fake, logit_fake - logit_real


def jensen_shannon_bound(logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    r"""Lower bound of the Jensen-Shannon divergence that the logits witness.

    $$ \mathrm{JS}(p, q) \ge \log 2 - \tfrac12\left(\mathrm E\,\mathrm{sp}(-\ell_r) + \mathrm E\,\mathrm{sp}(\ell_f)
    \right), $$

    with equality at $\ell = \log p/q$. Holds in expectation for any logits chosen without looking at these examples.

    Args:
        logit_real: logits $\ell_r$ of real examples.
        logit_fake: logits $\ell_f$ of fakes.

    Returns:
        The bound in nats, at most $\log 2$; negative for logits worse than none.

    References:
        Goodfellow et al. (2014), Thm. 1.

    Examples:
        >>> import torch
        >>> jensen_shannon_bound(torch.full((2,), 50.0), torch.full((2,), -50.0))
        tensor(0.6931)
    """
    return math.log(2) - logistic_discriminator_loss(logit_real, logit_fake) / 2
