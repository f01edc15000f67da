r"""Mixtures of Gaussians of full covariance, fitted to points: to the codes of examples, say.

A fit is a function of the points alone: it starts from centres that are far apart (k-means++ with a fixed seed) and
climbs the likelihood by the EM algorithm. Every covariance has `FLOOR` of the mean variance of all points added to its
diagonal, so that no component can shrink to a point; a fit of one component adds nothing and is the moments of the
points.

**References.** Dempster, Laird & Rubin, Maximum Likelihood from Incomplete Data via the EM Algorithm (1977). Arthur &
Vassilvitskii, k-means++ (2007). For decoders whose codes were learned without a prior: Bojanowski et al., Optimizing
the Latent Space of Generative Networks (2018), Sec. 3; Ghosh et al., From Variational to Deterministic Autoencoders
(2020).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.noise import Noise

FLOOR = 1e-3
"""Added to the covariance of every component of a mixture, in mean variances of all points."""

STEPS = 50
"""Steps of the EM algorithm."""


@final
@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of K Gaussians in d dimensions, in double precision."""

    weights: Float[Tensor, "K"]
    means: Float[Tensor, "K d"]
    covariances: Float[Tensor, "K d d"]

    @cached_property
    def roots(self) -> Float[Tensor, "K d d"]:
        """The symmetric square roots of the covariances."""
        return roots(self.covariances)

    def draw(self, noise: Noise) -> Float[Tensor, "n d"]:
        """Draw a point for every row of the noise: its component, then the point by the root of the covariance."""
        ends = self.weights.cumsum(0)
        u = noise.uniform(dtype=torch.float64).to(ends.device)
        component = torch.searchsorted(ends / ends[-1], u, right=True).clamp(max=len(ends) - 1)
        eps = noise.normal(self.means.shape[1], dtype=torch.float64).to(ends.device)
        return self.means[component] + torch.einsum("nij,nj->ni", self.roots[component], eps)

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        """Return (n,) log densities, nats."""
        return self.joint(z).logsumexp(1)

    def joint(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n K"]:
        """Return (n, K) log densities of point and component, nats."""
        lower = torch.linalg.cholesky(self.covariances)
        away = torch.linalg.solve_triangular(lower, (z[:, None] - self.means).permute(1, 2, 0), upper=False)
        log_det = 2 * lower.diagonal(dim1=1, dim2=2).log().sum(1)
        distance = away.square().sum(1).T + log_det + z.shape[1] * math.log(2 * math.pi)
        return self.weights.log() - 0.5 * distance


def fit_gaussian(z: Float[Tensor, "n d"]) -> GaussianMixture:
    """Return the Gaussian with the mean and the covariance of the points.

    Examples:
        >>> fit_gaussian(torch.tensor([[0.0], [2.0]])).covariances
        tensor([[[1.]]], dtype=torch.float64)
    """
    points = z.detach().double()
    return _of_shares(points, points.new_ones(len(points), 1), 0.0)


def fit_mixture(z: Float[Tensor, "n d"], components: int) -> GaussianMixture:
    """Return a mixture of Gaussians, a local maximum of the likelihood of the points.

    Args:
        z: the points.
        components: K; fewer where there are fewer points.

    Raises:
        ValueError: no points, or no components.
    """
    if components < 1 or not len(z):
        raise ValueError(f"components is {components} for {len(z)} points; expected at least one of each.")
    points = z.detach().double()
    if components == 1:
        return fit_gaussian(points)
    floor = FLOOR * float(points.var(0, correction=0).mean()) or 1.0
    distances = torch.cdist(points, _centres(points, min(components, len(points))))
    shares = torch.nn.functional.one_hot(distances.argmin(1), distances.shape[1]).double()
    for _ in range(STEPS):
        shares = _of_shares(points, shares, floor).joint(points).softmax(1)
    return _of_shares(points, shares, floor)


def roots(matrices: Float[Tensor, "K d d"]) -> Float[Tensor, "K d d"]:
    """Return the symmetric square roots of covariances, which may be singular."""
    values, vectors = torch.linalg.eigh(matrices)
    return (vectors * values.clamp(min=0).sqrt()[:, None]) @ vectors.mT


def _of_shares(points: Tensor, shares: Tensor, floor: float) -> GaussianMixture:
    """Return the mixture of greatest likelihood, given the share of every component in every point (n, K)."""
    counts = shares.sum(0).clamp(min=1e-12)
    means = shares.T @ points / counts[:, None]
    about = points[:, None] - means
    covariances = torch.einsum("nk,nki,nkj->kij", shares, about, about) / counts[:, None, None]
    eye = torch.eye(points.shape[1], dtype=points.dtype, device=points.device)
    return GaussianMixture(counts / counts.sum(), means, covariances + floor * eye)


def _centres(points: Tensor, k: int) -> Tensor:
    """Return k of the points, far from each other: k-means++ with a fixed seed."""
    generator = torch.Generator(points.device).manual_seed(0)
    centres = points[torch.randint(len(points), (1,), generator=generator, device=points.device)]
    for _ in range(k - 1):
        weight = torch.cdist(points, centres).amin(1).square() + 1e-12
        centres = torch.cat([centres, points[torch.multinomial(weight, 1, generator=generator)]])
    return centres
