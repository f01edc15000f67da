"""Measurements of features on data whose answers are known: a shift, and copies."""

import pytest
import torch

from veridical.evaluation.extractors import Values
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.two_sample import measure_frechet, measure_kernel, measure_manifold, measure_memorisation
from veridical.verdict import NO_FAULT

D = 4


def features(
    generated: torch.Tensor | None = None, shift: float = 0.0, held_out: bool = True, seed: int = 0
) -> FeatureSets:
    random = torch.Generator().manual_seed(seed)
    train, test, x = (torch.randn(n, D, generator=random) for n in (3000, 1000, 1000))
    x = x + shift if generated is None else generated
    return FeatureSets(Values((D,), "coordinates"), x, train, test if held_out else None, seed=0)


def everything(sets: FeatureSets) -> dict[str, Measurement]:
    measures = (measure_frechet, measure_kernel, measure_manifold, measure_memorisation)
    return {m.name: m for measure in measures for m in measure(sets)}


@pytest.mark.parametrize("held_out", [True, False])
def test_draws_of_the_same_law_are_as_good_as_perfect(held_out: bool) -> None:
    """Three times eight verdicts, each a false alarm in 5 % of cases before the table is adjusted."""
    found = [m for seed in range(3) for m in everything(features(held_out=held_out, seed=seed)).values()]
    assert len(found) == 24 and sum(m.verdict not in NO_FAULT for m in found) <= 5


def test_the_distance_of_a_shift_is_its_square() -> None:
    """Equal covariances: the Fréchet distance is the squared distance of the means, here 4 * 0.7^2."""
    found = everything(features(shift=0.7))
    fid = found["fid"]
    low, high = fid.interval or (0.0, 0.0)
    assert fid.value - float(fid.reference or 0.0) == pytest.approx(D * 0.49, abs=4 * (high - low) / 3.92)
    assert fid.verdict == found["kid"].verdict == "short of perfect"


def test_the_kernel_distance_of_coordinates_has_no_unit() -> None:
    sets = features(shift=0.3)
    (plain,) = measure_kernel(sets)
    assert sets.test is not None
    rows = (1e3 * x + 7e3 for x in (sets.generated, sets.train, sets.test))
    (large,) = measure_kernel(FeatureSets(sets.extractor, *rows, seed=0))
    assert large.value == pytest.approx(plain.value, rel=1e-3) and large.interval == pytest.approx(
        plain.interval, rel=1e-3
    )
    assert large.verdict == plain.verdict and "standard deviations" in str(plain.detail["kernel"])


def test_copies_are_found_and_held_out_examples_are_none() -> None:
    train = features().train
    copied = everything(features(train[:1000]))
    assert copied["memorised"].verdict == copied["copied"].verdict == "short of perfect"
    assert copied["copied"].value > 0.9 and copied["copied"].detail["exact_copies"] == 1000
    assert everything(features())["copied"].detail["exact_copies"] == 0


def test_samples_far_from_all_data_are_no_copies_once_there_are_enough_of_them() -> None:
    """Fewer near samples than a perfect model has are no difference; of 50 samples the interval still holds copies."""
    far = torch.randn(1000, D, generator=torch.Generator().manual_seed(9)) + 50.0
    near = {n: measure_memorisation(features(far[:n]))[0] for n in (50, 1000)}
    assert near[1000].value == 0.0 and near[1000].interval == (0.0, 0.0)
    assert near[1000].verdict == "as good as perfect" and near[50].verdict == "undecided"
    for test in (x.test for x in near.values()):
        assert test is not None and test.difference == 0.0 and test.p_value > 0.5


def test_a_narrow_model_is_too_precise_and_misses_the_rest() -> None:
    narrow = torch.randn(1000, D, generator=torch.Generator().manual_seed(9)) * 0.3
    found = everything(features(narrow))
    assert found["precision"].verdict == "suspicious" and found["recall"].verdict == "short of perfect"


def test_with_few_held_out_examples_a_perfect_model_still_scores_shares() -> None:
    """Samples far away and 20 held-out examples: a reference moved by relabellings alone would exceed 1."""
    random = torch.Generator().manual_seed(0)
    train, test, far = (torch.randn(n, D, generator=random) for n in (60, 20, 200))
    found = {m.name: m for m in measure_manifold(FeatureSets(Values((D,), "coordinates"), far + 9, train, test, 0))}
    for name in ("precision", "recall", "coverage"):
        assert found[name].value == 0.0 and 0.5 < float(found[name].reference or 0.0) <= 1.0
        assert found[name].verdict == "short of perfect"


def test_what_a_perfect_model_scores_does_not_depend_on_the_model() -> None:
    """The bands of perfect models come from held-out data; mutant: the spread under exchange, wide for bad models."""
    x = torch.randn(1000, D, generator=torch.Generator().manual_seed(9))
    good, bad = everything(features(x)), everything(features(3 * x + 1))
    for name in ("fid", "kid", "density"):
        assert bad[name].reference == pytest.approx(good[name].reference, rel=0.2, abs=1e-3), name
        low, high = good[name].reference_interval or (0.0, 0.0)
        other = bad[name].reference_interval or (0.0, 0.0)
        assert other[1] - other[0] == pytest.approx(high - low, rel=0.2), name


def test_the_difference_of_the_distance_is_that_of_its_value_in_many_dimensions() -> None:
    """Mutant: the difference in the 64 leading components, in which the test is made, half of the value's."""
    g = torch.Generator().manual_seed(3)
    x, y, z = (torch.randn(400, 100, generator=g) for _ in range(3))
    sets = FeatureSets(Values((100,), "coordinates"), x + 0.5, y, z, seed=0)
    (found,) = measure_frechet(sets)
    assert found.test is not None and found.reference is not None
    assert found.test.difference == pytest.approx(found.value - found.reference)
    assert found.verdict == "short of perfect"
