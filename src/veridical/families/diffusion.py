r"""Diffusion (EDM): one network removes noise of every scale; taking it away step by step generates.

**Model.** Data $x_0$ in standard units get noise, $x = x_0 + \sigma\varepsilon$, with $\sigma$ from $\sigma_\text{min}$
to $\sigma_\text{max}$. The denoiser $D(x; \sigma)$ estimates $\mathrm E[x_0 \mid x]$ and thereby the score of the noisy
data, $\nabla\log p_\sigma = (D - x)/\sigma^2$. It is built from a network $F$ with inputs and targets of variance 1
(`objectives/noise_levels.py`), so that $F = 0$, the start of training, is the best denoiser of Gaussian data.

**Objective.** $\mathrm E\,|F - T|^2$ per component, which is Karras et al.'s weighted error of $D$. Logarithms of
$\sigma$ are normal, restricted to the range, and evenly spread over a batch. 1: nothing learned but mean and variance,
which is the optimum for Gaussian data at every $\sigma$; below 1 for all others.

**Sampling** follows the probability flow from $\mathcal N(0, \sigma_\text{max}^2 + 1)$ down to $\sigma_\text{min}$ by
the samplers of `mcmc/denoising.py`. The deviation of the data enters through `Space.std`, which is computed from the
data and saved with the run. **Labels** are an input of the network; some are left out in training, so that
classifier-free guidance $D_w = D_\text{none} + w (D_c - D_\text{none})$ has both parts: $w = 1$ is $p(x \mid c)$.

**Density, levels**: see `families/probability_flow.py`, in the angle $\theta = \arctan\sigma$, where
$dy/d\theta = -F$ with $y = x / \sqrt{1 + \sigma^2}$.

**What to expect.** Training is stable and finds all modes, in their shares and widths. A sample takes tens of
evaluations. The loss has a noise floor that is not 0 and says little about samples. Averaged weights matter: sample
with them.

References:
    Karras, Aittala, Aila & Laine, Elucidating the Design Space of Diffusion-Based Generative Models (2022).
        https://arxiv.org/abs/2206.00364
    Sohl-Dickstein et al., Deep Unsupervised Learning using Nonequilibrium Thermodynamics (2015).
        https://arxiv.org/abs/1503.03585
    Ho, Jain & Abbeel, Denoising Diffusion Probabilistic Models (2020). https://arxiv.org/abs/2006.11239
    Song et al., Score-Based Generative Modeling through Stochastic Differential Equations (2021).
        https://arxiv.org/abs/2011.13456
    Ho & Salimans, Classifier-Free Diffusion Guidance (2022). https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from veridical.config.families.diffusion import DiffusionConfig, DiffusionSampling
from veridical.config.families.probability_flow import require_even
from veridical.config.sampling import SamplingOptions, options_of
from veridical.families.probability_flow import ProbabilityFlow
from veridical.mcmc.denoising import churned, ddim, euler, heun, noise_grid
from veridical.model import Batch, Loss
from veridical.noise import Noise, noise_for
from veridical.objectives.noise_levels import even_uniform, log_normal, scales


class Diffusion(ProbabilityFlow[DiffusionConfig]):
    """A denoiser of all noise levels (module docstring: model, objective, sampling).

    Args:
        config: noise, network, labels, likelihood, optimiser.
        facts: of the data.
        network: see `ProbabilityFlow`; a level is ln(sigma) / 4.

    Examples:
        >>> from veridical.data.space import Space
        >>> model = Diffusion(DiffusionConfig(width=8), Space((2,), kind="vector", support=None, levels=None))
        >>> model.sample(3).shape, model.log_prob(torch.zeros(5, 2)).shape
        (torch.Size([3, 2]), torch.Size([5]))
    """

    sampling_options = DiffusionSampling
    papers = (
        "Karras, Aittala, Aila & Laine, Elucidating the Design Space of Diffusion-Based Generative Models, NeurIPS "
        "2022. https://arxiv.org/abs/2206.00364",
        "Ho, Jain & Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020. https://arxiv.org/abs/2006.11239",
        "Song et al., Score-Based Generative Modeling through Stochastic Differential Equations, ICLR 2021. "
        "https://arxiv.org/abs/2011.13456",
        "Ho & Salimans, Classifier-Free Diffusion Guidance (2022). https://arxiv.org/abs/2207.12598",
    )

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the mean squared error per component of the network's target, of variance 1.

        Terms: `loss`; `loss_low` and `loss_high`, the same below and above the median of the noise.
        """
        x = self.to_standard(batch.x)
        u = even_uniform(len(x), x.device)
        sigma = log_normal(u, self.config.noise_mean, self.config.noise_std, self.sigma_min, self.config.sigma_max)
        error = self.errors(x, self.column(sigma, x), torch.randn_like(x), self.training_labels(batch))
        loss, low = error.mean(), (u < 0.5).to(error)
        terms = {
            "loss": loss,
            "loss_low": (error * low).sum() / low.sum().clamp(min=1),
            "loss_high": (error * (1 - low)).sum() / (1 - low).sum().clamp(min=1),
        }
        return Loss(loss, terms)

    def errors(self, x: Tensor, sigma: Tensor, eps: Tensor, c: Tensor | None) -> Tensor:
        """Return (B,) mean squared errors per component of the network's target.

        Args:
            x: (B, *event) clean data in standard units.
            sigma: (B, 1, ...) noise in standard units.
            eps: (B, *event) normal numbers.
            c: (B,) labels, of which `classes` is none.
        """
        s = scales(sigma)
        found = self.guided(s.into * (x + sigma * eps), s.level.flatten(), c)
        target = sigma * s.into * x - s.into * eps
        return (found - target).square().flatten(1).mean(1)

    def denoised(self, x: Tensor, sigma: Tensor, c: Tensor | None, guidance: float = 1.0) -> Tensor:
        """Return skip x + out F(into x)."""
        s = scales(self.column(sigma, x))
        return s.skip * x + s.out * self.guided(s.into * x, s.level.flatten(), c, guidance)

    @property
    def noise_range(self) -> tuple[float, float]:
        """Least and largest noise of the model, in data space."""
        return self.sigma_min * self.space.std, self.config.sigma_max * self.space.std

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *event) examples along the probability flow, or with renewed noise."""
        chosen = options_of(DiffusionSampling, options)
        noise, labels = noise_for(n, self.device, noise), self.label_rows(n, c)
        guidance = self.guidance_of(chosen.guidance, c)
        dtype, most = next(self.parameters()).dtype, self.config.sigma_max
        x = (1 + most**2) ** 0.5 * noise.normal(*self.space.shape, dtype=dtype)
        x = self.sampler(chosen, noise)(lambda x, sigma: self.denoised(x, sigma, labels, guidance), x)
        return self.from_standard(x, noise, c)

    def sampler(self, options: DiffusionSampling, noise: Noise) -> partial[Tensor]:
        """Return the function (denoiser, noise) → samples, in standard units."""
        evaluations = options.evaluations or self.config.evaluations
        two = options.method in ("heun", "sde")
        if two:
            require_even(evaluations, options.method)
        sigmas = self.sigmas(evaluations // 2 if two else evaluations)
        match options.method:
            case "heun":
                return partial(heun, sigmas=sigmas)
            case "euler":
                return partial(euler, sigmas=sigmas)
            case "ddim":
                return partial(ddim, sigmas=sigmas, noise=noise, eta=options.eta)
            case "sde":
                return partial(churned, sigmas=sigmas, noise=noise, churn=options.churn)

    def sigmas(self, steps: int) -> Tensor:
        """Return (steps + 1,) levels of noise from the most to the least, in standard units, float64 on the CPU."""
        return noise_grid(steps, self.sigma_min, self.config.sigma_max, self.config.rho)

    # The density, in the angle.

    @property
    def shrinkage(self) -> float:
        """1 / sqrt(1 + sigma_min^2)."""
        return (1 + self.sigma_min**2) ** -0.5

    def times(self, steps: int) -> Tensor:
        """Return the angles of the levels of noise, from the least to the most."""
        return self.sigmas(steps).flip(0).atan()

    def velocity(self, y: Tensor, t: Tensor, c: Tensor | None) -> Tensor:
        """Return dy/d(angle) = -F."""
        return -self.guided(y, t.tan().log() / 4, c)
