"""Noise of levels: it fills the cell of a level and no more, and its density integrates to 1."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from tests.mutants import is_noticed, mutated
from veridical.data.space import Space
from veridical.nn import dequantisation
from veridical.nn.dequantisation import GaussianCells, Logit, VariationalNoise, open_uniform
from veridical.noise import FreshNoise

PAIR = Space((2,), kind="vector", levels=3)


pytestmark = pytest.mark.usefixtures("double_precision")


def noise() -> VariationalNoise:
    model = VariationalNoise(PAIR, width=4, steps=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def check_density() -> None:
    """Quadrature over the cell, and draws against it."""
    model, x = noise(), torch.tensor([[0.3, -1.0]])
    n = 400
    u = (torch.arange(n) + 0.5) / n
    grid = torch.cartesian_prod(u, u)
    with torch.no_grad():
        q = model.log_prob(grid, x.expand(len(grid), -1)).exp()
        assert q.mean().item() == pytest.approx(1, abs=2e-3)
        drawn, log_q = model(x.expand(20_000, -1))
        torch.testing.assert_close(model.log_prob(drawn, x.expand(20_000, -1)), log_q, rtol=1e-6, atol=1e-6)
    entropy = float(torch.special.xlogy(q, q).mean())
    # Five standard errors: false-alarm rate 6e-7.
    assert abs(log_q.mean() - entropy) < 5 * log_q.std() / math.sqrt(len(log_q)) + 2e-3
    assert log_q.std() > 0.1


def test_variational_noise_has_the_density_that_it_says() -> None:
    check_density()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("log_slope(start) - log_det", "log_slope(start) + log_det"),
        (" - log_slope(y)", " + log_slope(y)"),
        ("log_slope(start) - ", "-"),
    ],
)
def test_a_wrong_density_is_noticed(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VariationalNoise, "forward", mutated(VariationalNoise.forward, before, after))
    with pytest.raises(AssertionError):
        check_density()


def check_cell() -> None:
    u = open_uniform(torch.zeros(20_000)).numpy()
    assert 0 < u.min() < 1e-3 and 1 - 1e-3 < u.max() < 1
    # Kolmogorov-Smirnov: false-alarm rate 1e-6.
    assert stats.kstest(u, "uniform").pvalue > 1e-6


def test_uniform_noise_fills_the_cell() -> None:
    check_cell()


def test_noise_of_half_a_cell_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    half = mutated(dequantisation.open_uniform, "torch.rand_like(at_least_single(x))", "(1 - torch.rand_like(x)) / 2")
    monkeypatch.setitem(globals(), "open_uniform", half)
    with pytest.raises(AssertionError):
        check_cell()


@pytest.mark.parametrize("shape", [(2,), (1, 3, 5), (2, 4)])
def test_variational_noise_starts_uniform(shape: tuple[int, ...]) -> None:
    space = Space(shape, kind="image" if len(shape) == 3 else "lattice", levels=3)
    u, log_q = VariationalNoise(space, width=4, steps=1)(torch.zeros(50, *shape))
    assert u.shape == (50, *shape) and log_q.abs().max() < 1e-6
    assert 0 < u.min() and u.max() < 1 and abs(u.mean() - 0.5) < 5 * math.sqrt(1 / 12 / u.numel())


def test_single_precision_stays_inside() -> None:
    ends = dequantisation.inside(torch.tensor([0.0, 1.0], dtype=torch.float32))
    assert 0 < ends[0] and ends[1] < 1
    for margin in (0.0, 0.05):
        y, log_det = Logit(-1.0, 1.0, margin)(torch.tensor([[-1.0], [1.0]], dtype=torch.float32))
        assert y.isfinite().all() and log_det.isfinite().all()


def level_probabilities(y: torch.Tensor, sigma: float) -> torch.Tensor:
    """Probabilities of the levels 0, 1, 2, 3 given noisy values, by Bayes' rule with equal shares."""
    levels = torch.arange(4.0)
    return torch.softmax(-0.5 * ((y[..., None] - levels) / sigma) ** 2, dim=-1)


def check_levels_given_values() -> None:
    """log P(x | y) and log q(y | x) are those of Bayes' rule, summed over the components."""
    for sigma in (0.17, 0.6, 3.0):
        cells = GaussianCells(0.0, 3.0, 1.0, sigma)
        x = torch.randint(4, (50, 2)).double()
        y, log_q = cells.noisy(x)
        p = level_probabilities(y, sigma).gather(-1, x.long()[..., None])[..., 0]
        torch.testing.assert_close(cells.log_prob(x, y), p.log().sum(1))
        torch.testing.assert_close(log_q, torch.distributions.Normal(x, sigma).log_prob(y).sum(1))
        assert abs(float((y - x).std()) / sigma - 1) < 0.35


def check_given_mean() -> None:
    """With a mean the probabilities sum to 1 and have that mean, within what the limit allows."""
    cells, y = GaussianCells(0.0, 3.0, 1.0, 0.6), torch.tensor([[0.4], [1.5], [2.9], [1.2]])
    mean = torch.tensor([[0.2], [1.9], [2.5], [3.0]])
    p = torch.stack([cells.log_prob(torch.full_like(y, level), y, mean).exp() for level in range(4)], dim=1)
    torch.testing.assert_close(p.sum(1), torch.ones(4))
    torch.testing.assert_close((p @ torch.arange(4.0))[:3], mean[:3, 0], rtol=0, atol=1e-5)
    ratio = level_probabilities(y, 0.6)[3, 0].log() + 12 * torch.arange(4.0)  # at the limit, of the last
    torch.testing.assert_close(p[3].log(), ratio.log_softmax(-1), rtol=1e-4, atol=1e-4)


def check_sums() -> None:
    """All levels together have probability 1 given any value and any mean, also where most of them are out of reach."""
    for sigma in (0.17, 1.0):
        cells, y = GaussianCells(0.0, 40.0, 1.0, sigma), torch.linspace(-3, 43, 47)[:, None].repeat_interleave(5, 0)
        assert cells.reach < 20
        mean = torch.tensor([0.0, 7.5, 20.0, 33.0, 40.0]).repeat(47)[:, None]
        for given in (None, mean):
            p = torch.stack([cells.log_prob(torch.full_like(y, k), y, given).exp() for k in range(41)])
            torch.testing.assert_close(p.sum(0), torch.ones(len(y)))


def check_drawn_levels() -> None:
    """Levels are drawn with their probabilities, also beyond the ends; false alarm 1e-4 each."""
    n = 20_000
    for sigma, y, mean in ((0.4, 1.45, None), (0.4, -0.3, None), (0.9, 3.2, 2.0)):
        cells, value = GaussianCells(0.0, 3.0, 1.0, sigma), torch.full((n, 1), y)
        given = None if mean is None else torch.full((n, 1), mean)
        drawn = cells.draw(value, FreshNoise(n), given).flatten()
        one = None if mean is None else torch.full((1, 1), mean)
        p = [cells.log_prob(torch.full((1, 1), k), value[:1], one).exp().item() for k in (0.0, 1.0, 2.0, 3.0)]
        expected = n * np.array(p)
        seen = torch.bincount(drawn.round().long(), minlength=4).numpy()
        assert (drawn - drawn.round()).abs().max() < 1e-9
        often = expected > 5
        assert stats.chisquare(seen[often], expected[often] / expected[often].sum() * seen[often].sum()).pvalue > 1e-4


CELL_MUTANTS = [
    ("_tilted", "(-0.5 *", "(-1.0 *", check_levels_given_values),
    ("_tilted", ".masked_fill(beyond, -math.inf)", "", check_levels_given_values),
    ("noisy", "math.log(self.sigma)", "0.0", check_levels_given_values),
    ("noisy", "x + self.sigma * eps", "x + 2 * self.sigma * eps", check_levels_given_values),
    ("noisy", "flatten(1).sum(1)", "flatten(1).mean(1)", check_levels_given_values),
    ("log_prob", "+ tilt * own", "", check_given_mean),
    ("_tilted", "found < wanted", "found > wanted", check_given_mean),
    ("_tilted", "self.LIMIT / 2", "self.LIMIT / 4", check_given_mean),
    ("log_prob", "own.abs() > self.reach + 0.5", "own.abs() > math.inf", check_sums),
    ("_tilted", "nearest[..., None] + self.width", "nearest[..., None] + 1.5 * self.width", check_sums),
    ("draw", ".cumsum(-1) <", ".cumsum(-1) >", check_drawn_levels),
    ("draw", "(exponents + tilt[..., None] * places)", "exponents", check_drawn_levels),
]


@pytest.mark.parametrize("check", [check_levels_given_values, check_given_mean, check_sums, check_drawn_levels])
def test_levels_with_normal_noise(check) -> None:  # type: ignore[no-untyped-def]
    check()


@pytest.mark.parametrize(("function", "before", "after", "check"), CELL_MUTANTS)
def test_wrong_normal_noise_is_noticed(function, before, after, check, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    is_noticed(check, monkeypatch, GaussianCells, function, before, after)
