r"""A decoder as a density: its codes in terms of standard normal numbers, and what is observed of its output.

$$ p(x) = \int \mathcal N(u; 0, I)\, p(x \mid z(u))\,du $$

Models with an observation model of their own keep it (`ObservationModel`). To the output of others Gaussian noise of
one scale is added; at quantised data of bin width $\Delta$ the density is that with the noise of one bin, so that no
scale makes it infinite (`objectives/likelihoods.py`). Uniform codes on [-1, 1] are $2\Phi(u) - 1$.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.space import Space
from veridical.model import Conditional, GenerativeModel, LatentVariable, ObservationModel
from veridical.noise import FreshNoise
from veridical.objectives.likelihoods import dequantised_gaussian_log_prob


@dataclass(frozen=True)
class Decoder:
    """A decoder with an observation model, in terms of standard normal codes."""

    model: LatentVariable
    space: Space
    sigma: float | None = None
    """Standard deviation of the noise that is added; None: the model has an observation model of its own."""

    def codes(self, u: Tensor) -> Tensor:
        """Map standard normal numbers to codes of the prior: uniform ones by the normal distribution function."""
        return u if self.model.prior_kind == "normal" else 2 * torch.special.ndtr(u) - 1

    def log_likelihood(self, x: Float[Tensor, "B *event"], u: Float[Tensor, "k B *latent"]) -> Float[Tensor, "k B"]:
        """Return log p(x | u), nats in data space."""
        z = self.codes(u)
        if isinstance(self.model, ObservationModel):
            return self.model.log_likelihood(x, z)
        assert self.sigma is not None
        mean = self.decoded(z).double()
        log_var = torch.full_like(mean[..., :1], 2 * math.log(self.sigma))
        return dequantised_gaussian_log_prob(x.double().flatten(1), mean, log_var, self.space.bin_width or 0.0)

    def decoded(self, z: Float[Tensor, "k B *latent"]) -> Float[Tensor, "k B D"]:
        """Return decoded codes as vectors."""
        return self.model.decode(z.flatten(0, 1)).reshape(*z.shape[:2], -1)


def why_not(model: GenerativeModel, space: Space) -> str | None:
    """Return the reason why a decoder cannot be annealed; None: it can."""
    name = type(model).__name__
    if not isinstance(model, LatentVariable):
        return f"{name} has no latent codes"
    if isinstance(model, Conditional):
        return f"{name} decodes a code and a label, and only codes are annealed"
    if model.prior_kind == "other":
        return f"the codes of {name} are not all continuous"
    if not isinstance(model, ObservationModel) and space.levels == 2:
        return f"the data have two values, and {name} gives them no probability"
    return None


def simulate(decoder: Decoder, model: GenerativeModel, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw codes (n, *latent), standard normal, and examples (n, *event) given them.

    Args:
        decoder: with its scale of noise, if it has no observation model.
        model: whose own draws are used if it has one.
        n: how many.
        seed: of the draws.
    """
    noise = FreshNoise(n, model.device, torch.Generator().manual_seed(seed))
    u = noise.normal(*decoder.model.latent_shape)
    z = decoder.codes(u)
    with torch.no_grad():
        if isinstance(model, ObservationModel):
            return u, model.observe(z, noise)
        mean = decoder.model.decode(z)
        assert decoder.sigma is not None
        return u, mean + decoder.sigma * noise.normal(*mean.shape[1:], dtype=mean.dtype)
