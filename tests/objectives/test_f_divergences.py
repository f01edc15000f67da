"""Every objective against the divergence it measures: two Gaussians, the best discriminator plugged in, quadrature."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from veridical.objectives.adversarial import OBJECTIVES, smoothed_logistic_discriminator_loss
from veridical.objectives.f_divergences import F_DIVERGENCES, FDivergence, variational_bound

MU, SIGMA = (0.5, -0.3), (1.0, 1.2)
"""Mean and width of p and of q; close enough that all of the divergences are finite."""

GRID = torch.linspace(-16, 16, 40_001, dtype=torch.float64)
"""The trapezoid rule on it is exact to rounding for functions as smooth as these, to 1e-6 where a sign jumps."""


def log_density(x: Tensor, which: int, mu: float | Tensor | None = None) -> Tensor:
    centre = MU[which] if mu is None else mu
    return -((x - centre) ** 2) / (2 * SIGMA[which] ** 2) - math.log(SIGMA[which] * math.sqrt(2 * math.pi))


def log_ratio(x: Tensor) -> Tensor:
    return log_density(x, 0) - log_density(x, 1)


def density_share(x: Tensor) -> Tensor:
    return torch.sigmoid(log_ratio(x))


def integral(values: Tensor) -> Tensor:
    return torch.trapezoid(values, GRID)


def elementwise(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """What a mean over examples gives each of them."""
    return torch.func.vmap(lambda logit: loss(logit[None]))(logits)


def discriminator_loss(name: str, best: Callable[[Tensor], Tensor]) -> float:
    """E_p of what real examples cost and E_q of what fakes cost; every loss is a sum of the two."""
    loss, zero = OBJECTIVES[name].discriminator, torch.zeros(1, dtype=torch.float64)
    real = elementwise(lambda v: loss(v, zero), best(GRID))
    fake = elementwise(lambda v: loss(zero, v), best(GRID))
    p, q = log_density(GRID, 0).exp(), log_density(GRID, 1).exp()
    return float(integral(p * real) + integral(q * fake) - loss(zero, zero))


def kl(first: int, second: int) -> float:
    ratio = (SIGMA[first] / SIGMA[second]) ** 2
    return (ratio - 1 - math.log(ratio) + ((MU[0] - MU[1]) / SIGMA[second]) ** 2) / 2


def chi_squared(first: int, second: int) -> float:
    """Closed form of int first^2 / second - 1 of two Gaussians."""
    a, b = SIGMA[first] ** 2, SIGMA[second] ** 2
    return b / math.sqrt(a * (2 * b - a)) * math.exp((MU[0] - MU[1]) ** 2 / (2 * b - a)) - 1


def squared_hellinger() -> float:
    total = SIGMA[0] ** 2 + SIGMA[1] ** 2
    affinity = math.sqrt(2 * SIGMA[0] * SIGMA[1] / total) * math.exp(-((MU[0] - MU[1]) ** 2) / (4 * total))
    return 2 - 2 * affinity


def total_variation() -> float:
    """By error functions: P and Q of the interval where p > q, between the roots of a quadratic."""
    precision = [1 / s**2 for s in SIGMA]
    roots = np.roots(
        [
            (precision[1] - precision[0]) / 2,
            MU[0] * precision[0] - MU[1] * precision[1],
            (MU[1] ** 2 * precision[1] - MU[0] ** 2 * precision[0]) / 2 + math.log(SIGMA[1] / SIGMA[0]),
        ]
    )
    low, high = sorted(roots)
    p, q = (stats.norm(m, s).cdf([low, high]) for m, s in zip(MU, SIGMA, strict=True))
    return abs((p[1] - p[0]) - (q[1] - q[0]))


def jensen_shannon() -> float:
    p, q = log_density(GRID, 0), log_density(GRID, 1)
    middle = torch.logaddexp(p, q) - math.log(2)
    return float(integral(p.exp() * (p - middle) + q.exp() * (q - middle))) / 2


def triangular() -> float:
    p, q = log_density(GRID, 0).exp(), log_density(GRID, 1).exp()
    return float(integral((p - q) ** 2 / (p + q)))


BEST: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[], float]]] = {
    "nonsaturating": (log_ratio, lambda: 2 * math.log(2) - 2 * jensen_shannon()),
    "minimax": (log_ratio, lambda: 2 * math.log(2) - 2 * jensen_shannon()),
    "maximum-likelihood": (log_ratio, lambda: 2 * math.log(2) - 2 * jensen_shannon()),
    "least-squares": (density_share, lambda: 1 / 4 - triangular() / 8),
    "pearson-least-squares": (lambda x: 2 * density_share(x) - 1, lambda: 1 - triangular() / 2),
    "hinge": (lambda x: log_ratio(x).sign(), lambda: 2 - 2 * total_variation()),
    "f-kl": (log_ratio, lambda: -kl(0, 1)),
    "f-reverse-kl": (log_ratio, lambda: -kl(1, 0)),
    "f-js": (log_ratio, lambda: -2 * jensen_shannon()),
    "f-pearson": (lambda x: 2 * torch.expm1(log_ratio(x)), lambda: -chi_squared(0, 1)),
    "f-neyman": (lambda x: 2 * log_ratio(x), lambda: -chi_squared(1, 0)),
    "f-hellinger": (lambda x: log_ratio(x) / 2, lambda: -squared_hellinger()),
    "f-total-variation": (lambda x: 20 * log_ratio(x).sign(), lambda: -total_variation()),
}
"""The best discriminator, and its loss; wasserstein has its own test in test_adversarial.py."""


def test_the_table_is_complete() -> None:
    assert set(BEST) == set(OBJECTIVES) - {"wasserstein"}


@pytest.mark.parametrize("name", list(BEST))
def test_best_discriminator_measures_its_divergence(name: str) -> None:
    best, expected = BEST[name]
    jumps = name in ("hinge", "f-total-variation")
    assert discriminator_loss(name, best) == pytest.approx(expected(), abs=1e-3 if jumps else 1e-10)


@pytest.mark.parametrize("name", list(BEST))
def test_any_other_discriminator_has_a_larger_loss(name: str) -> None:
    best, _ = BEST[name]
    least = discriminator_loss(name, best)
    moved = discriminator_loss(name, lambda x: best(x - 0.3))
    shrunk = discriminator_loss(name, lambda x: best(x) * (0.05 if name == "f-total-variation" else 0.8))
    assert min(moved, shrunk) > least + 1e-4


def test_least_squares_is_the_pearson_divergence_of_the_sum() -> None:
    # Mao et al. (2017), Eq. 7-8: int (2q - (p + q))^2 / (p + q), and E_p D^2 + E_q D^2 at the best D with c = 0.
    p, q = log_density(GRID, 0).exp(), log_density(GRID, 1).exp()
    pearson = float(integral((2 * q - (p + q)) ** 2 / (p + q)))
    assert triangular() == pytest.approx(pearson, rel=1e-12)
    d = 2 * density_share(GRID) - 1
    assert float(integral((p + q) * d**2)) == pytest.approx(pearson, rel=1e-12)


GENERATOR_DESCENDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "nonsaturating": lambda p, q: q * (q / p).log() - p * (2 * p / (p + q)).log() - q * (2 * q / (p + q)).log(),
    "minimax": lambda p, q: p * (2 * p / (p + q)).log() + q * (2 * q / (p + q)).log(),
    "maximum-likelihood": lambda p, q: p * (p / q).log() / 2,
    # The f-divergence whose f' in q/p is what a fake costs, (q/p)^2 / (1 + q/p)^2 / 2.
    "least-squares": lambda p, q: p * (q / p - 2 * (1 + q / p).log() - 1 / (1 + q / p)) / 2,
    "hinge": lambda p, q: (p - q).abs(),
} | {name: (lambda p, q, f=divergence.f: q * f(p / q)) for name, divergence in F_DIVERGENCES.items()}
"""The integrand of what the expected gradient of the generator descends."""


@pytest.mark.parametrize("name", list(GENERATOR_DESCENDS))
def test_expected_gradient_of_the_generator_is_that_of_its_divergence(name: str) -> None:
    inside = GRID.abs() < 9  # beyond it p/q leaves double precision and nothing contributes
    mu = torch.tensor(MU[1], dtype=torch.float64, requires_grad=True)
    p, q = log_density(GRID, 0).exp(), log_density(GRID, 1, mu).exp()
    cost = elementwise(OBJECTIVES[name].generator, BEST[name][0](GRID))  # the discriminator stands still
    (found,) = torch.autograd.grad(integral(torch.where(inside, q * cost, 0.0)), mu, retain_graph=True)
    (expected,) = torch.autograd.grad(integral(torch.where(inside, GENERATOR_DESCENDS[name](p, q), 0.0)), mu)
    assert expected.abs() > 0.01
    assert found.item() == pytest.approx(expected.item(), abs=1e-3 if name in ("hinge", "f-total-variation") else 1e-8)


def test_pearson_least_squares_pulls_on_nothing_at_the_optimum_of_its_discriminator() -> None:
    # To first order at q = p the generator of (a, b, c) = (-1, 1, 0) feels nothing: its cost is D^2 / 2 around D = 0.
    logits = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    OBJECTIVES["pearson-least-squares"].generator(logits).backward()
    assert logits.grad is not None and logits.grad.abs().max() == 0


def test_maximum_likelihood_generator_has_the_gradient_of_half_the_forward_kl() -> None:
    # d KL(p || N(mu, s^2)) / d mu = (mu - mu_p) / s^2, reached by moving samples x = mu + s z under a frozen D.
    z = GRID[(GRID > -12) & (GRID < 12)]
    weight = (-(z**2) / 2).exp() / math.sqrt(2 * math.pi) * (GRID[1] - GRID[0])
    mu = torch.tensor(MU[1], dtype=torch.float64, requires_grad=True)
    cost = elementwise(OBJECTIVES["maximum-likelihood"].generator, log_ratio(mu + SIGMA[1] * z))
    (found,) = torch.autograd.grad((weight * cost).sum(), mu)
    assert found.item() == pytest.approx((MU[1] - MU[0]) / SIGMA[1] ** 2 / 2, rel=1e-9)


def test_the_three_generators_as_functions_of_what_the_discriminator_says() -> None:
    # NIPS 2016 tutorial, Figure 16: cost against D(G(z)). Slope in the logit: -D, -(1 - D), -D / (1 - D) / 2.
    share = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)
    slope = {}
    for name in ("minimax", "nonsaturating", "maximum-likelihood"):
        logits = torch.logit(share).requires_grad_()
        elementwise(OBJECTIVES[name].generator, logits).sum().backward()
        slope[name] = logits.grad
    torch.testing.assert_close(slope["minimax"], -share)
    torch.testing.assert_close(slope["nonsaturating"], share - 1)
    torch.testing.assert_close(slope["maximum-likelihood"], -share / (1 - share) / 2)
    # A recognised fake (D near 0) teaches only the second; the third learns almost only from the best.
    assert (
        slope["nonsaturating"][0].abs() > 0.9
        and max(slope[n][0].abs() for n in ("minimax", "maximum-likelihood")) < 0.03
    )
    assert slope["maximum-likelihood"][-1] / slope["maximum-likelihood"].sum() > 0.25


@pytest.mark.parametrize("divergence", F_DIVERGENCES.values(), ids=list(F_DIVERGENCES))
def test_conjugate_pair(divergence: FDivergence) -> None:
    u = torch.logspace(-2, 2, 81, base=math.e, dtype=torch.float64)
    u = u[(u - 1).abs() > 1e-9].requires_grad_()
    (slope,) = torch.autograd.grad(divergence.f(u).sum(), u)
    value = divergence.f(u.detach())
    torch.testing.assert_close(value + divergence.conjugate(slope), u.detach() * slope)  # Fenchel-Young: equality
    t = divergence.output(torch.linspace(-3, 3, 61, dtype=torch.float64))
    gap = value[:, None] + divergence.conjugate(t) - u.detach()[:, None] * t  # and at least that elsewhere
    assert gap.min() > -1e-12
    assert divergence.f(torch.ones(1, dtype=torch.float64)).item() == 0


@pytest.mark.parametrize("divergence", F_DIVERGENCES.values(), ids=list(F_DIVERGENCES))
def test_cost_is_the_conjugate_of_the_output_and_zero_means_ignorance(divergence: FDivergence) -> None:
    v = torch.linspace(-3, 3, 61, dtype=torch.float64)
    torch.testing.assert_close(divergence.cost(v), divergence.conjugate(divergence.output(v)))
    assert (divergence.output(v).diff() > 0).all()
    zero = torch.zeros(4, dtype=torch.float64)
    assert variational_bound(divergence, zero, zero).item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
def test_best_discriminator_under_smoothing(smoothing: float) -> None:
    share = (1 - smoothing) * density_share(GRID)
    p, q = log_density(GRID, 0).exp(), log_density(GRID, 1).exp()
    logits = torch.logit(share).requires_grad_()
    zero = torch.zeros(1, dtype=torch.float64)
    real = elementwise(lambda v: smoothed_logistic_discriminator_loss(v, zero, smoothing), logits)
    fake = elementwise(lambda v: smoothed_logistic_discriminator_loss(zero, v, smoothing), logits)
    (slope,) = torch.autograd.grad((p * real + q * fake).sum(), logits)
    assert slope.abs().max() < 1e-15  # at every point, hence the best: the loss is convex in the logit


def test_smoothing_is_the_cross_entropy_with_soft_targets() -> None:
    real, fake = torch.randn(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    target = torch.full_like(real, 0.9)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    expected = cross_entropy(real, target) + cross_entropy(fake, torch.zeros_like(fake))
    torch.testing.assert_close(smoothed_logistic_discriminator_loss(real, fake, 0.1), expected)
    with pytest.raises(ValueError, match="below 1"):
        smoothed_logistic_discriminator_loss(real, fake, 1.0)
