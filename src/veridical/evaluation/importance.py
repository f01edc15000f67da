r"""The likelihood of a latent-variable model by importance sampling: the bound of k codes instead of one.

$$ \log\hat p_k(x) = \log \frac1k\sum_{i=1}^k w_i, \qquad
   w_i = \frac{p(x \mid z_i)\,p(z_i)}{q(z_i \mid x)}, \quad z_i \sim q(z \mid x) $$

In expectation it is at most $\log p(x)$, does not fall with k, equals the elbo at k = 1, and its gap is about
$\mathrm{Var}(w)/2k$ in units of $p(x)^2$. Weights are held and summed in double precision.

The share of codes that count, $\mathrm{ESS} = (\sum_i w_i)^2 / \sum_i w_i^2$, tells how far to trust it: where one code
carries all the weight (ESS near 1), the bound is still a bound, but more codes would raise it. Annealing
(`evaluation/annealed.py`) closes that gap.

References:
    Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016). https://arxiv.org/abs/1509.00519
    Kong, A Note on Importance Sampling using Standardized Weights (1992), for the effective number.
"""

from typing import Protocol, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.space import Space
from veridical.model import Encoder, GenerativeModel, LatentVariable, ObservationModel
from veridical.objectives.bounds import iwae_bound
from veridical.objectives.likelihoods import gaussian_log_prob

CODES = 64
"""Codes per example."""

_VALUES = 1 << 25
"""Values of all reconstructions of one evaluation: 670 images of 28x28 with 64 codes each."""

_DECODES = 2048
"""Codes decoded at a time."""


class Inferred(Protocol):
    """A latent-variable model that infers codes, and knows the density of an example given its code."""

    latent_shape: tuple[int, ...]

    def posterior(self, x: Tensor) -> torch.distributions.Distribution:
        """Return q(z | x)."""
        ...

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z)."""
        ...


def can_be_weighted(model: GenerativeModel) -> TypeGuard[Inferred]:
    """Return whether a model has all that importance sampling needs: encoder, normal prior, observation model."""
    return (
        isinstance(model, Encoder)
        and isinstance(model, ObservationModel)
        and isinstance(model, LatentVariable)
        and model.prior_kind == "normal"
    )


def examples_scored(space: Space, k: int = CODES) -> int:
    """Return how many examples are scored with k codes each: the fewer, the larger an example is.

    Examples:
        >>> examples_scored(Space((1, 28, 28))), examples_scored(Space((2,), "vector", None, None))
        (668, 262144)
    """
    return max(500, _VALUES // (k * space.dim))


@torch.no_grad()
def log_weights(model: Inferred, x: Float[Tensor, "B *event"], k: int) -> Float[Tensor, "B k"]:
    """Return log w of k codes of every example in float64, nats; the codes come from torch's global generator.

    Args:
        model: with encoder and observation model.
        x: examples in data space, encoded once.
        k: codes per example.

    Raises:
        ValueError: there are no codes.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected at least one code per example.")
    q, chunk, parts = model.posterior(x), max(1, _DECODES // max(1, len(x))), []
    for start in range(0, k, chunk):
        z = q.sample(torch.Size([min(chunk, k - start)]))  # (chunk, B, *latent)
        parts.append(model.log_likelihood(x, z).double() + log_prior(z) - q.log_prob(z).double())
    return torch.cat(parts).T


def log_prior(z: Float[Tensor, "k B *latent"]) -> Float[Tensor, "k B"]:
    """Return log N(z; 0, I) in float64, nats."""
    z = z.double().flatten(2)
    zero = z.new_zeros(1, 1, 1)
    return gaussian_log_prob(z, zero, zero)


def importance_bound(model: Inferred, x: Float[Tensor, "B *event"], k: int = CODES) -> Float[Tensor, " B"]:
    """Return the bound of k codes (module docstring), nats in float64."""
    return iwae_bound(log_weights(model, x, k))
