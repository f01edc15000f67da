"""Mixtures of correlated Gaussians against scipy and closed forms; mutants of the sampler are found."""

import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from veridical.targets import CorrelatedMixture, GaussianMixture, correlated, principal_mixture
from veridical.targets.correlated import _principal

FALSE_ALARM = 1e-4  # of every statistical test below; seeds are fixed


@pytest.fixture(autouse=True)
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def uneven(kind: type[CorrelatedMixture] = CorrelatedMixture) -> CorrelatedMixture:
    root = torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(0))
    covariances = root @ root.mT + 0.1 * torch.eye(3)
    return kind(
        torch.tensor([[0.0, 0.0, 0.3], [1.0, -0.5, 0.0], [-1.2, 0.8, 0.5]]), covariances, torch.tensor([0.5, 0.3, 0.2])
    )


def scipy_log_prob(law: CorrelatedMixture, x: Tensor, sigma: float = 0.0) -> np.ndarray:
    noise = sigma**2 * np.eye(law.dim)
    parts = zip(law.weights.numpy(), law.means.numpy(), law.covariances.numpy(), strict=True)
    return np.log(sum(w * scipy.stats.multivariate_normal(mu, S + noise).pdf(x.numpy()) for w, mu, S in parts))


@pytest.mark.parametrize("sigma", [0.0, 0.7])
def test_density_is_that_of_scipy(sigma: float) -> None:
    law = uneven()
    x = 2 * torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(law.log_prob(x, sigma).numpy(), scipy_log_prob(law, x, sigma), atol=1e-12)


def test_score_is_the_gradient_of_log_prob_at_every_noise() -> None:
    law, generator = uneven(), torch.Generator().manual_seed(1)
    sigma = torch.rand(40, generator=generator)
    x = (2 * torch.randn(40, 3, generator=generator)).requires_grad_()
    (gradient,) = torch.autograd.grad(law.log_prob(x, sigma).sum(), x)
    torch.testing.assert_close(law.score(x.detach(), sigma), gradient)


def test_equal_widths_are_the_mixture_of_one_width() -> None:
    means, weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(2)), torch.tensor([0.1, 0.2, 0.3, 0.4])
    law = CorrelatedMixture(means, 0.25 * torch.eye(3).expand(4, 3, 3), weights)
    same = GaussianMixture(means, 0.5, weights)
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(law.log_prob(x), same.log_prob(x))
    torch.testing.assert_close(law.score(x, 0.3), same.score(x, 0.3))
    assert law.entropy().value == pytest.approx(same.entropy().value, abs=1e-2)


MUTANTS = {
    "axes transposed": ("@ self._axes[k].mT", "@ self._axes[k]"),
    "variances for scales": ("self._scales[k].sqrt()", "self._scales[k]"),
    "mean left out": ("self.means[k] + (x[rows]", "(x[rows]"),
}


def follows(law: CorrelatedMixture) -> bool:
    """Component, distance and angle of samples in the axes of their Gaussian; false alarm 5e-4."""
    x = law.sample(20_000, torch.Generator().manual_seed(4))
    surprise = -law.log_prob(x)
    near = abs(float(surprise.mean()) - law.entropy().value) < 4 * float(surprise.std()) / math.sqrt(20_000)
    mean, S = law.weights @ law.means, torch.cov(law.means.T, correction=0, aweights=law.weights)
    S = S + (law.weights[:, None, None] * law.covariances).sum(0)
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(S), (x - mean).T, upper=False)
    moments = [whitened.mean(1) * math.sqrt(20_000), (whitened @ whitened.T / 20_000 - torch.eye(3)).flatten() * 60]
    return near and bool((torch.cat(moments).abs() < 4).all())


def test_samples_follow_the_law() -> None:
    assert follows(uneven())


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_of_the_sampler_are_found(mutant: str) -> None:
    module = inspect.getmodule(CorrelatedMixture)
    assert module is not None
    source = inspect.getsource(module)
    assert MUTANTS[mutant][0] in source
    namespace: dict = {"__name__": "mutant"}
    exec(source.replace(*MUTANTS[mutant]), namespace)
    kind: Callable = namespace["CorrelatedMixture"]
    assert not follows(uneven(kind))  # type: ignore[arg-type]


def test_entropy_of_one_gaussian_is_that_of_the_definition() -> None:
    exact = 32 * math.log(2 * math.pi * math.e) + 31.5 * math.log(1 - 0.81)
    assert correlated().entropy().value == pytest.approx(exact, abs=1e-10)
    assert correlated().entropy().standard_error == 0
    covariance = correlated(5, -0.5).covariances[0]
    assert covariance[0, 3] == pytest.approx(-0.125) and covariance[2, 2] == pytest.approx(1)


def test_entropy_of_touching_gaussians_is_an_integral() -> None:
    law = CorrelatedMixture(torch.tensor([[-0.7], [0.9]]), torch.tensor([[[0.5]], [[1.3]]]), torch.tensor([0.3, 0.7]))
    axis = torch.linspace(-12, 12, 20_001)[:, None]
    log_p = law.log_prob(axis)
    exact = -float((log_p.exp() * log_p).sum()) * 24 / 20_000
    value, error = law.entropy()
    assert abs(value - exact) < 4 * error and error < 1e-3  # false alarm: 6e-5


def test_images_keep_their_shape() -> None:
    x = torch.rand(60, 1, 2, 3, generator=torch.Generator().manual_seed(5))
    x = x + (torch.arange(60) % 3)[:, None, None, None]
    law = principal_mixture(x, torch.arange(60) % 3, 2, name="images")
    assert law.sample(7).shape == (7, 1, 2, 3) and law.score(x).shape == x.shape
    assert law.log_prob(x[:8].reshape(4, 2, 1, 2, 3)).shape == (4, 2)
    assert (law.component(law.means.reshape(3, 1, 2, 3)) == torch.arange(3)).all()
    with pytest.raises(ValueError, match=r"1, 2, 3"):
        law.log_prob(torch.zeros(4, 6))


def test_principal_components_are_the_most_likely_ones() -> None:
    """The likelihood of Tipping & Bishop, Eq. 15, is largest at the covariance returned: every change lowers it."""
    generator = torch.Generator().manual_seed(6)
    x = torch.randn(200, 4, generator=generator) @ torch.randn(4, 4, generator=generator)
    S, C = x.T.cov(correction=0), _principal(x, 2)

    def log_likelihood(C: Tensor) -> float:
        return float(-torch.logdet(C) - torch.trace(torch.linalg.solve(C, S)))

    scales, axes = torch.linalg.eigh(C)
    torch.testing.assert_close(scales[0], scales[1])
    root = axes[:, 2:] * (scales[2:] - scales[0]).sqrt()
    for _ in range(50):
        moved = root + 1e-2 * torch.randn(4, 2, generator=generator)
        noise = scales[0] * torch.exp(1e-2 * torch.randn((), generator=generator))
        assert log_likelihood(moved @ moved.T + noise * torch.eye(4)) < log_likelihood(C)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CorrelatedMixture(torch.zeros(3), torch.eye(3)[None]), "K, d"),
        (lambda: CorrelatedMixture(torch.zeros(2, 3), torch.eye(3)[None]), "K, d"),
        (lambda: CorrelatedMixture(torch.zeros(1, 2), torch.ones(1, 2, 2)), "above 0"),
        (lambda: CorrelatedMixture(torch.zeros(1, 2), torch.eye(2)[None], shape=(1, 3)), "2 components"),
        (lambda: correlated(4, 1.0), "between -1 and 1"),
        (lambda: principal_mixture(torch.zeros(10, 4), torch.arange(10) % 2, 4), "fewer than both"),
        (lambda: principal_mixture(torch.zeros(10, 4), torch.arange(10) % 5, 2), "fewer than both"),
    ],
)
def test_refusals(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
