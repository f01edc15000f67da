"""Langevin kernels against laws whose moments, quantiles and transition densities are known."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from veridical.mcmc.langevin import (
    BEST_ACCEPTANCE,
    State,
    adapt,
    adjusted_step,
    evaluate,
    init,
    log_transition,
    unadjusted_step,
)
from veridical.noise import FreshNoise
from veridical.statistics import kolmogorov_smirnov_test


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def quartic(x: Tensor) -> Tensor:
    """Two wells of different depth, not symmetric: nothing that a wrong ratio could hide behind."""
    return (-(x**4) / 4 + x**2 + 0.3 * x).sum(dim=1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_unadjusted_steps_on_a_gaussian_settle_at_the_variance_of_theory(temperature: float) -> None:
    # v = (1 - h/s2)^2 v + 2 h T has the fixed point T s2 / (1 - h / 2 s2).
    s2, h, n = 0.5, 0.4, 200_000
    expected = temperature * s2 / (1 - h / (2 * s2))
    noise = FreshNoise(n, generator=seeded())
    x = torch.zeros(n, 1)
    for _ in range(20):  # (1 - h/s2)^40 < 1e-27
        x = unadjusted_step(x, -x / s2, h, temperature=temperature, noise=noise)
    # n v / expected is chi-square with n degrees of freedom; false alarm 1e-4.
    low, high = stats.chi2.ppf([0.5e-4, 1 - 0.5e-4], n) / n
    assert low < float(x.square().mean()) / expected < high
    assert not low < float(x.square().mean()) / (temperature * s2) < high  # which is not the law's


def test_a_preconditioner_is_a_change_of_units() -> None:
    scale = torch.tensor([1.0, 100.0])
    x = torch.randn(7, 2, generator=seeded(1))
    plain = unadjusted_step(x, -x, 0.1, noise=FreshNoise(7, generator=seeded()))
    noise = FreshNoise(7, generator=seeded())
    stretched = unadjusted_step(x * scale, -x / scale, 0.1, preconditioner=scale**2, noise=noise)
    torch.testing.assert_close(stretched / scale, plain)


def test_without_temperature_it_ascends() -> None:
    x = torch.tensor([[3.0], [-1.0]])
    torch.testing.assert_close(
        unadjusted_step(x, -x, torch.tensor([0.5, 1.0]), temperature=0.0), x * x.new_tensor([[0.5], [0.0]])
    )


@pytest.mark.parametrize("h", [0.05, 0.6])
def test_adjusted_steps_keep_detailed_balance(h: float) -> None:
    # p(x) K(x'|x) = p(x') K(x|x') for x != x', K = proposal times acceptance, on all pairs of a lattice of points.
    points = torch.linspace(-2.5, 2.5, 41)[:, None]
    M = torch.tensor([0.7])
    i, j = torch.cartesian_prod(torch.arange(41), torch.arange(41)).T
    here, there = (evaluate(quartic, points[k]) for k in (i, j))
    forth = here.log_p + log_transition(here, there.x, h, M)
    back = there.log_p + log_transition(there, here.x, h, M)
    flow_forth = forth + (back - forth).clamp(max=0)
    flow_back = back + (forth - back).clamp(max=0)
    torch.testing.assert_close(flow_forth, flow_back)
    # The kernel's proposals have exactly this density: mean and variance of x' given x.
    n = 200_000
    state = State(*(part.expand(n, *part.shape[1:]) for part in evaluate(quartic, torch.tensor([[0.8]]))))
    x = unadjusted_step(state.x, state.score, h, preconditioner=M, noise=FreshNoise(n, generator=seeded()))
    z = (x - 0.8 - h * 0.7 * float(state.score[0])) / math.sqrt(2 * h * 0.7)
    assert kolmogorov_smirnov_test(z[:, 0].numpy(), stats.norm.cdf).p_value > 1e-4  # false alarm 1e-4


def test_it_accepts_with_the_probability_of_metropolis() -> None:
    n, h = 100_000, 0.6
    start = State(*(part.expand(n, *part.shape[1:]) for part in init(quartic, torch.tensor([[0.8]]))))
    moved, accepted = adjusted_step(quartic, start, h, noise=FreshNoise(n, generator=seeded(3)))
    again = FreshNoise(n, generator=seeded(3))
    proposals = evaluate(quartic, unadjusted_step(start.x, start.score, h, noise=again))
    ratio = (
        proposals.log_p - start.log_p + log_transition(proposals, start.x, h) - log_transition(start, proposals.x, h)
    )
    chance = ratio.exp().clamp(max=1)
    spread = math.sqrt(float((chance * (1 - chance)).sum())) / n
    assert float(accepted.double().mean()) == pytest.approx(float(chance.mean()), abs=4 * spread)  # false alarm 6e-5
    assert 0.2 < float(chance.mean()) < 0.95  # both outcomes happen
    torch.testing.assert_close(moved.x[accepted], proposals.x[accepted])
    assert torch.equal(moved.x[~accepted], start.x[~accepted])
    torch.testing.assert_close(moved.log_p, quartic(moved.x))
    torch.testing.assert_close(moved.score, evaluate(quartic, moved.x).score)


def test_adjusted_chains_sample_the_law_where_unadjusted_do_not() -> None:
    edges = np.linspace(-4, 4, 4001)
    density = np.exp(quartic(torch.tensor(edges)[:, None]).numpy())
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])

    def cdf(x: np.ndarray) -> np.ndarray:
        return np.interp(x, edges, mass / mass[-1])

    n, h, generator = 20_000, 0.25, seeded(4)
    x = torch.randn(n, 1, generator=generator) * 1.5
    adjusted, plain, noise = init(quartic, x), x, FreshNoise(n, generator=generator)
    for _ in range(150):
        adjusted, _ = adjusted_step(quartic, adjusted, h, noise=noise)
        plain = unadjusted_step(plain, evaluate(quartic, plain).score, h, noise=noise).clamp(-3, 3)
    assert kolmogorov_smirnov_test(adjusted.x[:, 0].numpy(), cdf).p_value > 1e-4  # false alarm 1e-4
    assert kolmogorov_smirnov_test(plain[:, 0].numpy(), cdf).p_value < 1e-8


def test_walls_are_never_crossed_and_the_law_between_them_is_uniform() -> None:
    def box(x: Tensor) -> Tensor:
        return torch.where((x.abs() < 1).all(dim=1), 0.0 * x.sum(dim=1), -math.inf)

    state, noise = init(box, torch.zeros(10_000, 2)), FreshNoise(10_000, generator=seeded(5))
    for _ in range(60):
        state, _ = adjusted_step(box, state, 0.2, noise=noise)
    assert float(state.x.abs().max()) < 1
    for column in state.x.T:
        assert kolmogorov_smirnov_test(column.numpy(), stats.uniform(-1, 2).cdf).p_value > 1e-4  # false alarm 2e-4


def test_steps_adapt_to_the_acceptance_asked_for() -> None:
    d, generator = 20, seeded(6)
    scales = torch.linspace(0.5, 2, d)

    def log_p(x: Tensor) -> Tensor:
        return -(x / scales).square().sum(dim=1) / 2

    state = init(log_p, scales * torch.randn(256, d, generator=generator))
    step, noise = torch.full((256,), 1e-3), FreshNoise(256, generator=generator)
    for n in range(300):
        state, accepted = adjusted_step(log_p, state, step, noise=noise)
        step = adapt(step, accepted, n)
    rate = 0.0
    for _ in range(50):
        state, accepted = adjusted_step(log_p, state, step, noise=noise)
        rate += float(accepted.double().mean()) / 50
    assert rate == pytest.approx(BEST_ACCEPTANCE, abs=0.05)


def test_the_noise_alone_decides_and_global_noise_is_the_default() -> None:
    state = init(quartic, torch.zeros(5, 2))
    one, two = (adjusted_step(quartic, state, 0.1, noise=FreshNoise(5, generator=seeded(9)))[0].x for _ in range(2))
    assert torch.equal(one, two)
    torch.manual_seed(9)
    assert torch.equal(one, adjusted_step(quartic, state, 0.1)[0].x)


def test_what_cannot_be_a_chain_is_refused() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"returned shape \(3, 2\)"):
        init(lambda x: x, x)
    with pytest.raises(ValueError, match="not finite at 3 of 3"):
        init(lambda x: x.sum(dim=1) - math.inf, x)
    with pytest.raises(ValueError, match="step is 0"):
        unadjusted_step(x, x, 0.0)
    with pytest.raises(ValueError, match="noise has 2 rows; expected 3"):
        unadjusted_step(x, x, 0.1, noise=FreshNoise(2))
    with pytest.raises(ValueError, match="temperature is -1"):
        unadjusted_step(x, x, 0.1, temperature=-1.0)
    with pytest.raises(ValueError, match=r"expected \(2,\), positive"):
        unadjusted_step(x, x, 0.1, preconditioner=torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="not a number"):
        adjusted_step(lambda x: (x - x + math.nan).sum(dim=1), State(x, x[:, 0], x), 0.1)
