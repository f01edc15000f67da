r"""Flow matching: a velocity that carries noise to data along straight lines.

**Model.** Noise $z \sim \mathcal N(0, I)$ and an example $x$ in standard units are joined by

$$ y_t = (1 - (1 - \sigma_\text{min})\,t)\,z + t\,x, \qquad \dot y_t = x - (1 - \sigma_\text{min})\,z, $$

from $y_0 = z$ to $y_1 = x + \sigma_\text{min} z$. Many lines meet at a point; the network learns their mean velocity,
$v(y, t) = \mathrm E[\dot y_t \mid y_t = y]$, whose solutions have the same distribution at every time (Lipman et al.
2023, Theorem 1). With $a = 1 - (1 - \sigma_\text{min}) t$, the share of the noise,

$$ v(y, t) = \frac{t - (1 - \sigma_\text{min})\,a}{a^2 + t^2}\,y + \frac{1}{\sqrt{a^2 + t^2}}\,
   F\Big(\frac{y}{\sqrt{a^2 + t^2}}, t\Big) . $$

The first part is the best velocity of Gaussian data, the second has the size of what is left, and $F = 0$ at the start.

**Objective.** The mean of $|v(y_t, t) - \dot y_t|^2$ per component, with t uniform and evenly spread over a batch. Its
least value is not 0 but the variance of the lines that meet: $\pi/2$ for Gaussian data, less for others.

**Pairs.** Independent, or permuted within a batch so that lines are short and seldom cross (`objectives/coupling.py`).
Then fewer steps are needed. The permutation is computed on the CPU from the values of the batch, so that such a step
cannot be recorded and replayed on a GPU; with independent pairs it can.

**Sampling** solves the equation by Euler's, Heun's or the fourth-order method of `mcmc/runge_kutta.py`, on a uniform
grid of t. **Labels, density, levels**: see `families/probability_flow.py`.

**Relation to diffusion.** $y_t$ is $t$ times data with noise $\sigma = (1 - (1-\sigma_\text{min}) t) / t$, so the
velocity is a denoiser in other words, $\mathrm E[x \mid y] = a\,v + (1 - \sigma_\text{min})\,y$: the two families
differ in the distribution of the noise levels, in weights, and in the grid of the sampler.

References:
    Lipman, Chen, Ben-Hamu, Nickel & Le, Flow Matching for Generative Modeling (2023).
        https://arxiv.org/abs/2210.02747
    Liu, Gong & Liu, Flow Straight and Fast (2023). https://arxiv.org/abs/2209.03003
    Tong et al., Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport (2024).
        https://arxiv.org/abs/2302.00482
"""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor

from veridical.config.families.flow_matching import FlowMatchingConfig, FlowMatchingSampling
from veridical.config.sampling import SamplingOptions, options_of
from veridical.families.probability_flow import ProbabilityFlow
from veridical.mcmc.runge_kutta import SCHEMES, solve
from veridical.model import Batch, Loss
from veridical.noise import Noise, noise_for
from veridical.objectives.coupling import optimal_pairs
from veridical.objectives.noise_levels import even_uniform


class FlowMatching(ProbabilityFlow[FlowMatchingConfig]):
    """A velocity from noise to data (module docstring: model, objective, pairs).

    Args:
        config: pairs, network, labels, likelihood, optimiser.
        facts: of the data.
        network: see `ProbabilityFlow`; a level is the time t.

    Examples:
        >>> from veridical.data.space import Space
        >>> model = FlowMatching(FlowMatchingConfig(width=8), Space((2,), kind="vector", support=None, levels=None))
        >>> model.sample(3).shape, model.log_prob(torch.zeros(5, 2)).shape
        (torch.Size([3, 2]), torch.Size([5]))
    """

    sampling_options = FlowMatchingSampling
    papers = (
        "Lipman, Chen, Ben-Hamu, Nickel & Le, Flow Matching for Generative Modeling, ICLR 2023. "
        "https://arxiv.org/abs/2210.02747",
        "Liu, Gong & Liu, Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow, ICLR "
        "2023. https://arxiv.org/abs/2209.03003",
        "Tong et al., Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport, TMLR "
        "2024. https://arxiv.org/abs/2302.00482",
    )

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern; None with optimal pairs, which are computed from the values of the batch."""
        return None if self.config.coupling == "optimal" else ()

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the mean squared error per component of the velocity, in standard units.

        Terms: `loss`; `length`, the mean squared velocity of the lines per component, about 2 for independent pairs.
        """
        x = self.to_standard(batch.x)
        z, t = torch.randn_like(x), self.column(even_uniform(len(x), x.device), x)
        if self.config.coupling == "optimal":
            z = z[optimal_pairs(z, x, batch.c if self.classes else None)]
        error, line = self.errors(x, t, z, self.training_labels(batch))
        return Loss(error.mean(), {"loss": error.mean(), "length": line.square().mean()})

    def errors(self, x: Tensor, t: Tensor, z: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (B,) mean squared errors per component of the velocity, and the velocities of the lines.

        Args:
            x: (B, *event) examples in standard units.
            t: (B, 1, ...) times.
            z: (B, *event) normal numbers.
            c: (B,) labels, of which `classes` is none.
        """
        line = x - (1 - self.sigma_min) * z
        found = self.moving(self.share_of_noise(t) * z + t * x, t, c)
        return (found - line).square().flatten(1).mean(1), line

    def share_of_noise(self, t: Tensor) -> Tensor:
        """Return the factor a of the noise at times t."""
        return 1 - (1 - self.sigma_min) * t

    def moving(self, y: Tensor, t: Tensor, c: Tensor | None, guidance: float = 1.0) -> Tensor:
        """Return the velocity: that of Gaussian data, and what the network adds.

        Args:
            y: (B, *event) in standard units.
            t: (B, 1, ...) times.
            c: labels of `label_rows`.
            guidance: weight of the class.
        """
        a, s = self.share_of_noise(t), 1 - self.sigma_min
        variance = a**2 + t**2
        scale = variance.rsqrt()
        return (t - s * a) / variance * y + scale * self.guided(scale * y, t.flatten(), c, guidance)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *event) examples by solving the equation from noise to data.

        Raises:
            ValueError: the number of evaluations is no multiple of those of a step.
        """
        chosen = options_of(FlowMatchingSampling, options)
        noise, labels = noise_for(n, self.device, noise), self.label_rows(n, c)
        guidance = self.guidance_of(chosen.guidance, c)
        each, evaluations = SCHEMES[chosen.method].evaluations, chosen.evaluations or self.config.evaluations
        if evaluations % each:
            raise ValueError(
                f"evaluations is {evaluations}; {chosen.method} takes {each} for each step: choose a multiple of it."
            )
        y = noise.normal(*self.space.shape, dtype=next(self.parameters()).dtype)
        times = self.times(evaluations // each).flip(0)
        y = solve(lambda y, t: self.moving(y, self.column(t, y), labels, guidance), y, times, chosen.method)
        return self.from_standard(y, noise, c)

    def denoised(self, x: Tensor, sigma: Tensor, c: Tensor | None, guidance: float = 1.0) -> Tensor:
        """Return a v + (1 - sigma_min) y at the time whose noise is sigma."""
        t = 1 / (self.column(sigma, x) + 1 - self.sigma_min)
        v = self.moving(t * x, t, c, guidance)
        return self.share_of_noise(t) * v + (1 - self.sigma_min) * t * x

    # The density.

    @property
    def shrinkage(self) -> float:
        """1: the state at the end is the example with its noise."""
        return 1.0

    def times(self, steps: int) -> Tensor:
        """Return the times from 1, the data, to 0, the noise."""
        return torch.linspace(1, 0, steps + 1, dtype=torch.float64, device="cpu")

    def velocity(self, y: Tensor, t: Tensor, c: Tensor | None) -> Tensor:
        """Return the velocity at time t ()."""
        return self.moving(y, self.column(t, y), c)
