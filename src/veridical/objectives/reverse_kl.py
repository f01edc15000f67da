r"""Losses of a model q that learns a distribution p from its log density alone, without data.

The samples are the model's own, and $\log p$ may be known up to a constant, since every loss below keeps its gradient
when a constant is added. At the inverse temperature $\beta$ the target is $p^\beta$, which is broader than p for
$\beta < 1$: raising $\beta$ from near 0 to 1 during training lets the model find the modes while they are connected.

*Reverse divergence.* $\mathrm{KL}(q\|p) = \mathbb E_q[\log q - \log p]$ has the gradient

$$ \nabla\,\mathrm{KL} = \mathbb E_q\big[(f(x) - b)\,\nabla\log q(x)\big], \qquad f = \log q - \log p, $$

for any b that does not depend on x, since $\mathbb E_q\nabla\log q = 0$ (REINFORCE). With the mean of f over the
*other* samples as b (leave one out) the estimate stays unbiased, and its variance vanishes where q = p. A baseline that
contains the sample's own f shrinks the gradient by (n-1)/n. Where samples are a differentiable function of noise,
$\nabla\,\mathbb E_\varepsilon f(x(\varepsilon))$ is estimated directly (reparameterisation).

The reverse divergence has a minimum on every set of modes that is far from the others: a model that has lost a mode
receives no sample there, and nothing tells it.

*Divergence of order 2.* With $w = p/q$, $\log\mathbb E_q[w^2] = \log\int p^2/q$ is infinite where q misses mass of p:

$$ \nabla \log \mathbb E_q[w^2] = -\frac{\mathbb E_q[w^2\,\nabla\log q]}{\mathbb E_q[w^2]}
   = -\mathbb E_{x\sim p^2/q}\,\nabla\log q(x). $$

Self-normalised weights estimate it, of samples of q, or of samples that annealed importance sampling moves from q
towards $p^2/q$ (`mcmc/bootstrap.py`), where few samples of q have any weight.

References:
    Wu, Wang & Zhang, Solving Statistical Mechanics Using Variational Autoregressive Networks (2019).
        https://arxiv.org/abs/1809.10606
    Kool, van Hoof & Welling, Buy 4 REINFORCE Samples, Get a Baseline for Free! (2019).
    Midgley, Stimper, Simm, Schölkopf & Hernández-Lobato, Flow Annealed Importance Sampling Bootstrap (2023).
        https://arxiv.org/abs/2208.01893
"""

import torch
from jaxtyping import Float
from torch import Tensor


def leave_one_out(f: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    r"""Return $f_i - \frac{1}{n-1}\sum_{j \ne i} f_j$.

    Raises:
        ValueError: fewer than two samples.

    Examples:
        >>> leave_one_out(torch.tensor([1.0, 2.0, 6.0]))
        tensor([-3.0000, -1.5000,  4.5000])
    """
    n = len(f)
    if n < 2:
        raise ValueError(f"there are {n} samples; the baseline needs at least 2. Raise the batch size.")
    return (f - f.mean()) * n / (n - 1)


def score_function_loss(log_q: Float[Tensor, " n"], log_p: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Return a number whose gradient is an unbiased estimate of that of KL(q||p).

    Its value has no meaning; the estimate of the divergence is the mean of log q - log p.

    Args:
        log_q: of samples of q, differentiable in the weights of q alone (the samples are constants), nats.
        log_p: of the samples, up to a constant, nats.
    """
    return (leave_one_out((log_q - log_p).detach()).to(log_q.dtype) * log_q).mean()


def reparameterised_loss(log_q: Float[Tensor, " n"], log_p: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Return an unbiased estimate of KL(q||p), up to the constant of log p, whose gradient is unbiased too.

    Args:
        log_q: of samples that are a differentiable function of the weights, nats.
        log_p: of the samples, up to a constant, nats.
    """
    return (log_q - log_p).mean().to(log_q.dtype)


def weighted_loss(log_q: Float[Tensor, " n"], log_w: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Return $-\sum_i \tilde w_i \log q(x_i)$ with normalised weights: the cross-entropy to what the weights aim at.

    With $\log w = 2(\log p - \log q)$ of samples of q its gradient is that of $\log\mathbb E_q[(p/q)^2]$, with a bias
    of order 1/n; with $\log w = \log p - \log q$ it is that of KL(p||q).

    Args:
        log_q: of the samples, differentiable in the weights of q alone, nats.
        log_w: of the samples, up to a constant; no gradient flows through them.
    """
    return -(torch.softmax(log_w.detach(), 0).to(log_q.dtype) * log_q).sum()
