"""Fitted mixtures: moments, the likelihood of scipy, the ascent of EM, recovery of what is known."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from tests.mutants import mutated
from veridical.nn import mixture
from veridical.nn.mixture import GaussianMixture, fit_gaussian, fit_mixture, roots
from veridical.noise import FreshNoise, SampleNoise


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def two_clusters(n: int = 400) -> tuple[Tensor, GaussianMixture]:
    """Points of a mixture whose components do not touch: a quarter about (-8, 0), the others about (8, 4)."""
    root = torch.tensor([[[1.0, 0.0], [0.5, 0.3]], [[0.2, 0.0], [0.0, 2.0]]], dtype=torch.float64)
    means = torch.tensor([[-8.0, 0.0], [8.0, 4.0]], dtype=torch.float64)
    known = GaussianMixture(torch.tensor([0.25, 0.75], dtype=torch.float64), means, root @ root.mT)
    return known.draw(FreshNoise(n, generator=torch.Generator().manual_seed(0))), known


def test_one_gaussian_has_the_moments_of_the_points() -> None:
    z = randn(50, 3) @ randn(3, 3, seed=1) + 5
    found = fit_gaussian(z)
    np.testing.assert_allclose(found.means[0], z.numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariances[0], np.cov(z.numpy().T, bias=True), rtol=1e-10)
    assert found.weights.tolist() == [1.0]


def test_the_density_is_that_of_scipy() -> None:
    _, known = two_clusters()
    z = 5 * randn(20, 2)
    parts = [
        w * stats.multivariate_normal(m.numpy(), c.numpy()).pdf(z.numpy())  # type: ignore[arg-type]
        for w, m, c in zip(known.weights.tolist(), known.means, known.covariances, strict=True)
    ]
    np.testing.assert_allclose(known.log_prob(z), np.log(sum(parts)), rtol=1e-10)


def test_draws_have_the_moments_of_the_mixture() -> None:
    n = 40_000
    z, known = two_clusters(n)
    left = z[:, 0] < 0
    # Five standard errors each: false-alarm rate of all 11 comparisons below 1e-5.
    assert abs(float(left.double().mean()) - 0.25) < 5 * math.sqrt(0.25 * 0.75 / n)
    for k, part in enumerate((z[left], z[~left])):
        cov = known.covariances[k]
        assert ((part.mean(0) - known.means[k]).abs() < 5 * (cov.diagonal() / len(part)).sqrt()).all()
        spread = ((cov.diagonal()[:, None] * cov.diagonal() + cov**2) / len(part)).sqrt()
        assert ((part.T.cov() - cov).abs() < 5 * spread).all()


def test_a_fit_recovers_components_that_do_not_touch() -> None:
    z, _ = two_clusters()
    found, left = fit_mixture(z, 2), z[:, 0] < 0
    order = found.means[:, 0].argsort()
    torch.testing.assert_close(found.weights[order[0]], left.double().mean(), rtol=1e-9, atol=1e-9)
    for k, part in zip(order, (z[left], z[~left]), strict=True):
        torch.testing.assert_close(found.means[k], part.mean(0), rtol=1e-6, atol=1e-6)
        floor = 1e-3 * z.var(0, correction=0).mean() * torch.eye(2, dtype=z.dtype)
        torch.testing.assert_close(found.covariances[k], part.T.cov(correction=0) + floor, rtol=1e-6, atol=1e-6)


def test_every_step_of_em_raises_the_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "FLOOR", 1e-12)
    z = torch.cat([randn(60, 2), randn(60, 2, seed=1) + 1.5])
    nats = []
    for steps in range(8):
        monkeypatch.setattr(mixture, "STEPS", steps)
        nats.append(float(fit_mixture(z, 3).log_prob(z).mean()))
    assert all(b > a - 1e-12 for a, b in pairwise(nats)) and nats[-1] > nats[0] + 1e-4


def test_points_on_a_line_are_drawn_on_the_line() -> None:
    z = randn(30, 1) * torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    drawn = fit_gaussian(z).draw(SampleNoise(0, 0, 50))
    torch.testing.assert_close(drawn, drawn[:, :1] * torch.tensor([[1.0, 2.0, -1.0]], dtype=drawn.dtype))


def test_roots_are_square_roots() -> None:
    a = randn(4, 3, 3)
    found = roots(a @ a.mT)
    torch.testing.assert_close(found @ found, a @ a.mT)
    torch.testing.assert_close(found, found.mT)


def test_a_draw_depends_on_its_own_noise_alone() -> None:
    known = two_clusters()[1]
    torch.testing.assert_close(known.draw(SampleNoise(3, 2, 1))[0], known.draw(SampleNoise(3, 0, 4))[2])


def test_a_fit_is_a_function_of_the_points() -> None:
    z = randn(40, 2)
    torch.manual_seed(1)
    first = fit_mixture(z, 3)
    torch.manual_seed(2)
    assert torch.equal(first.means, fit_mixture(z, 3).means)


@pytest.mark.parametrize(("n", "components"), [(3, 5), (1, 2), (4, 1)])
def test_few_points_can_be_fitted(n: int, components: int) -> None:
    found = fit_mixture(randn(n, 2), components)
    assert len(found.weights) == min(n, components)
    assert all(part.isfinite().all() for part in (found.weights, found.means, found.covariances))


def test_nothing_to_fit_is_refused() -> None:
    for z, components in ((torch.zeros(0, 2), 1), (torch.zeros(3, 2), 0)):
        with pytest.raises(ValueError, match="at least one of each"):
            fit_mixture(z, components)


class Mutant(NamedTuple):
    """A wrong line, and the test that notices it."""

    function: str
    before: str
    after: str
    test: Callable[..., None]


MUTANTS = {
    "covariances about the origin": Mutant(
        "_of_shares", "points[:, None] - means", "points[:, None] + 0 * means",
        test_one_gaussian_has_the_moments_of_the_points,
    ),
    "sums instead of means": Mutant(
        "_of_shares", "about, about) / counts[:, None, None]", "about, about)",
        test_one_gaussian_has_the_moments_of_the_points,
    ),
    "the matrix instead of its root": Mutant("roots", ".sqrt()", "", test_roots_are_square_roots),
    "no floor": Mutant("_of_shares", "+ floor * eye", "", test_a_fit_recovers_components_that_do_not_touch),
    "all components alike": Mutant(
        "_of_shares", "counts / counts.sum()", "torch.full_like(counts, 1 / len(counts))",
        test_a_fit_recovers_components_that_do_not_touch,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    wrong = mutated(getattr(mixture, mutant.function), mutant.before, mutant.after)
    monkeypatch.setattr(mixture, mutant.function, wrong)
    if mutant.function in globals():
        monkeypatch.setitem(globals(), mutant.function, wrong)
    with pytest.raises(AssertionError):
        mutant.test()
