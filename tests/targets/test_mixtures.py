import math

import numpy as np
import pytest
import scipy.stats
import torch

from veridical.targets import GaussianMixture, grid, ring, simplex

FALSE_ALARM = 1e-4  # of every statistical test below; seeds are fixed


def uneven() -> GaussianMixture:
    means = torch.tensor([[0.0, 0.0], [1.0, -0.5], [-1.2, 0.8]])
    return GaussianMixture(means, 0.4, torch.tensor([0.5, 0.3, 0.2]), name="uneven")


@pytest.fixture(autouse=True)
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("law", [ring(), grid(), uneven()], ids=lambda law: law.name)
@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_density_integrates_to_one(law: GaussianMixture, sigma: float) -> None:
    width = math.hypot(law.sigma, sigma)
    # The trapezoidal rule with step width/2 errs by exp(-2 pi^2 4) on a Gaussian; 9 widths hold all but 1e-18.
    reach = float(law.means.abs().max()) + 9 * width
    axis = torch.linspace(-reach, reach, math.ceil(4 * reach / width))
    rows = torch.stack([law.log_prob(torch.cartesian_prod(x[None], axis), sigma).exp().sum() for x in axis])
    total = float(rows.sum() * (axis[1] - axis[0]) ** 2)
    assert total == pytest.approx(1.0, abs=1e-9)


def test_density_is_that_of_torch_distributions() -> None:
    law = uneven()
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    normal = torch.distributions.Independent(torch.distributions.Normal(law.means, law.sigma), 1)
    reference = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(law.weights), normal)
    torch.testing.assert_close(law.log_prob(x), reference.log_prob(x))


@pytest.mark.parametrize("law", [ring(), grid(), uneven()], ids=lambda law: law.name)
def test_score_is_the_gradient_of_log_prob(law: GaussianMixture) -> None:
    generator = torch.Generator().manual_seed(1)
    sigma = torch.rand(40, generator=generator)
    x = (law.sample(40, generator) + sigma[:, None] * torch.randn(40, 2, generator=generator)).requires_grad_()
    (gradient,) = torch.autograd.grad(law.log_prob(x, sigma).sum(), x)
    torch.testing.assert_close(law.score(x.detach(), sigma), gradient)


def test_noise_convolves_the_law() -> None:
    law = uneven()
    x, sigma = torch.tensor([0.3, -0.2]), 0.35
    axis = torch.linspace(-4, 4, 801)
    clean = torch.cartesian_prod(axis, axis)
    kernel = torch.distributions.Normal(0.0, sigma).log_prob(x - clean).sum(1)
    integral = (law.log_prob(clean) + kernel).exp().sum() * (axis[1] - axis[0]) ** 2
    assert float(law.log_prob(x, sigma)) == pytest.approx(float(integral.log()), abs=1e-9)


def test_far_from_all_modes_density_and_score_stay_finite() -> None:
    x = torch.tensor([[1e3, 0.0]])
    assert torch.isfinite(ring().log_prob(x)).all()
    torch.testing.assert_close(ring().score(x), torch.tensor([[-999.0 / 1e-4, 0.0]]))


@pytest.mark.parametrize("law", [ring(), grid(), uneven()], ids=lambda law: law.name)
def test_samples_follow_the_law(law: GaussianMixture) -> None:
    n = 20_000
    x = law.sample(n, torch.Generator().manual_seed(2))
    assert x.dtype is torch.float64
    if law.name == "uneven":  # the modes overlap: compare cells of the plane with the product of normal integrals
        edges = np.array([-math.inf, -1.2, -0.6, 0.0, 0.6, 1.2, math.inf])
        table = np.histogram2d(x[:, 0], x[:, 1], bins=[np.clip(edges, -1e3, 1e3)] * 2)[0]
        means = law.means.numpy()
        parts = [np.diff(scipy.stats.norm(means[:, axis, None], law.sigma).cdf(edges)) for axis in (0, 1)]
        expected = n * np.einsum("k,ki,kj->ij", law.weights.numpy(), *parts)
        keep = expected >= 5
        observed = np.append(table[keep], table[~keep].sum())
        cells = np.append(expected[keep], expected[~keep].sum())
        assert scipy.stats.chisquare(observed, cells * observed.sum() / cells.sum()).pvalue > FALSE_ALARM
        return
    mode, distance = law.nearest_mode(x)
    assert scipy.stats.chisquare(np.bincount(mode, minlength=len(law.means))).pvalue > FALSE_ALARM
    assert scipy.stats.kstest(distance**2, scipy.stats.chi2(2).cdf).pvalue > FALSE_ALARM
    angle = torch.atan2(*(x - law.means[mode]).T) / (2 * math.pi) + 0.5
    assert scipy.stats.kstest(angle, "uniform").pvalue > FALSE_ALARM


def test_a_perfect_sample_is_within_three_widths_as_often_as_chi_square_says() -> None:
    n = 100_000
    _, distance = grid().nearest_mode(grid().sample(n, torch.Generator().manual_seed(3)))
    share, truth = float((distance < 3).double().mean()), 1 - math.exp(-4.5)
    assert abs(share - truth) < 4 * math.sqrt(truth * (1 - truth) / n)  # false alarm: 6e-5


@pytest.mark.parametrize("law", [ring(), grid()], ids=lambda law: law.name)
def test_entropy_of_separate_modes_is_closed_form(law: GaussianMixture) -> None:
    exact = math.log(len(law.means)) + math.log(2 * math.pi * math.e * law.sigma**2)
    assert law.entropy(1_000).value == pytest.approx(exact, abs=1e-12)


def test_entropy_of_touching_modes_is_an_integral() -> None:
    law = uneven()
    axis = torch.linspace(-5, 5, 1001)
    log_p = torch.cat([law.log_prob(torch.cartesian_prod(x[None], axis)) for x in axis])
    exact = -float((log_p.exp() * log_p).sum()) * (axis[1] - axis[0]) ** 2
    value, error = law.entropy(50_000, torch.Generator().manual_seed(4))
    assert abs(value - exact) < 4 * error  # false alarm: 6e-5
    assert error < 0.3 / math.sqrt(50_000)  # a mean of -log p has 1: its variance is d/2


def test_every_two_modes_of_the_simplex_are_six_apart() -> None:
    law = simplex()
    torch.testing.assert_close(torch.pdist(law.means), torch.full((300,), 6.0))
    torch.testing.assert_close(law.means.mean(0), torch.zeros(32))
    x = law.means[torch.arange(50_000) % 25] + torch.randn(50_000, 32, generator=torch.Generator().manual_seed(0))
    other = float((law.nearest_mode(x)[0] != torch.arange(50_000) % 25).double().mean())
    assert 0.015 < other < 24 * scipy.stats.norm.cdf(-3)  # at most the sum over the other modes


def test_definitions_of_the_papers() -> None:
    assert (len(ring().modes), ring().sigma, ring().version) == (8, 0.01, 1)
    torch.testing.assert_close(ring().modes.norm(dim=1), torch.ones(8))
    torch.testing.assert_close(ring().modes[0], torch.tensor([1.0, 0.0]))
    assert (len(grid().modes), grid().sigma, grid().version) == (25, 0.05, 1)
    assert {tuple(mode) for mode in grid().modes.tolist()} == {(a, b) for a in range(-4, 5, 2) for b in range(-4, 5, 2)}


def test_same_seed_same_samples_in_any_type() -> None:
    one, two = (grid().sample(5, torch.Generator().manual_seed(5), dtype) for dtype in (torch.float32, torch.float64))
    assert torch.equal(one, two.float())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.zeros(3), 0.1), "modes, d"),
        ((torch.zeros(3, 2), 0.0), "above 0"),
        ((torch.zeros(3, 2), 0.1, torch.tensor([0.5, 0.5])), "3 positive"),
        ((torch.zeros(2, 2), 0.1, torch.tensor([0.7, 0.5])), "sum to 1"),
        ((torch.zeros(2, 2), 0.1, torch.tensor([1.5, -0.5])), "positive"),
    ],
)
def test_refusals(arguments: tuple, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GaussianMixture(*arguments)


def test_points_of_another_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match="lives in 2 d"):
        ring().log_prob(torch.zeros(4, 3))
