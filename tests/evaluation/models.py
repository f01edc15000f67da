"""Tiny real models whose truth is known: what an evaluation must say of them is known too."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.sampling import SamplingOptions
from veridical.data.dataset import ArrayData
from veridical.evaluation.target import Target
from veridical.model import (
    Batch,
    Encoder,
    EnergyBased,
    ExactLikelihood,
    GenerativeModel,
    LatentVariable,
    LikelihoodBound,
    Loss,
    ObservationModel,
    Sampler,
    Space,
)
from veridical.noise import Noise, noise_for
from veridical.targets import GaussianMixture
from veridical.targets.ising import Ising


class Law(GenerativeModel, Sampler, ExactLikelihood):
    """A mixture as a model."""

    def __init__(self, law: GaussianMixture) -> None:
        super().__init__()
        self.law = law
        self.space = Space((law.dim,), kind="vector", support=None, levels=None)
        self.unused = nn.Parameter(torch.zeros(()))
        self.modes_seen: list[bool] = []

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.log_prob(batch.x).mean()
        return Loss(loss, {"loss": loss})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()

    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        self.modes_seen.append(self.training)
        noise = noise_for(n, self.device, noise)
        mode = torch.searchsorted(self.law.weights.cumsum(0), noise.uniform(dtype=torch.float64)).clamp(
            max=len(self.law.weights) - 1
        )
        return (self.law.means[mode] + self.law.sigma * noise.normal(self.law.dim, dtype=torch.float64)).float()

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.law.log_prob(x.double())


class Bounded(GenerativeModel, LikelihoodBound):
    """A noisy bound, and no samples."""

    def __init__(self, law: GaussianMixture, gap: float) -> None:
        super().__init__()
        self.law, self.gap = law, gap
        self.space = Space((law.dim,), kind="vector", support=None, levels=None)
        self.unused = nn.Parameter(torch.zeros(()))

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.elbo(batch.x).mean()
        return Loss(loss, {"loss": loss})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.law.log_prob(x.double()) - self.gap * (1 + 0.1 * torch.randn(len(x)))


class Uniform(GenerativeModel, ExactLikelihood):
    """The uniform density on the support of a space of images: its bits per dimension are known."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.unused = nn.Parameter(torch.zeros(()))

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.log_prob(batch.x).mean()
        return Loss(loss, {"loss": loss})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        assert self.space.levels is not None and self.space.bin_width is not None
        log_p = -torch.log(torch.tensor(float(self.space.levels)))
        if self.space.levels != 2:  # a density over noisy levels, otherwise a probability
            log_p = log_p - torch.log(torch.tensor(self.space.bin_width))
        return (self.space.dim * log_p).expand(len(x))


def data_of(law: GaussianMixture, n: int, seed: int, known: bool = True) -> ArrayData:
    x = law.sample(n, torch.Generator().manual_seed(seed), torch.float32)
    space = Space((law.dim,), kind="vector", support=None, levels=None)
    return ArrayData(x, space=space, name=law.name, target=law if known else None)


class Known(GenerativeModel, Sampler, ExactLikelihood):
    """Any law with a density, as a model in data space."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target, self.space = target, target.space
        self.unused = nn.Parameter(torch.zeros(()))

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.log_prob(batch.x).mean()
        return Loss(loss, {"loss": loss})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()

    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        noise = noise_for(n, self.device, noise)
        return self.target.sample(n, int(noise.integers(2**31)[0]))  # quick, and not one stream for each sample

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.target.log_prob(x)


class IndependentSpins(Known):
    """Spins that do not know each other: each is up with probability sigmoid(h)."""

    def __init__(self, space: Space, h: float = 0.3) -> None:
        GenerativeModel.__init__(self)
        self.space, self.h = space, nn.Parameter(torch.tensor(h, dtype=torch.float64))

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        low, high = self.space.support or (0.0, 1.0)
        p = self.h.sigmoid().float().expand(n, *self.space.shape)
        return low + (high - low) * noise_for(n, self.device, noise).bernoulli(p)

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        low, high = self.space.support or (0.0, 1.0)
        bits = ((x - low) / (high - low)).double().flatten(1)
        return (bits * self.h - F.softplus(self.h)).sum(1)


class Lattice(GenerativeModel, EnergyBased):
    """The energy of an Ising model, and no more: log Z is not told."""

    def __init__(self, law: Ising, space: Space, offset: float = 2.0) -> None:
        super().__init__()
        self.law, self.space, self.offset = law, space, offset
        self.unused = nn.Parameter(torch.zeros(()))

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = self.energy(batch.x).mean()
        return Loss(loss, {"loss": loss})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()

    def energy(self, x: Tensor) -> Tensor:
        return self.law.energy(Target(self.law, self.space).to_law(x)) + self.offset


class Linear(GenerativeModel, LatentVariable, Sampler):
    """A linear decoder of standard normal codes: with noise sigma its density is a Gaussian's."""

    def __init__(self, d: int = 4, latent: int = 2, sigma: float = 0.5, seed: int = 0) -> None:
        super().__init__()
        self.space, self.latent_shape, self.sigma = Space((d,), "vector", None, None), (latent,), sigma
        generator = torch.Generator().manual_seed(seed)
        self.W = nn.Parameter(torch.randn(latent, d, generator=generator, dtype=torch.float64))

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.exact(batch.x).mean()
        return Loss(loss, {"loss": loss})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return z.to(self.W.dtype) @ self.W

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        noise = noise_for(n, self.device, noise)
        x = self.decode(noise.normal(*self.latent_shape, dtype=torch.float64))
        return (x + self.sigma * noise.normal(*self.space.shape, dtype=torch.float64)).float()

    def exact(self, x: Tensor, sigma: float | None = None) -> Tensor:
        """The density of decoded codes with noise, in nats."""
        sigma = self.sigma if sigma is None else sigma
        covariance = self.W.T @ self.W + sigma**2 * torch.eye(self.space.dim, dtype=torch.float64)
        return torch.distributions.MultivariateNormal(torch.zeros(self.space.dim).double(), covariance).log_prob(
            x.double()
        )


class LinearVAE(Linear, Encoder, ObservationModel, LikelihoodBound):
    """The linear decoder with its exact posterior, widened by a factor: 1 makes every bound exact."""

    def __init__(self, widened: float = 1.0, **sizes: float) -> None:
        super().__init__(**sizes)  # type: ignore[arg-type]
        self.widened = widened

    def posterior(self, x: Tensor) -> torch.distributions.MultivariateNormal:
        precision = torch.eye(self.latent_shape[0], dtype=torch.float64) + self.W @ self.W.T / self.sigma**2
        covariance = torch.linalg.inv(precision)
        mean = x.double() @ self.W.T @ covariance / self.sigma**2
        return torch.distributions.MultivariateNormal(mean, self.widened * covariance.expand(len(x), -1, -1))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        return torch.distributions.Normal(self.decode(z), self.sigma).log_prob(x.double()).sum(-1)

    def observe(self, z: Tensor, noise: Noise) -> Tensor:
        return self.decode(z) + self.sigma * noise.normal(*self.space.shape, dtype=torch.float64)

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        q = self.posterior(x)
        z = q.rsample()
        prior = torch.distributions.MultivariateNormal(torch.zeros_like(z), torch.eye(z.shape[-1]).double())
        return self.log_likelihood(x, z[None])[0] - torch.distributions.kl_divergence(q, prior)
