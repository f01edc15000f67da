r"""f-divergences and their variational estimate: f-GAN.

$$ D_f(p\,\|\,q) = \mathrm E_q f(p/q) \ge \mathrm E_p\, g_f(v) - \mathrm E_q\, f^*(g_f(v)), \qquad
f^*(t) = \sup_u (ut - f(u)). $$

The discriminator returns any real $v = D(x)$; the output $g_f$ brings it into the domain of the conjugate $f^*$. The
discriminator maximises the bound, the generator minimises the same bound. With the best $v$, where $g_f(v) = f'(p/q)$,
the bound is the divergence, and the generator's expected gradient is that of the divergence.

| name | $D_f$ | $f(u)$ | $g_f(v)$ | $f^*(t)$ | best $v$ |
|---|---|---|---|---|---|
| f-kl | $\mathrm{KL}(p\,\Vert\,q)$ | $u\log u$ | $1+v$ | $e^{t-1}$ | $\log p/q$ |
| f-reverse-kl | $\mathrm{KL}(q\,\Vert\,p)$ | $-\log u$ | $-e^{-v}$ | $-1-\log(-t)$ | $\log p/q$ |
| f-js | $2\,\mathrm{JS}$ | $u\log u-(u+1)\log\frac{u+1}2$ | $\log 2-\mathrm{sp}(-v)$ | $-\log(2-e^t)$ | $\log p/q$ |
| f-pearson | $\int (p-q)^2/q$ | $(u-1)^2$ | $v$ | $\frac14t^2+t$ | $2(p/q-1)$ |
| f-neyman | $\int (p-q)^2/p$ | $(1-u)^2/u$ | $1-e^{-v}$ | $2-2\sqrt{1-t}$ | $2\log p/q$ |
| f-hellinger | $\int(\sqrt p-\sqrt q)^2$ | $(\sqrt u-1)^2$ | $1-e^{-v}$ | $t/(1-t)$ | $\frac12\log p/q$ |
| f-total-variation | $\mathrm{TV}(p,q)$ | $\frac12\lvert u-1\rvert$ | $\frac12\tanh v$ | $t$ | $\pm\infty$ |

All are as in the table of the paper, except that the output of f-kl is shifted by its threshold $f'(1) = 1$: then $v =
0$ means "undecided" for every divergence, and the bound is 0 there. The bound of f-total-variation is reached only in
the limit of large outputs with the sign of $p - q$.

The alternative generator loss of the paper's §3.2, which maximises $\mathrm E_q\, g_f(v)$, is not offered: it has the
same fixed point and larger gradients early in training, but minimises none of these divergences. `nonsaturating` is
this loss for the logistic game.

References:
    Nowozin, Cseke & Tomioka, f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization
        (2016), Eq. 4-6, Tables 1, 2 and 6. https://arxiv.org/abs/1606.00709
    Nguyen, Wainwright & Jordan, Estimating divergence functionals and the likelihood ratio by convex risk minimization
        (2010), Lemma 1. https://arxiv.org/abs/0809.0853
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


class FDivergence(NamedTuple):
    """A convex f with f(1) = 0, its conjugate and its output."""

    f: Callable[[Tensor], Tensor]
    """u > 0 → f(u)."""

    conjugate: Callable[[Tensor], Tensor]
    """t → f*(t), on the range of the output."""

    output: Callable[[Tensor], Tensor]
    """v → g_f(v), from the real line into the domain of the conjugate."""

    cost: Callable[[Tensor], Tensor]
    """v → f*(g_f(v)), written so that nothing cancels or overflows on the way."""


F_DIVERGENCES: dict[str, FDivergence] = {
    "f-kl": FDivergence(
        f=lambda u: u * u.log(),
        conjugate=lambda t: (t - 1).exp(),
        output=lambda v: 1 + v,
        cost=torch.exp,
    ),
    "f-reverse-kl": FDivergence(
        f=lambda u: -u.log(),
        conjugate=lambda t: -1 - (-t).log(),
        output=lambda v: -(-v).exp(),
        cost=lambda v: v - 1,
    ),
    "f-js": FDivergence(
        f=lambda u: u * u.log() - (u + 1) * ((u + 1) / 2).log(),
        conjugate=lambda t: -(2 - t.exp()).log(),
        output=lambda v: math.log(2) - F.softplus(-v),
        cost=lambda v: F.softplus(v) - math.log(2),
    ),
    "f-pearson": FDivergence(
        f=lambda u: (u - 1).square(),
        conjugate=lambda t: t.square() / 4 + t,
        output=lambda v: v,
        cost=lambda v: v.square() / 4 + v,
    ),
    "f-neyman": FDivergence(
        f=lambda u: (1 - u).square() / u,
        conjugate=lambda t: 2 - 2 * (1 - t).sqrt(),
        output=lambda v: -torch.expm1(-v),
        cost=lambda v: -2 * torch.expm1(-v / 2),
    ),
    "f-hellinger": FDivergence(
        f=lambda u: (u.sqrt() - 1).square(),
        conjugate=lambda t: t / (1 - t),
        output=lambda v: -torch.expm1(-v),
        cost=torch.expm1,
    ),
    "f-total-variation": FDivergence(
        f=lambda u: (u - 1).abs() / 2,
        conjugate=lambda t: t,
        output=lambda v: v.tanh() / 2,
        cost=lambda v: v.tanh() / 2,
    ),
}
"""The divergences of the table, by name."""


def variational_bound(
    divergence: FDivergence, logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"]
) -> Float[Tensor, ""]:
    r"""Lower bound $\mathrm E\,g_f(v_r) - \mathrm E\,f^*(g_f(v_f))$ of the divergence from the discriminator's outputs.

    Args:
        divergence: one of `F_DIVERGENCES`.
        logit_real: outputs $v_r$ of the discriminator on real examples.
        logit_fake: outputs $v_f$ on fakes.

    Returns:
        The bound, in nats where the divergence is (f-kl, f-reverse-kl, f-js), otherwise dimensionless.

    References:
        Nowozin, Cseke & Tomioka (2016), Eq. 6.

    Examples:
        >>> variational_bound(F_DIVERGENCES["f-hellinger"], torch.zeros(3), torch.zeros(3))
        tensor(0.)
    """
    return divergence.output(logit_real).mean() - divergence.cost(logit_fake).mean()


def variational_discriminator_loss(
    divergence: FDivergence, logit_real: Float[Tensor, " n"], logit_fake: Float[Tensor, " m"]
) -> Float[Tensor, ""]:
    r"""Negative variational bound, $\mathrm E\,f^*(g_f(v_f)) - \mathrm E\,g_f(v_r)$.

    Args:
        divergence: one of `F_DIVERGENCES`.
        logit_real: outputs $v_r$ of the discriminator on real examples.
        logit_fake: outputs $v_f$ on fakes.

    Returns:
        The loss; $-D_f(p\,\|\,q)$ at best, 0 for a discriminator with outputs 0.

    References:
        Nowozin, Cseke & Tomioka (2016), Eq. 6.
    """
    return -variational_bound(divergence, logit_real, logit_fake)


def variational_generator_loss(divergence: FDivergence, logit_fake: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""The part of the variational bound that depends on the generator, $-\mathrm E\,f^*(g_f(v_f))$.

    Args:
        divergence: one of `F_DIVERGENCES`.
        logit_fake: outputs $v_f$ of the discriminator on fakes.

    Returns:
        The loss.

    References:
        Nowozin, Cseke & Tomioka (2016), Eq. 6 and Algorithm 1.
    """
    return -divergence.cost(logit_fake).mean()
