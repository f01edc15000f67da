r"""Many double wells: a law with $2^{d/2}$ modes of unequal weight whose normalisation is known.

$$ p(x) = \frac1Z \exp\Big(-\sum_{k=1}^{d/2} \big[u_k^4 - 6u_k^2 - \tfrac12 u_k + \tfrac12 v_k^2\big]\Big), \qquad
   x = (u_1, v_1, u_2, v_2, \dots) $$

Every $u_k$ has a deep well near 1.8 and a shallower one near -1.7, every $v_k$ is standard normal, and all are
independent, so that $\log Z$ is $d/2$ times the logarithm of an integral in one dimension. A model that loses one well
of one pair loses a share of the modes that no distance shows, and $\log Z$ does.

`forty` is the mixture of 40 equally weighted Gaussians in the plane whose centres are drawn uniformly from
$[-40, 40]^2$. Both are the targets of Midgley et al. (2023); the centres are those of torch's generator with seed 0.

References:
    Noé, Olsson, Köhler & Wu, Boltzmann Generators (2019), for the double well. https://arxiv.org/abs/1812.01729
    Midgley, Stimper, Simm, Schölkopf & Hernández-Lobato, Flow Annealed Importance Sampling Bootstrap (2023).
        https://arxiv.org/abs/2208.01893
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.statistics import Estimate
from veridical.targets.mixtures import GaussianMixture

_REACH, _POINTS = 5.0, 1 << 18
"""Where the density of a well ends (exp(-470) of its maximum), and the points of integrals over it."""


@final
class ManyWell:
    """Independent pairs of a double well and a normal component.

    Args:
        dim: number of components, even.

    Raises:
        ValueError: an odd number, or none.

    Examples:
        >>> round(ManyWell(32).log_partition, 4)
        164.6957
    """

    version = 1

    def __init__(self, dim: int = 32) -> None:
        if dim < 2 or dim % 2:
            raise ValueError(f"dim is {dim}; expected an even number of components, at least 2.")
        self.dim, self.name = dim, f"many-well-{dim}" if dim != 32 else "many-well"
        self._grid = torch.linspace(-_REACH, _REACH, _POINTS + 1, dtype=torch.float64)
        self._density = (-_well(self._grid)).exp()
        self._mass = float(torch.trapezoid(self._density, self._grid))
        self.log_partition = dim / 2 * (math.log(self._mass) + 0.5 * math.log(2 * math.pi))

    def __repr__(self) -> str:
        """Name, version and dimension."""
        return f"ManyWell({self.name} v{self.version}: {self.dim // 2} double wells in {self.dim} d)"

    def energy(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        """Return the energy in nats.

        Raises:
            ValueError: examples of another dimension.
        """
        if x.shape[-1:] != (self.dim,):
            raise ValueError(
                f"x has shape {tuple(x.shape)}; {self.name} lives in {self.dim} d: pass (*batch, {self.dim})."
            )
        return (_well(x[..., 0::2]) + 0.5 * x[..., 1::2].square()).sum(-1)

    def log_prob(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        """Log-density in nats."""
        return -self.energy(x) - self.log_partition

    def entropy(self) -> Estimate:
        """Return the entropy in nats, by an integral in one dimension."""
        mean = float(torch.trapezoid(self._density * _well(self._grid), self._grid)) / self._mass
        return Estimate(self.dim / 2 * (mean + 0.5) + self.log_partition, 0.0)

    @property
    def deep_share(self) -> float:
        """Probability of the deeper well of a pair, u > 0."""
        right = self._grid >= 0
        return float(torch.trapezoid(self._density[right], self._grid[right])) / self._mass

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        """Draw n examples; wells by the inverse of their distribution function, linear between 262,145 points."""
        half = (n, self.dim // 2)
        ends = torch.cumulative_trapezoid(self._density, self._grid)
        ends = torch.cat([ends.new_zeros(1), ends]) / self._mass
        uniform = torch.rand(half, generator=generator, dtype=torch.float64) * float(ends[-1])
        i = torch.searchsorted(ends, uniform, right=True).clamp(1, _POINTS)
        share = (uniform - ends[i - 1]) / (ends[i] - ends[i - 1])
        u = self._grid[i - 1] + share * (self._grid[i] - self._grid[i - 1])
        v = torch.randn(half, generator=generator, dtype=torch.float64)
        return torch.stack([u, v], dim=-1).flatten(1).to(dtype or torch.get_default_dtype())


def _well(u: Tensor) -> Tensor:
    return u**4 - 6 * u.square() - 0.5 * u


def many_well() -> ManyWell:
    """Sixteen double wells in 32 dimensions.

    Examples:
        >>> many_well()
        ManyWell(many-well v1: 16 double wells in 32 d)
    """
    return ManyWell(32)


def forty() -> GaussianMixture:
    """Forty modes of width 1.313 (softplus of 1) at random places in a square of side 80.

    Examples:
        >>> forty()
        GaussianMixture(forty v1: 40 modes in 2 d, s=1.3132616875182228)
    """
    places = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    return GaussianMixture((80 * (places - 0.5)).double(), math.log1p(math.e), name="forty")
