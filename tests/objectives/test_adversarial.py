"""The losses against divergences known in closed form or by quadrature."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from veridical.objectives.adversarial import OBJECTIVES, jensen_shannon_bound, linear_generator_loss, pair

P: Any = stats.norm(0.5, 1.0)
Q: Any = stats.norm(-0.7, 1.6)


def quantiles(law: Any, n: int = 200_000) -> Tensor:
    """Midpoint rule in probability: the mean of f over these points is E f to about 1/n."""
    return torch.from_numpy(law.ppf((np.arange(n) + 0.5) / n))


def log_ratio(x: Tensor) -> Tensor:
    return torch.from_numpy(P.logpdf(x.numpy()) - Q.logpdf(x.numpy()))


def jensen_shannon() -> float:
    def integrand(x: float) -> float:
        p, q = P.pdf(x), Q.pdf(x)
        return 0.5 * (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)))

    return integrate.quad(integrand, -12, 12, epsabs=1e-12, limit=200)[0]


def test_best_critic_measures_the_wasserstein_distance() -> None:
    # In one dimension the slope of the best 1-Lipschitz critic is the sign of F_q - F_p.
    grid = np.linspace(-14, 14, 200_001)
    potential = np.cumsum(np.sign(Q.cdf(grid) - P.cdf(grid))) * (grid[1] - grid[0])
    values = [torch.from_numpy(np.interp(quantiles(law).numpy(), grid, potential)) for law in (P, Q)]
    expected = integrate.quad(lambda x: abs(P.cdf(x) - Q.cdf(x)), -14, 14, epsabs=1e-10, limit=500)[0]
    assert OBJECTIVES["wasserstein"].discriminator(*values).item() == pytest.approx(-expected, abs=5e-4)


@pytest.mark.parametrize("shift, scale", [(0.0, 1.0), (0.4, 1.0), (0.0, 0.5), (-0.3, 2.0)])
def test_jensen_shannon_bound_is_tight_at_the_log_ratio_alone(shift: float, scale: float) -> None:
    logits = [shift + scale * log_ratio(quantiles(law)) for law in (P, Q)]
    gap = jensen_shannon() - jensen_shannon_bound(*logits).item()
    assert gap == pytest.approx(0, abs=1e-4) if (shift, scale) == (0.0, 1.0) else gap > 1e-3


@pytest.mark.parametrize("name", ["nonsaturating", "minimax", "hinge", "wasserstein"])
def test_generator_gradient_in_the_logits(name: str) -> None:
    logits = torch.linspace(-4, 4, 9, dtype=torch.float64, requires_grad=True)
    OBJECTIVES[name].generator(logits).backward()
    assert logits.grad is not None
    n, probability = len(logits), torch.sigmoid(logits.detach())
    expected = {"nonsaturating": probability - 1, "minimax": -probability}.get(name, -torch.ones(n).double())
    torch.testing.assert_close(logits.grad, expected / n)


def test_generator_losses_are_tied() -> None:
    # softplus(-l) - softplus(l) = -l: nonsaturating and minimax add up to the linear loss.
    logits = torch.randn(100, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5
    both = OBJECTIVES["nonsaturating"].generator(logits) + OBJECTIVES["minimax"].generator(logits)
    torch.testing.assert_close(both, linear_generator_loss(logits))


def random_logits() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(50, dtype=torch.float64, generator=generator) * 3 for _ in range(2))  # type: ignore


def test_pairing_gives_the_losses_of_r3gan() -> None:
    real, fake = random_logits()
    objective = OBJECTIVES["nonsaturating"]
    assert objective.discriminator(*pair(real, fake)).item() / 2 == pytest.approx(
        np.log1p(np.exp(-(real - fake).numpy())).mean()
    )
    assert objective.generator(pair(real, fake)[1]).item() == pytest.approx(
        np.log1p(np.exp(-(fake - real).numpy())).mean()
    )


def test_pairing_leaves_the_wasserstein_objective_as_it_is() -> None:
    real, fake = random_logits()
    loss = OBJECTIVES["wasserstein"].discriminator
    torch.testing.assert_close(loss(*pair(real, fake)) / 2, loss(real, fake))


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_pairing_forgets_a_common_constant(name: str) -> None:
    real, fake = random_logits()
    losses = [OBJECTIVES[name].discriminator(*pair(real + shift, fake + shift)) for shift in (0.0, 7.0)]
    torch.testing.assert_close(*losses)


EXPONENTIAL = ("maximum-likelihood", "f-kl", "f-reverse-kl", "f-neyman", "f-hellinger")
"""Objectives in which a density ratio stands itself: they overflow where it does."""


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_losses_stay_finite_at_extreme_logits(name: str) -> None:
    extreme = 80.0 if name in EXPONENTIAL else 1e4
    huge = torch.tensor([extreme, -extreme], requires_grad=True)
    loss = OBJECTIVES[name].discriminator(huge, huge) + OBJECTIVES[name].generator(huge)
    loss.backward()
    assert loss.isfinite() and huge.grad is not None and huge.grad.isfinite().all()
