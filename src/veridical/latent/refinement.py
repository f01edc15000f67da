r"""Refinement: samples are moved along the discriminator, by gradient flows.

With the best discriminator the logit is $\ell = \log p/q$: a landscape that is high where samples are missing and low
where there are too many. Samples of $q$ that climb it move towards the data and end at its local maxima (the sinks of
the flow).

**The gradient flow.** Let $\rho_t$ be the distribution of the samples, $\ell_t = \log p/\rho_t$, and
$F(\rho) = \int p\, f(\rho/p)\,dx + \gamma \int \rho \log \rho\,dx$. The steepest descent of $F$ in the Wasserstein
metric moves every sample by

$$ dx = -\nabla f'(\rho_t/p)\,dt + \sqrt{2\gamma}\,dW = s(\ell_t)\,\nabla\ell_t\,dt + \sqrt{2\gamma}\,dW $$

| divergence | $f(r)$ | $s(\ell)$ |
|---|---|---|
| `kl`: $\mathrm{KL}(\rho \Vert p)$ | $r\log r$ | 1 |
| `js`: $2\,\mathrm{JS}$ | $r\log r-(r+1)\log\frac{r+1}2$ | $\sigma(\ell)$ |
| `logd`: $-\int (p + \rho) \log D\,dx$, $D = \sigma(\ell)$ | $(r+1)\log(r+1)$ | $\sigma(-\ell)$ |

For $\gamma = 0$ only $p$ is stationary; for KL with $\gamma > 0$ it is the flatter $p^{1/(1+\gamma)}$. The flow needs
the present ratio at every time: `gradient_flow` computes it before every step.

**The usual method** (Ansari et al. 2021) keeps the discriminator of the *start*, $\ell = \log p/q$ (`refine`).
This is the gradient flow at $t = 0$ and another flow afterwards: its samples do not converge to $p$. It is Langevin
dynamics in a fixed landscape, with the stationary distribution

$$ \rho_\infty \propto e^{-f'(e^{-\ell})/\gamma}: \qquad
   \text{kl } (p/q)^{1/\gamma}, \quad \text{js } (1 + p/q)^{1/\gamma}, \quad \text{logd } (1 + q/p)^{-1/\gamma} $$

where that can be normalised (`log_stationary`; on all of space js never is), and for $\gamma = 0$ it ends at the maxima
of $\ell$. Between Gaussians, $p$ of variance $s^2$ and $q$ of $v$, with $a = 1/s^2 - 1/v$, the static KL flow has the
variance $v e^{-2at} + \gamma(1 - e^{-2at})/a$: if $q$ is too wide, the variance passes $s^2$ and shrinks to $\gamma/a$;
if $q$ is too narrow ($a < 0$), it grows without limit. So take *few steps*: refinement is an early part of the right
flow, and `step_to_the_data` says how early.

**In latent space** the same is done to codes, with the landscape $\ell(G(z))$ (`refine_codes`). The samples stay in
the range of the generator. No term keeps codes where the prior has mass; `plug_and_play` with $\ell \circ G$ as the
condition has such a term, and its distribution $p(z) e^{\ell(G(z))}$, pushed through $G$, is exactly $p$ if $\ell$ is
exact and the range of the generator covers the data.

References:
    Ansari, Ang & Soh, Refining Deep Generative Samples with Discriminator Gradient Flow (2021).
        https://arxiv.org/abs/2012.00780
    Che et al., Your GAN is Secretly an Energy-based Model and You Should Use Discriminator Driven Latent Sampling
        (2020). https://arxiv.org/abs/2003.06060
    Jordan, Kinderlehrer & Otto, The Variational Formulation of the Fokker-Planck Equation (1998).
        https://doi.org/10.1137/S0036141096303359
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from veridical.config.sampling import Divergence
from veridical.mcmc.langevin import evaluate, unadjusted_step
from veridical.noise import Noise

Logits = Callable[[Tensor], Tensor]
"""(B, *event) → (B,): log p/q, nats, up to a constant for KL."""

DIVERGENCES: tuple[Divergence, ...] = get_args(Divergence)


def weight(logits: Float[Tensor, "*batch"], divergence: Divergence) -> Float[Tensor, "*batch"]:
    r"""Weight $s(\ell) = -\frac{d}{d\ell} f'(e^{-\ell})$ of the drift $s(\ell)\nabla\ell$.

    Args:
        logits: $\ell$, nats.
        divergence: which one the flow descends.

    Returns:
        The weight, in (0, 1].

    Examples:
        >>> [weight(torch.zeros(()), name).item() for name in DIVERGENCES]
        [1.0, 0.5, 0.5]
    """
    match divergence:
        case "kl":
            return torch.ones_like(logits)
        case "js":
            return logits.sigmoid()
        case "logd":
            return (-logits).sigmoid()
    raise ValueError(f"divergence is {divergence!r}; expected one of {', '.join(DIVERGENCES)}.")


def velocity(logits: Logits, x: Float[Tensor, "B *event"], divergence: Divergence = "kl") -> Float[Tensor, "B *event"]:
    r"""Velocity $s(\ell(x))\,\nabla\ell(x)$ of every sample, in units of 1/x."""
    _, log_ratio, slope = evaluate(logits, x)
    return weight(log_ratio, divergence).reshape(-1, *[1] * (x.ndim - 1)) * slope


def gradient_flow(
    estimate: Callable[[Tensor], Logits],
    x: Float[Tensor, "B *event"],
    *,
    divergence: Divergence = "kl",
    step: float,
    n_steps: int,
    entropy_weight: float = 0.0,
    noise: Noise | None = None,
) -> Float[Tensor, "B *event"]:
    r"""Move samples along the gradient flow of a divergence to the data, by Euler's method.

    Args:
        estimate: from the samples as they are now to $\ell = \log p/\rho$; called before every step.
        x: samples to start from.
        divergence: the one that decreases.
        step: $dt$, in squared units of x.
        n_steps: number of steps.
        entropy_weight: $\gamma$, of the negative entropy; 0 adds no noise.
        noise: one row for each example; None: torch's global generator.

    Returns:
        The samples at time `n_steps * step`.
    """
    if n_steps < 0:
        raise ValueError(f"n_steps is {n_steps}; expected at least 0.")
    for _ in range(n_steps):
        drift = velocity(estimate(x), x, divergence)
        x = unadjusted_step(x, drift, step, temperature=entropy_weight, noise=noise)
    return x.detach()


def refine(
    logits: Logits,
    x: Float[Tensor, "B *event"],
    *,
    divergence: Divergence = "kl",
    step: float,
    n_steps: int = 25,
    entropy_weight: float = 0.0,
    noise: Noise | None = None,
) -> Float[Tensor, "B *event"]:
    """Move samples along one and the same discriminator; see `gradient_flow` and the module docstring.

    Args:
        logits: the discriminator, (B, *event) → (B,).
        x: samples in data space.
        divergence: whose gradient flow is followed.
        step: step size, in squared data units.
        n_steps: number of steps.
        entropy_weight: weight of the added noise; 0: none is added.
        noise: B rows, from which the added noise is drawn; None: torch's global generator.

    Examples:
        >>> refine(lambda x: 2 * x[:, 0], torch.zeros(1, 1), step=0.1, n_steps=5)
        tensor([[1.]])
    """
    return gradient_flow(
        lambda _: logits,
        x,
        divergence=divergence,
        step=step,
        n_steps=n_steps,
        entropy_weight=entropy_weight,
        noise=noise,
    )


def step_to_the_data(
    logits: Logits, x: Float[Tensor, "n *event"], *, divergence: Divergence = "kl", step: float, n_steps: int = 25
) -> float:
    r"""Return the longest of `step`, `step` / 2, ... after whose `n_steps` the samples have not passed the data.

    Under the data $\ell$ has the mean $\mathrm E_p\,\ell = \mathrm E_q\,e^\ell \ell / \mathrm E_q\,e^\ell$, which
    samples of $q$ alone estimate. Samples that climb $\ell$ have more after every step; where one is too long for the
    landscape, they have less.

    Args:
        logits: the discriminator, (B, *event) → (B,).
        x: samples of q.
        divergence: whose gradient flow is followed.
        step: the longest one, in squared data units.
        n_steps: number of steps.

    Returns:
        The step, at least `step` / 2^20.
    """
    heights: list[Tensor] = []

    def watched(x: Tensor) -> Tensor:
        height = logits(x)
        heights.append(height.detach().double())
        return height

    for _ in range(20):
        heights.clear()
        end = refine(watched, x, divergence=divergence, step=step, n_steps=n_steps)
        with torch.no_grad():
            watched(end)
        data = (heights[0].softmax(0) * heights[0]).sum()
        means = [height.mean() for height in heights]
        if all(low <= high for low, high in pairwise(means)) and means[-1] <= data:
            break
        step /= 2
    return step


def pulled_back(logits: Logits, decode: Callable[[Tensor], Tensor]) -> Logits:
    """Return the landscape of codes: the logits of what they decode to."""
    return lambda z: logits(decode(z))


def refine_codes(
    logits: Logits,
    decode: Callable[[Tensor], Tensor],
    z: Float[Tensor, "B *latent"],
    *,
    divergence: Divergence = "kl",
    step: float = 0.1,
    n_steps: int = 25,
    entropy_weight: float = 0.01,
    noise: Noise | None = None,
) -> Float[Tensor, "B *latent"]:
    r"""Move codes along the discriminator of the decoded examples; the defaults are those of Ansari et al. (2021).

    Args:
        logits: of the discriminator, on examples.
        decode: from codes to examples.
        z: codes to start from.
        divergence: the one that decreases.
        step: time per step, in squared units of z.
        n_steps: number of steps.
        entropy_weight: $\gamma$, which adds noise to the codes.
        noise: one row for each example; None: torch's global generator.

    Returns:
        The codes; decode them.
    """
    return refine(
        pulled_back(logits, decode),
        z,
        divergence=divergence,
        step=step,
        n_steps=n_steps,
        entropy_weight=entropy_weight,
        noise=noise,
    )


def log_stationary(
    logits: Float[Tensor, "*batch"], divergence: Divergence, entropy_weight: float
) -> Float[Tensor, "*batch"]:
    r"""Log-density, up to a constant, that the static flow leaves invariant: $-f'(e^{-\ell})/\gamma$.

    Args:
        logits: $\ell$ at the points of interest.
        divergence: of the flow.
        entropy_weight: $\gamma > 0$.

    Returns:
        Nats, up to a constant; whether it can be normalised depends on the landscape.
    """
    if entropy_weight <= 0:
        raise ValueError(
            f"entropy_weight is {entropy_weight}; without noise the flow ends at the peaks: expected a number above 0."
        )
    match divergence:
        case "kl":
            return logits / entropy_weight
        case "js":
            return F.softplus(logits) / entropy_weight
        case "logd":
            return F.logsigmoid(logits) / entropy_weight
    raise ValueError(f"divergence is {divergence!r}; expected one of {', '.join(DIVERGENCES)}.")


def normalised(logits: Logits, x_fake: Float[Tensor, "n *event"]) -> Logits:
    r"""Fix the constant that a relativistic discriminator leaves open, from $\mathrm E_q\,e^\ell = \int p = 1$.

    KL does not depend on the constant; js and logd do.

    Args:
        logits: $\log p/q$ up to a constant.
        x_fake: samples of $q$.

    Returns:
        Logits whose exponential has mean 1 over the samples.
    """
    with torch.no_grad():
        constant = log_constant(logits(x_fake))
    return lambda x: logits(x) - constant.to(x.dtype)


def log_constant(logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Logarithm of the mean of $e^\ell$ over samples of $q$, in nats: the constant of a relativistic discriminator."""
    return (torch.logsumexp(logits.double(), dim=0) - math.log(len(logits))).to(logits.dtype)
