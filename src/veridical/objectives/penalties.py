r"""Penalties on the gradient of the discriminator with respect to its input.

Without one, the game circles around its equilibrium or leaves it: near the equilibrium of the Dirac-GAN the
eigenvalues of the gradient field are $\pm i f'(0)$, and with R1 of weight $\gamma$ they are $-\gamma/2 \pm
\sqrt{\gamma^2/4 - f'(0)^2}$ (Mescheder, Geiger & Nowozin, 2018, §2 and §4). All penalties are per example:
they need a discriminator in which no example depends on the others of its batch (no batch normalisation).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
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
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True, allow_unused=True)
    if gradient is None:
        raise ValueError(
            f"The logits do not depend on x (requires_grad: x {x.requires_grad}, logits {logits.requires_grad}). "
            "Call x.requires_grad_() first and the discriminator on that x, outside torch.no_grad()."
        )
    return gradient


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
    return input_gradient(logits, x).flatten(1).square().sum(1).mean() / 2


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
    weight = eps.reshape(-1, *[1] * (x.ndim - 1))
    x_hat = (weight * x + (1 - weight) * x_fake).detach().requires_grad_()
    norm = torch.linalg.vector_norm(input_gradient(discriminator(x_hat), x_hat).flatten(1), dim=1)
    return (norm - 1).square().mean()
