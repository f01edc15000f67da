"""What the configurations of variational families share: the likelihood of the decoder, and how samples are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from veridical.config import checks
from veridical.config.sampling import ConditionedSampling

Likelihood = Literal["auto", "bernoulli", "gaussian", "categorical", "discretised-logistic"]
"""p(x | z); auto: Bernoulli for two-valued data, Gaussian with a learned scale otherwise. Categorical and
discretised-logistic give probabilities to 3 to 256 levels: a number for each level, or a mixture of rounded logistic
distributions."""

LIKELIHOODS: tuple[str, ...] = get_args(Likelihood)

OUTPUTS = ("auto", "draw", "mean")


@dataclass(frozen=True)
class VAESampling(ConditionedSampling):
    """Sampling from a decoder."""

    output: Literal["auto", "draw", "mean"] = "auto"
    """Output for a latent code: a draw from p(x | z), or its mean; auto: the `sampling` of the model."""

    temperature: float = 1.0
    """Standard deviation of the latent codes; 1: the prior; below 1: better and less diverse images."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("output", self.output, OUTPUTS)
        checks.positive("temperature", self.temperature)
        if self.condition is not None and self.temperature != 1.0:
            raise ValueError(
                f"temperature is {self.temperature} with a condition, which draws codes from the prior; choose one."
            )


def check_free_bits(free_bits: float, importance_samples: int) -> None:
    """Refuse free bits of a bound that has no divergence to be free of.

    Raises:
        ValueError: a negative number, or one together with several importance samples.
    """
    checks.positive("free_bits", free_bits, zero=True)
    if free_bits and importance_samples > 1:
        raise ValueError(
            f"free_bits is {free_bits} with importance_samples {importance_samples}, whose bound has no divergence of "
            "its own; choose one of them."
        )
