"""Tempered codes against laws in closed form: shares of distant modes, every temperature, exchanges; with mutants."""

import math
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import stats
from tests.mutants import mutated
from torch import Tensor

from veridical.config.families.adversarial import AdversarialSampling
from veridical.config.families.conditional_gan import ConditionalGANConfig, ConditionalGANSampling
from veridical.data.space import Space
from veridical.families.conditional_gan import ConditionalGAN
from veridical.latent import tempered
from veridical.latent.plug_and_play import Guided, plug_and_play
from veridical.latent.tempered import ConditionPath, ladder, respaced
from veridical.mcmc import tempering
from veridical.noise import FreshNoise, SampleNoise
from veridical.sampling import draw
from veridical.statistics import chi_square_test, kolmogorov_smirnov_test

pytestmark = pytest.mark.usefixtures("double_precision")

RATE = 1e-4
"""False-alarm rate of each goodness of fit, for a fresh seed."""

S2, WEIGHTS = 0.15**2, torch.tensor([0.2, 0.8])
"""Variance and weights of the modes of the condition."""


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_modes(z: Tensor) -> Tensor:
    """Log of a mixture of two Gaussians about +-1.2 of the first component: under a normal prior a mixture about
    +-1.2 / (1 + s2) of variance s2 / (1 + s2) with the same weights, while the prior gives each half a half."""
    means = 1.2 * torch.eye(2, z.shape[1])[:1] * torch.tensor([[1.0], [-1.0]])
    distance = (z[:, None] - means).square().sum(dim=2)
    return (WEIGHTS.to(z).log() - distance / (2 * S2)).logsumexp(dim=1)


def drawn(n: int, dimension: int, temperatures: int, n_steps: int) -> Guided:
    z = torch.randn(n, dimension, generator=seeded(1))
    noise = FreshNoise(n, generator=seeded(2))
    return plug_and_play(lambda z: z, two_modes, z, n_steps=n_steps, temperatures=temperatures, noise=noise)


def shares_fit(z: Tensor, weights: Tensor) -> bool:
    counts = torch.stack([(z[:, 0] > 0).sum(), (z[:, 0] <= 0).sum()])
    return chi_square_test(counts, len(z) * weights.double()).p_value > RATE


def test_distant_modes_have_their_shares_and_widths() -> None:
    """14 renewals a chain leave nothing of the start, whose shares are a half. Three checks at 1e-4 each."""
    found = drawn(1_000, 2, 5, 200)
    assert shares_fit(found.z, WEIGHTS) and float(found.renewals.double().mean()) > 5
    v = S2 / (1 + S2)
    whitened = torch.stack([(found.z[:, 0].abs() - 1.2 / (1 + S2)), found.z[:, 1]]) / v**0.5
    for column in whitened:
        assert kolmogorov_smirnov_test(column.numpy(), stats.norm.cdf).p_value > RATE
    torch.testing.assert_close(found.log_condition, two_modes(found.z))


def test_eight_dimensions() -> None:
    """More temperatures and longer chains: nine renewals a chain, and none without. False alarm 1e-4."""
    found = drawn(200, 8, 8, 500)
    assert shares_fit(found.z, WEIGHTS) and bool((found.renewals > 0).all())


def test_without_temperatures_the_shares_are_those_of_the_basins() -> None:
    found = drawn(1_000, 2, 1, 200)
    assert shares_fit(found.z, torch.tensor([0.5, 0.5])) and not shares_fit(found.z, WEIGHTS)
    assert found.renewals.sum() == 0 and found.exchange.shape == (1_000, 0)


def bowl(z: Tensor) -> Tensor:
    """A Gaussian condition in one dimension about 1: at beta the codes have the precision 1 + 4 beta."""
    return -2 * (z - 1).square().sum(dim=1)


def precision_and_mean(beta: float) -> tuple[float, float]:
    return 1 + 4 * beta, 4 * beta / (1 + 4 * beta)


def test_every_temperature_has_its_law() -> None:
    """Steps alone, no exchanges, from the prior; false alarm 1e-4 for each of four."""
    betas, n = torch.tensor([0.0, 0.1, 0.4, 1.0]), 2_000
    rows = betas.repeat_interleave(n)
    path = ConditionPath(bowl, (1,), torch.full((4 * n,), 0.2), n=7)
    noise = FreshNoise(4 * n, generator=seeded(3))
    state = path.start(noise)
    for _ in range(60):
        state = path.step(state, rows, noise)
    for beta, u in zip(betas.tolist(), state.u.reshape(4, n), strict=True):
        precision, mean = precision_and_mean(beta)
        assert kolmogorov_smirnov_test(u.numpy(), stats.norm(mean, precision**-0.5).cdf).p_value > RATE
    assert torch.equal(state.drawn, torch.where(rows == 0, 7, -1))


def expected_exchange(low: float, high: float) -> float:
    """Quadrature of E min(1, exp((high - low)(c(x) - c(y)))) over x of the lower and y of the higher beta."""
    grid = np.linspace(-7, 7, 1_401)
    c = bowl(torch.tensor(grid)[:, None]).numpy()
    p = []
    for beta in (low, high):
        precision, mean = precision_and_mean(beta)
        density = stats.norm.pdf(grid, mean, precision**-0.5)
        p.append(density / density.sum())
    return float(p[0] @ np.exp(np.minimum(0.0, (high - low) * (c[:, None] - c[None, :]))) @ p[1])


def test_exchanges_happen_as_often_as_quadrature_says() -> None:
    """Means of independent chains, each over 30 steps after as many of burn-in: 4 standard errors, false alarm 6e-5."""
    n, betas = 1_500, ladder(4).tolist()
    path = ConditionPath(bowl, (1,), torch.full((n,), 0.3))
    noise = FreshNoise(n, generator=seeded(4))
    found = tempered.temper(path, torch.randn(n, 1, generator=seeded(5)), 4, 60, noise, adapted=False)
    error = found.exchange.std(dim=0) / math.sqrt(n)
    expected = torch.tensor([expected_exchange(*pair) for pair in pairwise(betas)])
    assert bool(((found.exchange.mean(dim=0) - expected).abs() < 4 * error).all()), (found.exchange.mean(0), expected)
    precision, mean = precision_and_mean(1.0)
    assert kolmogorov_smirnov_test(found.z[:, 0].numpy(), stats.norm(mean, precision**-0.5).cdf).p_value > RATE


def test_the_ladder_spreads_the_exchanges_evenly() -> None:
    found, path, z = drawn(200, 2, 5, 200), ConditionPath(two_modes, (2,)), torch.randn(200, 2)
    before = tempered.temper(path, z, 5, 100, FreshNoise(200), adapted=False).exchange.mean(dim=0)
    after = found.exchange.mean(dim=0)
    assert float(after.max() - after.min()) < 0.15 < float(before.max() - before.min())
    assert torch.equal(found.betas[:, [0, -1]], torch.tensor([[0.0, 1.0]]).expand(200, 2))
    assert bool((found.betas.diff(dim=1) > 0).all())


def test_gaps_grow_where_exchanges_are_frequent() -> None:
    betas = ladder(4)[:, None]
    same = respaced(betas, torch.full((3, 1), 0.4), 3)
    torch.testing.assert_close(same, betas)
    wider = respaced(betas, torch.tensor([[0.2], [0.2], [0.9]]), 0)
    gap = (1 / betas[2] - 1) * math.exp(0.7)
    torch.testing.assert_close(wider[2], 1 / (1 + gap))
    torch.testing.assert_close(1 / wider[1] - 1 / wider[2], 1 / betas[1] - 1 / betas[2])
    assert torch.equal(respaced(ladder(2)[:, None], torch.ones(1, 1), 0), ladder(2)[:, None])


def test_a_code_depends_on_the_numbers_of_its_row_alone() -> None:
    def codes(first: int, n: int) -> Tensor:
        z, noise = torch.zeros(n, 2), SampleNoise(3, first, n)
        return plug_and_play(lambda z: z, two_modes, z, n_steps=30, temperatures=4, noise=noise).z

    torch.testing.assert_close(codes(0, 5)[2:4], codes(2, 2), rtol=0, atol=0)


def test_from_the_options_of_a_family_with_labels_and_a_uniform_prior() -> None:
    plane = Space((2,), kind="vector", support=None, levels=None, classes=3)
    model = ConditionalGAN(ConditionalGANConfig(width=8, depth=2, fourier_octaves=0, latent="uniform"), plane).eval()
    options = ConditionalGANSampling(condition="data", condition_steps=8, condition_temperatures=3)
    x = draw(model, 7, seed=1, options=options)
    torch.testing.assert_close(draw(model, 2, seed=1, options=options), x[:2])
    assert bool(x.isfinite().all()) and not torch.allclose(x, draw(model, 7, seed=1))


def test_what_has_no_law_is_refused() -> None:
    z = torch.zeros(2, 1)
    with pytest.raises(ValueError, match="temperatures is 0"):
        plug_and_play(lambda z: z, bowl, z, temperatures=0)
    with pytest.raises(ValueError, match="adjusted chains"):
        plug_and_play(lambda z: z, bowl, z, temperatures=2, adjusted=False)
    with pytest.raises(ValueError, match="replicas is 1"):
        tempered.temper(ConditionPath(bowl, (1,)), z, 1, 4, FreshNoise(2))
    with pytest.raises(ValueError, match="condition is not a number"):
        plug_and_play(lambda z: z, lambda x: (x + 3e-3).sqrt().sum(dim=1), z, temperatures=2)
    with pytest.raises(ValueError, match="condition_temperatures is 0"):
        AdversarialSampling(condition_temperatures=0)


def test_a_condition_may_exclude_codes() -> None:
    """A wall at 0, minus infinity behind it: a half-normal distribution. False alarm 1e-4."""
    n = 1_000

    def wall(z: Tensor) -> Tensor:
        return torch.where(z[:, 0] > 0, 0.0 * z[:, 0], -math.inf)

    noise = FreshNoise(n, generator=seeded(6))
    found = plug_and_play(lambda z: z, wall, torch.ones(n, 1), n_steps=40, temperatures=3, noise=noise)
    assert kolmogorov_smirnov_test(found.z[:, 0].numpy(), stats.halfnorm.cdf).p_value > RATE


MUTANTS: list[tuple[ModuleType, str, str, str]] = [
    (tempering, "exchange_probability", "above[:-1] + below[1:] - own[:-1] - own[1:]",
     "own[:-1] + own[1:] - above[:-1] - below[1:]"),
    (tempering, "exchange_probability", "betas.roll(-1, 0), ", "torch.ones_like(betas), "),
    (tempered, "ConditionPath.log_f", "beta * state.log_condition", "state.log_condition"),
    (tempered, "ConditionPath.log_f", "_log_normal(state.u) + ", ""),
    (tempered, "ConditionPath.step", "free | accept", "free & accept"),
    (tempered, "ConditionPath.step", "fresh, x)", "fresh / 2, x)"),
    (tempered, "ConditionPath.step", "accept(now, wanted", "accept(now, now"),
    (tempered, "ConditionPath.step", "self.n, state.drawn", "state.drawn, self.n"),
]  # fmt: skip


def laws() -> None:
    test_every_temperature_has_its_law()
    test_exchanges_happen_as_often_as_quadrature_says()
    test_distant_modes_have_their_shares_and_widths()


@pytest.mark.parametrize(("module", "name", "before", "after"), MUTANTS)
def test_mutants_are_found(
    module: ModuleType, name: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_name, _, function = name.rpartition(".")
    owner = getattr(module, owner_name) if owner_name else module
    monkeypatch.setattr(owner, function, mutated(getattr(owner, function), before, after))
    with pytest.raises(AssertionError):
        laws()
