"""Codes in two parts: the density of draws, by quadrature and against a joint Gaussian."""

from collections.abc import Callable

import pytest
import torch
from torch.distributions import MultivariateNormal

from tests.mutants import mutated
from veridical.nn.nested_gaussian import NestedGaussian

pytestmark = pytest.mark.usefixtures("double_precision")


A = torch.tensor([[0.7, -0.4, 1.1], [0.2, 0.9, -0.5]], dtype=torch.float64)
UPPER, LOWER = torch.tensor([-0.5, 0.3], dtype=torch.float64), torch.tensor([0.4, -0.2, 0.1], dtype=torch.float64)


def linear() -> tuple[NestedGaussian, MultivariateNormal]:
    """The second part is linear in the first, so that both together are one Gaussian."""
    mean = torch.tensor([[1.0, -2.0]])
    q = NestedGaussian(mean, UPPER.expand(1, 2), lambda z: (z @ A + 1.0, LOWER.expand(*z.shape[:-1], 3)), lower_dim=3)
    upper = UPPER.exp().diag()
    covariance = torch.cat(
        [torch.cat([upper, upper @ A], 1), torch.cat([A.T @ upper, A.T @ upper @ A + LOWER.exp().diag()], 1)]
    )
    return q, MultivariateNormal(torch.cat([mean[0], (mean @ A + 1.0)[0]]), covariance)


def test_with_linear_means_it_is_one_gaussian() -> None:
    q, joint = linear()
    z = torch.randn(7, 1, 5)
    torch.testing.assert_close(q.log_prob(z), joint.log_prob(z))
    torch.testing.assert_close(q.mean[0], joint.mean)


def test_draws_have_the_covariance_of_the_joint() -> None:
    q, joint = linear()
    z = q.rsample((20_000,))[:, 0]
    C = joint.covariance_matrix
    error = ((C.diag()[:, None] * C.diag() + C.square()) / len(z)).sqrt()
    # 15 covariances and 5 means at five standard errors: false-alarm rate 1.2e-5.
    assert ((torch.cov(z.T) - C).abs() < 5 * error).all()
    assert ((z.mean(0) - joint.mean).abs() < 5 * (C.diag() / len(z)).sqrt()).all()


def test_a_scale_that_depends_on_the_first_part_integrates_to_one() -> None:
    zero = torch.zeros(1, 1)
    q = NestedGaussian(zero, zero, lambda z: (z.sin(), z), lower_dim=1)
    axis = torch.linspace(-8, 8, 801)
    upper, standard = torch.meshgrid(axis, axis, indexing="ij")
    # In units of the second part's own scale, so that the grid is as fine wherever it is narrow.
    lower = upper.sin() + (upper / 2).exp() * standard
    z = torch.stack([upper, lower], -1).reshape(-1, 1, 2)
    mass = q.log_prob(z).exp().reshape(801, 801) * (upper / 2).exp()
    assert mass.sum().item() * 0.02**2 == pytest.approx(1, abs=1e-6)


def test_gradients_flow_to_the_parameters() -> None:
    mean, log_var = torch.zeros(3, 2, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    q = NestedGaussian(mean, log_var, lambda z: (z[..., :1] * 2, z[..., :1]), lower_dim=1)
    z = q.rsample((4,))
    assert z.shape == (4, 3, 3) and q.batch_shape == (3,) and q.event_shape == (3,)
    z.square().sum().backward()
    assert mean.grad is not None and log_var.grad is not None and (log_var.grad != 0).all()
    assert (q.variance > 0).all()


MUTANTS: dict[str, tuple[str, str, str, Callable[[], None]]] = {
    "the second part ignores the first": (
        "log_prob",
        "self.lower(upper)",
        "self.lower(self.upper_mean)",
        test_with_linear_means_it_is_one_gaussian,
    ),
    "the first part has no density": (
        "log_prob",
        "return first + ",
        "return ",
        test_with_linear_means_it_is_one_gaussian,
    ),
    "the second part is drawn for the mean": (
        "rsample",
        "self.lower(upper)",
        "self.lower(self.upper_mean.expand_as(upper))",
        test_draws_have_the_covariance_of_the_joint,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, before, after, test = MUTANTS[name]
    monkeypatch.setattr(NestedGaussian, method, mutated(getattr(NestedGaussian, method), before, after))
    with pytest.raises(AssertionError):
        test()
