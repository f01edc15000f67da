"""The statistics of a batch at laws where their values are known.

Seeds are fixed; a tolerance of four standard errors has a false-alarm rate of 6e-5.
"""

import pytest
import torch
from torch import Tensor

from veridical.evaluation.manifold import coverage_of_perfect_model
from veridical.objectives.diagnostics import (
    FEWEST,
    MOST,
    Distances,
    batch_statistics,
    coverage,
    crowding,
    distances,
    energy_distance,
)
from veridical.objectives.game import diagnose

BATCHES = 400


def modes(n: int, kept: int, of: int = 8, sigma: float = 1e-3, dim: int = 2) -> Tensor:
    """Draw from the first `kept` of `of` equal modes far apart: corners of a simplex of side 1, if dim >= of."""
    means = torch.eye(of, dim, dtype=torch.float64) / 2**0.5
    if dim < of:
        angle = torch.arange(of, dtype=torch.float64) * (2 * torch.pi / of)
        means = torch.stack([angle.cos(), angle.sin()], dim=1)
    return means[torch.randint(kept, (n,))] + sigma * torch.randn(n, dim, dtype=torch.float64)


def over_batches(kept: int, **law: float) -> dict[str, tuple[float, float]]:
    """Return mean and standard error of every statistic over batches of real examples and of the kept modes."""
    torch.manual_seed(0)
    found = []
    for _ in range(BATCHES):
        d = distances(modes(MOST, 8, **law), modes(MOST, kept, **law))  # type: ignore[arg-type]
        found.append(torch.stack([crowding(d), coverage(d), energy_distance(d)]).double())
    values = torch.stack(found)
    errors = values.std(dim=0) / BATCHES**0.5
    return {
        name: (float(mean), float(error))
        for name, mean, error in zip(("crowding", "coverage", "energy"), values.mean(dim=0), errors, strict=True)
    }


@pytest.mark.parametrize("law", [{}, {"sigma": 0.3}, {"dim": 40, "sigma": 1.0}], ids=["modes", "touching", "40 d"])
def test_equal_laws_have_the_stated_values(law: dict[str, float]) -> None:
    found = over_batches(8, **law)
    assert found["energy"][0] == pytest.approx(0.0, abs=4 * found["energy"][1])
    # A real example has n - 1 real neighbours, so that the ball is that of one example fewer.
    expected = coverage_of_perfect_model(MOST, MOST)
    assert found["coverage"][0] == pytest.approx(expected, abs=4 * found["coverage"][1])
    assert found["crowding"][0] == pytest.approx(1.0, abs=4 * found["crowding"][1] + 0.04)  # a ratio is biased by 1/n


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_a_law_of_some_modes_has_the_stated_values(kept: int) -> None:
    found = over_batches(kept, dim=8, sigma=1e-5)
    s = kept / 8
    # Close are a tenth of the real pairs: four fifths of those within a mode, an eighth of all. The same four fifths of
    # the fakes' pairs within a mode, 1/kept of all, are close. The ratio is biased by some 1/n.
    assert found["crowding"][0] == pytest.approx(1 / s, rel=0.06)
    # Energy: distances 1 between modes, 0 within. 2 (1 - 1/8) - (1 - 1/8) - (1 - 1/kept), over 1 - 1/8.
    energy = (1 / kept - 1 / 8) / (1 - 1 / 8)
    assert found["energy"][0] == pytest.approx(energy, abs=4 * found["energy"][1] + 1e-3)
    # Coverage: all of the modes that are kept, where fakes are dense, and none of the others.
    assert found["coverage"][0] == pytest.approx(s, abs=4 * found["coverage"][1] + 0.04)


def test_crowding_counts_collisions_of_points_exactly() -> None:
    x = torch.arange(8.0).repeat(8)[:, None]
    half = (torch.arange(8.0) // 2).repeat(8)[:, None]
    # Within a mode: 8 * C(8, 2) = 224 of the 2016 pairs, and 4 * C(16, 2) = 480 for the fakes. A tenth of the pairs,
    # 202, all lie within.
    assert float(crowding(distances(x, half))) == pytest.approx(480 / 224)
    assert float(crowding(distances(x, torch.zeros(64, 1)))) == pytest.approx(2016 / 224)


def test_imprecise_fakes_are_not_crowded_but_uncovering() -> None:
    torch.manual_seed(1)
    x = modes(MOST, 8, sigma=0.02)
    blurred = distances(x, modes(MOST, 8, sigma=0.3))
    assert float(crowding(blurred)) < 0.7
    assert float(coverage(blurred)) < 0.7


def test_no_statistic_depends_on_unit_or_origin_or_shape() -> None:
    torch.manual_seed(2)
    x, x_fake = torch.randn(MOST, 3, 4, 4), 0.8 * torch.randn(MOST, 3, 4, 4)
    here = batch_statistics(x, x_fake)
    there = batch_statistics(100 * x.flatten(1) + 50, 100 * x_fake.flatten(1) + 50)
    assert set(here) == {"crowding", "coverage", "energy"}
    for name, value in here.items():
        assert float(there[name]) == pytest.approx(float(value), abs=1e-4)


def test_both_ways_of_computing_distances_agree() -> None:
    torch.manual_seed(3)
    x, y = torch.randn(20, 40), torch.randn(20, 40) + 30
    for got, (a, b) in zip(distances(x, y), ((x, x), (y, y), (x, y)), strict=True):
        torch.testing.assert_close(got, (a[:, None] - b[None]).norm(dim=2), atol=1e-3, rtol=1e-4)


def test_small_batches_say_nothing_and_large_ones_no_more() -> None:
    torch.manual_seed(4)
    x, x_fake = torch.randn(200, 2), torch.randn(200, 2)
    assert batch_statistics(x[: FEWEST - 1], x_fake[: FEWEST - 1]) == {}
    assert batch_statistics(x, x_fake) == batch_statistics(x[:MOST], x_fake[:MOST])


def test_collapse_to_a_point_is_finite() -> None:
    found = batch_statistics(torch.randn(32, 2), torch.zeros(32, 2))
    assert all(torch.isfinite(value) for value in found.values())
    same = batch_statistics(torch.zeros(32, 2), torch.zeros(32, 2))
    assert all(torch.isfinite(value) for value in same.values())


@pytest.mark.parametrize("far", [1e15, 1e20, 1e38])
def test_fakes_that_are_thrown_far_end_no_run(far: float) -> None:
    """Their squares are no floats any more; a fake that is no number is still one."""
    torch.manual_seed(7)
    x, logits = torch.randn(32, 2), torch.zeros(32)
    terms = diagnose(x, far * torch.randn(32, 2), logits, logits, relativistic=True, step=0)
    assert all(value.isfinite() for value in terms.values())
    assert terms["energy"] > 1e14 and terms["diversity"] > 1e14
    broken = diagnose(x, torch.full_like(x, torch.nan), logits, logits, relativistic=True, step=0)
    assert not broken["energy"].isfinite() and not broken["diversity"].isfinite()


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        distances(torch.zeros(4, 2), torch.zeros(5, 2))
    assert isinstance(distances(torch.zeros(4, 2), torch.zeros(4, 2)), Distances)


def test_the_game_logs_them_at_every_eighth_step() -> None:
    torch.manual_seed(5)
    x, logits = torch.randn(32, 2), torch.zeros(32)
    for step in range(17):
        terms = diagnose(x, x.roll(1, 0), logits, logits, relativistic=False, step=step)
        assert ({"crowding", "coverage", "energy"} <= set(terms)) == (step % 8 == 0)
        assert {"js", "accuracy", "diversity"} <= set(terms)
