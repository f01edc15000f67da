"""Recovered factors against codes of which the truth is known; scikit-learn counts the same information."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score

from veridical.evaluation.factors import discretise, matched_accuracy, mutual_information, recover
from veridical.verdict import NO_FAULT

RNG = np.random.default_rng(0)


def uniform(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, d))


def test_information_is_that_of_scikit_learn() -> None:
    a, b = RNG.integers(0, 5, 500), RNG.integers(0, 7, 500)
    b[a == 2] = 3
    table = np.zeros((5, 7))
    np.add.at(table, (a, b), 1)
    assert mutual_information(table) == pytest.approx(mutual_info_score(a, b), abs=1e-12)


def test_correction_is_that_of_the_exact_null() -> None:
    """Adjusted mutual information knows the mean over all permutations; ours is taken over some of them."""
    rng = np.random.default_rng(1)
    a = rng.integers(0, 6, 400)
    b = np.where(rng.random(400) < 0.5, a, rng.integers(0, 6, 400))
    found = recover(a[:, None], b[:, None], resamples=400)
    # Relative to the entropy of one of the two, which is average_method "max" or "min".
    expected = sorted(adjusted_mutual_info_score(a, b, average_method=method) for method in ("min", "max"))
    assert sorted([found.of_factor[0, 0], found.of_code[0, 0]]) == pytest.approx(expected, abs=2e-3)


def test_perfect_codes_score_one_whatever_their_scale_and_order() -> None:
    factors = np.column_stack([RNG.integers(0, 3, 2000), uniform(2000, 2)])
    codes = np.column_stack([np.exp(factors[:, 2]), 2 - factors[:, 0], -(factors[:, 1] ** 3)])
    found = recover(codes, factors, code_names="abc", factor_names=("kind", "u", "v"))
    assert found.best() == found.assignment() == {"kind": "b", "u": "c", "v": "a"}
    np.testing.assert_allclose(found.of_factor.max(0), 1.0, atol=1e-12)
    np.testing.assert_allclose(found.of_code[[1, 2, 0], [0, 1, 2]], 1.0, atol=1e-12)
    assert (found.gap() > 0.97).all()
    for measured in found.measurements():
        assert measured.value == pytest.approx(1.0) and measured.verdict in NO_FAULT
    assert found.information[1, 0] == pytest.approx(math.log(3), abs=0.01)


def test_unrelated_codes_score_within_the_null() -> None:
    """Of 60 factors 2.5 % pass the null: 8 or more do with a chance of about 1e-3."""
    passed, scores = 0, []
    for seed in range(20):
        found = recover(uniform(500, 4, seed), uniform(500, 3, 1000 + seed), resamples=100, seed=seed)
        passed += int((found.of_factor.max(0) > found.null).sum())
        scores.append(found.of_factor.mean())
        assert (found.null < 0.12).all() and all(m.verdict == "short of perfect" for m in found.measurements())
    assert passed < 8
    # Without the correction they would score (19 * 19 / 1000) / log 20 = 0.12; corrected they centre at 0.
    assert abs(np.mean(scores)) < 5 * np.std(scores) / math.sqrt(20)


def test_intervals_cover_a_known_channel() -> None:
    """A binary symmetric channel: S = 1 - h(p) / log 2. 95 % intervals miss 12 or more of 100 with chance 4e-3."""
    p, missed = 0.1, 0
    truth = 1 + (p * math.log(p) + (1 - p) * math.log(1 - p)) / math.log(2)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        code = rng.integers(0, 2, (400, 1))
        found = recover(code, code ^ (rng.random((400, 1)) < p), resamples=60, seed=seed)
        low, high = found.interval(0, 0)
        missed += not low <= truth <= high
    assert missed < 12


def test_a_coarse_code_tells_what_it_can_of_a_fine_factor() -> None:
    factor = uniform(20_000, 1)
    code = np.floor(factor * 2)  # 4 values
    found = recover(code, factor, resamples=20)
    assert found.of_factor[0, 0] == pytest.approx(math.log(4) / math.log(20), abs=0.02)
    assert found.of_code[0, 0] == pytest.approx(1.0, abs=0.03)


def test_mixed_codes_have_no_gap() -> None:
    factors = uniform(3000, 2)
    mixed = factors @ np.array([[1.0, 1.0], [1.0, -1.0]])
    found = recover(mixed, factors)
    assert (found.gap() < 0.05).all() and (found.of_factor < 0.5).all() and (found.of_factor > found.null).all()


def test_a_code_that_never_varies_tells_nothing() -> None:
    found = recover(np.zeros((100, 1)), uniform(100, 1), resamples=20)
    assert found.of_factor[0, 0] == found.of_code[0, 0] == found.information[0, 0] == 0.0


def test_the_same_twice() -> None:
    first, second = (recover(uniform(200, 2), uniform(200, 2, 1), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.standard_error, second.standard_error)
    np.testing.assert_array_equal(first.null, second.null)


def test_bins_are_equally_filled() -> None:
    assert (np.bincount(discretise(RNG.normal(size=2000), 20)) == 100).all()
    mostly_zero = np.where(np.arange(1000) < 900, 0.0, np.arange(1000.0))
    assert discretise(mostly_zero, 20).min() == 0 and len(np.unique(discretise(mostly_zero, 20))) == 3


def test_matching_is_the_best_of_all_permutations() -> None:
    codes, labels = RNG.integers(0, 4, 60), RNG.integers(0, 4, 60)
    best = max(np.mean(np.array(order)[codes] == labels) for order in itertools.permutations(range(4)))
    assert matched_accuracy(codes, labels) == pytest.approx(best)
    assert matched_accuracy((labels + 1) % 4, labels) == 1.0
    assert matched_accuracy(labels // 2, labels) == pytest.approx(
        sum(sorted(np.bincount(labels[labels // 2 == k]).max() for k in (0, 1))) / 60
    )
    with pytest.raises(ValueError, match="expected"):
        matched_accuracy(codes[:3], labels)


def test_what_cannot_be_measured_is_refused() -> None:
    good = uniform(100, 2)
    for codes, factors, words in (
        (good[:50], good, "50 rows and factors 100"),
        (good[:10], good[:10], "at least two for each bin"),
        (good[:, 0], good, "expected"),
        (np.where(good > 0.99, np.nan, good), good, "not finite"),
        (good, np.ones((100, 1)), "factor 0 never varies"),
    ):
        with pytest.raises(ValueError, match=words):
            recover(codes, factors)
    with pytest.raises(ValueError, match="1 names for 2 codes"):
        recover(good, good, code_names=["a"])
    with pytest.raises(ValueError, match="needs 2"):
        recover(good[:, :1], good).gap()
    with pytest.raises(ValueError, match="at least 2 and 20"):
        recover(good, good, resamples=1)
