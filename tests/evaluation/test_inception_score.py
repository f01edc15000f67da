"""Inception score: extremes, order, splits, and the classes of data."""

import math

import pytest
import torch

from tests.evaluation.sets import normal, sets
from veridical.evaluation.inception_score import inception_score, informations, measure_inception_score


def test_certain_rows_over_all_classes_score_their_number() -> None:
    # Normalising twice gave 6.2 for 9.4 elsewhere.
    assert inception_score(torch.eye(10).log().repeat(7, 1)) == pytest.approx(10.0, rel=1e-12)
    assert inception_score(torch.full((50, 10), -math.log(10))) == pytest.approx(1.0, rel=1e-12)


def test_rows_that_are_no_log_probabilities_are_refused() -> None:
    for wrong in (torch.eye(4), torch.randn(4, 4)):
        with pytest.raises(ValueError, match="log_softmax"):
            inception_score(wrong)


def test_the_order_of_rows_does_not_matter() -> None:
    # Sorted by class, ten unshuffled groups of one class each would score 1.
    rows = torch.eye(10).log().repeat_interleave(100, dim=0)
    assert inception_score(rows, splits=10) > 8.5
    assert inception_score(rows) == pytest.approx(inception_score(rows.flip(0)), rel=1e-12)


def test_it_is_the_mean_divergence() -> None:
    log_p = normal(40, 5, 0).double().log_softmax(dim=1)
    p = log_p.exp()
    direct = (p * (log_p - p.mean(dim=0).log())).sum(dim=1).mean()
    assert float(informations(log_p, torch.ones(1, 40))[0]) == pytest.approx(float(direct), rel=1e-12)


def test_a_dropped_class_is_short_of_perfect() -> None:
    middles, g = 4.0 * torch.eye(4), torch.Generator().manual_seed(1)

    def draw(classes: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        c = torch.randint(classes, (n,), generator=g)
        return middles[c] + torch.randn(n, 4, generator=g), c

    (train, labels), (test, _) = draw(4, 800), draw(4, 500)
    (bad,), (good,) = (measure_inception_score(sets(draw(k, 500)[0], train, test), labels, 4) for k in (3, 4))
    assert bad.value < 3.01 and bad.verdict == "short of perfect"
    assert good.verdict != "short of perfect" and good.interval is not None
    assert good.interval[0] <= (good.reference or 0.0) <= good.interval[1]
