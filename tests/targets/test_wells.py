"""Many wells and forty modes: normalisation, entropy and samples against scipy, with mutants."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from tests.mutants import plant

from veridical.config import DataConfig
from veridical.data.drawn import draw
from veridical.targets import wells
from veridical.targets.wells import ManyWell, forty, many_well

FALSE_ALARM = 1e-4  # seeds are fixed


def weight(u: float) -> float:
    return math.exp(-(u**4) + 6 * u**2 + 0.5 * u)


MASS = scipy.integrate.quad(weight, -5, 5, epsabs=1e-9, limit=200)[0]


def test_log_z_is_that_of_quadrature() -> None:
    """One pair has the normalisation 11784.50927 sqrt(2 pi), as published with the target."""
    assert math.isclose(MASS, 11784.50927, rel_tol=1e-9)
    assert many_well().log_partition == pytest.approx(16 * math.log(MASS * math.sqrt(2 * math.pi)), abs=1e-9)


def test_entropy_is_that_of_quadrature() -> None:
    of_well = scipy.integrate.quad(lambda u: -weight(u) / MASS * math.log(weight(u) / MASS), -5, 5, limit=200)[0]
    normal = 0.5 * math.log(2 * math.pi * math.e)
    assert ManyWell(6).entropy().value == pytest.approx(3 * (of_well + normal), abs=1e-8)


def test_the_density_is_the_product_of_its_pairs() -> None:
    x = torch.randn(5, 4, dtype=torch.float64)
    pairs = [ManyWell(2).log_prob(x[:, i : i + 2]) for i in (0, 2)]
    assert torch.allclose(ManyWell(4).log_prob(x), pairs[0] + pairs[1])
    u, v = float(x[0, 0]), float(x[0, 1])
    expected = math.log(weight(u) / MASS) + scipy.stats.norm.logpdf(v)
    assert float(pairs[0][0]) == pytest.approx(expected, abs=1e-9)


def follows(module) -> bool:
    """Whether samples follow the distribution functions; each of three tests has the false alarm 1e-4."""
    law = module.ManyWell(4)
    x = law.sample(20_000, torch.Generator().manual_seed(1), torch.float64).numpy()
    grid = np.linspace(-5, 5, 20_001)
    ends = scipy.integrate.cumulative_trapezoid([weight(u) / MASS for u in grid], grid, initial=0)
    wells_p = [scipy.stats.kstest(x[:, i], lambda u: np.interp(u, grid, ends)).pvalue for i in (0, 2)]
    correlated = scipy.stats.spearmanr(x[:, 0], x[:, 2])[1]
    normal = scipy.stats.kstest(x[:, 1], "norm").pvalue
    return bool(np.min([*wells_p, normal, correlated]) > FALSE_ALARM)


def test_samples_follow_the_law() -> None:
    assert follows(wells)
    law = many_well()
    right = (law.sample(4000, torch.Generator().manual_seed(2))[:, 0::2] > 0).double().mean()
    error = math.sqrt(law.deep_share * (1 - law.deep_share) / 64_000)
    assert abs(float(right) - law.deep_share) < 4 * error
    assert law.deep_share == pytest.approx(scipy.integrate.quad(weight, 0, 5)[0] / MASS, abs=1e-6)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self._density = (-_well(self._grid)).exp()", "self._density = (-0.9 * _well(self._grid)).exp()"),
        ("half = (n, self.dim // 2)\n", "half = (n, 1)\n"),
        ("torch.rand(half", "torch.randn(half"),
    ],
)
def test_mutants_are_seen(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        assert not follows(plant(monkeypatch, wells, before, after))
    except (IndexError, ValueError):
        return


def test_forty_modes_have_places_of_their_own() -> None:
    law = forty()
    assert law.means.shape == (40, 2) and bool((law.means.abs() <= 40).all())
    assert law.sigma == pytest.approx(math.log(1 + math.e))


@pytest.mark.parametrize("name", ["many-well", "forty"])
def test_both_are_named_sets(name: str) -> None:
    data = draw(DataConfig(source=name), "test")
    assert data.name == name and data.target is not None and data.target.name == name


def test_an_odd_number_of_components_is_refused() -> None:
    with pytest.raises(ValueError, match="dim is 3"):
        ManyWell(3)
    with pytest.raises(ValueError, match="lives in 4 d"):
        ManyWell(4).energy(torch.zeros(2, 3))
