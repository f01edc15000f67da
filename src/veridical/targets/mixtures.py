r"""Mixtures of equally wide isotropic Gaussians: the simplest laws on which a GAN loses modes.

$$ p(x) = \sum_k w_k\, \mathcal N(x; \mu_k, s^2 I) $$

The family is closed under noise: for $x_t = x + \sigma\varepsilon$ the law is the same mixture of width
$\sqrt{s^2 + \sigma^2}$, so density and score are exact at every noise level.

`ring` and `grid` are those of VEEGAN and PacGAN: 8 modes on the unit circle with $s = 0.01$; 25 modes on
$\{-4,-2,0,2,4\}^2$ with $s = 0.05$; 100,000 training examples. Other papers use other radii, widths and scalings;
therefore laws have a version: numbers are comparable only between equal (name, version).

`simplex` is the mixture in many dimensions: 25 modes in 32, all at the same distance from each other.

References:
    Srivastava, Valkov, Russell, Gutmann & Sutton, VEEGAN (NeurIPS 2017), Section 4.1. https://arxiv.org/abs/1705.07761
    Lin, Khetan, Fanti & Oh, PacGAN (NeurIPS 2018), Section 4.1. https://arxiv.org/abs/1712.04086
"""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.statistics import Estimate


@final
class GaussianMixture:
    """A mixture of isotropic Gaussians of one width.

    Args:
        means: (K, d) centres of the modes.
        sigma: standard deviation of every mode.
        weights: (K,) probabilities; None: equal.
        name: of the law in reports.
        version: of the definition; numbers of different versions are not comparable.

    Raises:
        ValueError: shapes that do not match, a width that is not positive, weights that are not probabilities.
    """

    def __init__(
        self,
        means: Float[Tensor, "modes d"],
        sigma: float,
        weights: Float[Tensor, " modes"] | None = None,
        *,
        name: str = "mixture",
        version: int = 1,
    ) -> None:
        if means.ndim != 2 or 0 in means.shape:
            raise ValueError(f"means has shape {tuple(means.shape)}; expected (modes, d), one row per mode.")
        if not (sigma > 0 and math.isfinite(sigma)):
            raise ValueError(f"sigma is {sigma}; expected a finite width above 0.")
        self.means = means.to(torch.float64)
        self.sigma, self.name, self.version = float(sigma), name, version
        self.weights = probabilities(weights, len(means))

    def __repr__(self) -> str:
        """Name, version, and size."""
        return f"GaussianMixture({self.name} v{self.version}: {len(self.means)} modes in {self.dim} d, s={self.sigma})"

    @property
    def modes(self) -> Float[Tensor, "modes d"]:
        """Centres of the modes."""
        return self.means

    @property
    def dim(self) -> int:
        """Number of components of one example."""
        return self.means.shape[1]

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        """Draw n examples, in torch's default type unless another is given; drawn in float64 in any case."""
        mode = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        eps = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        return (self.means[mode] + self.sigma * eps).to(dtype or torch.get_default_dtype())

    def log_prob(
        self, x: Float[Tensor, "*batch d"], sigma: float | Float[Tensor, "*batch"] = 0.0
    ) -> Float[Tensor, "*batch"]:
        """Log-density, in nats, of the law convolved with N(0, sigma^2).

        Args:
            x: where.
            sigma: scale of the added noise, one for all or one for each point.
        """
        return torch.logsumexp(self._log_joint(x, self._variance(x, sigma)), dim=-1)

    def score(
        self, x: Float[Tensor, "*batch d"], sigma: float | Float[Tensor, "*batch"] = 0.0
    ) -> Float[Tensor, "*batch d"]:
        r"""Gradient of the log-density of the law convolved with N(0, sigma^2).

        $$ \nabla_x \log p_\sigma(x) = \frac{\mathbb E[\mu_k \mid x] - x}{s^2+\sigma^2} $$

        Args:
            x: where.
            sigma: scale of the added noise, one for all or one for each point.
        """
        variance = self._variance(x, sigma)
        responsibility = torch.softmax(self._log_joint(x, variance), dim=-1)
        return (responsibility @ self.means.to(x) - x) / variance.unsqueeze(-1)

    def nearest_mode(self, x: Float[Tensor, "*batch d"]) -> tuple[Int[Tensor, "*batch"], Float[Tensor, "*batch"]]:
        """Return the nearest mode of each point and the distance to it in widths (Mahalanobis)."""
        distance, mode = torch.linalg.vector_norm(x.unsqueeze(-2) - self.means.to(x), dim=-1).min(-1)
        return mode, distance / self.sigma

    def entropy(self, n: int = 100_000, generator: torch.Generator | None = None) -> Estimate:
        """Return the entropy in nats: exact for a single mode, otherwise estimated from n draws (`mixture_entropy`).

        Args:
            n: draws.
            generator: of the draws; None: a generator of its own, so that the same law has the same estimate.
        """
        of_mode = 0.5 * self.dim * math.log(2 * math.pi * math.e * self.sigma**2)
        if len(self.means) == 1:
            return Estimate(of_mode, 0.0)
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        x = self.sample(n, generator, torch.float64)
        of_modes = torch.full_like(self.weights, of_mode)
        return mixture_entropy(self.weights, of_modes, self._log_joint(x, self._variance(x, 0.0)))

    def _variance(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.sigma**2 + torch.as_tensor(sigma, dtype=x.dtype, device=x.device) ** 2

    def _log_joint(self, x: Tensor, variance: Tensor) -> Tensor:
        """Sum log w_k + log N(x; mu_k, variance I): (*batch, modes)."""
        if x.shape[-1] != self.dim:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; {self.name} lives in {self.dim} d: pass (*batch, {self.dim})."
            )
        square = (x.unsqueeze(-2) - self.means.to(x)).square().sum(-1)
        variance = variance.unsqueeze(-1)
        log_normal = -0.5 * square / variance - 0.5 * self.dim * torch.log(2 * math.pi * variance)
        return self.weights.log().to(x) + log_normal


def ring() -> GaussianMixture:
    """Eight modes of width 0.01 on the unit circle, the first at angle 0.

    Examples:
        >>> ring()
        GaussianMixture(ring v1: 8 modes in 2 d, s=0.01)
    """
    angle = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    return GaussianMixture(torch.stack([angle.cos(), angle.sin()], dim=1), 0.01, name="ring")


def grid() -> GaussianMixture:
    """Twenty-five modes of width 0.05 on {-4, -2, 0, 2, 4}^2.

    Examples:
        >>> grid()
        GaussianMixture(grid v1: 25 modes in 2 d, s=0.05)
    """
    side = torch.arange(-4, 5, 2, dtype=torch.float64)
    return GaussianMixture(torch.cartesian_prod(side, side), 0.05, name="grid")


def simplex() -> GaussianMixture:
    """Twenty-five modes of width 1 in 32 dimensions, every two of them 6 apart, with mean 0.

    The modes touch: 3 % of the examples are nearer to the centre of another mode than to their own.

    Examples:
        >>> simplex()
        GaussianMixture(simplex v1: 25 modes in 32 d, s=1.0)
    """
    corners = 6 / math.sqrt(2) * torch.eye(25, 32, dtype=torch.float64)
    return GaussianMixture(corners - corners.mean(0), 1.0, name="simplex")


def mixture_entropy(
    weights: Float[Tensor, " modes"], of_modes: Float[Tensor, " modes"], log_joint: Float[Tensor, "n modes"]
) -> Estimate:
    r"""Return the entropy of a mixture in nats, of which only what its modes share is estimated.

    $$ H(x) = H(k) + \sum_k w_k H(x \mid k) - \mathrm E_x\,H(k \mid x) $$

    The last term is the mean over draws; where the modes do not touch it is 0, and the entropy is exact.

    Args:
        weights: $w_k$.
        of_modes: entropies $H(x \mid k)$.
        log_joint: $\log w_k\,p(x \mid k)$ at draws of the mixture, up to a constant of each draw.
    """
    log_posterior = torch.log_softmax(log_joint, dim=1)
    shared = -torch.special.entr(weights).sum() + torch.special.entr(log_posterior.exp()).sum(1)
    return Estimate(float(weights @ of_modes - shared.mean()), float(shared.std() / math.sqrt(len(shared))))


def probabilities(weights: Tensor | None, modes: int) -> Float[Tensor, " modes"]:
    """Return weights in double precision, scaled to sum 1; equal ones where there are none.

    Raises:
        ValueError: another number of them, or no positive numbers that sum to 1.
    """
    if weights is None:
        return torch.full((modes,), 1.0 / modes, dtype=torch.float64)
    weights = weights.to(torch.float64)
    if weights.shape != (modes,) or (weights <= 0).any() or abs(float(weights.sum()) - 1.0) > 1e-6:
        raise ValueError(f"weights is {weights.tolist()}; expected {modes} positive numbers that sum to 1.")
    return weights / weights.sum()
