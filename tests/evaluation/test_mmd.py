"""MMD: the definition by loops, no diagonal, no bias, power."""

import numpy as np
import pytest
import torch

from tests.evaluation.sets import normal, sets
from veridical.evaluation import mmd
from veridical.evaluation.exchange import Exchange, exchange
from veridical.evaluation.mmd import gaussian_kernel, kernel_discrepancies, measure_mmd, median_distance


def by_loops(x: torch.Tensor, y: torch.Tensor, sigma: float) -> float:
    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return float(np.mean([np.exp(-float((a - b).square().sum()) / (2 * (s * sigma) ** 2)) for s in mmd.SCALES]))

    xx = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    yy = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    return float(xx + yy - 2 * np.mean([k(a, b) for a in x for b in y]))


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmd, "_BLOCK_VALUES", 7)
    test_it_is_the_definition_in_one_block()


def test_it_is_the_definition_in_one_block() -> None:
    x, y = normal(7, 3, 0).double(), normal(5, 3, 1).double() + 0.5
    found = kernel_discrepancies(torch.cat([x, y]), exchange(7, 5, 0, 3), gaussian_kernel(1.3))
    assert float(found[0]) == pytest.approx(by_loops(x, y, 1.3), abs=1e-6)


def test_the_diagonal_has_no_influence() -> None:
    # "Unbiased" estimates of other packages changed with k + c I.
    def with_identity(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return gaussian_kernel(1.0)(x, y) + 5.0 * (torch.cdist(x, y) == 0)

    pool, e = normal(60, 2, 2), exchange(40, 20, 0, 5)
    plain, changed = (kernel_discrepancies(pool, e, k) for k in (gaussian_kernel(1.0), with_identity))
    assert changed.tolist() == pytest.approx(plain.tolist(), abs=1e-6)


def test_the_mean_over_all_relabellings_is_zero() -> None:
    rows = [sum(1 << i for i in range(6) if code >> i & 1) for code in range(64) if code.bit_count() == 3]
    labels = torch.tensor([[bool(code >> i & 1) for i in range(6)] for code in rows])
    found = kernel_discrepancies(normal(6, 2, 3), Exchange(3, 3, labels), gaussian_kernel(1.0))
    assert len(found) == 20 and float(found.mean()) == pytest.approx(0.0, abs=1e-6)


def test_a_narrow_sample_is_short_and_a_perfect_one_is_not() -> None:
    train, test = normal(500, 4, 4), normal(400, 4, 5)
    (good,), (bad,) = (measure_mmd(sets(x, train, test)) for x in (normal(400, 4, 6), 0.7 * normal(400, 4, 6)))
    assert good.verdict != "short of perfect" and bad.verdict == "short of perfect"
    assert bad.value > good.value


def test_equal_rows_have_a_width() -> None:
    assert median_distance(torch.ones(5, 2), 0) == 1.0
