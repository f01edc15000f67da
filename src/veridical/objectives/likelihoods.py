r"""Log-likelihoods of a decoder, $\log p(x \mid z)$, summed over the components of an example.

A *density* has the unit of $1/x$ per component: scaling the data by $a$ adds $-d \log a$ nats. A *probability* has
none. The bin width $\Delta$ of quantised data relates the two: a level of probability $P$ has the mean density
$P/\Delta$ over its bin, so that $\log P(x) = \log \bar p(x) + d \log \Delta$.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def bernoulli_log_prob(
    logits: Float[Tensor, "*#batch d"], x: Float[Tensor, "*#batch d"], *, check: bool = True
) -> Float[Tensor, "*batch"]:
    r"""Log probability of two-valued data, in nats.

    $$ \log p(x) = \sum_i \log \mathrm{sigmoid}\big((2 x_i - 1)\, l_i\big), \qquad x_i \in \{0, 1\} $$

    The formula $x \log p + (1-x)\log(1-p)$ can be evaluated at grey $x$ as well, but there it is not the logarithm
    of anything that sums or integrates to 1 (Loaiza-Ganem & Cunningham 2019); such data are refused.

    Args:
        logits: log odds $l$ of the value 1.
        x: data, every component exactly 0 or 1.
        check: refuse other data, which reads a number back from the device; otherwise their log probability is NaN.

    Returns:
        The log probability in nats, summed over the last axis; leading axes are broadcast.

    Raises:
        ValueError: a component of `x` is neither 0 nor 1, and `check` is set.

    References:
        Loaiza-Ganem & Cunningham, The continuous Bernoulli (2019). https://arxiv.org/abs/1907.06845

    Examples:
        >>> bernoulli_log_prob(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]])).exp()
        tensor([0.2500])
    """
    strange = (x != 0) & (x != 1)
    if check and bool(strange.any()):
        raise ValueError(
            f"x holds {x[strange][0].item():.6g}; a Bernoulli likelihood is defined for 0 and 1 only. "
            "Binarise the data, or use the Gaussian likelihood for grey values."
        )
    return F.logsigmoid((2 * x - 1) * logits).masked_fill(strange, math.nan).sum(-1)


def gaussian_log_prob(
    x: Float[Tensor, "*#batch #d"], mu: Float[Tensor, "*#batch #d"], log_var: Float[Tensor, "*#batch #d"]
) -> Float[Tensor, "*batch"]:
    r"""Log density of a diagonal Gaussian, in nats.

    $$ \log \mathcal N(x; \mu, \sigma^2) = -\tfrac12 \sum_i \Big(\frac{(x_i-\mu_i)^2}{\sigma_i^2}
       + \log \sigma_i^2 + \log 2\pi\Big) $$

    Args:
        x: where the density is evaluated.
        mu: mean $\mu$.
        log_var: log variance $\log\sigma^2$.

    Returns:
        The log density in nats (per unit of $x$ to the power $d$), summed over the last axis; axes are broadcast.

    Examples:
        >>> gaussian_log_prob(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
        tensor([-1.8379])
    """
    return -0.5 * ((x - mu).square() * torch.exp(-log_var) + log_var + math.log(2 * math.pi)).sum(-1)


def dequantised_gaussian_log_prob(
    x: Float[Tensor, "*#batch #d"],
    mu: Float[Tensor, "*#batch #d"],
    log_var: Float[Tensor, "*#batch #d"],
    bin_width: float,
) -> Float[Tensor, "*batch"]:
    r"""Expected log density of a Gaussian over the bin of quantised data, in nats.

    Adding uniform noise of one bin width, $u_i \sim U(-\Delta/2, \Delta/2)$, turns levels into a density that no
    model can inflate by spiking on them. For a Gaussian the expectation over $u$ has a closed form, without sampling
    noise:

    $$ \mathbb E_u \log \mathcal N(x+u; \mu, \sigma^2)
       = \log \mathcal N(x; \mu, \sigma^2) - \sum_i \frac{\Delta^2}{24\,\sigma_i^2}
       \;\le\; \log P(x) - d\log\Delta $$

    with $P(x)$ the probability that the Gaussian gives to the bin of $x$. As a function of $\sigma$ it is largest
    at $\sigma^2 = (x-\mu)^2 + \Delta^2/12$, so that it never exceeds $-\frac d2 \log(2\pi e\,\Delta^2/12)$.

    Args:
        x: data on the grid of levels.
        mu: mean $\mu$.
        log_var: log variance $\log\sigma^2$.
        bin_width: distance $\Delta$ of neighbouring levels, in units of $x$.

    Returns:
        The expected log density in nats (per unit of $x$ to the power $d$), summed over the last axis.

    References:
        Theis, van den Oord & Bethge, A note on the evaluation of generative models (2016), Sec. 3.1.
        https://arxiv.org/abs/1511.01844

    Examples:
        >>> x = torch.zeros(1, 1)
        >>> dequantised_gaussian_log_prob(x, x, x, bin_width=0.0) == gaussian_log_prob(x, x, x)
        tensor([True])
    """
    error = (x - mu).square() + bin_width**2 / 12
    return -0.5 * (error * torch.exp(-log_var) + log_var + math.log(2 * math.pi)).sum(-1)


def laplace_log_prob(
    x: Float[Tensor, "*#batch #d"], mu: Float[Tensor, "*#batch #d"], log_scale: Float[Tensor, "*#batch #d"]
) -> Float[Tensor, "*batch"]:
    r"""Log density of independent Laplace distributions, in nats.

    $$ \log p(x; \mu, b) = -\sum_i \Big(\frac{|x_i - \mu_i|}{b_i} + \log 2 b_i\Big) $$

    As a function of one common $b$ it is largest at the mean absolute error, as the Gaussian's is at the mean square.

    Args:
        x: where the density is evaluated.
        mu: median $\mu$.
        log_scale: $\log b$; the standard deviation is $\sqrt2\,b$.

    Returns:
        The log density in nats (per unit of $x$ to the power $d$), summed over the last axis; axes are broadcast.

    Examples:
        >>> laplace_log_prob(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
        tensor([-1.3863])
    """
    return dequantised_laplace_log_prob(x, mu, log_scale, 0.0)


def dequantised_laplace_log_prob(
    x: Float[Tensor, "*#batch #d"],
    mu: Float[Tensor, "*#batch #d"],
    log_scale: Float[Tensor, "*#batch #d"],
    bin_width: float,
) -> Float[Tensor, "*batch"]:
    r"""Expected log density of Laplace distributions over the bin of quantised data, in nats.

    As `dequantised_gaussian_log_prob`, with uniform noise of one bin $\Delta$ and

    $$ \mathbb E_u |x + u - \mu| = \begin{cases} |x-\mu| & |x-\mu| \ge \Delta/2 \\
       (x-\mu)^2/\Delta + \Delta/4 & \text{else.} \end{cases} $$

    Args:
        x: data on the grid of levels.
        mu: median $\mu$.
        log_scale: $\log b$.
        bin_width: distance $\Delta$ of neighbouring levels, in units of $x$; 0: the density itself.

    Returns:
        The expected log density in nats (per unit of $x$ to the power $d$), summed over the last axis.
    """
    error = (x - mu).abs()
    if bin_width:
        error = torch.where(error < bin_width / 2, error.square() / bin_width + bin_width / 4, error)
    return -(error * torch.exp(-log_scale) + log_scale + math.log(2)).sum(-1)
