"""Likelihoods against enumeration, scipy and torch."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from veridical.objectives.likelihoods import (
    bernoulli_log_prob,
    dequantised_gaussian_log_prob,
    dequantised_laplace_log_prob,
    gaussian_log_prob,
    laplace_log_prob,
)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_bernoulli_sums_to_one() -> None:
    x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=8)), dtype=torch.float64)
    total = bernoulli_log_prob(3 * randn(1, 8), x).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)


def test_bernoulli_is_that_of_torch() -> None:
    logits, x = 5 * randn(4, 3, 6), (randn(3, 6, seed=1) > 0).double()
    expected = torch.distributions.Bernoulli(logits=logits).log_prob(x.expand(4, 3, 6)).sum(-1)
    torch.testing.assert_close(bernoulli_log_prob(logits, x), expected)


def test_bernoulli_keeps_its_digits_at_large_logits() -> None:
    log_p = bernoulli_log_prob(torch.tensor([[30.0], [-200.0]]), torch.tensor([[1.0], [1.0]]))
    torch.testing.assert_close(log_p, torch.tensor([-math.exp(-30), -200.0]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("grey", [0.5, -1.0, 2.0, math.nan, 1 - 1e-6])
def test_bernoulli_refuses_grey(grey: float) -> None:
    with pytest.raises(ValueError, match=r"x holds .*0 and 1 only.*Binarise"):
        bernoulli_log_prob(torch.zeros(1, 3), torch.tensor([[0.0, 1.0, grey]]))


def test_gaussian_is_that_of_scipy() -> None:
    x, mu, log_var = randn(5, 4), randn(5, 4, seed=1), randn(5, 4, seed=2)
    expected = stats.norm.logpdf(x.numpy(), mu.numpy(), np.exp(log_var.numpy() / 2)).sum(-1)
    np.testing.assert_allclose(gaussian_log_prob(x, mu, log_var), expected, rtol=1e-12)


def test_a_shared_variance_counts_for_every_component() -> None:
    x, mu, log_var = randn(2, 3, 4), randn(3, 4, seed=1), torch.tensor([0.7], dtype=torch.float64)
    everywhere = log_var.expand(3, 4)
    torch.testing.assert_close(gaussian_log_prob(x, mu, log_var), gaussian_log_prob(x, mu, everywhere))
    torch.testing.assert_close(
        dequantised_gaussian_log_prob(x, mu, log_var, 0.5), dequantised_gaussian_log_prob(x, mu, everywhere, 0.5)
    )


def test_dequantised_is_the_mean_over_the_bin() -> None:
    x, mu, sigma, width = 0.3, -0.2, 0.4, 0.25
    quadrature = integrate.quad(lambda v: stats.norm.logpdf(v, mu, sigma) / width, x - width / 2, x + width / 2)[0]
    at, mean, log_var = torch.tensor([x, mu, 2 * math.log(sigma)], dtype=torch.float64).reshape(3, 1, 1)
    ours = dequantised_gaussian_log_prob(at, mean, log_var, width)
    assert ours.item() == pytest.approx(quadrature, abs=1e-12)


@pytest.mark.parametrize("sigma", [1e-3, 0.02, 0.3, 5.0])
def test_dequantised_bounds_the_probability_of_the_level(sigma: float) -> None:
    levels, width = torch.linspace(-1, 1, 21, dtype=torch.float64), 0.1
    mu = torch.tensor(0.13, dtype=torch.float64)
    bound = dequantised_gaussian_log_prob(
        levels[:, None], mu.expand(21, 1), torch.full((21, 1), 2 * math.log(sigma), dtype=torch.float64), width
    )
    # The interval is reflected below the mean, where the logarithm of the distribution function keeps its digits.
    far = (levels - mu).abs().neg().numpy()
    upper, lower = stats.norm.logcdf((far + width / 2) / sigma), stats.norm.logcdf((far - width / 2) / sigma)
    log_p = upper + np.log1p(-np.exp(lower - upper))
    assert (bound.numpy() + math.log(width) <= log_p + 1e-9).all()


def test_dequantised_cannot_diverge() -> None:
    width, zero = 2 / 255, torch.zeros(1, 784, dtype=torch.float64)
    sharpest = -392 * math.log(2 * math.pi * math.e * width**2 / 12)
    for factor in (1e-4, 0.1, 0.9, 1.0, 1.1, 10.0):
        log_var = torch.full((1, 1), 2 * math.log(factor * width / math.sqrt(12)), dtype=torch.float64)
        log_p = dequantised_gaussian_log_prob(zero, zero, log_var, width).item()
        assert log_p == pytest.approx(sharpest) if factor == 1.0 else log_p < sharpest


def test_densities_have_the_unit_of_the_data() -> None:
    x, mu, log_var, a = randn(2, 5), randn(2, 5, seed=1), randn(2, 5, seed=2), 12.5
    shift = -5 * math.log(a)
    scaled = dequantised_gaussian_log_prob(a * x, a * mu, log_var + 2 * math.log(a), 0.1 * a)
    torch.testing.assert_close(scaled, dequantised_gaussian_log_prob(x, mu, log_var, 0.1) + shift)


def test_laplace_is_that_of_scipy() -> None:
    x, mu, log_scale = randn(5, 4), randn(5, 4, seed=1), randn(5, 4, seed=2)
    expected = stats.laplace.logpdf(x.numpy(), mu.numpy(), np.exp(log_scale.numpy())).sum(-1)
    np.testing.assert_allclose(laplace_log_prob(x, mu, log_scale), expected, rtol=1e-12)


@pytest.mark.parametrize("mu", [0.3, 0.31, 0.2, 0.1, -0.9])
def test_dequantised_laplace_is_the_mean_over_the_bin(mu: float) -> None:
    x, b, width = 0.3, 0.15, 0.25
    ends = [p for p in (mu,) if abs(x - p) < width / 2]
    quadrature = integrate.quad(
        lambda v: stats.laplace.logpdf(v, mu, b) / width, x - width / 2, x + width / 2, points=ends or None
    )[0]
    at, median, log_scale = torch.tensor([x, mu, math.log(b)], dtype=torch.float64).reshape(3, 1, 1)
    assert dequantised_laplace_log_prob(at, median, log_scale, width).item() == pytest.approx(quadrature, abs=1e-10)


def test_the_best_scale_of_a_laplace_is_the_mean_absolute_error() -> None:
    x = randn(1, 1000)
    log_scale = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        log_scale += x.abs().mean().log()
    slope = torch.autograd.grad(laplace_log_prob(x, torch.zeros_like(x), log_scale).sum(), log_scale)[0]
    assert abs(slope.item()) < 1e-9
