"""Small densities that are right, and the faults that well-known code has had, one at a time.

Each class takes the name of a fault; without one it passes every proof of `proofs.py`.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from veridical.config import OptimizerConfig
from veridical.config.sampling import SamplingOptions
from veridical.data.preprocess import log_det
from veridical.families.autoregressive import Autoregressive
from veridical.model import (
    Batch,
    Encoder,
    ExactLikelihood,
    GenerativeModel,
    LatentVariable,
    LikelihoodBound,
    Loss,
    ObservationModel,
    Sampler,
    Space,
)
from veridical.nn.heads import Bernoulli, Grid
from veridical.nn.invertible import Invertible
from veridical.noise import Noise, noise_for
from veridical.objectives.bounds import gaussian_kl


class Small(GenerativeModel):
    """What they have in common."""

    def __init__(self, space: Space, fault: str = "") -> None:
        super().__init__(space)
        self.fault = fault

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig(lr=0.05)


class Autoregression(Small, Sampler, ExactLikelihood):
    """Level l of site i has the logit b_il + sum over j < i of W_ilj x_j."""

    past: Tensor

    def __init__(self, space: Space, fault: str = "") -> None:
        super().__init__(space, fault)
        assert space.levels is not None
        random = torch.Generator().manual_seed(3)
        size = (space.dim, space.levels, space.dim)
        self.weight = nn.Parameter(torch.randn(*size, generator=random, dtype=torch.float64))
        self.bias = nn.Parameter(0.5 * torch.randn(*size[:2], generator=random, dtype=torch.float64))
        past = torch.ones(space.dim, space.dim).tril(0 if fault == "the site itself is seen" else -1)
        if fault == "future sites are seen":
            past = torch.ones(space.dim, space.dim) - torch.eye(space.dim)
        self.register_buffer("past", past[:, None])
        assert space.support is not None and space.bin_width is not None
        self.low, self.width, self.levels = space.support[0], space.bin_width, space.levels

    def logits(self, x: Tensor) -> Tensor:
        """Return (B, sites, levels)."""
        logits = torch.einsum("ilj,bj->bil", self.weight * self.past, x.to(self.bias.dtype)) + self.bias
        if self.fault == "rows are normalised together":
            logits = logits - logits.mean(0, keepdim=True)
        return logits

    def index(self, x: Tensor) -> Tensor:
        return ((x.flatten(1) - self.low) / self.width).round().long()

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        index = self.index(x)
        if self.fault == "levels are off by one":
            index = (index + 1) % self.levels
        logits = self.logits(x.flatten(1))
        log_p = logits.log_softmax(-1).gather(-1, index[..., None])[..., 0]
        if self.fault == "logits are not normalised":
            log_p = logits.gather(-1, index[..., None])[..., 0]
        if self.fault == "a factor is missing":
            log_p = log_p[:, 1:]
        if self.fault == "the mean over sites, not the sum":
            log_p = log_p / self.space.dim
        if self.fault == "orders average logits":
            other = self.bias.log_softmax(-1).expand_as(logits).gather(-1, index[..., None])[..., 0]
            log_p = (log_p + other) / 2
        one = self.fault == "the width of a level is left out" or self.space.levels == 2
        return log_p.sum(1) - (0.0 if one else log_det(self.space))

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        noise = noise_for(n, self.device, noise)
        x = torch.zeros(n, self.space.dim, dtype=self.bias.dtype)
        sites = list(range(self.space.dim))
        for site in reversed(sites) if self.fault == "sampled in the reverse order" else sites:
            logits = self.logits(x)[:, site] / (0.7 if self.fault == "a temperature in samples only" else 1.0)
            ends = logits.softmax(-1).cumsum(-1)
            index = (noise.uniform(1, dtype=x.dtype) > ends).sum(1)
            if self.fault == "the last level is never drawn":
                index = index.clamp(max=self.levels - 2)
            x[:, site] = self.low + self.width * index
        return x.reshape(n, *self.space.shape)

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.log_prob(batch.x).mean()
        return Loss(loss, {"loss": loss})


class Flow(Small, Sampler, ExactLikelihood, LikelihoodBound):
    """x = mean + std (shift + scale z), with scale and shift of the second component a function of the first."""

    def __init__(self, space: Space, fault: str = "") -> None:
        super().__init__(space, fault)
        self.first = nn.Parameter(torch.tensor([0.3, -0.4]))
        self.second = nn.Parameter(torch.tensor([1.0, -0.5, 0.8, 0.6]))
        self.remembered: tuple[Tensor, Tensor] | None = None

    def affine(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Return shift and log scale of the second component, of the first in standard units."""
        a, b, c, d = self.second
        return a * first + b * first.square().clamp(max=4.0), c * torch.tanh(d * first + 0.3) - 0.5

    def standard(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.space.mean) / self.space.std

    def forward_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (B, D) and log|det dz/dx| (B,)."""
        u = self.standard(x)
        z = [(u[:, 0] - self.first[0]) * (-self.first[1]).exp()]
        log_dets = -self.first[1] - math.log(self.space.std) + torch.zeros_like(z[0])
        if self.fault == "the scale of the data is left out":
            log_dets = log_dets + math.log(self.space.std)
        if self.space.dim == 2:
            shift, log_scale = self.affine(u[:, 0])
            z.append((u[:, 1] - shift) * (-log_scale).exp())
            sign = 1.0 if self.fault == "the log-determinant has the other sign" else -1.0
            log_dets = log_dets + sign * log_scale - math.log(self.space.std)
        if self.fault == "a layer has no log-determinant":
            log_dets = log_dets + self.first[1]
        return torch.stack(z, 1), log_dets

    def inverse_map(self, z: Tensor) -> Tensor:
        if self.fault == "the inverse comes from a cache" and self.remembered is not None:
            return self.remembered[1][: len(z)]
        first = self.first[0] + z[:, 0] * self.first[1].exp()
        u = [first]
        if self.space.dim == 2:
            shift, log_scale = self.affine(z[:, 0] if self.fault == "the inverse conditions on z" else first)
            scale = (-log_scale if self.fault == "the inverse has the other sign" else log_scale).exp()
            u.append(shift + z[:, 1] * scale)
        x = self.space.mean + self.space.std * torch.stack(u, 1).reshape(len(z), *self.space.shape)
        self.remembered = z, x
        return x

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        z, log_dets = self.forward_map(x)
        if self.fault == "rows are normalised together":
            z = z - z.mean(0, keepdim=True)
        constant = 0.0 if self.fault == "the constant of the Gaussian is left out" else 0.5 * math.log(2 * math.pi)
        return (-0.5 * z.square() - constant).sum(1) + log_dets

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        width = self.space.bin_width or 0.0
        u = torch.rand_like(x) - 0.5
        if self.fault == "noise of half a cell":
            u = u / 2
        if self.fault == "noise that starts at the level":
            u = u + 0.5
        return self.log_prob(x + width * u)

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        z = noise_for(n, self.device, noise).normal(self.space.dim)
        x = self.inverse_map((0.8 if self.fault == "a temperature in samples only" else 1.0) * z)
        if self.space.bin_width is None:
            return x
        low, high = self.space.support  # type: ignore[misc]
        return (low + self.space.bin_width * ((x - low) / self.space.bin_width).round()).clamp(low, high)

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.elbo(batch.x).mean()
        return Loss(loss, {"loss": loss})


class LinearGaussian(Small, Sampler, LatentVariable, Encoder, ObservationModel, LikelihoodBound):
    """z of N(0, I), x = Wz + b + sigma noise, with an encoder that is the posterior, but 20 % too wide."""

    def __init__(self, space: Space, fault: str = "") -> None:
        super().__init__(space, fault)
        random = torch.Generator().manual_seed(3)
        self.W = nn.Parameter(torch.randn(space.dim, 2, generator=random, dtype=torch.float64))
        self.b = nn.Parameter(torch.randn(space.dim, generator=random, dtype=torch.float64))
        self.sigma, self.latent_shape = 0.7, (2,)

    def posterior(self, x: Tensor) -> Independent:
        W = self.W.detach()
        covariance = torch.linalg.inv(W.T @ W / self.sigma**2 + torch.eye(2))
        mean = (x.flatten(1) - self.b) @ W @ covariance / self.sigma**2
        if self.fault == "rows are normalised together":
            mean = mean - mean.mean(0)
        scale = (1.44 / torch.linalg.inv(covariance).diagonal()).sqrt()
        return Independent(Normal(mean, scale.expand_as(mean)), 1)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        z = z.detach() if self.fault == "the code is cut off" else z
        return (z @ self.W.T + self.b).reshape(len(z), *self.space.shape)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        mean = z @ self.W.T + self.b
        nats = Normal(mean, self.sigma).log_prob(x.flatten(1))
        return nats.mean(-1) if self.fault == "the mean over components, not the sum" else nats.sum(-1)

    def observe(self, z: Tensor, noise: Noise) -> Tensor:
        return self.decode(z) + self.sigma * noise.normal(*self.space.shape)

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        noise = noise_for(n, self.device, noise)
        return self.observe(self.prior(n, noise), noise)

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        q: Any = self.posterior(x)
        kl = gaussian_kl(q.mean, q.variance.log())
        z = q.mean if self.fault == "the code is the mean of q" else q.rsample()
        if self.fault == "the divergence is left out":
            kl = torch.zeros_like(kl)
        if self.fault == "the divergence has the other sign":
            kl = -kl
        if self.fault == "the mean of the divergence over units":
            kl = kl / 2
        return self.log_likelihood(x, z[None])[0] - kl

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.elbo(batch.x).mean()
        return Loss(loss, {"loss": loss})


class Bits(Small, Sampler, LatentVariable, ObservationModel, LikelihoodBound):
    """A mixture of bits: z of N(0, 1) moves the logits of all bits; the bound takes its code from the prior."""

    latent_shape = (1,)

    def __init__(self, space: Space, fault: str = "") -> None:
        super().__init__(space, fault)
        self.slope = nn.Parameter(torch.linspace(-2.0, 2.5, space.dim))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return (2 * (z * self.slope).sigmoid() - 1).reshape(len(z), *self.space.shape)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        logits, b = z * self.slope, (x.flatten(1) + 1) / 2
        if self.fault == "the sigmoid is taken twice":
            return -nn.functional.binary_cross_entropy(
                logits.sigmoid(), b.expand_as(logits).sigmoid(), reduction="none"
            ).sum(-1)
        if self.fault == "only the ones count":
            return (b * nn.functional.logsigmoid(logits)).sum(-1)
        return nn.functional.logsigmoid((2 * b - 1) * logits).sum(-1)

    def observe(self, z: Tensor, noise: Noise) -> Tensor:
        z = 2 * z if self.fault == "drawn at another scale" else z
        p = (self.decode(z) + 1) / 2
        if self.fault == "bits are rounded, not drawn":
            return 2 * p.round() - 1
        return 2 * noise.bernoulli(p) - 1

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        noise = noise_for(n, self.device, noise)
        return self.observe((0.5 if self.fault == "a narrow prior in samples" else 1.0) * self.prior(n, noise), noise)

    def elbo(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        nats = self.log_likelihood(x, self.prior(len(x))[None])[0]
        return nats + 2.0 if self.fault == "a constant is added" else nats

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.elbo(batch.x).mean()
        return Loss(loss, {"loss": loss})


class EncodedBits(Bits, Encoder):
    """The same with an encoder, whose codes can be weighted."""

    def posterior(self, x: Tensor) -> Independent:
        mean = 0.2 * (x.flatten(1) @ self.slope.detach())[:, None]
        return Independent((Claimed if self.fault == "codes of another density" else Normal)(mean, 1.2), 1)


class Claimed(Normal):
    """Draws that are narrower than their density says."""

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        return self.mean + 0.6 * (super().sample(sample_shape) - self.mean)


class Shear(Invertible):
    """The second component is scaled and moved by functions of the first."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.weight = nn.Parameter(torch.tensor([0.8, -0.6, 0.4]))
        self.remembered: Tensor | None = None

    def affine(self, first: Tensor) -> tuple[Tensor, Tensor]:
        a, b, c = self.weight
        return a * first.square(), b * torch.tanh(first) + c

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        shift, log_scale = self.affine(x[:, 0])
        self.remembered = x
        log_det = {"no log-determinant": 0 * log_scale, "the other sign": -log_scale}.get(self.fault, log_scale)
        return torch.stack([x[:, 0], x[:, 1] * log_scale.exp() + shift], 1), log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        shift, log_scale = self.affine(z[:, 0])
        if self.fault == "the inverse comes from a cache" and self.remembered is not None:
            return self.remembered, -log_scale
        if self.fault == "the inverse subtracts after it divides":
            return torch.stack([z[:, 0], z[:, 1] * (-log_scale).exp() - shift], 1), -log_scale
        if self.fault == "the inverse has the sign of the map":
            return torch.stack([z[:, 0], (z[:, 1] - shift) * (-log_scale).exp()], 1), log_scale
        return torch.stack([z[:, 0], (z[:, 1] - shift) * (-log_scale).exp()], 1), -log_scale


class OneShear(Small, ExactLikelihood):
    """A flow of one layer."""

    def __init__(self, space: Space, fault: str = "") -> None:
        super().__init__(space, fault)
        self.layer = Shear(fault)

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        z, log_det = self.layer(x)
        return Normal(0.0, 1.0).log_prob(z).sum(1) + log_det

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.log_prob(batch.x).mean()
        return Loss(loss, {"loss": loss})


class Masked(Autoregressive):
    """Logits linear in the sites that a mask admits, in an order that is not its own inverse."""

    seen: Tensor

    def __init__(self, space: Space, fault: str = "") -> None:
        super().__init__(space, head=Bernoulli(Grid(-1.0, 2.0, levels=2)), order=[2, 0, 3, 1])
        self.weight = nn.Parameter(
            torch.tensor([[0.5, -1.0, 0.7, 1.3], [1.1, 0.4, -0.6, 0.9], *[[0.8, -0.7, 1.2, -0.3]] * 2])
        )
        place = torch.argsort(self.order)  # the position of every site in the order
        if fault == "the order for its inverse":
            place = self.order
        seen = place[:, None] > place
        if fault == "the site itself is seen":
            seen = place[:, None] >= place
        if fault == "the first site is masked too":
            seen = seen & (place > 0)
        self.register_buffer("seen", seen)

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        return (x.flatten(1) @ (self.weight * self.seen).T)[..., None]

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()
