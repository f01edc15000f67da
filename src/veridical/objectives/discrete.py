r"""Gradients through a choice among levels: Gumbel-softmax and REINFORCE.

A generator of discrete examples gives logits $\theta_1,\dots,\theta_K$ and draws a level, $P(k) = e^{\theta_k} /
\sum_j e^{\theta_j}$. A sample has no derivative in $\theta$. The gradient to be estimated is

$$ \nabla_\theta\, \mathrm E\,f(e_k) = \sum_k f(e_k)\,\nabla_\theta P(k), $$

with $e_k$ the one-hot vector of the level. Two ways to estimate it:

| | needs of $f$ | bias | variance |
|---|---|---|---|
| relaxed Gumbel-softmax | $\nabla f$ inside the simplex | vanishes as $\tau \to 0$ | grows as $1/\tau$ |
| straight-through Gumbel-softmax | $\nabla f$ at the corners | stays: $f$ is taken to be linear | grows as $1/\tau$ |
| REINFORCE, leave-one-out | values of $f$ | none | grows with the number of choices |

For two levels the bias is known: as $\tau \to 0$ the straight-through estimate tends to the mean of the slopes of $f$
at the two corners in place of the difference of its values there, which agree for quadratic $f$ and for few others.
The leave-one-out baseline lowers the variance where the mean cost is large compared with its spread; with two or three
examples of costs around 0 it can raise it.

References:
    Jang, Gu & Poole, Categorical Reparameterization with Gumbel-Softmax (2017). https://arxiv.org/abs/1611.01144
    Maddison, Mnih & Teh, The Concrete Distribution (2017). https://arxiv.org/abs/1611.00712
    Williams, Simple statistical gradient-following algorithms for connectionist reinforcement learning (1992).
        https://doi.org/10.1007/BF00992696
    Kool, van Hoof & Welling, Buy 4 REINFORCE Samples, Get a Baseline for Free! (2019).
        https://openreview.net/forum?id=r1lgTGL5DE
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def one_hot(index: Int[Tensor, "*shape"], levels: int, dtype: torch.dtype) -> Float[Tensor, "*shape {levels}"]:
    """Return vectors of `levels` numbers with a one at the index, without reading the indices back.

    Examples:
        >>> one_hot(torch.tensor([1, 0]), 2, torch.float32)
        tensor([[0., 1.],
                [1., 0.]])
    """
    zeros = torch.zeros(*index.shape, levels, dtype=dtype, device=index.device)
    return zeros.scatter_(-1, index[..., None], 1.0)


def gumbel(u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Standard Gumbel noise $-\log(-\log u)$ of uniform numbers.

    Args:
        u: uniform in [0, 1); exact zeros are moved to the smallest positive number.

    Returns:
        The noise; of finite size.

    References:
        Maddison, Mnih & Teh (2017), §2.
    """
    limits = torch.finfo(u.dtype)
    return -(-u.clamp(limits.tiny, 1 - limits.eps).log()).log()


def gumbel_max(
    logits: Float[Tensor, "*batch levels"], noise: Float[Tensor, "*batch levels"]
) -> Float[Tensor, "*batch levels"]:
    r"""Draw a level, $\arg\max_k (\theta_k + g_k)$, exactly from the softmax of the logits.

    Args:
        logits: $\theta$.
        noise: Gumbel noise $g$.

    Returns:
        The one-hot vector of the level.

    References:
        Maddison, Mnih & Teh (2017), §2.

    Examples:
        >>> gumbel_max(torch.tensor([0.0, 5.0, 1.0]), torch.zeros(3))
        tensor([0., 1., 0.])
    """
    return one_hot((logits + noise).argmax(-1), logits.shape[-1], logits.dtype)


def gumbel_softmax(
    logits: Float[Tensor, "*batch levels"],
    noise: Float[Tensor, "*batch levels"],
    temperature: float | Float[Tensor, ""],
) -> Float[Tensor, "*batch levels"]:
    r"""Relax the choice of a level to a point of the simplex, $y = \mathrm{softmax}((\theta + g)/\tau)$.

    Args:
        logits: $\theta$.
        noise: Gumbel noise $g$.
        temperature: $\tau > 0$ (not checked of a tensor); towards 0 the point moves into the corner that `gumbel_max`
            picks.

    Returns:
        The point $y$, differentiable in the logits.

    Raises:
        ValueError: a temperature that is not positive.

    References:
        Jang, Gu & Poole (2017), Eq. 2; Maddison, Mnih & Teh (2017), Eq. 10.
    """
    if not isinstance(temperature, Tensor) and not temperature > 0:
        raise ValueError(f"temperature is {temperature}; expected a positive number, 1 at the start and less later.")
    return ((logits + noise) / temperature).softmax(-1)


def straight_through(y: Float[Tensor, "*batch levels"]) -> Float[Tensor, "*batch levels"]:
    r"""Round a point of the simplex to its nearest corner; gradients pass unchanged.

    Args:
        y: points of the simplex.

    Returns:
        Exact one-hot vectors, with the gradient of `y`.

    References:
        Jang, Gu & Poole (2017), §2.2.

    Examples:
        >>> straight_through(torch.tensor([0.2, 0.7, 0.1]))
        tensor([0., 1., 0.])
    """
    hard = one_hot(y.argmax(-1), y.shape[-1], y.dtype)
    return hard + (y - y.detach())


def log_probability(
    logits: Float[Tensor, "n *event levels"], y: Float[Tensor, "n *event levels"]
) -> Float[Tensor, " n"]:
    r"""Log-probability of drawing the levels of one-hot vectors, $\sum_i \log P_i(k_i)$, independent given the logits.

    Args:
        logits: $\theta$ of every component.
        y: the levels, one-hot.

    Returns:
        Nats per example.

    Examples:
        >>> log_probability(torch.zeros(1, 3, 2), torch.tensor([[[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]]))
        tensor([-2.0794])
    """
    return (y * logits.log_softmax(-1)).flatten(1).sum(1)


def leave_one_out(cost: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    r"""Baseline of each example: the mean cost of all others, $b_i = \frac1{n-1}\sum_{j\ne i} f_j$.

    Args:
        cost: $f$ of independent examples.

    Returns:
        The baselines. They do not depend on their own example, so that subtracting them adds no bias.

    Raises:
        ValueError: fewer than two examples.

    References:
        Kool, van Hoof & Welling (2019), Eq. 7.

    Examples:
        >>> leave_one_out(torch.tensor([1.0, 2.0, 6.0]))
        tensor([4.0000, 3.5000, 1.5000])
    """
    if len(cost) < 2:
        raise ValueError(f"there is {len(cost)} example; the baseline is the mean cost of the others, so 2 are needed.")
    return (cost.sum() - cost) / (len(cost) - 1)


def reinforce_loss(
    log_q: Float[Tensor, " n"], cost: Float[Tensor, " n"], baseline: Float[Tensor, " n"]
) -> Float[Tensor, ""]:
    r"""Mean cost, with an unbiased gradient even though the cost has no derivative.

    $$ \tfrac1n\sum_i f_i \quad\text{with gradient}\quad \tfrac1n\sum_i (f_i - b_i)\,\nabla\log q(x_i) $$

    Args:
        log_q: $\log q(x_i)$ of examples drawn from $q$.
        cost: $f_i$ of each; taken as a number.
        baseline: $b_i$, independent of $x_i$: `leave_one_out`, or 0.

    Returns:
        The mean cost.

    References:
        Williams (1992), Thm. 1; Kool, van Hoof & Welling (2019), Eq. 7.

    Examples:
        >>> log_q = torch.tensor([-1.0, -2.0], requires_grad=True)
        >>> reinforce_loss(log_q, torch.tensor([3.0, 5.0]), torch.tensor([5.0, 3.0])).backward()
        >>> log_q.grad
        tensor([-1.,  1.])
    """
    surrogate = (cost - baseline).detach() * (log_q - log_q.detach())
    return (cost.detach() + surrogate).mean()
