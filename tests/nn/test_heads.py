"""Heads: they sum or integrate to one, and draw what they say."""

import itertools
import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from tests.mutants import mutated
from veridical.nn.heads import Bernoulli, Categorical, GaussianMixture, Grid, Head, LogisticMixture

pytestmark = pytest.mark.usefixtures("double_precision")

GRID = Grid(-2.0, 0.5, levels=6)
DISCRETE: dict[str, Head] = {
    "bernoulli": Bernoulli(Grid(-1.0, 2.0, levels=2)),
    "categorical": Categorical(GRID),
    "logistics": LogisticMixture(GRID, components=3),
    "colours": LogisticMixture(GRID, components=2, size=3),
}
CONTINUOUS = {
    "line": GaussianMixture(3.0, 2.0, components=3),
    "interval": GaussianMixture(3.0, 2.0, support=(1.0, 8.0), components=3),
}


def test_what_is_between_the_levels_or_beyond_them_is_found() -> None:
    on = GRID.value(torch.arange(6), torch.float32)
    assert not GRID.between(on + 1e-6).any()
    assert GRID.between(torch.tensor([-2.5, -1.75, -1.49, 1.0, 5.0, math.nan, math.inf])).all()


def numbers(head: Head, n: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(n, head.parameters, generator=torch.Generator().manual_seed(1))


def sites(head: Any) -> Tensor:
    levels = head.grid.value(torch.arange(head.grid.levels), torch.float64).tolist()
    return torch.tensor(list(itertools.product(levels, repeat=head.size)))


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_probabilities_sum_to_one(name: str, scale: float) -> None:
    head = DISCRETE[name]
    h, x = numbers(head, 5, scale), sites(head)
    total = head.log_prob(h[:, None].expand(-1, len(x), -1), x.expand(5, -1, -1)).exp().sum(1)
    torch.testing.assert_close(total, torch.ones(5), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities_integrate_to_one(name: str) -> None:
    head = CONTINUOUS[name]
    low, high = head.support or (-200.0, 200.0)
    x = torch.linspace(low, high, 400_001)[:, None]
    for h in numbers(head, 3):
        density = head.log_prob(h.expand(len(x), -1), x).exp()
        assert torch.trapezoid(density, x[:, 0]).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", DISCRETE)
def test_draws_follow_the_probabilities(name: str) -> None:
    head, n = DISCRETE[name], 20_000
    (h,) = numbers(head, 1)
    u = torch.rand(n, head.uniforms, generator=torch.Generator().manual_seed(2))
    drawn, x = head.draw(h.expand(n, -1), u), sites(head)
    index = (drawn[:, None] - x).abs().sum(2)
    assert index.min(1).values.max() < 1e-9
    counts = torch.bincount(index.argmin(1), minlength=len(x)).numpy()
    expected = n * head.log_prob(h.expand(len(x), -1), x).exp().numpy()
    common = expected > 5
    # False-alarm rate 1e-6.
    observed = [*counts[common], counts[~common].sum()]
    awaited = [*expected[common], expected[~common].sum()]
    keep = [i for i, e in enumerate(awaited) if e > 0]
    assert stats.chisquare([observed[i] for i in keep], [awaited[i] for i in keep], sum_check=False).pvalue > 1e-6


@pytest.mark.parametrize("name", CONTINUOUS)
def test_draws_follow_the_density(name: str) -> None:
    head, n = CONTINUOUS[name], 5_000
    (h,) = numbers(head, 1)
    drawn = head.draw(h.expand(n, -1), torch.rand(n, 2, generator=torch.Generator().manual_seed(2)))[:, 0]
    x = torch.linspace(drawn.min().item() - 20 if head.support is None else 1.0, drawn.max().item(), 100_001)
    density = head.log_prob(h.expand(len(x), -1), x[:, None]).exp()
    below = torch.cumulative_trapezoid(density, x)
    at = below[torch.searchsorted(x, drawn.sort().values).clamp(1, len(below)) - 1]
    assert stats.kstest(at.numpy(), "uniform").pvalue > 1e-6  # false-alarm rate


def test_logistic_levels_are_the_difference_of_two_sigmoids() -> None:
    head = LogisticMixture(Grid(-1.0, 2 / 255, levels=256), components=1)
    h = torch.tensor([0.0, 0.2, -2.0])
    x = head.grid.value(torch.tensor([0, 1, 150, 255]), torch.float64)
    s, half = math.exp(-2.0), 1 / 255
    cdf = stats.logistic(loc=0.2, scale=s).cdf
    expected = [cdf(-1 + half), cdf(x[1] + half) - cdf(x[1] - half), cdf(x[2] + half) - cdf(x[2] - half)]
    expected.append(1 - cdf(1 - half))
    torch.testing.assert_close(head.log_prob(h.expand(4, -1), x[:, None]).exp(), torch.tensor(expected))


def test_a_level_far_from_the_mean_keeps_a_finite_logarithm_and_gradient() -> None:
    torch.set_default_dtype(torch.float32)
    head = LogisticMixture(Grid(-1.0, 2 / 255, levels=256), components=1)
    h = torch.tensor([[0.0, 1.0, -9.0]], requires_grad=True)
    nats = head.log_prob(h, head.grid.value(torch.tensor([[3]]), torch.float32))
    nats.sum().backward()
    assert -3000 < nats.item() < -1000 and h.grad is not None and h.grad.isfinite().all() and h.grad[0, 1] < -100


def test_later_channels_follow_the_drawn_levels_of_earlier_ones() -> None:
    """With slopes near 1 and small scales the second channel equals the first, not its value before rounding."""
    head = LogisticMixture(Grid(-1.0, 0.5, levels=5), components=1, size=2)
    h = torch.tensor([0.0, 0.1, 0.0, -0.5, -7.0, 20.0])
    u = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    x = head.draw(h.expand(200, -1), u)
    assert torch.equal(x[:, 0], x[:, 1]) and len(x[:, 0].unique()) == 5


@pytest.mark.parametrize(
    ("method", "before", "after"),
    [
        ("log_bin", "self.grid.width / 2", "self.grid.width"),
        ("log_bin", "self.grid.levels - 1, 0.0", "self.grid.levels, 0.0"),
        ("log_bin", "index == 0, 0.0", "index == -1, 0.0"),
        ("log_bin", "between.masked_fill(~inside, 0.0)", "between"),
        ("centre", "c * (c - 1) // 2", "0"),
    ],
)
def test_a_planted_mistake_in_the_logistics_is_found(monkeypatch: Any, method: str, before: str, after: str) -> None:
    monkeypatch.setattr(LogisticMixture, method, mutated(getattr(LogisticMixture, method), before, after))
    with pytest.raises(AssertionError):
        test_logistic_levels_are_the_difference_of_two_sigmoids()
        test_probabilities_sum_to_one("logistics", 1.0)
        test_each_pair_of_channels_has_its_slope()


def test_each_pair_of_channels_has_its_slope() -> None:
    head = LogisticMixture(GRID, components=1, size=3)
    slopes = torch.tensor([[[0.1, 0.2, 0.3]]])
    x, zero = torch.tensor([[1.0, -0.5, 9.0]]), torch.zeros(1, 1, 3)
    middle = (GRID.low + GRID.high) / 2
    assert head.centre(zero, slopes, x, 1).item() == pytest.approx(0.1 * (1.0 - middle))
    assert head.centre(zero, slopes, x, 2).item() == pytest.approx(0.2 * (1.0 - middle) + 0.3 * (-0.5 - middle))
