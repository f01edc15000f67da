"""Estimates of the dimension on data whose dimension is known."""

import math

import pytest
import torch
from torch import Tensor

from tests.mutants import mutated
from veridical.evaluation import dimension
from veridical.evaluation.dimension import code_dimension, intrinsic_dimension, measure_code_dimension
from veridical.model import Encoder
from veridical.nn.point_mass import PointMass


def uniform(m: int, n: int = 1500, into: int = 12) -> Tensor:
    """Points of an m-dimensional torus of unit circles, turned into a space of at least 12 dimensions."""
    random = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand(n, m, generator=random, dtype=torch.float64)
    x = torch.cat([angle.cos(), angle.sin()], 1)
    turn = torch.linalg.qr(torch.randn(into, 2 * m, generator=random, dtype=torch.float64)).Q
    return x @ turn.T


@pytest.mark.parametrize("m", [1, 2, 4])
def test_both_estimates_are_near_the_dimension(m: int) -> None:
    found = intrinsic_dimension(uniform(m))
    # Four standard errors of 1500 points, 1/sqrt(n) of the value, and up to 6 % for the curvature of the torus.
    for value in (found.likelihood, found.two_nearest):
        assert abs(value / m - 1) < 4 / math.sqrt(1500) + 0.06
    assert found.likelihood_interval[0] < found.likelihood < found.likelihood_interval[1]
    assert found.n == 1500


def test_on_a_poisson_process_both_are_unbiased() -> None:
    """Distances of a Poisson process in m dimensions, drawn directly: volumes to neighbours have exponential gaps."""
    m, n, k = 5.0, 40_000, 10
    gaps = -torch.rand(n, k, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).log()
    r = gaps.cumsum(1) ** (1 / m)
    inverse = (r[:, -1:] / r[:, :-1]).log().sum(1) / (k - 1)
    # 1/m_hat has mean 1/m and deviation 1/(m sqrt(k-1)); five standard errors: false-alarm rate 6e-7.
    assert abs(float(inverse.mean()) - 1 / m) < 5 / (m * math.sqrt((k - 1) * n))


def test_scale_and_position_do_not_matter() -> None:
    x = uniform(2, 400)
    first, second = intrinsic_dimension(x), intrinsic_dimension(100 * x + 7)
    assert second.likelihood == pytest.approx(first.likelihood, rel=1e-6)
    assert second.two_nearest == pytest.approx(first.two_nearest, rel=1e-6)


def test_equal_points_count_once() -> None:
    x = uniform(2, 300)
    again = intrinsic_dimension(torch.cat([x, x[:50]]))
    assert again.n == 300 and again.likelihood == pytest.approx(intrinsic_dimension(x).likelihood)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="8 different points for 10 neighbours"):
        intrinsic_dimension(uniform(1, 8))


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_codes_in_a_subspace_fill_its_dimensions(rank: int) -> None:
    random = torch.Generator().manual_seed(0)
    z = torch.randn(200, rank, generator=random) @ torch.linalg.qr(torch.randn(8, rank, generator=random)).Q.T + 3.0
    found, spectrum = code_dimension(z)
    assert found == rank and len(spectrum) == 8 and spectrum[0] == 1.0


def test_the_limit_is_a_hundredth_of_the_largest_variance() -> None:
    z = torch.zeros(4, 2, dtype=torch.float64)
    z[0, 0], z[1, 0] = 1.0, -1.0
    for second, expected in ((0.11, 2), (0.09, 1)):
        z[2, 1], z[3, 1] = second, -second
        assert code_dimension(z)[0] == expected


class Plane(Encoder):
    """Codes that fill two of three dimensions."""

    def posterior(self, x: Tensor) -> PointMass:
        return PointMass(torch.stack([x[:, 0], x[:, 1], x[:, 0] + x[:, 1]], 1))


def test_the_dimension_of_an_encoder_is_measured() -> None:
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    (found,) = measure_code_dimension(Plane(), x, torch.device("cpu"))
    assert (found.name, found.value, found.detail["of"], found.verdict) == ("code_dimension", 2.0, 3, "no reference")


MUTANTS = {
    "all k neighbours in the mean": ("(neighbours - 1)", "neighbours"),
    "a point is its own neighbour": ("values[:, 1:]", "values[:, :-1] + 1e-9"),
    "the inverse of the mean is forgotten": ("likelihood=1 / mean", "likelihood=mean"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = MUTANTS[name]
    function = "_nearest" if "values" in before else "intrinsic_dimension"
    wrong = mutated(getattr(dimension, function), before, after)
    monkeypatch.setattr(dimension, function, wrong)
    monkeypatch.setitem(globals(), "intrinsic_dimension", dimension.intrinsic_dimension)
    with pytest.raises(AssertionError):
        test_both_estimates_are_near_the_dimension(2)
        test_both_estimates_are_near_the_dimension(4)
