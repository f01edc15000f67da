r"""A lower bound on the mutual information of a code and an example.

A generator maps a code $c$ of known distribution to $x$. For any conditional distribution $Q(c \mid x)$,

$$ I(c; x) = H(c) - H(c \mid x)
           = H(c) + \mathbb E \log Q(c \mid x) + \mathbb E_x \mathrm{KL}\big(p(c \mid x) \,\|\, Q(c \mid x)\big)
           \;\ge\; H(c) + \mathbb E \log Q(c \mid x) = L_I, $$

with equality for the exact posterior (Barber & Agakov 2003; Chen et al. 2016, Eq. 4). All in nats.

**Never above the truth.** For a categorical code $I(c;x) \le H(c) \le \log K$, and the same limit holds for $L_I$ in
expectation: a logged value clearly above $\log K$ is an error. A continuous code has no such limit ($H(c)$ is a
differential entropy; a code that can be recovered exactly carries infinitely many nats), but $L_I \le I$ still holds.

**The variance of $Q$ must be learned.** For $c \sim U(-1, 1)$, $H(c) = \log 2$. A Gaussian $Q$ of fixed variance 1 at
perfect recovery scores $\log 2 - \tfrac12\log 2\pi = -0.226$ nats: it does not separate a code that is recovered
exactly from one that is lost. With learned variance the bound grows as $\log 2 - \tfrac12 \log 2\pi e\sigma^2$ with the
precision of the recovery. Its lower end is $\tfrac12 \log \tfrac{6}{\pi e} = -0.176$ nats where $x$ carries no
information ($\sigma^2 = 1/3$): a Gaussian is not uniform, so values between -0.176 and 0 mean no information.

References:
    Barber & Agakov, The IM Algorithm (NeurIPS 2003).
    Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel, InfoGAN (NeurIPS 2016). https://arxiv.org/abs/1606.03657
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def categorical_entropy(k: int) -> float:
    r"""Entropy $\log K$ of K equally likely values, in nats.

    Examples:
        >>> round(categorical_entropy(10), 4)
        2.3026
    """
    if k < 2:
        raise ValueError(f"k is {k}; a categorical code has at least 2 values.")
    return math.log(k)


def uniform_entropy(low: float = -1.0, high: float = 1.0) -> float:
    r"""Differential entropy $\log(b - a)$ of U(a, b), in nats.

    Examples:
        >>> round(uniform_entropy(), 4)
        0.6931
    """
    if not low < high:
        raise ValueError(f"the range is [{low}, {high}]; expected low < high.")
    return math.log(high - low)


def normal_entropy(sigma: float = 1.0) -> float:
    r"""Differential entropy $\tfrac12 \log 2\pi e \sigma^2$ of a normal distribution, in nats.

    Examples:
        >>> round(normal_entropy(), 4)
        1.4189
    """
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}; expected a width above 0.")
    return 0.5 * math.log(2 * math.pi * math.e * sigma**2)


def categorical_log_q(logits: Float[Tensor, "*batch k"], code: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""Log-probability $\log Q(c \mid x)$ of the true value of a categorical code, in nats.

    Args:
        logits: of $Q$, up to a constant.
        code: the true values, 0 to k - 1.

    Examples:
        >>> categorical_log_q(torch.zeros(1, 4), torch.tensor([2])).exp()
        tensor([0.2500])
    """
    return torch.log_softmax(logits, -1).gather(-1, code.unsqueeze(-1)).squeeze(-1)


def gaussian_log_q(
    code: Float[Tensor, "*batch d"], mu: Float[Tensor, "*batch d"], log_var: Float[Tensor, "*batch d"]
) -> Float[Tensor, "*batch d"]:
    r"""Log-density $\log \mathcal N(c; \mu(x), \sigma^2(x))$ of the true continuous codes, in nats for each.

    Args:
        code: the true values.
        mu: mean $\mu$ of $Q$.
        log_var: its log variance $\log\sigma^2$; learned, or the bound is far from tight.

    Examples:
        >>> gaussian_log_q(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1))
        tensor([[-0.9189]])
    """
    return -0.5 * (log_var + (code - mu).square() * torch.exp(-log_var) + math.log(2 * math.pi))


def information_bound(log_q: Float[Tensor, "batch *codes"], entropy: float) -> Float[Tensor, "*codes"]:
    r"""Estimate $L_I = H(c) + \mathbb E\log Q(c \mid x) \le I(c; x)$ without bias, in nats.

    Args:
        log_q: $\log Q(c \mid x)$ of the codes that gave the examples, in nats.
        entropy: the true $H(c)$ of each code, in nats.

    Returns:
        The bound, averaged over the batch; negative where Q is worse than the prior distribution of c.

    References:
        Chen et al., InfoGAN (2016), Eq. 4 and 5. https://arxiv.org/abs/1606.03657

    Examples:
        >>> log_q = categorical_log_q(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
        >>> information_bound(log_q, categorical_entropy(2))
        tensor(0.)
    """
    if log_q.ndim == 0 or not len(log_q):
        raise ValueError(f"log_q has shape {tuple(log_q.shape)}; expected (batch, ...), at least one example.")
    return log_q.mean(0) + entropy
