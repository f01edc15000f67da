"""Classifier and nearest-neighbour tests: chance for a perfect model, by hand, and a null that holds."""

import numpy as np
import pytest
import torch

from tests.evaluation.sets import normal, sets
from veridical.evaluation.c2st import accuracies, measure_c2st, measure_nearest_neighbour, same_label
from veridical.evaluation.exchange import Exchange, exchange, exchange_test


def test_disjoint_samples_are_told_apart() -> None:
    pool = torch.cat([normal(100, 3, 0), normal(60, 3, 1) + 20.0])
    e = exchange(100, 60, 0, 19)
    assert float(accuracies(pool, e, 0)[0]) == 1.0
    assert abs(float(accuracies(pool, e, 0)[1:].mean()) - 0.5) < 0.06


def test_labels_do_not_enter_the_folds() -> None:
    # Fitted and measured on the same rows, 40 examples of 30 features would be separated nearly always.
    e = exchange(20, 20, 0, 199)
    assert abs(float(accuracies(normal(40, 30, 2), e, 0).mean()) - 0.5) < 0.06


def test_same_label_by_hand() -> None:
    labels = torch.tensor([[True, True, False]])
    # 0 -> 1 the same; 1 -> 2 another; 2 -> 1 another: mean of 1/2 and 0.
    assert same_label(torch.tensor([1, 2, 1]), Exchange(2, 1, labels)).tolist() == [0.25]


def test_same_label_by_hand_of_the_rarer() -> None:
    labels = torch.tensor([[True, True, True, False]])
    # Nobody's neighbour but the last one's has its label, since it is its own: mean of 0 and 1.
    assert same_label(torch.tensor([3, 3, 3, 3]), Exchange(3, 1, labels)).tolist() == [0.5]


def test_the_nulls_hold_their_level() -> None:
    # 60 repetitions at 10 %: more than 15 false alarms have probability 2e-4.
    alarms = 0
    for seed in range(60):
        e = exchange(80, 50, seed, 99)
        alarms += exchange_test(accuracies(normal(130, 5, 100 + seed), e, 0), e, bad="high").p_value <= 0.1
    assert alarms <= 15


@pytest.mark.parametrize("measure", [measure_c2st, measure_nearest_neighbour])
def test_spread_is_seen_without_a_shift(measure) -> None:
    train, test = normal(300, 16, 3), normal(500, 16, 4)
    (good,), (bad,) = (measure(sets(x, train, test)) for x in (normal(500, 16, 5), 0.7 * normal(500, 16, 5)))
    assert bad.verdict == "short of perfect" and good.verdict != "short of perfect"
    assert good.reference == pytest.approx(0.5, abs=0.01)
    assert np.isfinite(bad.interval).all()  # type: ignore[arg-type]


def test_copies_of_held_out_examples_are_nearer_than_chance() -> None:
    test = normal(200, 8, 6)
    (found,) = measure_nearest_neighbour(sets(test + 1e-6, normal(100, 8, 7), test))
    assert found.value == 0.0 and found.verdict == "suspicious"
