"""Samplers against distributions whose best denoiser is known; wrong lines must turn the tests red."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from tests.mutants import is_noticed
from torch import Tensor

from veridical.mcmc import denoising
from veridical.mcmc.runge_kutta import solve
from veridical.noise import FreshNoise, Noise, SampleNoise
from veridical.statistics import chi_square_test, kolmogorov_smirnov_test
from veridical.targets import GaussianMixture

pytestmark = pytest.mark.usefixtures("double_precision")

S = 0.7
"""Standard deviation of the Gaussian data."""

TWO = GaussianMixture(torch.tensor([[-1.0], [1.5]]), 0.3, torch.tensor([0.3, 0.7]), name="two")


def of_a_gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    return S**2 / (S**2 + sigma**2) * x


def of_the_mixture(x: Tensor, sigma: Tensor) -> Tensor:
    return x + sigma**2 * TWO.score(x, float(sigma))


class Impulses(Noise):
    """Row i has a 1 at call i and zeros otherwise, so that a linear sampler shows what it makes of each number."""

    def __init__(self, n: int) -> None:
        self.n, self.device, self.calls = n, torch.device("cpu"), 0

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        drawn = torch.zeros(self.n, *shape)
        self.calls += 1
        drawn[self.calls] = 1.0
        return drawn

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        raise AssertionError

    def integers(self, high: int) -> Tensor:
        raise AssertionError


def variance(sampler: Callable[[Tensor, Noise], Tensor], steps: int, start: float) -> float:
    """Variance at the end of a sampler that is linear in its start, of this variance, and in its noise."""
    x = torch.zeros(steps + 1, 1)
    x[0] = 1.0
    response = sampler(x, Impulses(steps + 1)).flatten() ** 2
    return float(start * response[0] + response[1:].sum())


def test_a_grid_is_that_of_the_paper() -> None:
    grid = denoising.noise_grid(17, 0.002, 80.0)
    expected = [(80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)]
    assert grid.tolist() == pytest.approx(expected, rel=1e-9) and grid.dtype == torch.float64
    assert (grid.diff() < 0).all()


def check_euler_on_a_gaussian() -> None:
    sigmas, factor = denoising.noise_grid(9, 0.1, 5.0), 1.0
    for sigma, after in zip(sigmas.tolist()[:-1], sigmas.tolist()[1:], strict=True):
        factor *= 1 + (after - sigma) * sigma / (S**2 + sigma**2)
    assert denoising.euler(of_a_gaussian, torch.ones(1, 1), sigmas).item() == pytest.approx(factor, rel=1e-12)


def check_order() -> None:
    """Halving the steps divides the error by 4 (Heun) and by 2 (Euler), for a denoiser that is not linear."""
    x = 5.0 * torch.randn(50, 1)
    grids = {n: denoising.noise_grid(n, 0.1, 5.0, rho=3) for n in (100, 200, 400)}
    exact = solve(lambda x, sigma: (x - of_the_mixture(x, sigma)) / sigma, x, grids[400], "rk4")
    for sampler, ratio in ((denoising.heun, 4), (denoising.euler, 2)):
        ends = [sampler(of_the_mixture, x, grids[n]) for n in (100, 200)]
        errors = [float((end - exact).square().mean().sqrt()) for end in ends]
        assert errors[0] / errors[1] == pytest.approx(ratio, abs=0.3)


def check_ancestral_step() -> None:
    """One step with eta = 1 is the distribution of the less noisy value given the noisy one and clean data."""
    sigmas = torch.tensor([2.0, 0.5])
    clean = 0.3
    x = torch.full((200_000, 1), 1.7)
    end = denoising.ddim(lambda x, s: torch.full_like(x, clean), x, sigmas, FreshNoise(len(x)), 1.0)
    mean, var = clean + 0.5**2 / 2**2 * (1.7 - clean), 0.5**2 * (1 - 0.5**2 / 2**2)
    # False alarm 1e-4, both.
    assert abs(float(end.mean()) - mean) < 3.9 * math.sqrt(var / len(x))
    assert abs(float(end.var()) / var - 1) < 3.9 * math.sqrt(2 / len(x))


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_renewed_noise_has_the_variance_of_the_noise_that_it_replaces(eta: float) -> None:
    """Data at one point: whatever is renewed, the state at scale sigma has the variance sigma^2, after any steps."""
    sigmas = denoising.noise_grid(5, 0.1, 3.0)
    found = variance(lambda x, noise: denoising.ddim(lambda x, s: 0 * x, x, sigmas, noise, eta), 5, 9.0)
    assert found == pytest.approx(0.01, rel=1e-9)


def check_variance_of_chains() -> None:
    """With many steps the end has the variance s^2 + sigma^2, however much noise is renewed."""
    n, low, high = 300, 0.1, 5.0
    sigmas, start, end = denoising.noise_grid(n, low, high), S**2 + high**2, S**2 + low**2
    for churn in (0.0, 10.0, 60.0):
        found = variance(lambda x, z, churn=churn: denoising.churned(of_a_gaussian, x, sigmas, z, churn), n, start)
        assert found == pytest.approx(end, rel=2e-3)
    for eta in (0.0, 0.5, 1.0):
        found = variance(lambda x, z, eta=eta: denoising.ddim(of_a_gaussian, x, sigmas, z, eta), n, start)
        assert found == pytest.approx(end, rel=4e-2)


def check_no_noise() -> None:
    """Without noise the stochastic samplers are the deterministic ones."""
    x, sigmas, noise = torch.randn(4, 1), denoising.noise_grid(6, 0.05, 3.0), FreshNoise(4)
    ends = denoising.ddim(of_the_mixture, x, sigmas, noise, 0.0), denoising.euler(of_the_mixture, x, sigmas)
    torch.testing.assert_close(*ends)
    ends = denoising.churned(of_the_mixture, x, sigmas, noise, 0.0), denoising.heun(of_the_mixture, x, sigmas)
    torch.testing.assert_close(*ends)


def check_last_step() -> None:
    """A step to 0 returns the mean of clean data, by every deterministic sampler."""
    x, sigmas = torch.randn(4, 1), torch.tensor([0.5, 0.0])
    clean = of_the_mixture(x, torch.tensor(0.5))
    for sampler in (denoising.euler, denoising.heun):
        torch.testing.assert_close(sampler(of_the_mixture, x, sigmas), clean)


SAMPLERS: dict[str, Callable[[Tensor, Tensor, Noise], Tensor]] = {
    "heun": lambda x, sigmas, noise: denoising.heun(of_the_mixture, x, sigmas),
    "ddim": lambda x, sigmas, noise: denoising.ddim(of_the_mixture, x, sigmas, noise, 1.0),
    "sde": lambda x, sigmas, noise: denoising.churned(of_the_mixture, x, sigmas, noise, 20.0),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_are_those_of_the_mixture(name: str) -> None:
    n, low, high = 4_000, 0.01, 20.0
    noise = FreshNoise(n)
    x = math.sqrt(1 + high**2) * noise.normal(1)
    x = SAMPLERS[name](x, denoising.noise_grid(150 if name == "ddim" else 50, low, high), noise)
    # False alarm 1e-4 each; what the solver leaves is far below what 4,000 samples show.
    counts = torch.bincount(TWO.nearest_mode(x)[0], minlength=2)
    assert chi_square_test(counts.numpy(), (n * TWO.weights).numpy()).p_value > 1e-4

    means, weights = TWO.means.flatten().numpy(), TWO.weights.numpy()

    def cdf(v: np.ndarray) -> np.ndarray:
        return stats.norm.cdf(v[:, None], means, math.hypot(TWO.sigma, low)) @ weights

    assert kolmogorov_smirnov_test(x.flatten().numpy(), cdf).p_value > 1e-4


@pytest.mark.parametrize("name", ["ddim", "sde"])
def test_a_row_depends_on_its_own_noise_alone(name: str) -> None:
    sigmas = denoising.noise_grid(5, 0.1, 3.0)

    def rows(first: int, n: int) -> Tensor:
        noise = SampleNoise(0, first, n)
        return SAMPLERS[name](3.0 * noise.normal(1), sigmas, noise)

    torch.testing.assert_close(rows(2, 1), rows(0, 4)[2:3])


MUTANTS = [
    ("slope", "(x - denoise(x, sigma)) / sigma", "(denoise(x, sigma) - x) / sigma", check_euler_on_a_gaussian),
    ("euler", "(after - sigma) *", "(sigma - after) *", check_euler_on_a_gaussian),
    ("_heun_step", "slope(denoise, guess, after)", "slope(denoise, guess, sigma)", check_order),
    ("_heun_step", "slope(denoise, guess, after)", "slope(denoise, x, after)", check_order),
    ("_heun_step", "/ 2", "/ 1.9", check_order),
    ("_heun_step", "after == 0", "False", check_last_step),
    ("ddim", "eta * after * (1 - (after / sigma) ** 2).sqrt()", "eta * after", check_ancestral_step),
    ("ddim", "kept / sigma", "after / sigma", check_ancestral_step),
    ("ddim", "(1 - (after / sigma) ** 2).sqrt()", "(1 - (after / sigma) ** 2)", check_ancestral_step),
    ("churned", "x, raised, after", "x, sigma, after", check_variance_of_chains),
    ("churned", "(raised**2 - sigma**2).sqrt()", "(raised - sigma)", check_variance_of_chains),
    ("churned", "(raised**2 - sigma**2).sqrt()", "(raised**2).sqrt()", check_no_noise),
]
CHECKS = (
    check_euler_on_a_gaussian,
    check_order,
    check_ancestral_step,
    check_variance_of_chains,
    check_no_noise,
    check_last_step,
)


@pytest.mark.parametrize("check", CHECKS)
def test_known_answers(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("function", "before", "after", "check"), MUTANTS)
def test_a_wrong_line_is_noticed(
    function: str, before: str, after: str, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noticed(check, monkeypatch, denoising, function, before, after)
