r"""Tones: a resonator driven by noise, a stationary Gaussian process whose density and entropy are exact.

$$ x_t = 2 r \cos\theta\; x_{t-1} - r^2 x_{t-2} + \varepsilon_t, \qquad \varepsilon_t \sim \mathcal N(0, s^2), $$

an autoregressive process of order two with poles $r e^{\pm i\theta}$: a tone of frequency $\theta / 2\pi$ per step
whose phase and loudness wander, the less the nearer r is to 1. Every process starts in its stationary
distribution, whose variance is set to one; then

$$ \gamma_1 = \frac{\phi_1}{1 - \phi_2}, \qquad s^2 = 1 - \phi_1\gamma_1 - \phi_2\gamma_2, \qquad
   \gamma_2 = \phi_1\gamma_1 + \phi_2, \qquad \phi_1 = 2r\cos\theta,\ \phi_2 = -r^2. $$

The density is that of the first two steps times Gaussian factors, so the entropy of T steps is exact,

$$ H = \tfrac12\ln\big((2\pi e)^2 (1 - \gamma_1^2)\big) + (T - 2)\, h, \qquad h = \tfrac12\ln 2\pi e s^2, $$

and h nats per step is the entropy rate: the least that any model can need for a further step.

References:
    Yule, On a Method of Investigating Periodicities in Disturbed Series (1927). https://doi.org/10.1098/rsta.1927.0007
    Brockwell & Davis, Time Series: Theory and Methods (1991), Sec. 3.3.
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.statistics import Estimate


@final
class Tones:
    """The law of T steps of the process, as sequences (1, T).

    Args:
        steps: T, at least 2.
        frequency: of the tone in Hz, between 0 and half the sample rate.
        sample_rate: steps per second.
        radius: r of the poles, in [0, 1).

    Raises:
        ValueError: values without a stationary process.

    Examples:
        >>> Tones(128)
        Tones(128 steps of 440 Hz at 8000 Hz, r=0.99)
    """

    version = 1
    """Of the definition; numbers of different versions are not comparable."""

    def __init__(
        self, steps: int = 128, *, frequency: float = 440.0, sample_rate: float = 8000.0, radius: float = 0.99
    ) -> None:
        if steps < 2 or not 0 < frequency < sample_rate / 2 or not 0 <= radius < 1:
            raise ValueError(
                f"steps is {steps}, frequency {frequency}, sample_rate {sample_rate} and radius {radius}; expected at "
                "least 2 steps, a frequency below half the sample rate, and a radius in [0, 1)."
            )
        self.steps, self.frequency, self.sample_rate, self.radius = steps, frequency, sample_rate, radius
        theta = 2 * math.pi * frequency / sample_rate
        self.coefficients = (2 * radius * math.cos(theta), -(radius**2))
        self.correlation = self.coefficients[0] / (1 - self.coefficients[1])
        second = self.coefficients[0] * self.correlation + self.coefficients[1]
        self.noise = math.sqrt(1 - self.coefficients[0] * self.correlation - self.coefficients[1] * second)
        """Standard deviation of the noise."""

    def __repr__(self) -> str:
        """Steps, frequencies and radius."""
        return f"Tones({self.steps} steps of {self.frequency:g} Hz at {self.sample_rate:g} Hz, r={self.radius:g})"

    @property
    def name(self) -> str:
        """Name of the law in reports."""
        return "tones"

    @property
    def entropy_rate(self) -> float:
        """Nats per step."""
        return 0.5 * math.log(2 * math.pi * math.e * self.noise**2)

    def entropy(self) -> Estimate:
        """Exact differential entropy of a sequence, in nats."""
        first = 0.5 * math.log((2 * math.pi * math.e) ** 2 * (1 - self.correlation**2))
        return Estimate(first + (self.steps - 2) * self.entropy_rate, 0.0)

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n 1 steps"]:
        """Draw n sequences, in torch's default type unless another is given."""
        device = "cpu" if generator is None else generator.device
        noise = torch.randn(self.steps, n, generator=generator, dtype=torch.float64, device=device)
        x = torch.empty_like(noise)
        x[0] = noise[0]
        x[1] = self.correlation * x[0] + math.sqrt(1 - self.correlation**2) * noise[1]
        for t in range(2, self.steps):
            x[t] = self.coefficients[0] * x[t - 1] + self.coefficients[1] * x[t - 2] + self.noise * noise[t]
        return x.T[:, None].to(dtype or torch.get_default_dtype())

    def log_prob(self, x: Float[Tensor, "*batch 1 steps"]) -> Float[Tensor, "*batch"]:
        """Return log densities in nats; exact.

        Raises:
            ValueError: sequences of another shape.
        """
        if x.shape[-2:] != (1, self.steps):
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (*batch, 1, {self.steps}).")
        x = x[..., 0, :]
        spread = math.sqrt(1 - self.correlation**2)
        nats = normal(x[..., 0], 1.0) + normal(x[..., 1] - self.correlation * x[..., 0], spread)
        later = x[..., 2:] - self.coefficients[0] * x[..., 1:-1] - self.coefficients[1] * x[..., :-2]
        return nats + normal(later, self.noise).sum(-1)


def normal(x: Tensor, scale: float) -> Tensor:
    """Return the log density of numbers with mean 0 and this standard deviation."""
    return -0.5 * (x / scale).square() - math.log(scale) - 0.5 * math.log(2 * math.pi)
