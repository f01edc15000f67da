r"""Losses of the two-player game, on the logits of the discriminator.

The discriminator scores real examples, $\ell_r = D(x)$ with $x \sim p$, and fakes, $\ell_f = D(G(z))$ with
$G(z) \sim q$. Written with $\mathrm{sp}(t) = \log(1 + e^t)$:

| name | discriminator minimises | generator minimises |
|---|---|---|
| nonsaturating | $\mathrm E[\mathrm{sp}(-\ell_r) + \mathrm{sp}(\ell_f)]$ | $\mathrm E\,\mathrm{sp}(-\ell_f)$ |
| minimax | the same | $-\mathrm E\,\mathrm{sp}(\ell_f)$ |
| maximum-likelihood | the same | $-\frac12\mathrm E\,e^{\ell_f}$ |
| least-squares | $\frac12\mathrm E[(\ell_r-1)^2 + \ell_f^2]$ | $\frac12\mathrm E(\ell_f-1)^2$ |
| pearson-least-squares | $\frac12\mathrm E[(\ell_r-1)^2 + (\ell_f+1)^2]$ | $\frac12\mathrm E\,\ell_f^2$ |
| hinge | $\mathrm E[(1-\ell_r)_+ + (1+\ell_f)_+]$ | $-\mathrm E\,\ell_f$ |
| wasserstein | $\mathrm E[\ell_f - \ell_r]$ | $-\mathrm E\,\ell_f$ |
| f-... | $\mathrm E[f^*(g_f(\ell_f)) - g_f(\ell_r)]$ | $-\mathrm E\,f^*(g_f(\ell_f))$ |

The value of the discriminator loss for the optimal discriminator, and the quantity that the generator's expected
gradient then minimises:

| name | best $D$ | its loss | generator descends |
|---|---|---|---|
| nonsaturating | $\log p/q$ | $2\log 2 - 2\,\mathrm{JS}(p, q)$ | $\mathrm{KL}(q\,\Vert\,p) - 2\,\mathrm{JS}$ |
| minimax | the same | the same | $2\,\mathrm{JS}$ |
| maximum-likelihood | the same | the same | $\frac12\mathrm{KL}(p\,\Vert\,q)$ |
| least-squares | $p/(p+q)$ | $\frac14-\frac18\Delta(p,q)$ | an f-divergence without a name |
| pearson-least-squares | $(p-q)/(p+q)$ | $1-\frac12\Delta(p,q)$ | no divergence: flat to first order at $q = p$ |
| hinge | $\mathrm{sign}(p - q)$ | $2 - 2\,\mathrm{TV}(p, q)$ | $2\,\mathrm{TV}$ |
| wasserstein | Kantorovich potential | $-W_1(p, q)$ | $W_1$ |
| f-... | $g_f(D) = f'(p/q)$ | $-D_f(p\,\Vert\,q)$ | $D_f$ |

JS is in nats and at most $\log 2$; TV is at most 1; $W_1$ needs $D$ to be 1-Lipschitz. $\Delta = \int (p-q)^2/(p+q)$,
at most 2, is the Pearson divergence between $p+q$ and $2q$. The seven f-GANs are in `objectives/f_divergences.py`.
Every objective composes with relativistic pairing, which replaces the logits by their differences (`pair`); the right
column is valid without it.

References:
    nonsaturating, minimax: Goodfellow et al., Generative Adversarial Nets (2014), Eq. 1 and §3.
        https://arxiv.org/abs/1406.2661; what the first descends: Arjovsky & Bottou, Towards Principled Methods for
        Training Generative Adversarial Networks (2017), Thm. 2.5. https://arxiv.org/abs/1701.04862
    maximum-likelihood: Goodfellow, On distinguishability criteria for estimating generative models (2014),
        https://arxiv.org/abs/1412.6515; NIPS 2016 Tutorial, §3.2.4. https://arxiv.org/abs/1701.00160
    least-squares, pearson-least-squares: Mao et al., Least Squares Generative Adversarial Networks (2017), Eq. 2, 8
        and 9. https://arxiv.org/abs/1611.04076
    hinge: Lim & Ye, Geometric GAN (2017). https://arxiv.org/abs/1705.02894
    wasserstein: Arjovsky, Chintala & Bottou, Wasserstein GAN (2017), Eq. 2. https://arxiv.org/abs/1701.07875
    f-...: Nowozin, Cseke & Tomioka, f-GAN (2016), Eq. 6. https://arxiv.org/abs/1606.00709
    smoothing: Salimans et al., Improved Techniques for Training GANs (2016), §3.4. https://arxiv.org/abs/1606.03498
    pairing: Jolicoeur-Martineau, The relativistic discriminator (2018), https://arxiv.org/abs/1807.00734;
        Huang et al., The GAN is dead; long live the GAN! (R3GAN, 2024), Eq. 2. https://arxiv.org/abs/2501.05441
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from veridical.objectives.f_divergences import (
    F_DIVERGENCES,
    variational_discriminator_loss,
    variational_generator_loss,
)


def logistic_discriminator_loss(logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    r"""Cross-entropy of the labels real and fake, $\mathrm E\,\mathrm{sp}(-\ell_r) + \mathrm E\,\mathrm{sp}(\ell_f)$.

    Args:
        logit_real: logits $\ell_r$ of real examples.
        logit_fake: logits $\ell_f$ of fakes.

    Returns:
        The loss in nats; $2 \log 2$ for a discriminator with logits 0.

    References:
        Goodfellow et al. (2014), Eq. 1, with $D = \sigma(\ell)$ and the sign of a loss.

    Examples:
        >>> import torch
        >>> logistic_discriminator_loss(torch.zeros(3), torch.zeros(3))
        tensor(1.3863)
    """
    return F.softplus(-logit_real).mean() + F.softplus(logit_fake).mean()


def logistic_losses(logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    r"""Cross-entropy of each pair of a real example and a fake, $\mathrm{sp}(-\ell_r) + \mathrm{sp}(\ell_f)$, in nats.

    Args:
        logit_real: logits $\ell_r$ of real examples.
        logit_fake: logits $\ell_f$ of as many fakes.

    Returns:
        The terms whose mean is `logistic_discriminator_loss`.
    """
    return F.softplus(-logit_real) + F.softplus(logit_fake)


def smoothed_logistic_discriminator_loss(
    logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"], smoothing: float
) -> Float[Tensor, ""]:
    r"""Cross-entropy with one-sided label smoothing: the target of real examples is $1 - \alpha$, that of fakes 0.

    $$ \mathrm E[(1-\alpha)\,\mathrm{sp}(-\ell_r) + \alpha\,\mathrm{sp}(\ell_r)] + \mathrm E\,\mathrm{sp}(\ell_f)
    = \mathrm E[\mathrm{sp}(-\ell_r) + \alpha\,\ell_r] + \mathrm E\,\mathrm{sp}(\ell_f) $$

    The best discriminator is $\sigma(\ell) = (1-\alpha)\,p/(p+q)$. A target above 0 for fakes would put $q$ into the
    numerator, and the generator would be rewarded for samples in regions without data.

    Args:
        logit_real: logits $\ell_r$ of real examples.
        logit_fake: logits $\ell_f$ of fakes.
        smoothing: $\alpha$, at least 0 and below 1; 0.1 is usual.

    Returns:
        The loss in nats.

    Raises:
        ValueError: a smoothing outside [0, 1).

    References:
        Salimans et al. (2016), §3.4.

    Examples:
        >>> import torch
        >>> smoothed_logistic_discriminator_loss(torch.full((2,), 2.0), torch.zeros(2), 0.1)
        tensor(1.0201)
    """
    if not 0 <= smoothing < 1:
        raise ValueError(
            f"smoothing is {smoothing}; expected at least 0 and below 1 (the real target is 1 - smoothing)."
        )
    return logistic_discriminator_loss(logit_real, logit_fake) + smoothing * logit_real.mean()


def nonsaturating_generator_loss(logit_fake: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Negative log-probability that fakes are classified as real, $\mathrm E\,\mathrm{sp}(-\ell_f)$.

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
    r"""Log-probability that fakes are classified as fake, $-\mathrm E\,\mathrm{sp}(\ell_f)$.

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


def maximum_likelihood_generator_loss(logit_fake: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Negative density ratio of the fakes, $-\tfrac12\,\mathrm E\,e^{\ell_f}$.

    With the best logistic discriminator, $e^{\ell} = p/q$, its expected gradient is half that of
    $\mathrm{KL}(p\,\|\,q)$, which is that of maximum likelihood. Nearly all of it comes from the few fakes with the
    largest logits, so its variance is huge. Overflows where a logit passes 88 in single precision.

    Args:
        logit_fake: logits $\ell_f$ of fakes.

    Returns:
        The loss; $-\tfrac12$ for a discriminator with logits 0, and in expectation for the optimal one with any $q$.

    References:
        Goodfellow, On distinguishability criteria (2014); NIPS 2016 Tutorial, §3.2.4.
    """
    return -logit_fake.exp().mean() / 2


def least_squares_discriminator_loss(
    logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"], real: float = 1.0, fake: float = 0.0
) -> Float[Tensor, ""]:
    r"""Squared distance from the labels, $\tfrac12\mathrm E(\ell_r-b)^2 + \tfrac12\mathrm E(\ell_f-a)^2$.

    Args:
        logit_real: scores $\ell_r$ of real examples.
        logit_fake: scores $\ell_f$ of fakes.
        real: label $b$ of real examples.
        fake: label $a$ of fakes.

    Returns:
        The loss, dimensionless.

    References:
        Mao et al. (2017), Eq. 2.
    """
    return ((logit_real - real).square().mean() + (logit_fake - fake).square().mean()) / 2


def least_squares_generator_loss(logit_fake: Float[Tensor, " n"], aim: float = 1.0) -> Float[Tensor, ""]:
    r"""Squared distance of the fakes' scores from their target, $\tfrac12\mathrm E(\ell_f-c)^2$.

    Args:
        logit_fake: scores $\ell_f$ of fakes.
        aim: $c$, the target of the generator for the scores of fakes.

    Returns:
        The loss, dimensionless.

    References:
        Mao et al. (2017), Eq. 2.
    """
    return (logit_fake - aim).square().mean() / 2


def hinge_discriminator_loss(logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    r"""Margin loss $\mathrm E\,(1-\ell_r)_+ + \mathrm E\,(1+\ell_f)_+$.

    Args:
        logit_real: scores $\ell_r$ of real examples.
        logit_fake: scores $\ell_f$ of fakes.

    Returns:
        The loss, dimensionless; 2 for a discriminator with scores 0.

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
    """(logit_real, logit_fake) → discriminator loss."""

    generator: Callable[[Tensor], Tensor]
    """logit_fake → generator loss."""


OBJECTIVES: dict[str, Objective] = {
    "nonsaturating": Objective(logistic_discriminator_loss, nonsaturating_generator_loss),
    "minimax": Objective(logistic_discriminator_loss, minimax_generator_loss),
    "maximum-likelihood": Objective(logistic_discriminator_loss, maximum_likelihood_generator_loss),
    "least-squares": Objective(least_squares_discriminator_loss, least_squares_generator_loss),
    "pearson-least-squares": Objective(
        partial(least_squares_discriminator_loss, real=1.0, fake=-1.0), partial(least_squares_generator_loss, aim=0.0)
    ),
    "hinge": Objective(hinge_discriminator_loss, linear_generator_loss),
    "wasserstein": Objective(wasserstein_discriminator_loss, linear_generator_loss),
} | {
    name: Objective(partial(variational_discriminator_loss, f), partial(variational_generator_loss, f))
    for name, f in F_DIVERGENCES.items()
}
"""Every objective by name: the two tables above."""


def pair(
    logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    r"""Pair every example with one of the other kind: $(\ell_r - \ell_f,\; \ell_f - \ell_r)$.

    An objective takes the paired logits like any others. Both terms of its discriminator loss then use the same pairs,
    so half of it is used: for the non-saturating objective this is $\mathrm E\,\mathrm{sp}(-(\ell_r - \ell_f))$, for
    wasserstein it is the unpaired loss. The best logistic $D$ is $\log p/q$ up to a constant.

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
    r"""Lower bound of the Jensen-Shannon divergence from logits.

    $$ \mathrm{JS}(p, q) \ge \log 2 - \tfrac12\left(\mathrm E\,\mathrm{sp}(-\ell_r) + \mathrm E\,\mathrm{sp}(\ell_f)
    \right), $$

    with equality at $\ell = \log p/q$. It holds in expectation for any logits that do not depend on these examples.

    Args:
        logit_real: logits $\ell_r$ of real examples.
        logit_fake: logits $\ell_f$ of fakes.

    Returns:
        The bound in nats, at most $\log 2$; negative for logits worse than 0.

    References:
        Goodfellow et al. (2014), Thm. 1.

    Examples:
        >>> import torch
        >>> jensen_shannon_bound(torch.full((2,), 50.0), torch.full((2,), -50.0))
        tensor(0.6931)
    """
    return math.log(2) - logistic_discriminator_loss(logit_real, logit_fake) / 2
