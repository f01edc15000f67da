"""Vendi score: bounds, orders that differ, both forms, and an error that is that of repetition."""

import numpy as np
import pytest
import torch

from tests.evaluation.sets import normal, sets
from veridical.evaluation.vendi import influences, measure_vendi, normalised, vendi


def test_groups_of_equal_examples() -> None:
    # Shares 1/2, 1/4, 1/4 of three orthogonal directions: entropy 1.5 bits, 1/sum of squares, 1/largest.
    rows = torch.eye(3)[[0, 0, 1, 2]]
    assert vendi(rows) == pytest.approx((2**1.5, 8 / 3, 2.0), rel=1e-12)  # vendi-score 0.0.3 gives q = 1 for all three


def test_both_forms_agree() -> None:
    rows = normal(30, 40, 0)
    x = normalised(rows)
    dual = torch.linalg.eigvalsh(x.T @ x / 30).clamp(min=0)
    assert vendi(rows).one == pytest.approx(float(torch.exp(-torch.special.xlogy(dual, dual).sum())), rel=1e-10)
    assert 1 <= vendi(rows).infinite <= vendi(rows).two <= vendi(rows).one <= 30


def test_the_influence_is_the_derivative() -> None:
    rows, h = normal(200, 4, 1), 1e-5
    more = torch.cat([rows.double(), rows[:1].double()])
    x = normalised(rows)
    rho = x.T @ x / 200
    one = normalised(more)[-1:]
    moved = torch.linalg.eigvalsh((1 - h) * rho + h * one.T @ one)
    slope = (float(-torch.special.xlogy(moved, moved).sum()) - np.log(vendi(rows).one)) / h
    f = influences(rows, rows)
    assert slope == pytest.approx(float(f[0] - f.mean()), rel=1e-3)


def test_the_interval_is_that_of_repetition() -> None:
    # 200 repetitions: coverage below 90 % has probability 3e-3 at 95 %; the seed is fixed.
    found = [vendi(normal(300, 6, s) + 1.0).one for s in range(200)]
    covered = 0
    for s in range(200):
        (m,) = measure_vendi(sets(normal(300, 6, s) + 1.0, normal(40, 6, 900), normal(40, 6, 901)))
        assert m.interval is not None
        covered += m.interval[0] <= np.mean(found) <= m.interval[1]
    assert covered >= 180


def test_less_variety_is_short_and_junk_is_suspicious() -> None:
    train, test = normal(300, 6, 2) + 1.0, normal(400, 6, 3) + 1.0
    narrow, wide = (measure_vendi(sets(s * normal(400, 6, 4) + 1.0, train, test))[0] for s in (0.6, 2.0))
    assert narrow.verdict == "short of perfect" and wide.verdict == "suspicious"


def test_zero_rows_have_no_direction() -> None:
    with pytest.raises(ValueError, match="choose another extractor"):
        vendi(torch.zeros(3, 2))
