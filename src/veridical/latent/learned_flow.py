r"""A generator made of discriminators: noise follows a gradient flow whose density ratio is estimated along the way.

`refinement.gradient_flow` moves samples by $dx = s(\ell_t)\nabla\ell_t\,dt$, $\ell_t = \log p/\rho_t$, $\rho_t$ the
distribution of the samples at time t. The ratio is not known, but a classifier that tells data from the present samples
learns it: the logits that minimise

$$ \mathrm E_{p}\,\mathrm{softplus}(-V(x)) + \mathrm E_{\rho_t}\,\mathrm{softplus}(V(x)) $$

are $V = \log p/\rho_t$, and the minimum is $2\log 2 - 2\,\mathrm{JS}(p, \rho_t)$, so the loss says how far the samples
are from the data. `learn` takes a few steps of Adam on V, moves all samples by one step of the flow, and goes on from
the same weights, since the ratio has changed little. It can start anywhere: at noise, or at samples of a generator.

**It generates.** The discriminators of all times are kept, and `LearnedFlow.transport` moves any other draws of the
start through the same sequence of fields. Those draws had no part in it: sample i depends on its own start alone, and a
discriminator that had learned the particles by heart would not help them.

**It ends at the data**, unlike the flow that keeps its first discriminator: between Gaussians of variance $v_0$ and
$s^2$ the variance under KL is $s^2 + (v_0 - s^2)e^{-2t/s^2}$. What remains is the error of the estimate, above all its
delay: a discriminator that lags behind the samples drives them past the data, as in any game. More updates at every
step, or smaller steps, shorten the delay; steps fall geometrically to the share `last` of the first one. Under JS
the weight $s = \sigma(\ell)$ vanishes where $\ell \ll 0$: samples far from all data hardly move, so start near them.

References:
    Gao, Jiao, Wang, Wang, Yang & Zhang, Deep Generative Learning via Variational Gradient Flow (2019).
        https://arxiv.org/abs/1901.08469
    Ansari, Ang & Soh, Refining Deep Generative Samples with Discriminator Gradient Flow (2021).
        https://arxiv.org/abs/2012.00780
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from veridical.config.sampling import Divergence
from veridical.latent.refinement import Logits, refine
from veridical.nn.mlp import MLP
from veridical.noise import Noise


@dataclass(frozen=True)
class LearnedFlow:
    """The fields of all steps."""

    discriminator: nn.Module
    """(B, *event) → (B,) logits."""

    weights: tuple[dict[str, Tensor], ...]
    """Its parameters in every step."""

    steps: tuple[float, ...]
    """dt of every step, in squared units of x."""

    losses: Float[Tensor, " n_steps"]
    r"""Logistic loss before every step, nats: $2\log 2$ where data and samples look the same."""

    x: Float[Tensor, "n *event"]
    """The samples from which it was learned, at the end."""

    divergence: Divergence
    """Which one decreases."""

    entropy_weight: float
    """Weight of the negative entropy; 0 adds no noise."""

    def logits(self, n: int) -> Logits:
        """Return the log ratio that the n-th step used, from 0; -1: the last."""
        weights = self.weights[n]
        return lambda x: functional_call(self.discriminator, weights, (x,))

    def transport(
        self, x: Float[Tensor, "B *event"], *, first: int = 0, last: int | None = None, noise: Noise | None = None
    ) -> Float[Tensor, "B *event"]:
        """Move other draws of the start through the same fields.

        Args:
            x: where they are before the step `first`.
            first: step to begin with.
            last: step to end before; None: all.
            noise: one row for each, if the entropy has a weight; None: torch's global generator.
        """
        for n in range(len(self.steps))[first:last]:
            x = _moved(self.logits(n), x, self.divergence, self.steps[n], self.entropy_weight, noise)
        return x


class RatioNetwork(nn.Module):
    """Logits of vectors of order one: a perceptron, 0 everywhere at the start.

    Its input has no Fourier features, which help the discriminator of a GAN: they are periodic, and where samples are
    few and far from the data the field would point anywhere.

    Args:
        dim: components of a vector.
        width: units of a layer.
        depth: layers.
    """

    def __init__(self, dim: int, *, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.perceptron = MLP(dim, 1, width, depth)
        nn.init.zeros_(self.perceptron.last.weight)

    def forward(self, x: Float[Tensor, "B dim"]) -> Float[Tensor, " B"]:
        """Return the logit of every vector."""
        return self.perceptron(x)[:, 0]


class RatioEstimator:
    r"""Learns $\log p/\rho$ of the samples it is called with, from the weights where it was before.

    Args:
        discriminator: (B, *event) → (B,) logits; trained in place.
        data: (n, *event) examples.
        batch_size: examples, and samples, of each update; all of them where there are no more.
        lr: rate of Adam.
        generator: draws batches; None: torch's.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        data: Float[Tensor, "n *event"],
        *,
        batch_size: int = 256,
        lr: float = 5e-3,
        generator: torch.Generator | None = None,
    ) -> None:
        self.discriminator, self.data, self.batch_size, self.generator = discriminator, data, batch_size, generator
        self.optimizer = torch.optim.Adam(discriminator.parameters(), lr=lr, betas=(0.9, 0.99))

    def update(self, x: Float[Tensor, "n *event"], updates: int) -> Float[Tensor, ""]:
        """Take some steps of Adam; return the mean of their losses, nats.

        Args:
            x: the samples as they are now.
            updates: number of steps.
        """
        losses = []
        for _ in range(updates):
            with torch.enable_grad():
                loss = logistic_loss(self.discriminator, self._batch(self.data), self._batch(x))
                self.optimizer.zero_grad()
                loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the parameters."""
        return {name: value.detach().clone() for name, value in self.discriminator.named_parameters()}

    def _batch(self, x: Tensor) -> Tensor:
        if len(x) <= self.batch_size:
            return x
        return x[torch.randint(len(x), (self.batch_size,), generator=self.generator).to(x.device)]


def learn(
    data: Float[Tensor, "m *event"],
    x: Float[Tensor, "n *event"],
    discriminator: nn.Module,
    *,
    divergence: Divergence = "kl",
    step: float = 0.01,
    last: float = 0.1,
    n_steps: int = 200,
    updates: int = 20,
    first_updates: int = 200,
    batch_size: int = 256,
    lr: float = 5e-3,
    entropy_weight: float = 0.0,
    noise: Noise | None = None,
    generator: torch.Generator | None = None,
) -> LearnedFlow:
    r"""Move samples to the data along a discriminator that learns the ratio anew before every step.

    Args:
        data: examples of p, of order one for `RatioNetwork`.
        x: samples to start from.
        discriminator: (B, *event) → (B,) logits; trained in place.
        divergence: the one that decreases.
        step: first dt, in squared units of x.
        last: share of it that the last step has; between them dt falls geometrically.
        n_steps: number of steps.
        updates: steps of Adam before every step of the flow.
        first_updates: those before the first one.
        batch_size: examples, and samples, of each update.
        lr: rate of Adam.
        entropy_weight: $\gamma$, of the negative entropy; 0 adds no noise.
        noise: one row for each sample, if the entropy has a weight; None: torch's global generator.
        generator: draws batches; None: torch's.

    Raises:
        ValueError: no step, or no update.
    """
    for name, value in (("n_steps", n_steps), ("updates", updates), ("first_updates", first_updates)):
        if value < 1:
            raise ValueError(f"{name} is {value}; expected at least 1.")
    estimator = RatioEstimator(discriminator, data, batch_size=batch_size, lr=lr, generator=generator)
    weights, losses, steps = [], [], geometric(step, last, n_steps)
    for n, dt in enumerate(steps):
        losses.append(estimator.update(x, updates if n else first_updates))
        weights.append(estimator.weights())
        x = _moved(discriminator, x, divergence, dt, entropy_weight, noise)
    return LearnedFlow(discriminator, tuple(weights), steps, torch.stack(losses), x, divergence, entropy_weight)


def logistic_loss(logits: Logits, data: Float[Tensor, "m *event"], x: Float[Tensor, "n *event"]) -> Float[Tensor, ""]:
    r"""Return the loss of a classifier of data and samples, in nats; see the module docstring.

    Examples:
        >>> logistic_loss(lambda x: 0 * x[:, 0], torch.ones(3, 1), torch.zeros(2, 1))
        tensor(1.3863)
    """
    return F.softplus(-logits(data)).mean() + F.softplus(logits(x)).mean()


def geometric(step: float, last: float, n_steps: int) -> tuple[float, ...]:
    """Return steps that fall geometrically.

    Args:
        step: the first.
        last: share of it that the last has.
        n_steps: their number.

    Examples:
        >>> geometric(0.4, 0.25, 3)
        (0.4, 0.2, 0.1)
    """
    return tuple(step * last ** (n / max(1, n_steps - 1)) for n in range(n_steps))


def _moved(
    logits: Logits, x: Tensor, divergence: Divergence, dt: float, entropy_weight: float, noise: Noise | None
) -> Tensor:
    return refine(logits, x, divergence=divergence, step=dt, n_steps=1, entropy_weight=entropy_weight, noise=noise)
