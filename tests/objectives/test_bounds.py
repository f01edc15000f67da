"""The bounds on a linear Gaussian model, whose evidence and posterior are known in closed form."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from veridical.objectives.bounds import active_units, elbo, free_bits, gaussian_kl, iwae_bound


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def normal(mu: Tensor, sigma: Tensor | float = 1.0) -> Independent:
    return Independent(Normal(mu, sigma), 1)


class LinearGaussian:
    """p(z) = N(0, I), p(x | z) = N(Wz + b, sigma^2 I)."""

    def __init__(self, d: int = 3, latent: int = 2, sigma: float = 0.7) -> None:
        self.W, self.b, self.sigma = torch.randn(d, latent), torch.randn(d), sigma
        self.evidence = MultivariateNormal(self.b, self.W @ self.W.T + sigma**2 * torch.eye(d))

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        return normal(z @ self.W.T + self.b, self.sigma).log_prob(x) + normal(torch.zeros_like(z)).log_prob(z)

    def posterior(self, x: Tensor) -> MultivariateNormal:
        covariance = torch.linalg.inv(self.W.T @ self.W / self.sigma**2 + torch.eye(self.W.shape[1]))
        return MultivariateNormal((x - self.b) @ self.W @ covariance / self.sigma**2, covariance)


def test_gaussian_kl_is_that_of_torch() -> None:
    mu, log_var = 3 * torch.randn(5, 7, 4), 3 * torch.randn(5, 7, 4)
    expected = kl_divergence(normal(mu, (log_var / 2).exp()), normal(torch.zeros(4)))
    torch.testing.assert_close(gaussian_kl(mu, log_var), expected, rtol=1e-12, atol=1e-12)


def test_gaussian_kl_is_the_mean_of_its_definition() -> None:
    mu, log_var = torch.tensor([0.5, -1.0]), torch.tensor([-1.0, 0.3])
    q = normal(mu, (log_var / 2).exp())
    z = q.sample((100_000,))
    ratio = q.log_prob(z) - normal(torch.zeros(2)).log_prob(z)
    # Five standard errors: false-alarm rate 6e-7.
    assert abs(ratio.mean() - gaussian_kl(mu, log_var)) < 5 * ratio.std() / math.sqrt(len(z))


def test_gaussian_kl_keeps_its_digits_near_the_prior() -> None:
    # (exp(v) - 1 - v) / 2 = v^2 / 4 + ... is far below the rounding of 1.
    log_var = torch.full((1, 1), 1e-7)
    torch.testing.assert_close(gaussian_kl(torch.zeros(1, 1), log_var), torch.tensor([0.25e-14]), rtol=1e-5, atol=0)


def test_elbo_subtracts_the_weighted_divergence() -> None:
    log_likelihood, kl = torch.tensor([-3.0, -5.0]), torch.tensor([2.0, 4.0])
    torch.testing.assert_close(elbo(log_likelihood, kl), torch.tensor([-5.0, -9.0]))
    torch.testing.assert_close(elbo(log_likelihood, kl, 0.25), torch.tensor([-3.5, -6.0]))


def test_elbo_falls_short_of_the_evidence_by_the_divergence_from_the_posterior() -> None:
    model = LinearGaussian()
    x = model.evidence.sample((1,))
    exact = model.posterior(x)
    mu, log_var = exact.mean + 0.3, exact.variance.log() + 0.2
    q = MultivariateNormal(mu, torch.diag_embed(log_var.exp()))
    z = q.sample((100_000,))[:, 0]
    draws = elbo(normal(z @ model.W.T + model.b, model.sigma).log_prob(x), gaussian_kl(mu, log_var).expand(len(z)))
    expected = model.evidence.log_prob(x) - kl_divergence(q, exact)
    # Five standard errors: false-alarm rate 6e-7.
    assert abs(draws.mean() - expected) < 5 * draws.std() / math.sqrt(len(z))


@pytest.mark.parametrize("k", [1, 6])
def test_every_weight_is_the_evidence_under_the_exact_posterior(k: int) -> None:
    model = LinearGaussian()
    x = model.evidence.sample((4,))
    z = model.posterior(x).sample((k,))
    log_w = (model.log_joint(x, z) - model.posterior(x).log_prob(z)).T
    torch.testing.assert_close(iwae_bound(log_w), model.evidence.log_prob(x), rtol=0, atol=1e-10)


def test_the_bound_rises_with_k_towards_the_evidence() -> None:
    model = LinearGaussian()
    x = model.evidence.sample((1,))
    exact = model.posterior(x)
    q = normal(exact.mean + 0.3, 1.3 * exact.variance.sqrt())
    z = q.sample((100_000,))[:, 0]
    log_w = (model.log_joint(x, z) - q.log_prob(z)).reshape(-1, 1000)
    bound = {k: iwae_bound(log_w.reshape(-1, k)).reshape(100, -1).mean(1) for k in (1, 5, 50, 1000)}
    for fewer, more in ((1, 5), (5, 50), (50, 1000)):
        assert (bound[more] > bound[fewer]).all()  # of the same weights it always does (Jensen)
    log_p = model.evidence.log_prob(x).item()
    for values in bound.values():  # 1000 weights miss by far less than the five standard errors (rate 3e-7 each)
        assert values.mean() < log_p + 5 * values.std() / 10
    assert log_p - bound[1].mean() > 0.05
    assert log_p - bound[1000].mean() < 0.005


def test_iwae_bound_is_that_of_any_scale() -> None:
    log_w = torch.randn(3, 7)
    torch.testing.assert_close(iwae_bound(log_w), log_w.exp().mean(-1).log())
    torch.testing.assert_close(iwae_bound(log_w - 1e6), iwae_bound(log_w) - 1e6)


def test_the_gradient_of_the_iwae_bound_is_the_weighted_one() -> None:
    log_w = torch.randn(3, 7, requires_grad=True)
    iwae_bound(log_w).sum().backward()
    torch.testing.assert_close(log_w.grad, log_w.detach().softmax(-1))


def test_active_units_counts_what_varies_with_x() -> None:
    mu = torch.randn(1000, 4) * torch.tensor([1.0, 0.12, 0.08, 0.0]) + 5.0  # variances 1, 0.0144, 0.0064, 0
    mu.requires_grad_()
    count = active_units(mu)
    assert count == 2 and not count.requires_grad
    assert active_units(mu[:1]) == 0  # one example does not vary


def test_free_bits_are_of_the_mean_over_the_batch() -> None:
    kl = torch.tensor([[0.0, 3.0], [0.8, 5.0]])  # the first group has 0.4 on average, and 0.8 at most
    assert free_bits(kl, 0.5).item() == pytest.approx(0.5 + 4.0)
    assert free_bits(kl, 0.3).item() == pytest.approx(0.4 + 4.0)
    assert free_bits(kl, 0.0).item() == pytest.approx(kl.sum(1).mean().item())


def test_groups_below_the_free_bits_have_no_gradient() -> None:
    mu, log_var = torch.randn(6, 3, requires_grad=True), torch.zeros(6, 3, requires_grad=True)
    scale = torch.tensor([0.1, 1.0, 3.0])
    units = gaussian_kl((mu * scale)[..., None], log_var[..., None])
    free = float(units.detach().mean(0)[:2].mean())  # between the first and the second
    free_bits(units, free).backward()
    assert mu.grad is not None and (mu.grad[:, 0] == 0).all()
    plain = torch.autograd.grad(gaussian_kl(mu * scale, log_var).mean(), mu)[0]
    torch.testing.assert_close(mu.grad[:, 1:], plain[:, 1:])
