"""What instance noise is for: two laws without common support are told apart by degree, and the degree has a slope.

Two points at distance d under noise of scale sigma: p = N(0, sigma^2), q = N(d, sigma^2), pure mathematics.
"""

import math

import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from veridical.objectives.adversarial import jensen_shannon_bound, logistic_discriminator_loss
from veridical.objectives.game import Game, view

DISTANCES = [0.5, 2.0, 6.0]


def divergence(d: float, sigma: float) -> float:
    """Jensen-Shannon divergence of the two noisy points, nats, by quadrature."""

    def integrand(x: float) -> float:
        log_ratio = d * (d / 2 - x) / sigma**2  # log p/q
        return float(stats.norm.pdf(x, 0, sigma)) * (math.log(2) - math.log1p(math.exp(-min(log_ratio, 700))))

    # By symmetry the two halves of the divergence are equal.
    low, high = -10 * sigma, 10 * sigma
    return integrate.quad(integrand, low, high, points=[0.0, min(d / 2, high)], limit=200)[0]


def slope(d: float, sigma: float) -> float:
    return (divergence(d + 1e-3 * sigma, sigma) - divergence(d - 1e-3 * sigma, sigma)) / (2e-3 * sigma)


def noisy(x: float, n: int, sigma: float) -> Tensor:
    """What the discriminator sees of a point."""
    game = Game("nonsaturating", instance_noise=sigma)
    return view(torch.full((n, 1), x, dtype=torch.float64), game, 0)[:, 0]


@pytest.mark.parametrize("d", DISTANCES)
def test_without_noise_it_is_log_2_at_any_distance(d: float) -> None:
    torch.manual_seed(0)
    real, fake = noisy(0.0, 8, 0.0), noisy(d, 8, 0.0)
    sharp = [1e3 * (d / 2 - x) for x in (real, fake)]  # any discriminator that is sure
    assert float(jensen_shannon_bound(*sharp)) == pytest.approx(math.log(2))
    assert divergence(d, 1e-2) == pytest.approx(math.log(2), abs=1e-12) and abs(slope(d, 1e-2)) < 1e-9


@pytest.mark.parametrize("d", DISTANCES)
def test_with_noise_it_is_less_and_points_towards_the_data(d: float) -> None:
    assert 0 < divergence(d, 1.0) < math.log(2)
    assert slope(d, 1.0) > 1e-4  # nats per unit of distance; the same at equal d / sigma
    assert divergence(3 * d, 3.0) == pytest.approx(divergence(d, 1.0), rel=1e-6)


def test_nearby_points_differ_by_the_information_of_the_noise() -> None:
    # JS = d^2 I / 8 + O(d^4), with the Fisher information I = 1 / sigma^2.
    for sigma in (0.5, 2.0):
        d = 0.02 * sigma
        assert divergence(d, sigma) == pytest.approx(d**2 / (8 * sigma**2), rel=1e-3)


@pytest.mark.parametrize("d", DISTANCES)
def test_the_game_with_noise_measures_just_that(d: float) -> None:
    torch.manual_seed(1)
    n, sigma = 200_000, 1.5
    logits = [d * (d / 2 - x) / sigma**2 for x in (noisy(0.0, n, sigma), noisy(d, n, sigma))]  # the best discriminator
    measured = float(jensen_shannon_bound(*logits))
    # Softplus of either logit varies by less than d / sigma: four standard errors, false alarm 6e-5.
    assert measured == pytest.approx(divergence(d, sigma), abs=4 * d / sigma / (2 * n) ** 0.5)
    assert float(logistic_discriminator_loss(*logits)) == pytest.approx(2 * math.log(2) - 2 * measured)


def test_the_generator_is_pulled_by_the_best_discriminator_only_with_noise() -> None:
    # d/dd of the minimax loss E log(1 - D) at the fake, D the best: the slope of 2 JS. Without noise D saturates.
    torch.manual_seed(2)
    d, n = 2.0, 200_000
    for sigma, pulled in ((1.0, True), (0.05, False)):
        place = torch.tensor(d, dtype=torch.float64, requires_grad=True)
        x = place + sigma * torch.randn(n, dtype=torch.float64)
        loss = -torch.nn.functional.softplus(d * (d / 2 - x) / sigma**2).mean()
        (pull,) = torch.autograd.grad(loss, place)
        if pulled:
            # One term varies by at most d / sigma^2: five standard errors of it.
            assert float(pull) == pytest.approx(2 * slope(d, sigma), abs=5 * d / sigma**2 / n**0.5)
        else:
            assert abs(float(pull)) < 1e-9
