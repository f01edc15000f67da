r"""Penalties that stabilise training: on the gradient of the discriminator in its input, and on the weights.

Without a penalty, training circles around the equilibrium or leaves it. Near the equilibrium of the Dirac-GAN (data at
0, one fake at $\theta$, $D(x) = \psi x$) the eigenvalues of the gradient field are, with $s = f'(0)$ the slope of the
objective and $\gamma$ the weight that multiplies the penalty:

| penalty | eigenvalues | |
|---|---|---|
| none | $\pm i s$ | circles |
| R1, R2 | $-\gamma/2 \pm \sqrt{\gamma^2/4 - s^2}$ | converges |
| analytic noise | $-\gamma/4 \pm \sqrt{\gamma^2/16 - s^2}$ | converges |
| historical averaging, both players, average at 0 | $-2\gamma \pm i s$ | converges |
| one-sided gradient penalty | $\pm i s$ | circles: it is 0 below slope 1 |
| gradient penalty, DRAGAN | none: not differentiable at $\psi = 0$ | does not converge |

All gradient penalties are per example: they need a discriminator in which no example depends on the others of its
batch (no batch normalisation). Each is to be multiplied by its weight.

References:
    Mescheder, Geiger & Nowozin, Which Training Methods for GANs do actually Converge? (2018), §2-4 and Appendix D.
        https://arxiv.org/abs/1801.04406
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor


def input_gradient(logits: Float[Tensor, " n"], x: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
    r"""Gradient $\nabla_x D(x)$ of every example, differentiable once more.

    Args:
        logits: $D(x)$, computed from `x`.
        x: where the discriminator was evaluated; must have required a gradient then.

    Returns:
        The gradients, in float32 or better.

    Raises:
        ValueError: the logits were not computed from `x`, or `x` required no gradient.
    """
    gradient = None
    if x.requires_grad and logits.requires_grad:
        (gradient,) = torch.autograd.grad(logits, x, torch.ones_like(logits), create_graph=True, allow_unused=True)
    if gradient is None:
        raise ValueError(
            f"The logits do not depend on x (requires_grad: x {x.requires_grad}, logits {logits.requires_grad}). "
            "Call x.requires_grad_() first and the discriminator on that x, outside torch.no_grad()."
        )
    return gradient


def squared_slopes(logits: Float[Tensor, " n"], x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
    r"""Squared norm of the gradient of every example, $\lVert\nabla_x D(x)\rVert^2$, differentiable once more.

    Args:
        logits: $D(x)$, computed from `x`.
        x: where the discriminator was evaluated; must have required a gradient then.

    Returns:
        Logits squared per data unit squared.

    Raises:
        ValueError: the logits were not computed from `x`, or `x` required no gradient.
    """
    return input_gradient(logits, x).flatten(1).square().sum(1)


def zero_centered_penalty(logits: Float[Tensor, " n"], x: Float[Tensor, "n *event"]) -> Float[Tensor, ""]:
    r"""Half the mean squared norm of the gradient, $\tfrac12\,\mathrm E\,\lVert\nabla_x D(x)\rVert^2$.

    On real examples this is R1, on fakes R2, each to be multiplied by its weight $\gamma$.

    Args:
        logits: $D(x)$, computed from `x`.
        x: real examples (R1) or fakes (R2); must have required a gradient before.

    Returns:
        The penalty, in logits squared per data unit squared.

    Raises:
        ValueError: the logits were not computed from `x`, or `x` required no gradient.

    References:
        Mescheder, Geiger & Nowozin, Which Training Methods for GANs do actually Converge? (2018), Eq. 9 and 10.
        https://arxiv.org/abs/1801.04406

    Examples:
        >>> x = torch.zeros(4, 3, requires_grad=True)
        >>> float(zero_centered_penalty(x @ torch.tensor([1.0, 2.0, 2.0]), x))
        4.5
    """
    return squared_slopes(logits, x).mean() / 2


def analytic_noise_penalty(
    logit_real: Float[Tensor, " n"],
    x: Float[Tensor, "n *event"],
    logit_fake: Float[Tensor, " m"],
    x_fake: Float[Tensor, "m *event"],
) -> Float[Tensor, ""]:
    r"""The effect of small noise on real examples and fakes on the logistic loss, to first order in its variance.

    $$ \tfrac12\,\mathrm E_p\,(1-\sigma(\ell))^2\lVert\nabla\ell\rVert^2 + \tfrac12\,\mathrm E_q\,\sigma(\ell)^2
    \lVert\nabla\ell\rVert^2 $$

    To be multiplied by the variance $\gamma$ of the noise. It vanishes where the discriminator is correct with
    certainty.

    Args:
        logit_real: logits $\ell$ of real examples, computed from `x`.
        x: real examples; must have required a gradient before.
        logit_fake: logits of fakes, computed from `x_fake`.
        x_fake: fakes; must have required a gradient before.

    Returns:
        The penalty, in logits squared per data unit squared.

    Raises:
        ValueError: logits that were not computed from their examples, or examples that required no gradient.

    References:
        Roth, Lucchi, Nowozin & Hofmann, Stabilizing Training of Generative Adversarial Networks through Regularization
            (2017), Algorithm 1. https://arxiv.org/abs/1705.09367

    Examples:
        >>> x = torch.zeros(4, 3, requires_grad=True)
        >>> logits = x @ torch.tensor([1.0, 2.0, 2.0])
        >>> analytic_noise_penalty(logits, x, logits, x).item()
        2.25
    """
    real = torch.sigmoid(-logit_real).square() * squared_slopes(logit_real, x)
    fake = torch.sigmoid(logit_fake).square() * squared_slopes(logit_fake, x_fake)
    return (real.mean() + fake.mean()) / 2


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor],
    x: Float[Tensor, "n *event"],
    x_fake: Float[Tensor, "n *event"],
    eps: Float[Tensor, " n"],
) -> Float[Tensor, ""]:
    r"""Squared distance of the gradient's norm from one, on lines between real examples and fakes.

    $$ \mathrm E\,(\lVert\nabla_{\hat x} D(\hat x)\rVert_2 - 1)^2, \qquad \hat x = \varepsilon x + (1 -
    \varepsilon)\tilde x, \quad \varepsilon \sim U(0, 1) \text{ for every example}. $$

    Args:
        discriminator: maps (n, *event) to (n,) values of the critic $D$.
        x: real examples.
        x_fake: as many fakes $\tilde x$.
        eps: uniform $\varepsilon$ of every example.

    Returns:
        The penalty, to be multiplied by its weight $\lambda$; 0 for a critic of slope 1 everywhere.

    References:
        Gulrajani et al., Improved Training of Wasserstein GANs (2017), Eq. 3. https://arxiv.org/abs/1704.00028

    Examples:
        >>> gradient_penalty(lambda x: x.sum(1), torch.zeros(8, 1), torch.ones(8, 1), torch.rand(8))
        tensor(0.)
    """
    return (_slope(discriminator, _between(x, x_fake, eps)) - 1).square().mean()


def one_sided_gradient_penalty(
    discriminator: Callable[[Tensor], Tensor],
    x: Float[Tensor, "n *event"],
    x_fake: Float[Tensor, "n *event"],
    eps: Float[Tensor, " n"],
) -> Float[Tensor, ""]:
    r"""Squared excess of the gradient's norm over one, on lines between real examples and fakes (WGAN-LP).

    $$ \mathrm E\,\max(0, \lVert\nabla_{\hat x} D(\hat x)\rVert_2 - 1)^2, \qquad \hat x = \varepsilon x + (1 -
    \varepsilon)\tilde x $$

    Regions where a critic has a norm below one are not penalised, in agreement with the constraint of $W_1$.

    Args:
        discriminator: maps (n, *event) to (n,) values of the critic $D$.
        x: real examples.
        x_fake: as many fakes $\tilde x$.
        eps: uniform $\varepsilon$ of every example.

    Returns:
        The penalty, to be multiplied by its weight $\lambda$; 0 for any 1-Lipschitz critic.

    References:
        Petzka, Fischer & Lukovnikov, On the regularization of Wasserstein GANs (2018), Eq. 8.
            https://arxiv.org/abs/1709.08894

    Examples:
        >>> one_sided_gradient_penalty(lambda x: 0.5 * x.sum(1), torch.zeros(8, 1), torch.ones(8, 1), torch.rand(8))
        tensor(0.)
    """
    return (_slope(discriminator, _between(x, x_fake, eps)) - 1).relu().square().mean()


def dragan_penalty(
    discriminator: Callable[[Tensor], Tensor], x: Float[Tensor, "n *event"], noise: Float[Tensor, "n *event"]
) -> Float[Tensor, ""]:
    r"""Squared distance of the gradient's norm from one around the data (DRAGAN).

    $$ \mathrm E\,(\lVert\nabla_{\hat x} D(\hat x)\rVert_2 - 1)^2, \qquad \hat x = x + \delta $$

    Args:
        discriminator: maps (n, *event) to (n,) logits.
        x: real examples.
        noise: $\delta$, drawn afresh for every component and centred: $\mathcal N(0, c)$ in the paper, or
            `dragan_noise`.

    Returns:
        The penalty, to be multiplied by its weight $\lambda$; 0 for a discriminator of slope 1 everywhere.

    References:
        Kodali, Abernethy, Hays & Kira, On Convergence and Stability of GANs (2017), §2.3 with $k = 1$.
            https://arxiv.org/abs/1705.07215

    Examples:
        >>> dragan_penalty(lambda x: 3 * x.sum(1), torch.zeros(8, 1), torch.randn(8, 1))
        tensor(4.)
    """
    return (_slope(discriminator, x + noise) - 1).square().mean()


def dragan_noise(x: Float[Tensor, "n *event"], u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
    r"""Noise $\delta = \tfrac12\,\mathrm{std}(x)\,(2u - 1)$, uniform and centred, for `dragan_penalty`.

    The width is that of the authors' program, half the standard deviation of all components of the batch. There
    the noise is not centred, $\tfrac12\,\mathrm{std}(x)\,u$: it brightens every image.

    Args:
        x: real examples.
        u: uniform numbers in [0, 1).

    Returns:
        The noise, in data units.

    References:
        Kodali, Abernethy, Hays & Kira (2017), and their program.
    """
    return x.std(correction=0) * (u - 0.5)


def historical_averaging(
    parameters: Iterable[Float[Tensor, "..."]], averages: Iterable[Float[Tensor, "..."]]
) -> Float[Tensor, ""]:
    r"""Squared distance of a player's parameters from their average over the past.

    $$ \sum_j \left\lVert\theta_j - \tfrac1t\textstyle\sum_{i=1}^t\theta_{j,i}\right\rVert^2 $$

    Args:
        parameters: tensors $\theta_j$ of the player.
        averages: the average of each over the steps so far (`running_average`), held fixed.

    Returns:
        The penalty, in parameter units squared.

    Raises:
        ValueError: not one average for each parameter, or none at all.

    References:
        Salimans et al., Improved Techniques for Training GANs (2016), §3.3. https://arxiv.org/abs/1606.03498

    Examples:
        >>> historical_averaging([torch.tensor([3.0, 4.0])], [torch.zeros(2)])
        tensor(25.)
    """
    pairs = list(zip(parameters, averages, strict=True))
    if not pairs:
        raise ValueError("there are no parameters; pass those of the player.")
    return torch.stack([(theta - average.detach()).square().sum() for theta, average in pairs]).sum()


def running_average(
    average: Float[Tensor, "*shape"], value: Float[Tensor, "*shape"], count: int | Int[Tensor, ""]
) -> Float[Tensor, "*shape"]:
    r"""Average of `count` values, from the average of the first `count` − 1 and the last.

    Args:
        average: of the values before; anything finite when there was none.
        value: the newest value.
        count: how many values there are with it, from 1; a tensor is not checked.

    Returns:
        $\bar\theta_t = \bar\theta_{t-1} + (\theta_t - \bar\theta_{t-1})/t$, without a graph.

    Raises:
        ValueError: a count below 1.
    """
    if isinstance(count, int) and count < 1:
        raise ValueError(f"count is {count}; expected the number of values with the newest, at least 1.")
    return average.detach() + (value.detach() - average.detach()) / count


@torch.no_grad()
def clip_weights(parameters: Iterable[Float[Tensor, "..."]], limit: float) -> None:
    """Clip every parameter into [-limit, limit], in place: the first and simplest method to bound a critic's gradient.

    Args:
        parameters: of the critic.
        limit: largest absolute value; 0.01 in the paper.

    Raises:
        ValueError: a limit that is not positive.

    References:
        Arjovsky, Chintala & Bottou, Wasserstein GAN (2017), Alg. 1, line 7. https://arxiv.org/abs/1701.07875
    """
    if not limit > 0:
        raise ValueError(f"limit is {limit}; expected a positive number, 0.01 in the paper.")
    for theta in parameters:
        theta.clamp_(-limit, limit)


def _between(x: Tensor, x_fake: Tensor, eps: Tensor) -> Tensor:
    """Return the points eps x + (1 - eps) x_fake, one on each line."""
    weight = eps.reshape(-1, *[1] * (x.ndim - 1))
    return weight * x + (1 - weight) * x_fake


def _slope(discriminator: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return (n,) norms of the gradient at each point, differentiable once more."""
    x = x.detach().requires_grad_()
    return torch.linalg.vector_norm(input_gradient(discriminator(x), x).flatten(1), dim=1)
