"""Flows between Gaussians, where ratio, trajectory and stationary law are known."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from tests.mutants import is_noticed
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from veridical.latent import refinement
from veridical.latent.refinement import (
    DIVERGENCES,
    Divergence,
    gradient_flow,
    log_stationary,
    normalised,
    refine,
    refine_codes,
    step_to_the_data,
    velocity,
    weight,
)
from veridical.noise import FreshNoise
from veridical.statistics import kolmogorov_smirnov_test


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


GENERATORS: dict[Divergence, Callable[[Tensor], Tensor]] = {
    "kl": lambda r: r * r.log(),
    "js": lambda r: r * r.log() - (r + 1) * ((r + 1) / 2).log(),
    "logd": lambda r: (r + 1) * (r + 1).log(),
}
"""f(r) of every divergence."""

M, S2 = 1.0, 0.5  # p
MU, V = -0.5, 2.0  # q, wider
A = 1 / S2 - 1 / V
PEAK = (M / S2 - MU / V) / A


def ratio(x: Tensor, mu: float = MU, v: float = V) -> Tensor:
    """log p/q of the two Gaussians."""
    return (Normal(M, S2**0.5).log_prob(x) - Normal(mu, v**0.5).log_prob(x)).sum(dim=1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(n: int, seed: int) -> FreshNoise:
    return FreshNoise(n, generator=seeded(seed))


def start(n: int, mu: float = MU, v: float = V) -> Tensor:
    return mu + v**0.5 * torch.randn(n, 1, generator=seeded(8))


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_weights_and_stationary_laws_follow_from_the_first_variation(divergence: Divergence) -> None:
    logits = torch.linspace(-6, 6, 25, requires_grad=True)
    r = (-logits).exp()
    (slope,) = torch.autograd.grad(GENERATORS[divergence](r).sum(), r, create_graph=True)  # f'(r)
    (descent,) = torch.autograd.grad(-slope.sum(), logits)
    torch.testing.assert_close(weight(logits, divergence).detach(), descent)
    shift = log_stationary(logits.detach(), divergence, 0.3) + slope.detach() / 0.3
    torch.testing.assert_close(shift, shift[:1].expand_as(shift))


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_a_sample_follows_its_differential_equation(divergence: Divergence) -> None:
    def slope(_: float, y: np.ndarray) -> np.ndarray:
        return velocity(ratio, torch.tensor(y)[:, None], divergence)[:, 0].numpy()

    x = torch.linspace(-3, 3, 7)[:, None]
    exact = integrate.solve_ivp(slope, (0, 1), x[:, 0].numpy(), rtol=1e-9, atol=1e-10).y[:, -1]
    errors = [
        float((refine(ratio, x, divergence=divergence, step=1 / n, n_steps=n)[:, 0] - torch.tensor(exact)).abs().max())
        for n in (200, 400)
    ]
    assert errors[1] < 0.01 and errors[1] == pytest.approx(errors[0] / 2, rel=0.1)  # Euler's method is of first order


@pytest.mark.parametrize("gamma", [0.0, 0.4])
@pytest.mark.parametrize("v", [V, 0.2], ids=["wide", "narrow"])
def test_the_static_flow_moves_a_gaussian_as_derived(v: float, gamma: float) -> None:
    # Mean and variance of dx = -a (x - x*) dt + sqrt(2 gamma) dW, a of either sign.
    n, t, steps = 20_000, 0.5, 200
    a = 1 / S2 - 1 / v
    peak = (M / S2 - MU / v) / a
    x = refine(
        lambda x: ratio(x, v=v), start(n, v=v), step=t / steps, n_steps=steps, entropy_weight=gamma, noise=rows(n, 1)
    )
    mean = peak + (MU - peak) * math.exp(-a * t)
    variance = v * math.exp(-2 * a * t) + gamma * (1 - math.exp(-2 * a * t)) / a
    # 4 standard errors of mean and variance (false alarm 1.3e-4) and the error of Euler's method.
    assert float(x.mean()) == pytest.approx(mean, abs=4 * (variance / n) ** 0.5 + 5e-3 * abs(mean - MU))
    assert float(x.var()) == pytest.approx(variance, rel=4 * (2 / n) ** 0.5 + 0.01)


def test_the_static_flow_passes_the_data_and_ends_at_the_peak() -> None:
    x = start(20_000)
    spread = []
    for _ in range(4):
        x = refine(ratio, x, step=0.02, n_steps=25)
        spread.append(float(x.var()))
    # v exp(-2 a t): 0.446 at t = 1/2, below s2 = 0.5 already; it never stops there.
    assert spread[0] < S2 and spread == sorted(spread, reverse=True)
    x = refine(ratio, x, step=0.1, n_steps=200)
    torch.testing.assert_close(x, torch.full_like(x, PEAK))


def the_step_ends_short_of_the_data(longest: float) -> None:
    r"""$\ell = c - a (x - \text{peak})^2 / 2$, and Euler's method multiplies x - peak by 1 - ah."""
    at_start, at_data = V + (MU - PEAK) ** 2, S2 + (M - PEAK) ** 2
    expected = longest
    while at_start * (1 - A * expected) ** 50 < at_data or abs(1 - A * expected) > 1:
        expected /= 2
    assert abs(at_start * (1 - A * expected) ** 50 / at_data - 1) > 0.1  # the samples decide alike
    assert step_to_the_data(ratio, start(20_000), step=longest) == expected


@pytest.mark.parametrize("longest", [0.005, 0.1, 3.0, 100.0])  # short enough, too long, unstable
def test_the_step_ends_short_of_the_data(longest: float) -> None:
    the_step_ends_short_of_the_data(longest)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<= data", "< float('inf')"),
        ("low <= high", "True"),
        ("(heights[0].softmax(0) * heights[0]).sum()", "heights[0].mean()"),
    ],
)
def test_mutants_of_the_step_are_seen(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> None:
        for longest in (0.005, 0.1, 3.0):
            the_step_ends_short_of_the_data(longest)

    is_noticed(check, monkeypatch, refinement, "step_to_the_data", before, after)


@pytest.mark.parametrize("divergence, gamma", [("kl", 0.5), ("kl", 1.0), ("logd", 0.25)])
def test_the_static_flow_settles_at_its_own_law_not_at_the_datas(divergence: Divergence, gamma: float) -> None:
    edges = np.linspace(-8, 10, 20_001)
    density = log_stationary(ratio(torch.tensor(edges)[:, None]), divergence, gamma).exp().numpy()
    mass = integrate.cumulative_trapezoid(density, edges, initial=0)
    x = start(4_000)
    x = refine(ratio, x, divergence=divergence, step=0.01, n_steps=700, entropy_weight=gamma, noise=rows(4_000, 2))
    # Steps of 0.01 change the variance by less than 1 %, far below what 4,000 draws resolve. False alarm 1e-4.
    assert kolmogorov_smirnov_test(x[:, 0].numpy(), lambda y: np.interp(y, edges, mass / mass[-1])).p_value > 1e-4
    assert kolmogorov_smirnov_test(x[:, 0].numpy(), stats.norm(M, S2**0.5).cdf).p_value < 1e-6
    if divergence == "kl":
        assert float(x.var()) == pytest.approx(gamma / A, rel=4 * (2 / 4_000) ** 0.5 + 0.01)


def test_the_landscape_of_js_has_no_law_on_all_of_space() -> None:
    far = log_stationary(ratio(torch.tensor([[-30.0], [30.0]])), "js", 1.0)
    torch.testing.assert_close(far, torch.zeros(2))  # a density that tends to 1 has no integral


COVARIANCE = torch.tensor([[0.5, 0.3], [0.3, 1.0]], dtype=torch.float64)


def log_ratio_of(x: Tensor) -> Callable[[Tensor], Tensor]:
    """The exact ratio for the Gaussian of the samples' own moments: an affine flow keeps them Gaussian."""
    p = MultivariateNormal(torch.tensor([1.0, -2.0]), COVARIANCE)
    rho = MultivariateNormal(x.mean(dim=0), x.T.cov())
    return lambda y: p.log_prob(y) - rho.log_prob(y)


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_with_the_ratio_of_the_moment_kl_ends_at_the_data(gamma: float) -> None:
    # dC/dt = 2 (1 + gamma) I - (C S^-1 + S^-1 C): fixed point (1 + gamma) S, the law p^(1 / (1 + gamma)).
    n = 5_000
    x = torch.randn(n, 2, generator=seeded(3)) * torch.tensor([2.0, 0.3])
    x = gradient_flow(log_ratio_of, x, step=0.04, n_steps=200, entropy_weight=gamma, noise=rows(n, 4))
    error = (
        5 * (2 * (1 + gamma) / n) ** 0.5 + 0.05 * gamma if gamma else 0.0
    )  # sampling (false alarm 1e-5); Euler's method with noise
    torch.testing.assert_close(x.mean(dim=0), torch.tensor([1.0, -2.0]), rtol=0, atol=error + 1e-3)
    torch.testing.assert_close(x.T.cov(), (1 + gamma) * COVARIANCE, rtol=0, atol=error + 1e-3)


def test_the_true_flow_follows_its_variance_and_starts_as_the_static_one() -> None:
    # v' = 2 (1 - v/s2): v = s2 + (v0 - s2) exp(-2 t / s2).
    def estimate(x: Tensor) -> Callable[[Tensor], Tensor]:
        mu, v = float(x.mean()), float(x.var())
        return lambda y: ratio(y, mu, v)

    x = start(5_000)
    mu, v = float(x.mean()), float(x.var())
    for t, n in ((0.1, 200), (0.5, 1_000)):
        y = gradient_flow(estimate, x, step=t / n, n_steps=n)
        assert float(y.mean()) == pytest.approx(M + (mu - M) * math.exp(-t / S2), abs=2e-3)
        assert float(y.var()) == pytest.approx(S2 + (v - S2) * math.exp(-2 * t / S2), rel=2e-3)
    one = gradient_flow(estimate, x, step=1e-3, n_steps=1)
    torch.testing.assert_close(one, refine(lambda y: ratio(y, mu, v), x, step=1e-3, n_steps=1))


@pytest.mark.parametrize("divergence", ["js", "logd"])
def test_the_true_flow_of_the_other_divergences_ends_at_the_data_too(divergence: Divergence) -> None:
    # One parameter: laws N(m, s2) of unknown mean stay Gaussian to first order, so the fixed point is what is tested.
    at_data = MultivariateNormal(torch.tensor([1.0, -2.0]), COVARIANCE).sample((50,))
    exact = at_data - at_data.mean(dim=0)
    exact = torch.linalg.solve_triangular(torch.linalg.cholesky(exact.T.cov()), exact.T, upper=False)
    exact = (torch.linalg.cholesky(COVARIANCE) @ exact).T + torch.tensor([1.0, -2.0])
    torch.testing.assert_close(gradient_flow(log_ratio_of, exact, divergence=divergence, step=0.1, n_steps=3), exact)


def test_codes_flow_as_their_examples_pulled_back() -> None:
    B = torch.tensor([[1.0, 0.5], [0.0, 2.0]])
    z = torch.randn(6, 2, generator=seeded(5))

    def logits(x: Tensor) -> Tensor:
        return -(x - 1).square().sum(dim=1) / 2

    moved = refine_codes(logits, lambda z: z @ B.T, z, step=0.01, n_steps=1, entropy_weight=0.0)
    torch.testing.assert_close(moved, z - 0.01 * (z @ B.T - 1) @ B)


def test_the_open_constant_is_found() -> None:
    x = start(200_000)
    fixed = normalised(lambda y: ratio(y) + 3.0, x)
    # The relative variance of e^l is below 1.1: four standard errors. False alarm 6e-5.
    torch.testing.assert_close(fixed(x[:5]), ratio(x[:5]), rtol=0, atol=4 * (1.1 / 200_000) ** 0.5)
    torch.testing.assert_close(velocity(fixed, x[:5], "js"), velocity(ratio, x[:5], "js"), rtol=0, atol=0.05)


def test_what_makes_no_flow_is_refused() -> None:
    x = torch.zeros(2, 1)
    with pytest.raises(ValueError, match="expected one of kl, js, logd"):
        refine(ratio, x, divergence="hellinger", step=0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_steps is -1"):
        refine(ratio, x, step=0.1, n_steps=-1)
    with pytest.raises(ValueError, match="above 0"):
        log_stationary(torch.zeros(1), "kl", 0.0)
