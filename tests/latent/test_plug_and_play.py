"""Guided codes against posteriors in closed form."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from veridical.latent.plug_and_play import Guided, log_label, plug_and_play
from veridical.latent.refinement import refine_codes
from veridical.mcmc.langevin import evaluate
from veridical.noise import FreshNoise
from veridical.statistics import kolmogorov_smirnov_test


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Linear:
    """x = A z + b, y = x + noise of variance s2: the posterior of z is Gaussian."""

    def __init__(self) -> None:
        self.A = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, -0.7]])
        self.b, self.y, self.s2 = torch.tensor([0.3, -1.0]), torch.tensor([2.0, 0.5]), 0.25
        precision = torch.eye(3) + self.A.T @ self.A / self.s2
        self.covariance = precision.inverse()
        self.mean = self.covariance @ self.A.T @ (self.y - self.b) / self.s2

    def decode(self, z: Tensor) -> Tensor:
        return z @ self.A.T + self.b

    def log_condition(self, x: Tensor) -> Tensor:
        return -(x - self.y).square().sum(dim=1) / (2 * self.s2)

    def draw(self, n: int, **choices: object) -> Guided:
        z = torch.randn(n, 3, generator=seeded(1))
        return plug_and_play(self.decode, self.log_condition, z, noise=FreshNoise(n, generator=seeded(2)), **choices)  # type: ignore[arg-type]


def whitened(case: Linear, z: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(torch.linalg.cholesky(case.covariance), (z - case.mean).T, upper=False).T


@pytest.mark.parametrize("choices", [{}, {"preconditioner": torch.tensor([0.3, 0.2, 0.4])}], ids=["plain", "scaled"])
def test_a_linear_generator_under_a_gaussian_condition(choices: dict[str, Tensor]) -> None:
    case, n = Linear(), 4_000
    drawn = case.draw(n, n_steps=160, **choices)
    w = whitened(case, drawn.z)
    # Every chain is independent. Mean, covariance and law of the whitened codes; false alarm 1e-4 each, 10 checks.
    assert stats.chi2.sf(float(n * w.mean(dim=0).square().sum()), 3) > 1e-4
    moments = (w.T @ w / n - torch.eye(3)) * math.sqrt(n) / (1 + torch.eye(3)).sqrt()
    assert float(moments.abs().max()) < stats.norm.isf(0.5e-4)
    for column in w.T:
        assert kolmogorov_smirnov_test(column.numpy(), stats.norm.cdf).p_value > 1e-4
    assert 0.45 < float(drawn.acceptance.mean()) < 0.7
    torch.testing.assert_close(drawn.log_condition, case.log_condition(case.decode(drawn.z)))


def test_unadjusted_chains_are_off_as_theory_says() -> None:
    # x' = x - h P (x - m) + sqrt(2h) eps has covariance (P - h P^2 / 2)^-1, P the posterior precision.
    case, n, h = Linear(), 20_000, 0.1
    z = case.draw(n, n_steps=150, step=h, adjusted=False).z
    P = case.covariance.inverse()
    found, expected = z.T.cov(), (P - h * P @ P / 2).inverse()
    error = ((expected.diag()[:, None] * expected.diag() + expected**2) / n).sqrt()
    assert float(((found - expected) / error).abs().max()) < 4.2  # false alarm 2e-4
    assert float(((found - case.covariance) / error).abs().max()) > 12


def original(score: Callable[[Tensor], Tensor], z: Tensor, h: float, scale: float, n_steps: int) -> Tensor:
    """The published chain: d = score and noise, scaled to a mean absolute component of `scale`."""
    generator = seeded(4)
    for _ in range(n_steps):
        d = h * score(z) + math.sqrt(2 * h) * torch.randn(z.shape, generator=generator)
        z = z + scale * d / d.abs().mean(dim=1, keepdim=True)
    return z


@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_steps_of_fixed_length_sample_at_a_temperature_of_their_own(temperature: float) -> None:
    # Drift and noise are both multiplied by c = scale / mean|d|: drift c h, noise variance c^2 2h = c (2 c h), so the
    # law is p^(1/c). In many dimensions mean|d| -> sqrt(2h) sqrt(2/pi): the scale decides c, the condition does not.
    n, d, s2, h = 100, 100, 0.25, 0.004
    v = 1 / (1 + 1 / s2)  # posterior of z for x = z and y = 0

    def score(z: Tensor) -> Tensor:
        return evaluate(lambda z: -z.square().sum(dim=1) / (2 * s2) - z.square().sum(dim=1) / 2, z).score

    start = v**0.5 * torch.randn(n, d, generator=seeded(3))  # the posterior itself, which it leaves
    scale = temperature * math.sqrt(2 * h) * math.sqrt(2 / math.pi)
    z = original(score, start, h, scale, n_steps=500)
    assert float(z.square().mean()) / v == pytest.approx(temperature, rel=0.06)  # 5 standard errors of sqrt(2 / n d)


def test_a_uniform_prior_keeps_its_walls() -> None:
    # p(z) uniform on [-1, 1], x = 2 z, y = 3 +- 1: a Gaussian about 1.5 of width 1/2, cut at 1.
    n = 5_000
    z = 2 * torch.rand(n, 1, generator=seeded(5)) - 1
    noise = FreshNoise(n, generator=seeded(6))
    drawn = plug_and_play(lambda z: 2 * z, lambda x: -(x - 3).square().sum(dim=1) / 2, z, prior="uniform", noise=noise)
    law = stats.truncnorm((-1 - 1.5) / 0.5, (1 - 1.5) / 0.5, 1.5, 0.5)
    assert kolmogorov_smirnov_test(drawn.z[:, 0].numpy(), law.cdf).p_value > 1e-4  # false alarm 1e-4


def test_a_label_of_a_classifier() -> None:
    # p(label 1 | x) = sigmoid(4 x): the posterior density is 2 N(z) sigmoid(4 z), by symmetry.
    n = 5_000
    condition = log_label(lambda x: torch.cat([-2 * x, 2 * x], dim=1), 1)
    z = torch.randn(n, 1, generator=seeded(7))
    drawn = plug_and_play(lambda z: z, condition, z, noise=FreshNoise(n, generator=seeded(8))).z[:, 0].numpy()
    edges = np.linspace(-8, 8, 4001)
    mass = integrate.cumulative_trapezoid(2 * stats.norm.pdf(edges) / (1 + np.exp(-4 * edges)), edges, initial=0)
    assert mass[-1] == pytest.approx(1)
    assert kolmogorov_smirnov_test(drawn, lambda x: np.interp(x, edges, mass)).p_value > 1e-4  # false alarm 1e-4
    with pytest.raises(ValueError, match="classes 0 to 1"):
        log_label(condition_logits, 2)(torch.zeros(1, 1))


def condition_logits(x: Tensor) -> Tensor:
    return torch.cat([-x, x], dim=1)


def test_with_the_exact_ratio_as_condition_samples_become_data() -> None:
    # q = N(0, 4) by G(z) = 2 z, p = N(1, 1/2): the flow of the codes alone misses p, the guided chains do not.
    n = 4_000

    def log_ratio(x: Tensor) -> Tensor:
        return (
            torch.distributions.Normal(1.0, 0.5**0.5).log_prob(x) - torch.distributions.Normal(0.0, 2.0).log_prob(x)
        )[:, 0]

    z = torch.randn(n, 1, generator=seeded(9))
    guided = 2 * plug_and_play(lambda z: 2 * z, log_ratio, z, noise=FreshNoise(n, generator=seeded(10))).z
    how: dict[str, Any] = {"step": 0.01, "n_steps": 200, "entropy_weight": 1.0}
    flowed = 2 * refine_codes(log_ratio, lambda z: 2 * z, z, noise=FreshNoise(n, generator=seeded(11)), **how)
    p = stats.norm(1, 0.5**0.5)
    assert kolmogorov_smirnov_test(guided[:, 0].numpy(), p.cdf).p_value > 1e-4  # false alarm 1e-4
    assert kolmogorov_smirnov_test(flowed[:, 0].numpy(), p.cdf).p_value < 1e-6


def test_the_noise_decides_and_what_cannot_be_asked_is_refused() -> None:
    case = Linear()
    assert torch.equal(case.draw(8, n_steps=10).z, case.draw(8, n_steps=10).z)
    with pytest.raises(ValueError, match="n_steps is 1"):
        case.draw(2, n_steps=1)
    with pytest.raises(ValueError, match="between -1 and 1"):
        case.draw(50, prior="uniform")
    with pytest.raises(ValueError, match="not finite at 2 of 2"):
        plug_and_play(case.decode, lambda x: x.sum(dim=1) - math.inf, torch.zeros(2, 3))
