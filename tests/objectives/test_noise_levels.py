"""Scales and weights of a denoiser: unit variances, and a loss of 1 at the optimum for Gaussian data."""

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from tests.mutants import is_noticed

from veridical.objectives import noise_levels
from veridical.statistics import kolmogorov_smirnov_test

pytestmark = pytest.mark.usefixtures("double_precision")

SIGMAS = torch.tensor([0.01, 0.3, 0.8, 5.0, 80.0], dtype=torch.float64)


def check_the_loss_of_gaussian_data_is_one() -> None:
    """The best denoiser of N(0, s^2) is skip * x; its weighted error is 1 at every sigma, for every s."""
    for s in (0.2, 0.5, 1.7):
        scales = noise_levels.scales(SIGMAS, s)
        # E |skip (x + sigma eps) - x|^2, by the variances of x and eps.
        error = (scales.skip - 1) ** 2 * s**2 + scales.skip**2 * SIGMAS**2
        torch.testing.assert_close(noise_levels.weight(SIGMAS, s) * error, torch.ones(5))
        best = s**2 * SIGMAS**2 / (s**2 + SIGMAS**2)
        torch.testing.assert_close(error, best)


def check_variances() -> None:
    """Inputs and targets of the network have variance 1, and the weight makes its error that of the target."""
    for s in (0.2, 0.5, 1.7):
        scales = noise_levels.scales(SIGMAS, s)
        torch.testing.assert_close(scales.into**2 * (s**2 + SIGMAS**2), torch.ones(5))
        target = ((1 - scales.skip) ** 2 * s**2 + scales.skip**2 * SIGMAS**2) / scales.out**2
        torch.testing.assert_close(target, torch.ones(5))
        torch.testing.assert_close(noise_levels.weight(SIGMAS, s) * scales.out**2, torch.ones(5))
        torch.testing.assert_close(scales.level, (SIGMAS / s).log() / 4)


def check_units() -> None:
    """Data in other units have the same network."""
    ones, fives = noise_levels.scales(SIGMAS, 1.0), noise_levels.scales(5 * SIGMAS, 5.0)
    torch.testing.assert_close(fives.skip, ones.skip)
    torch.testing.assert_close(fives.into * 5, ones.into)
    torch.testing.assert_close(fives.out / 5, ones.out)
    torch.testing.assert_close(fives.level, ones.level)


def check_log_normal() -> None:
    """Levels are log-normal, restricted to their interval."""
    u = (torch.arange(2_000) + 0.5) / 2_000
    found = noise_levels.log_normal(u, -0.5, 1.2, 0.1, 2.0).log().numpy()
    law = stats.norm(-0.5, 1.2)
    low, high = law.cdf([-2.302585093, 0.693147181])
    exact = kolmogorov_smirnov_test(found, lambda v: (law.cdf(v) - low) / (high - low))
    assert exact.statistic < 1e-3
    assert found.min() > -2.3026 and found.max() < 0.6932


def check_even() -> None:
    """Numbers are evenly spread, and each of them is uniform."""
    drawn = torch.stack([noise_levels.even_uniform(4, torch.device("cpu")) for _ in range(2_000)])
    assert drawn.min() >= 0 and drawn.max() < 1
    gaps = drawn.sort(1).values.diff(dim=1)
    torch.testing.assert_close(gaps, torch.full_like(gaps, 0.25))
    for i in range(4):  # false alarm 1e-4 each
        assert kolmogorov_smirnov_test(drawn[:, i].numpy(), stats.uniform.cdf).p_value > 1e-4


CHECKS = (check_the_loss_of_gaussian_data_is_one, check_variances, check_units, check_log_normal, check_even)
MUTANTS = [
    ("weight", "(sigma * s) ** 2", "(sigma * 0.5) ** 2", check_the_loss_of_gaussian_data_is_one),
    ("weight", "(sigma**2 + s**2)", "1", check_the_loss_of_gaussian_data_is_one),
    ("scales", "s**2 / total**2", "0.25 / (sigma**2 + 0.25)", check_the_loss_of_gaussian_data_is_one),
    ("scales", "s * sigma / total", "sigma / total", check_variances),
    ("scales", "1 / total", "1 / total**2", check_variances),
    ("scales", "(sigma / s).log() / 4", "sigma.log() / 4", check_units),
    ("log_normal", "math.log(end) - mean", "math.log(end)", check_log_normal),
    ("log_normal", "mean + std * z", "mean + z", check_log_normal),
    ("even_uniform", "torch.rand((), device=device)", "torch.rand((), device=device) / n", check_even),
]


@pytest.mark.parametrize("check", CHECKS)
def test_known_answers(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("function", "before", "after", "check"), MUTANTS)
def test_a_wrong_line_is_noticed(
    function: str, before: str, after: str, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noticed(check, monkeypatch, noise_levels, function, before, after)
