"""Known modes: the ceilings of a perfect model, each planted fault, and the rate of false alarms."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats

from veridical.evaluation import coverage
from veridical.evaluation.coverage import MASS, find_modes, measure_modes, radius, separate
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.multiple import adjusted
from veridical.targets import GaussianMixture, grid, ring
from veridical.verdict import NO_FAULT


def measured(samples: torch.Tensor, target: GaussianMixture) -> dict[str, Measurement]:
    return {m.name: m for m in measure_modes(samples, target)}


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_radius_holds_one_mass_in_every_dimension() -> None:
    assert radius(2) == pytest.approx(3.0, rel=1e-12)
    for d in (1, 2, 10, 1200):
        assert stats.chi2.cdf(radius(d) ** 2, d) == pytest.approx(1 - math.exp(-4.5), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 16])
def test_cut_moments_are_those_of_the_cut_chi_square(d: int) -> None:
    q = radius(d) ** 2
    law = stats.chi2(d)
    second = law.expect(lambda s: s, ub=q) / law.cdf(q)
    fourth = law.expect(lambda s: s**2, ub=q) / law.cdf(q)
    assert d * coverage._cut_variance(d) == pytest.approx(second, rel=1e-6)
    assert d * (d + 2) * coverage._cut_variance(d, 2) == pytest.approx(fourth, rel=1e-6)


@pytest.mark.parametrize("target", [ring(), grid(), GaussianMixture(40 * torch.eye(12), 1.0)], ids=repr)
def test_a_perfect_model_scores_its_references(target: GaussianMixture) -> None:
    found = measured(target.sample(5000, generator(0)), target)
    assert {m.verdict for m in found.values()} <= set(NO_FAULT)
    assert found["high_quality"].reference == MASS
    assert found["mode_kl"].reference == pytest.approx((len(target.means) - 1) / 10_000, rel=0.1)


def test_false_alarms_are_rare() -> None:
    # Intervals disjoint by chance: .6 % each by theory for equal widths; 4 of 400 or fewer with probability .9,
    # more than 10 with probability below 1e-4.
    verdicts = Counter(
        m.verdict for seed in range(100) for m in measure_modes(grid().sample(1000, generator(seed)), grid(), seed)
    )
    assert verdicts.total() == 400
    assert sum(verdicts[v] for v in NO_FAULT) >= 390


def test_a_dropped_mode_is_missed() -> None:
    x = grid().sample(5000, generator(1))
    found = measured(x[grid().nearest_mode(x)[0] != 7], grid())
    assert (found["modes"].value, found["modes"].verdict) == (24.0, "short of perfect")
    assert found["modes"].detail["high_quality_by_mode"][7] == 0  # type: ignore[index]
    assert found["mode_kl"].verdict == "short of perfect"
    assert found["mode_kl"].value == pytest.approx(math.log(25 / 24), abs=0.006)
    assert {found["high_quality"].verdict, found["mode_width"].verdict} <= set(NO_FAULT)


def test_shrunken_modes_are_suspicious() -> None:
    law = ring()
    narrow = GaussianMixture(law.means, 0.8 * law.sigma)
    found = measured(narrow.sample(5000, generator(2)), law)
    assert found["high_quality"].verdict == "suspicious"  # 99.9 %: above the ceiling
    assert found["mode_width"].verdict == "suspicious"
    # 0.8 of the width, whose cut at 3 / 0.8 widths is weaker: the ratio is known
    cut = stats.chi2(2)
    q = 9 / 0.64
    expected = 0.8 * math.sqrt(cut.expect(lambda s: s, ub=q) / cut.cdf(q) / (2 * coverage._cut_variance(2)))
    assert found["mode_width"].value == pytest.approx(expected, abs=0.01)


def test_wide_modes_fall_short() -> None:
    law = ring()
    found = measured(GaussianMixture(law.means, 1.3 * law.sigma).sample(5000, generator(3)), law)
    assert found["high_quality"].verdict == found["mode_width"].verdict == "short of perfect"


def test_one_point_is_a_collapse() -> None:
    found = measured(grid().means[:1].expand(1000, 2), grid())
    assert found["modes"].value == 1.0 and found["modes"].verdict == "short of perfect"
    assert found["mode_kl"].value == pytest.approx(math.log(25))
    assert found["mode_width"].value == 0.0 and found["mode_width"].verdict == "suspicious"


def test_samples_off_every_mode_have_no_width() -> None:
    found = measured(torch.full((100, 2), 50.0), grid())
    assert found["modes"].value == found["high_quality"].value == 0.0
    assert "mode_width" not in found


def test_exact_and_simulated_references_agree() -> None:
    law = grid()
    exact = coverage._exact_references(law, 1000, np.random.default_rng(0))[1]
    simulated = coverage._simulated_references(law, 1000, 0)[1]
    for name, (value, (low, high), _) in exact.items():
        # 100 simulations: the mean to .1 and a 95 % bound to about .4 of the spread (a quarter of the width)
        width = max(high - low, 1e-9)
        assert simulated[name].value == pytest.approx(value, abs=0.15 * width)
        assert simulated[name].interval == pytest.approx((low, high), abs=0.25 * width)


def test_touching_modes_have_simulated_references() -> None:
    law = GaussianMixture(torch.tensor([[0.0, 0.0], [2.5, 0.0], [0.0, 2.5]]), 1.0, torch.tensor([0.6, 0.3, 0.1]))
    assert not separate(law) and separate(grid())
    found = measured(law.sample(2000, generator(4)), law)
    assert {m.verdict for m in found.values()} <= set(NO_FAULT)
    assert found["high_quality"].reference > MASS  # type: ignore[operator]  # what one mode loses another catches


def test_counts_are_complete() -> None:
    x = grid().sample(30_000, generator(5))  # more than one chunk
    found = find_modes(x, grid())
    assert found.nearest.sum() == 30_000
    assert found.squares.mean() == pytest.approx(1.0, abs=0.03)
    with pytest.raises(ValueError, match="expects"):
        measure_modes(torch.zeros(3, 5), grid())


def test_a_halved_mode_is_found() -> None:
    """One of 25 modes at half its weight, n = 2,500: power .9 in theory, at least 12 of 20 with probability .9999."""
    target, found = grid(), 0
    weights = target.weights.clone()
    weights[7] /= 2
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        mode = torch.multinomial(weights, 2500, replacement=True, generator=g)
        x = target.modes[mode] + target.sigma * torch.randn(2500, 2, generator=g, dtype=torch.float64)
        table = {m.name: m for m in adjusted(measure_modes(x, target, seed))}
        found += table["mode_kl"].verdict == "short of perfect"
    assert found >= 12
