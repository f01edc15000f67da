"""Pairs of noise and examples: a permutation that never raises the cost, within each class."""

import itertools
from collections.abc import Callable

import pytest
import torch
from tests.mutants import is_noticed

from veridical.objectives import coupling
from veridical.statistics import kolmogorov_smirnov_test

pytestmark = pytest.mark.usefixtures("double_precision")


def cost(z: torch.Tensor, x: torch.Tensor) -> float:
    return float((z - x).square().sum())


def check_least_cost() -> None:
    """It is a permutation, and of all permutations the one with the least cost."""
    for _ in range(5):
        z, x = torch.randn(5, 3), 2 * torch.randn(5, 3) + 1
        p = coupling.optimal_pairs(z, x)
        assert sorted(p.tolist()) == list(range(5))
        least = min(cost(z[list(order)], x) for order in itertools.permutations(range(5)))
        assert cost(z[p], x) == pytest.approx(least)


def check_classes() -> None:
    """Noise stays within its class, whose cost is not raised; of each class it stays normal."""
    z, x, c = torch.randn(300, 1), torch.randn(300, 1), torch.randint(3, (300,))
    x = x + 5 * (c[:, None] - 1)
    p = coupling.optimal_pairs(z, x, c)
    assert torch.equal(p.sort().values, torch.arange(300)) and torch.equal(c[p], c)
    for label in range(3):
        rows = c == label
        assert cost(z[p][rows], x[rows]) < cost(z[rows], x[rows])
        torch.testing.assert_close(z[p][rows].sort(0).values, z[rows].sort(0).values)


def test_without_labels_the_noise_of_a_class_is_not_normal() -> None:
    """Why it is permuted within each class: across classes the noise of the upper class is the upper half."""
    from scipy import stats

    z, c = torch.randn(2_000, 1), torch.arange(2_000) % 2
    x = torch.randn(2_000, 1) + 8.0 * c[:, None]
    upper = z[coupling.optimal_pairs(z, x)][c == 1]
    assert kolmogorov_smirnov_test(upper.flatten().numpy(), stats.norm.cdf).p_value < 1e-12
    kept = z[coupling.optimal_pairs(z, x, c)][c == 1]
    assert kolmogorov_smirnov_test(kept.flatten().numpy(), stats.norm.cdf).p_value > 1e-4  # false alarm 1e-4


MUTANTS = [
    ("_assigned", ".square()", "", check_least_cost),
    ("_assigned", "x.flatten(1).double(), z.flatten(1)", "z.flatten(1).double(), x.flatten(1)", check_least_cost),
    ("_assigned", "distances.cpu()", "-distances.cpu()", check_least_cost),
    ("optimal_pairs", "rows[_assigned(z[rows], x[rows])]", "_assigned(z[rows], x[rows])", check_classes),
    ("optimal_pairs", "c is None", "True", check_classes),
]


@pytest.mark.parametrize("check", [check_least_cost, check_classes])
def test_known_answers(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("function", "before", "after", "check"), MUTANTS)
def test_a_wrong_line_is_noticed(
    function: str, before: str, after: str, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noticed(check, monkeypatch, coupling, function, before, after)
