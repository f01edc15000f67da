r"""Mixtures of Gaussians of any covariance: correlated vectors, and a teacher whose samples look like images.

$$ p(x) = \sum_k w_k\, \mathcal N(x; \mu_k, \Sigma_k), \qquad \Sigma_k = U_k \operatorname{diag}(\lambda_k) U_k^\top $$

Noise of scale $\sigma$ turns $\lambda_k$ into $\lambda_k + \sigma^2$, so density and score are exact at every noise
level. With one component the entropy is exact: $\frac12 \sum_i \log 2\pi e\lambda_i$.

- `correlated`: one Gaussian in 64 dimensions, $\Sigma_{ij} = 0.9^{|i-j|}$: variances along its axes from 0.05 to 18.
- `principal_mixture`: one component per class of a labelled set of examples, each a probabilistic principal component
  analyser, $\Sigma_k = W_k W_k^\top + s_k^2 I$ with few columns in $W_k$. Mean and the leading eigenvectors of the
  covariance of the class maximise the likelihood in closed form, so no iterative fit is part of the definition.

References:
    Tipping & Bishop, Mixtures of Probabilistic Principal Component Analysers (1999), Sec. 3 and App. A.
        https://doi.org/10.1162/089976699300016728
"""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.statistics import Estimate
from veridical.targets.mixtures import mixture_entropy, probabilities

__all__ = ["CorrelatedMixture", "correlated", "principal_mixture"]


@final
class CorrelatedMixture:
    """A mixture of Gaussians, each with a mean and a covariance of its own.

    Args:
        means: (K, d) means.
        covariances: (K, d, d) positive definite.
        weights: (K,) probabilities; None: equal.
        shape: of one example, of d components; None: (d,).
        name: of the law in reports.
        version: of the definition; numbers of different versions are not comparable.

    Raises:
        ValueError: shapes that do not match, covariances that are not positive definite, weights that are not
            probabilities.
    """

    def __init__(
        self,
        means: Float[Tensor, "K d"],
        covariances: Float[Tensor, "K d d"],
        weights: Float[Tensor, " K"] | None = None,
        *,
        shape: tuple[int, ...] | None = None,
        name: str = "correlated-mixture",
        version: int = 1,
    ) -> None:
        K, d = means.shape if means.ndim == 2 else (0, 0)
        if K == 0 or covariances.shape != (K, d, d):
            raise ValueError(
                f"means has shape {tuple(means.shape)} and covariances {tuple(covariances.shape)}; expected (K, d) and "
                "(K, d, d)."
            )
        self.shape = (d,) if shape is None else tuple(shape)
        if math.prod(self.shape) != d:
            raise ValueError(f"shape is {self.shape}; expected one of {d} components.")
        self.means, self.weights = means.double(), probabilities(weights, K)
        self._scales, self._axes = torch.linalg.eigh(covariances.double())  # (K, d), (K, d, d)
        if not bool((self._scales > 0).all()):
            raise ValueError(
                f"the smallest eigenvalue of a covariance is {float(self._scales.min()):g}; expected above 0. "
                "Add a little to the diagonal."
            )
        self.name, self.version = name, version

    def __repr__(self) -> str:
        """Name, version, and size."""
        many = f"{len(self.means)} Gaussians" if len(self.means) > 1 else "one Gaussian"
        return f"CorrelatedMixture({self.name} v{self.version}: {many} in {self.dim} d)"

    @property
    def dim(self) -> int:
        """Number of components of one example."""
        return self.means.shape[1]

    @property
    def covariances(self) -> Float[Tensor, "K d d"]:
        """Covariances of the Gaussians."""
        return (self._axes * self._scales[:, None]) @ self._axes.mT

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n *event"]:
        """Draw n examples, in torch's default type unless another is given; drawn in float64 in any case."""
        component = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        x = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        for k in range(len(self.means)):
            rows = component == k
            x[rows] = self.means[k] + (x[rows] * self._scales[k].sqrt()) @ self._axes[k].mT
        return x.reshape(n, *self.shape).to(dtype or torch.get_default_dtype())

    def log_prob(
        self, x: Float[Tensor, "*batch_event"], sigma: float | Float[Tensor, "*batch"] = 0.0
    ) -> Float[Tensor, "*batch"]:
        """Log-density, in nats, of the law convolved with N(0, sigma^2).

        Args:
            x: where, (*batch, *shape).
            sigma: scale of the added noise, one for all or one for each point.
        """
        return torch.logsumexp(self._joint(self._vectors(x), self._noise(x, sigma))[0], dim=0)

    def score(
        self, x: Float[Tensor, "*batch_event"], sigma: float | Float[Tensor, "*batch"] = 0.0
    ) -> Float[Tensor, "*batch_event"]:
        r"""Gradient of the log-density of the law convolved with N(0, sigma^2).

        $$ \nabla_x \log p_\sigma(x) = -\sum_k p(k \mid x)\,(\Sigma_k + \sigma^2 I)^{-1} (x - \mu_k) $$

        Args:
            x: where, (*batch, *shape).
            sigma: scale of the added noise, one for all or one for each point.
        """
        log_joint, whitened = self._joint(self._vectors(x), self._noise(x, sigma))
        scores = -torch.stack([part @ axes.to(x).mT for part, axes in zip(whitened, self._axes, strict=True)])
        return (torch.softmax(log_joint, dim=0)[..., None] * scores).sum(0).reshape(x.shape)

    def component(self, x: Float[Tensor, "*batch_event"]) -> Int[Tensor, "*batch"]:
        """Return the most probable Gaussian of each example (*batch, *shape)."""
        return self._joint(self._vectors(x), self._noise(x, 0.0))[0].argmax(0)

    def entropy(self, n: int = 100_000, generator: torch.Generator | None = None) -> Estimate:
        """Return the entropy in nats: exact for one Gaussian, otherwise estimated from n draws (`mixture_entropy`).

        Args:
            n: draws.
            generator: of the draws; None: a generator of its own, so that the same law has the same estimate.
        """
        of_components = 0.5 * (2 * math.pi * math.e * self._scales).log().sum(1)
        if len(self.means) == 1:
            return Estimate(float(of_components), 0.0)
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        x = self.sample(n, generator, torch.float64)
        return mixture_entropy(self.weights, of_components, self._joint(self._vectors(x), self._noise(x, 0.0))[0].T)

    def _vectors(self, x: Tensor) -> Tensor:
        if x.shape[x.ndim - len(self.shape) :] != self.shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; {self.name} has examples of shape {self.shape}: pass (*batch, "
                f"{', '.join(map(str, self.shape))})."
            )
        return x.reshape(*x.shape[: x.ndim - len(self.shape)], self.dim)

    def _noise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return torch.as_tensor(sigma, dtype=x.dtype, device=x.device)[..., None] ** 2

    def _joint(self, x: Tensor, noise: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return log w_k + log N(x; mu_k, Sigma_k + noise): (K, *batch); and U' (x - mu_k) over its variances."""
        log_joint, whitened = [], []
        for w, mu, scales, axes in zip(self.weights, self.means, self._scales, self._axes, strict=True):
            variance = scales.to(x) + noise
            along = (x - mu.to(x)) @ axes.to(x)
            log_normal = -0.5 * (along.square() / variance + torch.log(2 * math.pi * variance)).sum(-1)
            log_joint.append(math.log(float(w)) + log_normal)
            whitened.append(along / variance)
        return torch.stack(log_joint), whitened


def correlated(dim: int = 64, correlation: float = 0.9) -> CorrelatedMixture:
    """One Gaussian of mean 0 and variances 1, in which components i and j have the correlation c^|i-j|.

    Args:
        dim: number of components.
        correlation: of neighbours, between -1 and 1.

    Raises:
        ValueError: a correlation outside (-1, 1).

    Examples:
        >>> correlated()
        CorrelatedMixture(correlated v1: one Gaussian in 64 d)
        >>> round(correlated().entropy().value, 4)  # 64/2 log(2 pi e) + 63/2 log(1 - 0.81)
        38.499
    """
    if not -1 < correlation < 1:
        raise ValueError(f"correlation is {correlation}; expected a number between -1 and 1.")
    place = torch.arange(dim, dtype=torch.float64)
    covariance = torch.as_tensor(correlation, dtype=torch.float64) ** (place[:, None] - place).abs()
    return CorrelatedMixture(torch.zeros(1, dim), covariance[None], name="correlated")


def principal_mixture(
    x: Float[Tensor, "N *event"], labels: Int[Tensor, " N"], directions: int = 12, *, name: str = "principal-mixture"
) -> CorrelatedMixture:
    """Return the mixture of one principal component analyser per class, of the largest likelihood given the labels.

    The variance outside the leading directions of a class is shared equally by all of its other directions.

    Args:
        x: examples, at least two of every class.
        labels: their classes, 0 to K - 1; the weights are their frequencies.
        directions: leading directions of each class, fewer than the components of an example.
        name: of the law in reports.

    Raises:
        ValueError: too many directions, or too few examples of a class.
    """
    vectors, counts = x.double().flatten(1), labels.bincount()
    if not 0 < directions < vectors.shape[1] or int(counts.min()) <= directions + 1:
        raise ValueError(
            f"directions is {directions} for {vectors.shape[1]} components and at least {int(counts.min())} examples "
            "of a class; expected fewer than both."
        )
    classes = [vectors[labels == k] for k in range(len(counts))]
    covariances = torch.stack([_principal(part, directions) for part in classes])
    means = torch.stack([part.mean(0) for part in classes])
    return CorrelatedMixture(means, covariances, counts / counts.sum(), shape=tuple(x.shape[1:]), name=name)


def _principal(x: Float[Tensor, "n d"], directions: int) -> Float[Tensor, "d d"]:
    """Return the covariance of maximal likelihood with equal variances outside some directions (Eq. 17 and 18)."""
    scales, axes = torch.linalg.eigh(x.T.cov(correction=0))
    rest = scales[:-directions].mean()
    kept = axes[:, -directions:]
    identity = torch.eye(x.shape[1], dtype=x.dtype)
    return rest * identity + (kept * (scales[-directions:] - rest)) @ kept.T
